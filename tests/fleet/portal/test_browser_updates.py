"""What a customer chooses about an update, in a real browser: postponed, at the power cycle, under a deadline."""

from datetime import timedelta

import pytest
from django.utils import timezone
from selenium.webdriver.common.by import By

from omamori.fleet.units.models import Want
from omamori.protocol.fetching import Fetching
from tests.fleet.portal.test_browser import (  # noqa: F401 - fixtures are used by name
    WIDTHS,
    browser,
    check_width,
    language,
    signed_in,
    submit,
    widen,
)

pytestmark = pytest.mark.browser
PAGE = "/units/om-0001/updates/"


@pytest.fixture
def announced(company):  # noqa: ARG001 - whose unit it is
    """Version 1.1.0, which waits for a restart, is what the fleet wants of it."""
    row = Want.objects.filter(pk="om-0001")
    row.update(firmware="1.1.0", firmware_since=timezone.now(), deadline=timezone.now() + timedelta(days=9))
    return row


def fits(page, server, state):
    """At both widths; the wide one stays."""
    for width in WIDTHS:
        widen(page, width)
        page.get(server + PAGE)
        check_width(page, f"{state} at {width}")


def test_an_update_is_put_off_or_left_to_the_power_cycle(signed_in, server, announced):  # noqa: F811
    fits(signed_in, server, "deadline")
    assert signed_in.find_elements(By.CSS_SELECTOR, ".staged .note.info")
    field = signed_in.find_element(By.NAME, "until")
    last = field.get_attribute("max")
    assert field.get_attribute("min") < last
    signed_in.execute_script("arguments[0].value = arguments[1]", field, last)
    submit(signed_in, ".postpone button")
    assert last in signed_in.find_element(By.CSS_SELECTOR, ".note.success").text
    assert announced.get().postponed_until > timezone.now() + timedelta(days=7)
    fits(signed_in, server, "postponed")
    submit(signed_in, "button[name=end]")
    assert announced.get().postponed_until is None
    signed_in.find_element(By.CSS_SELECTOR, "input[name=way][value=power-cycle]").click()
    submit(signed_in, "form.window button")
    assert announced.get().at_power_cycle
    assert signed_in.find_element(By.CSS_SELECTOR, "input[value=power-cycle]").is_selected()
    assert not signed_in.find_elements(By.NAME, "until")
    fits(signed_in, server, "power cycle")


def test_how_updates_come_is_chosen_and_a_senseless_address_is_refused(signed_in, server, announced):  # noqa: F811
    fits(signed_in, server, "closed")
    signed_in.find_element(By.CSS_SELECTOR, ".fetching summary").click()
    for width in WIDTHS:
        widen(signed_in, width)
        check_width(signed_in, f"open at {width}")
    signed_in.find_element(By.NAME, "mirror").send_keys("nas")
    submit(signed_in, ".fetching button")
    assert "http://192.168.1.5/omamori" in signed_in.find_element(By.CSS_SELECTOR, ".note.error").text
    signed_in.find_element(By.CSS_SELECTOR, ".fetching summary").click()
    signed_in.find_element(By.NAME, "mirror").send_keys("http://nas.example/omamori/")
    signed_in.find_element(By.CSS_SELECTOR, "select[name=rate] option[value='625000']").click()
    submit(signed_in, ".fetching button")
    assert announced.get().fetching == Fetching(625_000, "http://nas.example/omamori")
    assert signed_in.find_element(By.NAME, "mirror").is_displayed()
    fits(signed_in, server, "chosen")
