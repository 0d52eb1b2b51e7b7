"""The page in a real browser: headless Chromium, opened from file://."""

import json
import re
import shutil
from base64 import b64decode
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait
from tests.digests import forget_digests
from tests.report.pages import FIGURES, gallery_of

from bakeoff.report import build_report
from bakeoff.store import load_study_folder

StudyMaker = Callable[..., Path]
WIDTHS = (390, 1280)
SCHEMES = ("light", "dark")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
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
    driver = webdriver.Chrome(options, Service(shutil.which("chromedriver")))
    driver.set_script_timeout(180)  # axe looks at some ten thousand elements
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
    # Asked for the address it shows, the driver of a busy machine may answer before the new page is whole.
    browser.execute_script("window.earlier = true")
    browser.get(page.resolve().as_uri())
    WebDriverWait(browser, 60).until(
        lambda driver: driver.execute_script("return !window.earlier && document.readyState == 'complete'")
    )


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
    browser.execute_script("document.querySelectorAll('details').forEach(box => { box.open = true; })")
    figures = browser.execute_script(
        """return [...document.querySelectorAll("figure")].map(figure => {
            const svg = figure.querySelector("svg"), box = svg.getBoundingClientRect();
            const caption = figure.querySelector("figcaption").innerText;
            return [box.width, box.height, svg.querySelectorAll("path, use, image").length,
                    svg.getAttribute("aria-label").length, caption.length]
        })"""
    )
    assert len(figures) == len(FIGURES)
    for shown_width, height, num_shapes, alt, caption in figures:
        assert shown_width > 300
        assert height > 90
        assert num_shapes > 5
        assert min(alt, caption) > 40
    images = browser.execute_script(
        """return [...document.querySelectorAll("img:not(.small)")].map(image =>
            [image.naturalWidth, image.getBoundingClientRect().width, image.alt.length])"""
    )
    assert len(images) == 10
    assert all(pixels == 32 and shown >= 64 and alt > 20 for pixels, shown, alt in images)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_never_scrolls_sideways(browser: webdriver.Chrome, page: Path, width: int) -> None:
    show(browser, page, width)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    # What is wider than its box scrolls inside it.
    assert browser.execute_script(
        """return [...document.querySelectorAll(".scroller, .multiples, pre")].every(box =>
            box.getBoundingClientRect().right <= innerWidth && (box.scrollWidth <= box.clientWidth ||
                getComputedStyle(box).overflowX == "auto"))"""
    )


def test_the_accuracies_of_classes_are_legible_on_a_phone(browser: webdriver.Chrome, page: Path) -> None:
    show(browser, page, min(WIDTHS))
    pixels = browser.execute_script(
        """const svg = document.querySelector("#classes figure svg");
        const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
        return [...svg.querySelectorAll("text")].map(
            text => scale * parseFloat(getComputedStyle(text).fontSize))"""
    )
    assert len(pixels) > 4
    assert min(pixels) >= 8


def test_the_schemes_differ_and_figures_follow(browser: webdriver.Chrome, page: Path) -> None:
    colors = []
    for scheme in SCHEMES:
        show(browser, page, 1280, scheme)
        colors.append(
            browser.execute_script(
                """return [getComputedStyle(document.body).backgroundColor,
                    getComputedStyle(document.querySelector("figure svg text")).fill]"""
            )
        )
    (light_page, light_text), (dark_page, dark_text) = colors
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
        """const done = arguments[0];
        axe.run(document, { resultTypes: ["violations"] }).then(result => done(result.violations))"""
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
    # What is folded is not on paper, except for evidence, and the paper says so.
    assert "What is folded on the page" in browser.find_element(By.TAG_NAME, "footer").text
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def open_gallery(browser: webdriver.Chrome, page: Path, width: int, scheme: str) -> None:
    show(browser, page, width, scheme)
    WebDriverWait(browser, 30).until(lambda driver: driver.find_element(By.ID, "gallery").is_displayed())


def choose(browser: webdriver.Chrome, name: str, value: str) -> None:
    Select(browser.find_element(By.ID, f"gallery-{name}")).select_by_value(value)


def num_found(browser: webdriver.Chrome) -> int:
    return int(browser.find_element(By.ID, "gallery-count").text.split(" ")[0].replace(",", ""))


def cards(browser: webdriver.Chrome) -> list[str]:
    return browser.execute_script(
        "return [...document.querySelectorAll('.card')].map(card => card.textContent)"
    )


