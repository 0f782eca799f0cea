"""The portal in a real browser, at the width of a phone and of a desk, in both languages, without scripts."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from omamori.fleet.accounts.actor import System
from omamori.fleet.lan import customer
from omamori.fleet.lan.declarations import Declaration
from omamori.fleet.lan.models import Host
from omamori.fleet.units.models import Unit
from tests.fleet.portal.conftest import PASSWORD

pytestmark = pytest.mark.browser

WIDTHS = {360: 780, 1440: 900}
PAGES = {
    "units": "/",
    "unit": "/units/om-0001/",
    "detections": "/units/om-0001/detections/",
    "hosts": "/units/om-0001/hosts/",
    "host": "/hosts/1/",
    "coverage": "/sites/1/coverage/",
    "notices": "/sites/1/notices/",
    "wiring": "/units/om-0002/wiring/",
    "wiring-ok": "/units/om-0001/wiring/",
    "wiring-empty": "/units/om-0003/wiring/",
    "updates": "/units/om-0001/updates/",
    "support": "/units/om-0001/support/",
}
SHOWN = {"units", "unit", "detections", "hosts", "coverage", "wiring", "updates"}
"""Pages of the guide."""
SCREENSHOTS = Path(__file__).parents[3] / "docs/guides/screenshots"
FLAGS = (
    "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --hide-scrollbars --force-device-scale-factor=1"
)
OVERFLOWING = """
const wide = document.documentElement.clientWidth;
return [...document.querySelectorAll('body *')]
  .filter(e => e.getBoundingClientRect().right > wide + 1 && !e.closest('.skip'))
  .map(e => e.tagName + '.' + e.className + ' ' + e.textContent.trim().slice(0, 40));
"""
CLIPPED = """
return [...document.querySelectorAll('a, button, .tag, dd, td, li, h1, h2, .days span')]
  .filter(e => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== 'inline')
  .map(e => e.tagName + '.' + e.className + ' ' + e.textContent.trim().slice(0, 40));
