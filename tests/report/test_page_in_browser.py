"""The page in a real browser: headless Chromium, opened from file://."""

import json
import shutil
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

WIDTHS = (390, 1280)
SCHEMES = ("light", "dark")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not chromedriver:
        pytest.fail("the page is tested in Chromium: install chromium and chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, Service(chromedriver))
    yield driver
    driver.quit()


def show(browser: webdriver.Chrome, page: Path, width: int, scheme: str = "light") -> None:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    browser.get(page.resolve().as_uri())


def test_no_network_no_console_error_no_script_run(browser: webdriver.Chrome, page: Path) -> None:
    browser.get_log("browser")
    browser.get_log("performance")
    show(browser, page, 1280)
    assert browser.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
        # The browser's own start page asks for things of its own.
        and message["params"]["documentURL"] == page.resolve().as_uri()
    ]
    assert page.resolve().as_uri() in asked
    assert [url for url in asked if not url.startswith(("data:", page.resolve().as_uri()))] == []
    assert browser.title == "digits · Bakeoff"


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_every_figure_and_image_is_seen(
    browser: webdriver.Chrome, page: Path, width: int, scheme: str
) -> None:
    show(browser, page, width, scheme)
    figures = browser.execute_script(
        """return [...document.querySelectorAll("figure")].map(figure => {
            const svg = figure.querySelector("svg"), box = svg.getBoundingClientRect();
            const caption = figure.querySelector("figcaption").innerText;
            return [box.width, box.height, svg.querySelectorAll("path, use, image").length,
                    svg.getAttribute("aria-label").length, caption.length]
        })"""
    )
    assert len(figures) == 11
    for shown_width, height, num_shapes, alt, caption in figures:
        assert shown_width > 300
        assert height > 90
        assert num_shapes > 8
        assert min(alt, caption) > 40
    images = browser.execute_script(
        """return [...document.images].map(image =>
            [image.naturalWidth, image.getBoundingClientRect().width, image.alt.length])"""
    )
    assert len(images) > 10
    assert all(pixels == 32 and shown >= 112 and alt > 20 for pixels, shown, alt in images)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_never_scrolls_sideways(browser: webdriver.Chrome, page: Path, width: int) -> None:
    show(browser, page, width)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    # What is wider than its box scrolls inside it.
    assert browser.execute_script(
        """return [...document.querySelectorAll(".scroller, .wide, pre")].every(box =>
            box.getBoundingClientRect().right <= innerWidth && getComputedStyle(box).overflowX == "auto")"""
    )


def test_the_schemes_differ_and_figures_follow(browser: webdriver.Chrome, page: Path) -> None:
    colours = []
    for scheme in SCHEMES:
        show(browser, page, 1280, scheme)
        colours.append(
            browser.execute_script(
                """return [getComputedStyle(document.body).backgroundColor,
                    getComputedStyle(document.querySelector("figure svg text")).fill]"""
            )
        )
    (light_page, light_text), (dark_page, dark_text) = colours
    assert light_page == "rgb(255, 255, 255)"
    assert dark_page != light_page
    assert light_text != dark_text


def test_class_names_are_text(browser: webdriver.Chrome, page: Path) -> None:
    show(browser, page, 1280)
    cells = browser.execute_script(
        "return [...document.querySelectorAll('#classes tbody th')].map(cell => cell.textContent)"
    )
    assert cells[0] == "<script>document.title = 'taken'</script>"
    assert cells[4] == 'four"></svg>'
    options = browser.execute_script(
        "return [...document.querySelectorAll('#gallery-true option')].map(option => option.textContent)"
    )
    assert options[1] == cells[0]
    assert browser.execute_script("return document.scripts.length") == 2


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
def test_axe_finds_nothing_serious(browser: webdriver.Chrome, page: Path, width: int, scheme: str) -> None:
    show(browser, page, width, scheme)
    browser.execute_script((resources.files("axe_core_python") / "axe.min.js").read_text("utf-8"))
    found = browser.execute_async_script(
        "const done = arguments[0]; axe.run(document).then(result => done(result.violations))"
    )
    serious = [
        f"{violation['id']}: {violation['help']}: {[node['html'][:200] for node in violation['nodes'][:3]]}"
        for violation in found
        if violation["impact"] in ("serious", "critical")
    ]
    assert serious == []


def test_print_is_light_and_nothing_is_cut_off(browser: webdriver.Chrome, page: Path) -> None:
    # The width of A4 less its margins.
    show(browser, page, 673, "dark")
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"media": "print", "features": [{"name": "prefers-color-scheme", "value": "dark"}]},
    )
    assert (
        browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        == "rgb(255, 255, 255)"
    )
    assert browser.execute_script("return getComputedStyle(document.querySelector('nav')).display") == "none"
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 673
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