def answers_of(study_dir: Path, recipe: str) -> tuple[np.ndarray, np.ndarray]:
    stored = load_study_folder(study_dir)
    return np.stack([run.test_logits.argmax(axis=1) for run in stored.runs_of(recipe)]), stored.test_labels


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_the_gallery_filters_and_sorts(
    browser: webdriver.Chrome, page: Path, study_dir: Path, width: int, scheme: str
) -> None:
    open_gallery(browser, page, width, scheme)
    everything = num_found(browser)
    answers, labels = answers_of(study_dir, "plain")
    choose(browser, "recipe", "0")
    assert num_found(browser) == (answers != labels).any(axis=0).sum() < everything
    choose(browser, "true", "8")
    assert num_found(browser) == ((answers != labels) & (labels == 8)).any(axis=0).sum()
    wrong = int(answers[(answers != labels) & (labels == 8)][0])
    choose(browser, "predicted", str(wrong))
    assert num_found(browser) == ((answers == wrong) & (labels == 8)).any(axis=0).sum()
    browser.find_element(By.ID, "gallery-reset").click()
    assert num_found(browser) == everything

    choose(browser, "sort", "confidence")
    surest = [int(text.rpartition("confidence ")[2].rstrip(" %")) for text in cards(browser)]
    assert surest == sorted(surest, reverse=True)
    choose(browser, "sort", "disagreement")
    assert "1 of 3 runs" in cards(browser)[0]
    choose(browser, "group", "1")
    assert 0 < num_found(browser) < everything
    browser.find_element(By.CSS_SELECTOR, ".card").click()
    assert "wrong for every seed" in browser.find_element(By.ID, "case-where").text
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_the_gallery_works_by_keyboard(
    browser: webdriver.Chrome, page: Path, width: int, scheme: str
) -> None:
    open_gallery(browser, page, width, scheme)
    browser.find_element(By.ID, "gallery-more").click()  # a second row
    focused = "return document.activeElement.dataset.index"
    browser.execute_script("document.querySelector('.card').focus()")
    browser.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    assert browser.execute_script(focused) == "1"
    browser.switch_to.active_element.send_keys(Keys.ARROW_DOWN)
    below = int(browser.execute_script(focused))
    places = browser.execute_script(
        """return [1, arguments[0]].map(index => {
            const box = document.querySelectorAll(".card")[index].getBoundingClientRect();
            return [box.left, box.top] })""",
        below,
    )
    assert places[0][0] == places[1][0]
    assert places[0][1] < places[1][1]
    browser.switch_to.active_element.send_keys(Keys.ARROW_UP)
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    dialog = browser.find_element(By.ID, "case")
    assert dialog.is_displayed()
    assert browser.find_element(By.ID, "case-position").text.startswith("2 of ")
    texts = dialog.find_elements(By.CSS_SELECTOR, "#case-texts li")
    assert len(texts) >= 4
    assert "seeds of" in texts[0].text
    browser.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    assert browser.find_element(By.ID, "case-position").text.startswith("3 of ")
    box = dialog.rect
    assert box["width"] <= width
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    WebDriverWait(browser, 10).until(lambda driver: not dialog.is_displayed())
    WebDriverWait(browser, 10).until(lambda driver: driver.execute_script(focused) == "2")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_a_cell_of_the_confusion_matrix_and_a_pair_lead_to_their_images(
    browser: webdriver.Chrome, page: Path, study_dir: Path, width: int, scheme: str
) -> None:
    answers, labels = answers_of(study_dir, "normed")
    wrong = answers != labels
    true = int(np.broadcast_to(labels, answers.shape)[wrong][0])
    predicted = int(answers[wrong][0])
    expected = ((answers == predicted) & (labels == true)).any(axis=0).sum()
    open_gallery(browser, page, width, scheme)
    # A real click in the middle of the cell: the number on it must not be in the way.
    cell = browser.find_element(By.ID, f"confusion-normed-cell-{true}-{predicted}")
    browser.execute_script("arguments[0].scrollIntoView({ block: 'center', inline: 'center' })", cell)
    ActionChains(browser).move_to_element(cell).click().perform()
    assert num_found(browser) == expected
    assert browser.find_element(By.ID, "gallery-title") == browser.switch_to.active_element

    link = browser.find_element(By.CSS_SELECTOR, "a[data-pair]")
    recipe, true, predicted = map(int, link.get_attribute("data-pair").split())
    answers, labels = answers_of(study_dir, ("plain", "normed")[recipe])
    link.send_keys(Keys.ENTER)
    assert num_found(browser) == ((answers == predicted) & (labels == true)).any(axis=0).sum()


