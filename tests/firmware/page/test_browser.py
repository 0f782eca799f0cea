"""The page in a real browser, at the width of a phone and of a desk, in both languages, without scripts."""

import json
from itertools import product
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from omamori.protocol.codes import CODES
from omamori.protocol.vocabulary import Side, WiringCode
from tests.firmware.page.browsing import FIXED
from tests.firmware.page.conftest import host
from tests.firmware.page.test_helper import opened
from tests.firmware.page.test_wifi import FORM, SECRET, kept, with_radio

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(500)]

WIDTHS = {360: 780, 1440: 900}
SHOWN = {WiringCode.OK: "ok", WiringCode.HOSTS_BYPASS: "bypass", WiringCode.PPPOE_UPSTREAM: "upstream"}
"""Pages of the guides."""
SCREENSHOTS = Path(__file__).parents[3] / "docs/guides/screenshots"
FLAGS = (
    "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --hide-scrollbars --force-device-scale-factor=1"
)
OVERFLOWING = """
const wide = document.documentElement.clientWidth;
return [...document.querySelectorAll('body *')]
  .filter(e => e.getBoundingClientRect().right > wide + 1 || e.getBoundingClientRect().left < -1)
  .map(e => e.tagName + ' ' + e.textContent.trim().slice(0, 40));
"""
ESCAPING = """
return [...document.querySelectorAll('svg')].flatMap(svg => {
  const frame = svg.getBoundingClientRect();
  const boxes = [...svg.querySelectorAll('g > rect')].map(r => r.getBoundingClientRect());
  return [...svg.querySelectorAll('text')].filter(t => {
    const text = t.getBoundingClientRect();
    const middle = (text.left + text.right) / 2, height = (text.top + text.bottom) / 2;
    const box = boxes.find(b => b.left <= middle && middle <= b.right && b.top <= height && height <= b.bottom);
    const holder = box && !t.classList.contains('sign') ? box : frame;
    return text.left < holder.left - 1 || text.right > holder.right + 1;
  }).map(t => t.textContent);
});
"""
"""Words of a picture that stick out of their box."""


@pytest.fixture(params=["ja", "en"])
def language(request):
    return request.param


@pytest.fixture
def browser(tmp_path, language):
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    rules = "--host-resolver-rules=MAP omamori.local 127.0.0.1"
    for flag in [*FLAGS.split(), rules, f"--user-data-dir={tmp_path}/profile", f"--lang={language}"]:
        options.add_argument(flag)
    scripts = "profile.managed_default_content_settings.javascript"
    options.add_experimental_option("prefs", {"intl.accept_languages": language, scripts: 2})
    driver = webdriver.Chrome(options, webdriver.ChromeService("/usr/bin/chromedriver"))
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture
def address(page):
    return page.replace("127.0.0.1", "omamori.local")