"""


@pytest.fixture(params=["ja", "en"])
def language(request):
    return request.param


@pytest.fixture
def browser(tmp_path, language):
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in [*FLAGS.split(), f"--user-data-dir={tmp_path}/profile", f"--lang={language}"]:
        options.add_argument(flag)
    options.add_experimental_option("prefs", {"intl.accept_languages": language})
    driver = webdriver.Chrome(options, webdriver.ChromeService("/usr/bin/chromedriver"))
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture
def signed_in(browser, server, language):
    browser.get(f"{server}/")
    assert browser.current_url.startswith(f"{server}/sign-in/")
    browser.find_element(By.NAME, "username").send_keys("hanako")
    browser.find_element(By.NAME, "password").send_keys(PASSWORD)
    submit(browser, "form.panel button")
    assert browser.find_element(By.TAG_NAME, "html").get_attribute("lang") == language
    return browser


def submit(browser, selector):
    """Press and wait for the next page."""
    page = browser.find_element(By.TAG_NAME, "html")
    browser.find_element(By.CSS_SELECTOR, selector).click()
    WebDriverWait(browser, 10).until(lambda _: page != browser.find_element(By.TAG_NAME, "html"))


def widen(browser, width):
    """The layout width itself: a headless window may not be as narrow as a phone."""
    metrics = {"width": width, "height": WIDTHS[width], "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def check_width(browser, what):
    inner = browser.execute_script(
        "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert inner[0] <= inner[1], (what, browser.execute_script(OVERFLOWING))
    assert browser.execute_script(OVERFLOWING) == [], what
    assert browser.execute_script(CLIPPED) == [], what


def shoot(browser, request, name):
    if request.config.getoption("--screenshots"):
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        browser.save_screenshot(str(SCREENSHOTS / f"portal-{name}.png"))


@pytest.mark.parametrize("width", list(WIDTHS))
def test_every_page_fits(signed_in, server, language, width, request):
    widen(signed_in, width)
    for name, path in PAGES.items():
        signed_in.get(server + path)
        assert signed_in.find_elements(By.CSS_SELECTOR, "main h1, .unithead h1"), name
        check_width(signed_in, f"{name} at {width}")
        if name in SHOWN:
            shoot(signed_in, request, f"{name}-{language}-{width}")
        for details in signed_in.find_elements(By.TAG_NAME, "details"):
            signed_in.execute_script("arguments[0].open = true", details)
        check_width(signed_in, f"{name} at {width}, opened")


@pytest.mark.parametrize("width", list(WIDTHS))
def test_the_help_desks_pages_fit(browser, server, company, language, width, request):
    """Units in need of four kinds, and the host that an operator may part."""
    _in_need(company)
    browser.get(f"{server}/")
    browser.find_element(By.NAME, "username").send_keys("operator")
    browser.find_element(By.NAME, "password").send_keys(PASSWORD)
    submit(browser, "form.panel button")
    widen(browser, width)
    parted = Host.objects.exclude(device="").get()
    for name, path in {"attention": "/attention/", "host-operator": f"/hosts/{parted.pk}/"}.items():
        browser.get(server + path)
        assert browser.find_elements(By.CSS_SELECTOR, "main .title h1"), name
        assert len(browser.find_elements(By.CSS_SELECTOR, ".tag.warning")) >= 4 * (name == "attention"), name
        check_width(browser, f"{name} at {width}")
        shoot(browser, request, f"{name}-{language}-{width}")


def _in_need(company):
    """One never came, one went silent, one sees no traffic for its ports are swapped, one covers few of those declared."""
    now = timezone.now()
    company.unit("om-0999", activated=False)
    Unit.objects.filter(pk="om-0999").update(registered=now - timedelta(days=30))
    Unit.objects.exclude(pk="om-0999").update(activated=now - timedelta(days=40))
    Unit.objects.filter(pk="om-0003").update(last_seen=now - timedelta(days=5))
    declared = [Declaration(f"reception-{number}") for number in range(9)]
    customer.declare(System(), company.sites[0].pk, declared)


@pytest.mark.parametrize("width", list(WIDTHS))
def test_signing_in_and_out(signed_in, server, language, width, request):
    widen(signed_in, width)
    submit(signed_in, "form[action='/sign-out/'] button")
    assert signed_in.current_url == f"{server}/sign-in/"
    check_width(signed_in, "sign-in")
    shoot(signed_in, request, f"sign-in-{language}-{width}")
    signed_in.find_element(By.NAME, "username").send_keys("hanako")
    signed_in.find_element(By.NAME, "password").send_keys("wrong")
    submit(signed_in, "form.panel button")
    assert signed_in.find_element(By.CSS_SELECTOR, ".note.error").text
    check_width(signed_in, "sign-in refused")


def test_the_window_is_chosen_and_kept(signed_in, server):
    from omamori.fleet.units.models import Want

    widen(signed_in, 360)
    signed_in.get(f"{server}/units/om-0001/updates/")
    for day in signed_in.find_elements(By.CSS_SELECTOR, ".days label")[:5]:
        day.click()
    for name, digits in (("start", "2330"), ("end", "0415")):
        signed_in.execute_script(
            "arguments[0].value = arguments[1]",
            signed_in.find_element(By.NAME, name),
            f"{digits[:2]}:{digits[2:]}",
        )
    submit(signed_in, "form.window button")
    assert signed_in.find_element(By.CSS_SELECTOR, ".note.success").text
    want = Want.objects.get(pk="om-0001")
    assert (want.weekdays, want.start, want.end) == ([6, 7], "23:30", "04:15")
    chosen = [box.is_selected() for box in signed_in.find_elements(By.NAME, "weekdays")]
    assert chosen == [False] * 5 + [True] * 2


def test_restarting_now_is_one_press(signed_in, server):
    from omamori.fleet.units.models import Want

    signed_in.get(f"{server}/units/om-0001/updates/")
    submit(signed_in, ".staged button")
    assert Want.objects.get(pk="om-0001").apply == "now"
    assert not signed_in.find_elements(By.CSS_SELECTOR, ".staged button")


def test_the_other_language_is_one_press(signed_in, server, language):
    other = {"ja": "en", "en": "ja"}[language]
    signed_in.get(f"{server}/units/om-0002/wiring/")
    submit(signed_in, "form[action='/language/'] button")
    assert signed_in.find_element(By.TAG_NAME, "html").get_attribute("lang") == other
    assert signed_in.current_url == f"{server}/units/om-0002/wiring/"