@pytest.fixture(scope="module")
def page_of_many_classes(study_maker: StudyMaker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """More classes than a confusion matrix has numbers for: it is one picture."""
    names = [f"class {number}" for number in range(18)]
    root = tmp_path_factory.mktemp("many") / "study"
    return build_report(study_maker(root, class_names=names, recipes=("plain",), seeds=2, epochs=1))


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_a_matrix_without_numbers_leads_to_its_images_too(
    browser: webdriver.Chrome, page_of_many_classes: Path, width: int, scheme: str
) -> None:
    answers, labels = answers_of(page_of_many_classes.parent.parent, "plain")
    predicted = int(np.bincount(answers.ravel()).argmax())
    true = (predicted + 7) % 18
    expected = int(((answers == predicted) & (labels == true)).any(axis=0).sum())
    assert expected > 0
    open_gallery(browser, page_of_many_classes, width, scheme)
    area = browser.find_element(By.ID, "confusion-plain-plot-area")
    place = browser.execute_script(
        """const [area, down, across] = arguments, wide = area.closest(".wide");
        const middle = () => {
            const box = area.getBoundingClientRect();
            return [box.left + (across + 0.5) * box.width / 18, box.top + (down + 0.5) * box.height / 18];
        };
        wide.scrollLeft += middle()[0] - innerWidth / 2;
        window.scrollBy({ top: middle()[1] - innerHeight / 2, behavior: "instant" });
        return middle()""",
        area,
        true,
        predicted,
    )
    builder = ActionBuilder(browser)
    builder.pointer_action.move_to_location(round(place[0]), round(place[1])).click()
    builder.perform()
    assert num_found(browser) == expected
    assert Select(browser.find_element(By.ID, "gallery-true")).first_selected_option.text == f"class {true}"


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_the_matrix_works_by_keyboard(
    browser: webdriver.Chrome, page_of_many_classes: Path, width: int, scheme: str
) -> None:
    answers, labels = answers_of(page_of_many_classes.parent.parent, "plain")
    predicted = int(np.bincount(answers.ravel()).argmax())
    true = (predicted + 3) % 18
    expected = int(((answers == predicted) & (labels == true)).any(axis=0).sum())
    open_gallery(browser, page_of_many_classes, width, scheme)
    browser.execute_script("document.querySelector('.wide:has(.matrix)').focus()")
    browser.switch_to.active_element.send_keys(Keys.TAB)
    cursor = browser.switch_to.active_element
    assert cursor.get_attribute("class") == "cursor"
    cursor.send_keys(Keys.ARROW_UP, Keys.ARROW_LEFT, Keys.ARROW_LEFT, Keys.ARROW_LEFT)  # into the corner
    assert cursor.get_attribute("aria-label").startswith("class 0, classified correctly")
    cursor.send_keys(Keys.ENTER)  # of a right answer there is nothing to show
    assert browser.switch_to.active_element == cursor
    cursor.send_keys(*[Keys.ARROW_DOWN] * true, *[Keys.ARROW_RIGHT] * predicted)
    cases = "case" if expected == 1 else "cases"
    label = f"true class {true}, predicted class {predicted}: {expected} failed {cases};"
    assert cursor.get_attribute("aria-label").startswith(label)
    inside = browser.execute_script(
        """const [cursor, plot] = [arguments[0], document.getElementById("confusion-plain-plot-area")]
            .map(element => element.getBoundingClientRect());
        return [(cursor.left - plot.left) / plot.width * 18, (cursor.top - plot.top) / plot.height * 18]""",
        cursor,
    )
    assert inside == pytest.approx([predicted, true], abs=0.1)
    assert browser.execute_script("return getComputedStyle(arguments[0]).opacity", cursor) == "1"
    cursor.send_keys(Keys.ENTER)
    assert num_found(browser) == expected
    assert browser.find_element(By.ID, "gallery-title") == browser.switch_to.active_element


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_an_open_case_shows_its_map_and_the_nearest_training_images(
    browser: webdriver.Chrome, page: Path, study_dir: Path, width: int, scheme: str
) -> None:
    stored, data = load_study_folder(study_dir), gallery_of(page.read_text("utf-8"))
    cases = {
        (data["recipes"][case["recipe"]], data["images"]["id"][case["image"]]): case for case in data["cases"]
    }
    open_gallery(browser, page, width, scheme)
    browser.find_elements(By.CSS_SELECTOR, ".card")[2].click()
    seen: set[str] = set()
    for _ in range(3):
        title = browser.find_element(By.ID, "case-title").text
        over = browser.find_element(By.ID, "case-map")
        words = over.get_attribute("aria-label")
        true, _, predicted = title.partition(" → ")
        assert f"half of the support for {predicted} over {true} lies in" in " ".join(words.split())
        assert browser.find_element(By.ID, "map-for").text == predicted
        assert browser.find_element(By.ID, "map-against").text == true
        boxes = browser.execute_script(
            """const map = document.getElementById("case-map");
            return [document.getElementById("case-picture"), ...map.children].map(part => {
                const box = part.getBoundingClientRect(), style = getComputedStyle(part);
                return [box.left, box.right, box.width, box.height,
                        style.backgroundImage.slice(0, 24), style.backgroundPosition] })"""
        )
        for left, right, shown_width, height, _, _ in boxes:
            assert 0 <= left < right <= width
            assert shown_width == pytest.approx(height, abs=1)
            assert shown_width > 120
        image, under, overlay = boxes
        assert under[:4] == overlay[:4]
        assert image[4:] == under[4:] != overlay[4:]
        assert "image/png" in overlay[4]
        near = browser.execute_script(
            """return [...document.querySelectorAll("#case-near li")].map(item => [item.textContent,
                item.firstChild.getAttribute("aria-label"), item.getBoundingClientRect().right])"""
        )
        assert len(near) == 10
        address, texts = browser.execute_script(
            """return [location.hash.split("/").map(decodeURIComponent),
                [...document.querySelectorAll("#case-texts li")].map(item => item.textContent)]"""
        )
        case = cases[address[1], address[2]]
        assert texts == case["texts"]
        labels = [data["train"]["label"][place] for place in case["near"]]
        assert [label for label, *_ in near] == [stored.class_names[label] for label in labels]
        row, column = divmod(case["map"]["place"], data["sheets"]["maps"]["columns"])
        across, down = (
            100 * place / max(data["sheets"]["maps"][name] - 1, 1)
            for place, name in ((column, "columns"), (row, "rows"))
        )
        shown = [float(part.removesuffix("%")) for part in overlay[5].split()]
        assert shown == pytest.approx([across, down], abs=0.01)
        assert all(alt == "Training image" and right <= width for _, alt, right in near)
        seen.add(overlay[5] + title)
        browser.find_element(By.ID, "case-next").click()
    assert len(seen) == 3


def test_a_study_of_before_attributions_has_none(
    browser: webdriver.Chrome, study_maker: StudyMaker, tmp_path: Path
) -> None:
    root = study_maker(tmp_path / "old", recipes=("plain",), seeds=1, epochs=1)
    forget_digests(root)
    for file in ("attributions.npz", "features.npz"):
        (root / "runs/plain/seed-0" / file).unlink()
    open_gallery(browser, build_report(root), 1280, "light")
    browser.find_element(By.CSS_SELECTOR, ".card").click()
    assert browser.find_element(By.ID, "case-texts").is_displayed()
    assert browser.find_elements(By.CSS_SELECTOR, "#case-map, #case-near, .sprite.maps") == []


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark")])
def test_axe_finds_nothing_serious_in_an_open_case(
    browser: webdriver.Chrome, page: Path, width: int, scheme: str
) -> None:
    open_gallery(browser, page, width, scheme)
    browser.find_element(By.CSS_SELECTOR, ".card").click()
    browser.execute_script((resources.files("axe_core_python") / "axe.min.js").read_text("utf-8"))
    found = browser.execute_async_script(
        """const done = arguments[0];
        axe.run(document.getElementById("case")).then(result => done(result.violations))"""
    )
    assert [one["help"] for one in found if one["impact"] in ("serious", "critical")] == []


def test_without_script_the_chosen_cases_are_a_plain_list(browser: webdriver.Chrome, page: Path) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        show(browser, page, 1280)
        assert not browser.find_element(By.ID, "gallery").is_displayed()
        shown = browser.find_elements(By.CSS_SELECTOR, "#failed-cases .case details")
        assert len(shown) == 10
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 800)])
def test_the_first_screen_has_the_answer(
    browser: webdriver.Chrome, page: Path, study_dir: Path, width: int, height: int
) -> None:
    show(browser, page, width)
    places = browser.execute_script(
        """return [".conclusion", ".answer-text p:last-child", ".answer-notes"].map(name => {
            const box = document.querySelector(name).getBoundingClientRect();
            return [box.left, box.right, box.bottom] })"""
    )
    for left, right, bottom in places:
        assert 0 <= left < right <= width
        assert bottom <= height
    # Recipe, score and verdict are seen without scrolling sideways.
    verdict = browser.execute_script(
        "return document.querySelector('.answer-table td.verdict').getBoundingClientRect().right"
    )
    assert verdict <= width


