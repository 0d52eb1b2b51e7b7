"""Write docs/images/comparison.png: the comparison as a study's report shows it.

    python scripts/comparison_picture.py STUDY_DIR [PICTURE]

STUDY_DIR has a report. From its comparison the picture takes the conclusion and the two figures with their
captions, whole, on white. Needs Chromium and its driver, as the tests do.
"""

from __future__ import annotations

import base64
import sys
from pathlib import Path

from selenium import webdriver

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "comparison.png"
WIDTH, MARGIN = 800, 24

ARRANGE = """
const section = document.querySelector("#comparison");
const kept = [".conclusion", "figure:has([id*=accuracies])", "figure:has([id*=differences])"]
    .map(selector => section.querySelector(selector));
document.body.replaceChildren(...kept);
Object.assign(document.body.style, { margin: "0", padding: arguments[0] + "px", maxWidth: "none" });
for (const part of kept) Object.assign(part.style, { maxWidth: "none" });
kept[0].style.marginTop = "0";
kept.at(-1).style.marginBottom = "0";
return Math.ceil(kept.at(-1).getBoundingClientRect().bottom) + arguments[0];
"""


def take(study: Path, picture: Path) -> None:
    """Write the picture of a study's comparison."""
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(argument)
    with webdriver.Chrome(options=options) as browser:
        screen = {"width": WIDTH, "height": WIDTH, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        browser.get((study / "report" / "index.html").resolve().as_uri())
        height = browser.execute_script(ARRANGE, MARGIN)
        clip = {"x": 0, "y": 0, "width": WIDTH, "height": height, "scale": 1}
        shot = browser.execute_cdp_cmd(
            "Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True}
        )
    picture.write_bytes(base64.b64decode(shot["data"]))


if __name__ == "__main__":
    take(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else PICTURE)
