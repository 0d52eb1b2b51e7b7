"""How long and how large the page is, in a real browser, with many recipes and with many classes."""

from pathlib import Path

import pytest
from selenium import webdriver
from tests.report.conftest import MANY_RECIPES, StudyMaker
from tests.report.test_page_in_browser import browser, show

from bakeoff.report import build_report

__all__ = ["browser"]

MOST_PIXELS = {1280: 9_000, 390: 18_000}

MOST_BYTES = 10_000_000

STUDIES = {
    "many recipes": {"recipes": ("plain", *MANY_RECIPES), "class_names": [f"digit {i}" for i in range(10)]},
    "many classes": {"class_names": [f"a long class name {number}" for number in range(200)]},
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", STUDIES)
def test_a_large_study_has_a_short_page(
    kind: str, browser: webdriver.Chrome, study_maker: StudyMaker, tmp_path: Path
) -> None:
    page = build_report(study_maker(tmp_path / "study", seeds=2, epochs=1, **STUDIES[kind]))
    assert page.stat().st_size < MOST_BYTES
    for width, most in MOST_PIXELS.items():
        show(browser, page, width)
        height, wide = browser.execute_script(
            "return [document.documentElement.scrollHeight, document.documentElement.scrollWidth]"
        )
        assert height < most
        assert wide <= width