def widen(browser, width):
    metrics = {"width": width, "height": WIDTHS[width], "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def check_width(browser, what):
    for details in browser.find_elements(By.TAG_NAME, "details"):
        browser.execute_script("arguments[0].open = true", details)
    assert browser.execute_script(OVERFLOWING) == [], what
    assert browser.execute_script(ESCAPING) == [], what
    sizes = "return [...document.querySelectorAll('p, li, label')].map(e => parseFloat(getComputedStyle(e).fontSize))"
    assert min(browser.execute_script(sizes)) >= 13, what


def shoot(browser, request, name):
    if request.config.getoption("--screenshots"):
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        browser.execute_script("scrollTo(0, 0)")
        browser.save_screenshot(str(SCREENSHOTS / f"page-{name}.png"))


def submit(browser):
    old = browser.find_element(By.TAG_NAME, "html")
    browser.find_element(By.CSS_SELECTOR, "form button").click()
    WebDriverWait(browser, 60).until(lambda _: old != browser.find_element(By.TAG_NAME, "html"))


def test_every_code_fits_and_is_told_in_the_browsers_language(browser, unit, address, language, request):
    unit.hosts(
        host(10, name="keiri-pc", kind="pc"),
        host(12, side=Side.ROUTER, name="a-long-name-of-a-device-that-does-not-break-anywhere-at-all-really"),
    )
    for (code, entry), width in product(CODES.items(), WIDTHS):
        unit.wired(code)
        widen(browser, width)
        browser.get(address)
        assert browser.find_element(By.TAG_NAME, "html").get_attribute("lang") == language
        assert browser.find_element(By.TAG_NAME, "h1").text == entry.name.of(language)
        if code in SHOWN:
            shoot(browser, request, f"{SHOWN[code]}-{language}-{width}")
        check_width(browser, f"{code} at {width}")


def test_a_helpers_visit_fits_whatever_its_words(browser, unit, address, language, request):
    for width in WIDTHS:
        opened(unit)
        widen(browser, width)
        browser.get(address)
        shoot(browser, request, f"helper-{language}-{width}")
        opened(unit, who="長い名前の担当者" * 10, why="w" * 200)
        browser.get(address)
        assert "2026-11-22 01:30" in browser.find_element(By.TAG_NAME, "main").text
        check_width(browser, f"a helper at {width}")


def test_the_form_is_filled_in_refused_and_sent(browser, unit, address, language, request):
    unit.wired(WiringCode.NO_ADDRESS)
    browser.get(address)
    browser.find_element(By.CSS_SELECTOR, "a.button").click()
    assert browser.find_element(By.NAME, "address").get_attribute("value") == FIXED["address"]
    for width in reversed(WIDTHS):
        widen(browser, width)
        check_width(browser, f"settings at {width}")
        shoot(browser, request, f"settings-{language}-{width}")
    field = browser.find_element(By.NAME, "gateway")
    field.clear()
    field.send_keys("192.168.11.1")
    submit(browser)
    assert browser.find_element(By.ID, "gateway-wrong").text
    assert browser.find_element(By.ID, "code-wrong").text
    check_width(browser, "settings refused")
    field = browser.find_element(By.NAME, "gateway")
    field.clear()
    field.send_keys(FIXED["gateway"])
    browser.find_element(By.NAME, "code").send_keys("ABCD-EFGH")
    submit(browser)
    assert not browser.find_elements(By.TAG_NAME, "form")
    check_width(browser, "settings sent")
    assert b"ABCD-EFGH" in unit.paths.order.read_bytes()


def test_the_access_point_is_set_and_its_passphrase_typed_again(browser, unit, address, language, request):
    with_radio(unit, on_air=True)
    kept(unit)
    browser.get(f"{address}/settings")
    for width in reversed(WIDTHS):
        widen(browser, width)
        check_width(browser, f"Wi-Fi at {width}")
        if request.config.getoption("--screenshots"):
            browser.execute_script("document.getElementById('ssid').closest('section').scrollIntoView()")
            browser.save_screenshot(str(SCREENSHOTS / f"page-wifi-{language}-{width}.png"))
    field = browser.find_element(By.NAME, "passphrase")
    assert field.get_attribute("value") == ""
    field.send_keys("short")
    submit(browser)
    assert browser.find_element(By.ID, "passphrase-wrong").text
    check_width(browser, "Wi-Fi refused")
    browser.find_element(By.CSS_SELECTOR, "select#channel option[value='11']").click()
    browser.find_element(By.NAME, "passphrase").send_keys(SECRET)
    browser.find_element(By.NAME, "code").send_keys("ABCD-EFGH")
    submit(browser)
    left = json.loads(unit.paths.order.read_bytes())["settings"]
    assert (left["passphrase"], left["channel"], left["ssid"]) == (SECRET, "11", FORM["ssid"])


@pytest.mark.parametrize("language", ["en"], indirect=True)
def test_the_other_language_is_one_press_and_stays_when_the_page_renews_itself(browser, unit, address):
    browser.get(address)
    browser.find_element(By.CSS_SELECTOR, "header a").click()
    unit.wired(WiringCode.WAN_CABLE_MISSING)
    renewed = CODES[WiringCode.WAN_CABLE_MISSING].name.ja
    WebDriverWait(browser, 90).until(lambda _: browser.find_element(By.TAG_NAME, "h1").text == renewed)
    browser.find_element(By.CSS_SELECTOR, "a.button").click()
    assert browser.find_element(By.TAG_NAME, "html").get_attribute("lang") == "ja"