def test_costs_fit_a_phone(browser: webdriver.Chrome, page: Path) -> None:
    show(browser, page, 390, "light")
    inner, outer, cells = browser.execute_script(
        """const table = document.querySelector("table.stacked"), box = table.parentElement;
        return [box.scrollWidth, box.clientWidth, [...table.querySelectorAll("td")].map(cell =>
            getComputedStyle(cell, "::before").content)]"""
    )
    assert inner <= outer
    assert {'"Parameters"', '"Time per image, ms"'} <= set(cells)


def test_the_printed_page_is_short_and_has_the_study_file_in_columns(
    browser: webdriver.Chrome, page: Path
) -> None:
    show(browser, page, 1280, "light")
    printed = b64decode(browser.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"])
    assert 3 <= len(re.findall(rb"/Type\s*/Page\b(?!s)", printed)) <= 9


@pytest.mark.parametrize("width", WIDTHS)
def test_the_navigation_stays_in_view(browser: webdriver.Chrome, page: Path, width: int) -> None:
    show(browser, page, width)
    browser.find_element(By.LINK_TEXT, "2 Classes").click()
    WebDriverWait(browser, 10).until(lambda driver: driver.execute_script("return scrollY > 500"))
    top, bottom = browser.execute_script(
        """const box = document.querySelector("nav").getBoundingClientRect();
        return [box.top, box.bottom]"""
    )
    assert top == 0
    heading = browser.execute_script(
        "return document.querySelector('#classes h2').getBoundingClientRect().top"
    )
    assert bottom <= heading < bottom + 100


@pytest.mark.parametrize("width", WIDTHS)
def test_back_returns_from_the_images_of_a_cell_to_the_matrix(
    browser: webdriver.Chrome, page: Path, study_dir: Path, width: int
) -> None:
    open_gallery(browser, page, width, "light")
    everything = num_found(browser)
    answers, labels = answers_of(study_dir, "normed")
    wrong = answers != labels
    true, predicted = int(np.broadcast_to(labels, answers.shape)[wrong][0]), int(answers[wrong][0])
    cell = browser.find_element(By.ID, f"confusion-normed-cell-{true}-{predicted}")
    browser.execute_script("arguments[0].scrollIntoView({ block: 'center' })", cell)
    ActionChains(browser).move_to_element(cell).perform()  # which may scroll
    before = browser.execute_script("return scrollY")
    ActionChains(browser).click().perform()
    found = num_found(browser)
    assert 0 < found < everything
    address = browser.current_url
    browser.find_element(By.CSS_SELECTOR, ".card").click()
    assert browser.find_element(By.ID, "case").is_displayed()
    browser.back()
    WebDriverWait(browser, 10).until(lambda driver: not driver.find_element(By.ID, "case").is_displayed())
    assert (browser.current_url, num_found(browser)) == (address, found)
    browser.back()
    WebDriverWait(browser, 10).until(
        lambda driver: abs(driver.execute_script("return scrollY") - before) < 50
    )
    assert browser.current_url == page.resolve().as_uri()

    show(browser, page, width)
    browser.execute_script("location.href = arguments[0]", address)
    WebDriverWait(browser, 10).until(lambda driver: num_found(driver) == found)


def test_an_address_opens_a_case(browser: webdriver.Chrome, page: Path) -> None:
    open_gallery(browser, page, 1280, "light")
    browser.find_elements(By.CSS_SELECTOR, ".card")[3].click()
    address = browser.current_url
    where = browser.find_element(By.ID, "case-where").text
    show(browser, page, 390)
    browser.execute_script("location.href = arguments[0]", address)
    WebDriverWait(browser, 10).until(lambda driver: driver.find_element(By.ID, "case").is_displayed())
    assert browser.find_element(By.ID, "case-where").text == where
    browser.find_element(By.ID, "case-close").click()
    WebDriverWait(browser, 10).until(lambda driver: driver.current_url.endswith("#failed-cases"))


def test_a_matrix_is_enlarged_on_request(browser: webdriver.Chrome, page: Path) -> None:
    open_gallery(browser, page, 1280, "light")
    width = "return document.querySelector('.multiples .matrix').getBoundingClientRect().width"
    before = browser.execute_script(width)
    button = browser.find_element(By.CSS_SELECTOR, "figure:has(.matrix) .enlarge")
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    assert browser.execute_script(width) > before
    button.click()
    assert browser.execute_script(width) == before
