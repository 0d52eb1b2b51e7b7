"""The documentation is true: its commands and Python run as written, its links lead somewhere.

Each page's ```console blocks run in order, with real processes, in one folder that holds what the pages
assume: `my-images` (real photographs by class), `stl10` (the same as split files), `photo.jpg`, `holiday/`,
`predictions.csv`, `dog-breeds.zip`, `my.toml`, and finished studies of these. `bakeoff run` gets
`--epochs 1 --seeds 2` appended, and a command that several pages show runs once; nothing else is changed.
What cannot run in a test is in INSTEAD.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from bakeoff.study import load_study, study_from_toml

REPOSITORY = Path(__file__).resolve().parent.parent
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
BLOCK = re.compile(
    r"^(?P<indent> *)```(?P<language>\w+)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
CLASSES = ("china1", "flower1", "flower3")
IMAGES_A_CLASS = 24
SEEDS = {"lenet5-stl10": 4}
"""Seeds of a study where 2 are too few for what the pages do with it."""


def blocks(page: Path, language: str) -> list[tuple[str | None, str]]:
    """(title, text) of each block in this language, without its indent."""
    found = []
    for block in BLOCK.finditer(page.read_text(encoding="utf-8")):
        if block["language"] == language:
            text = re.sub(f"^{block['indent']}", "", block["text"], flags=re.MULTILINE)
            found.append((block["title"], text))
    return found


def commands(page: Path) -> list[str]:
    lines = [line for _, text in blocks(page, "console") for line in text.splitlines()]
    return [re.sub(r"\s+# .*", "", line[2:]) for line in lines if line.startswith("$ ")]


def name_of(page: Path) -> str:
    return str(page.relative_to(REPOSITORY))


FIRST_PAGES = ("README.md", "first-study.md")
"""Their commands run in the default tests, those of the other pages in the slow ones."""

FINISHED = ("bakeoff run my.toml", "bakeoff run lenet5-stl10 --data splits:stl10", "bakeoff run")
"""What the other pages take as done."""

WITH_COMMANDS = [page for page in PAGES if commands(page)]


# What is checked instead of commands that a test cannot run: the longest beginning that fits counts.


def extras_exist(words: list[str], folder: Path) -> None:
    """Installing needs a network and an environment of its own, which CI gives it."""
    extras = {
        extra for word in words for found in re.findall(r"\[([a-z,]+)\]", word) for extra in found.split(",")
    }
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert extras <= set(project["optional-dependencies"])
    assert "-c" not in words or (REPOSITORY / words[words.index("-c") + 1]).is_file()


def tool_is_there(words: list[str], folder: Path) -> None:
    assert shutil.which(words[0], path=search_path())


def is_what_ci_runs(words: list[str], folder: Path) -> None:
    """Lint, types, the tests themselves and the site: `.ci/run` has the same words."""
    ci = (REPOSITORY / ".ci" / "run").read_text()
    assert words[0] in ci
    if "-k" in words:
        name = words[words.index("-k") + 1]
        assert any(name in path.read_text() for path in (REPOSITORY / "tests").rglob("test_*.py"))


def folder_is_there(words: list[str], folder: Path) -> None:
    """A server that runs until it is stopped."""
    tool_is_there(words, folder)
    assert list((folder / words[words.index("--logdir") + 1]).rglob("events.out.tfevents.*"))


def is_known(words: list[str], folder: Path) -> None:
    """A download of gigabytes: the command and its name are known."""
    shown = subprocess.run(
        [shutil.which("bakeoff", path=search_path()), *words[1:3], "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert words[3] in shown.stdout


def would_run(words: list[str], folder: Path) -> None:
    """A second long study like the one before it: the study and its images are there."""
    load_study(words[2])
    assert (folder / words[words.index("--data") + 1].partition(":")[2] / "splits" / "train.txt").is_file()


def is_a_study(words: list[str], folder: Path) -> None:
    """Its images are not here."""
    assert load_study(folder / words[2]).train_sizes


def writes_the_page(words: list[str], folder: Path) -> None:
    """It would write into the repository; `test_the_study_file_page_is_what_the_code_says` compares."""
    assert (REPOSITORY / words[1]).is_file()


INSTEAD: dict[str, Callable[[list[str], Path], None]] = {
    "pip install": extras_exist,
    "python -m venv": tool_is_there,
    "python -m build": tool_is_there,  # and what it builds: tests/kernels/test_installing.py
    "auditwheel": tool_is_there,
    "pytest": is_what_ci_runs,
    "mypy": is_what_ci_runs,
    "ruff": is_what_ci_runs,
    "mkdocs": is_what_ci_runs,
    "tensorboard": folder_is_there,
    "bakeoff data fetch": is_known,
    "bakeoff run lenet5-as-published": would_run,
    "bakeoff run learning-curve.toml": is_a_study,
    "python scripts/study_file_page.py": writes_the_page,
}


def search_path() -> str:
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


class Scratch:
    """A folder in which commands run as a reader would run them, each at most once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.done: dict[str, str] = {}

    def run(self, command: str) -> str:
        if command not in self.done:
            self.done[command] = self._run(command)
        return self.done[command]

    def run_all(self, commands: Iterable[str]) -> None:
        for command in commands:
            self.run(command)

    def _run(self, command: str) -> str:
        environment = {**os.environ, "PATH": search_path(), "COLUMNS": "100"}
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self.shortened(command)],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"$ {command}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr, f"$ {command}\n{done.stderr}"
        return done.stdout

    @staticmethod
    def shortened(command: str) -> str:
        words = shlex.split(command)
        if words[:2] != ["bakeoff", "run"]:
            return command
        seeds = 3 if "--until" in words else SEEDS.get((words[2:] or ["quickstart"])[0], 2)
        return f"{shlex.join(words)} --epochs 1 --seeds {seeds}"


@pytest.fixture(scope="session")  # tests of other modules may come between these
def scratch(tmp_path_factory, photographs) -> Scratch:
    """What the pages assume to be there."""
    folder = tmp_path_factory.mktemp("docs")
    names = (photographs / "class_names.txt").read_text().split()
    listed = [line.split() for line in (photographs / "splits" / "train.txt").read_text().splitlines()]
    splits: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for label, name in enumerate(CLASSES):
        (folder / "my-images" / name).mkdir(parents=True)
        of_class = [path for path, number in listed if names[int(number)] == name][:IMAGES_A_CLASS]
        for index, path in enumerate(of_class):
            copy = folder / "my-images" / name / Path(path).name
            shutil.copyfile(photographs / path, copy)
            split = "train" if index < 14 else "val" if index < 18 else "test"
            splits[split].append(f"{name}/{copy.name} {label}\n")
    shutil.copytree(folder / "my-images", folder / "stl10")
    (folder / "stl10" / "splits").mkdir()
    for name, lines in splits.items():
        (folder / "stl10" / "splits" / f"{name}.txt").write_text("".join(lines))
    (folder / "stl10" / "class_names.txt").write_text("\n".join(CLASSES))
    with zipfile.ZipFile(folder / "dog-breeds.zip", "w") as archive:
        rows = ["id,breed"]
        for image in sorted((folder / "my-images").rglob("*.png")):
            archive.write(image, f"train/{image.name}")
            rows.append(f"{image.stem},{image.parent.name}")
        archive.writestr("labels.csv", "\n".join(rows))
    shutil.copytree(folder / "my-images" / "flower1", folder / "holiday")
    photo = next((folder / "holiday").iterdir())
    Image.open(photo).resize((400, 300)).save(folder / "photo.jpg")

    rows = ["recipe,seed,image,label,prediction"]
    for recipe, wrong in (("plain", 5), ("dropout", 3)):
        for seed in (0, 1, 2):
            for image in range(30):
                label = CLASSES[image % 3]
                guess = CLASSES[(image + 1) % 3] if (image + seed) % wrong == 0 else label
                rows.append(f"{recipe},{seed},{image},{label},{guess}")
    (folder / "predictions.csv").write_text("\n".join(rows) + "\n")
    for page in PAGES:
        for language in ("toml", "python"):
            for title, text in blocks(page, language):
                if title:
                    (folder / title).write_text(text, encoding="utf-8")
    return Scratch(folder)


@pytest.mark.parametrize(
    "page",
    [
        page if page.name in FIRST_PAGES else pytest.param(page, marks=pytest.mark.slow)
        for page in WITH_COMMANDS
    ],
    ids=name_of,
)
def test_every_command_runs_as_written(page, scratch):
    if page.name not in FIRST_PAGES:
        scratch.run_all(FINISHED)
    for line in commands(page):
        # Several tools on one line are looked at one by one, unless the shell runs the whole line.
        parts = [shlex.split(part) for part in re.split(r" && ", line)]
        checks = [replacement(words) for words in parts]
        if any(checks):
            for words, check in zip(parts, checks, strict=True):
                (check or partial(run_one, scratch))(words, scratch.folder)
        else:
            scratch.run(line)


def run_one(scratch: Scratch, words: list[str], folder: Path) -> None:
    if words[0] != "source":  # an environment that is not made here
        scratch.run(shlex.join(words))


def replacement(words: list[str]) -> Callable[[list[str], Path], None] | None:
    begins = [beginning for beginning in INSTEAD if words[: len(beginning.split())] == beginning.split()]
    return INSTEAD[max(begins, key=len)] if begins else None


def test_the_exceptions_are_needed():
    shown = [shlex.split(part) for page in PAGES for line in commands(page) for part in line.split(" && ")]
    for beginning in INSTEAD:
        assert any(words[: len(beginning.split())] == beginning.split() for words in shown), beginning


def test_every_console_line_is_a_command_or_output_of_one():
    """A line without `$` would be passed over in silence; the pages show no output."""
    for page in PAGES:
        for _, text in blocks(page, "console"):
            assert all(line.startswith("$ ") for line in text.splitlines()), name_of(page)
        for language in ("bash", "sh", "shell"):
            assert not blocks(page, language), f"{name_of(page)}: write ```console, which is tested"


def python_cells(page: Path) -> list[str]:
    return [text for title, text in blocks(page, "python") if not title]


WITH_PYTHON = {
    "README.md": (r"^\w+ (is better than|is worse than|higher than|lower than) \w+",),
    "docs/compare.md": (r"^\w+ (is better than|is worse than|higher than|lower than) \w+",),
    "docs/python.md": (
        r"dropout .*(undecided|better|worse|equivalent)",
        r"^dropout 0\.\d+ 0\.\d+ [01]\.\d+$",
    ),
    "docs/predict.md": (r"^holiday/\w+\.png (china1|flower1|flower3) [01]\.\d+$",),
}
"""Pages whose Python runs from top to bottom, and what it prints."""
FRAGMENTS = {"docs/architecture.md"}


def test_all_python_shown_is_run():
    assert {name_of(page) for page in PAGES if python_cells(page)} == {*WITH_PYTHON, *FRAGMENTS}


@pytest.mark.parametrize(
    "page",
    [page if page == "README.md" else pytest.param(page, marks=pytest.mark.slow) for page in WITH_PYTHON],
)
def test_a_pages_python_runs_from_top_to_bottom(page, scratch):
    if page != "README.md":
        scratch.run_all(FINISHED)
    cells = python_cells(REPOSITORY / page)
    # Worker processes import the script, so the cells stand below the usual guard.
    script = (
        'if __name__ == "__main__":\n'
        f"    for cell in {cells!r}:\n"
        '        exec(compile(cell, "cell", "exec"), globals())\n'
    )
    file = scratch.folder / f"{Path(page).stem}_page.py"
    file.write_text(script, encoding="utf-8")
    said = scratch.run(f"{shlex.quote(sys.executable)} {file.name}")
    for pattern in WITH_PYTHON[page]:
        assert re.search(pattern, said, re.MULTILINE), said


def test_every_study_file_shown_is_one():
    for page in PAGES:
        for _, text in blocks(page, "toml"):
            tables = text if text.startswith("name") else f'name = "shown"\n{text}'
            study_from_toml(tables, name_of(page))


def test_the_study_file_page_is_what_the_code_says(monkeypatch):
    monkeypatch.syspath_prepend(str(REPOSITORY / "scripts"))
    import study_file_page

    assert study_file_page.PAGE.read_text(encoding="utf-8") == study_file_page.page()


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_to_files_and_headings(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f"{name_of(page)}: {target}"
        assert found.is_relative_to(REPOSITORY), f"{name_of(page)}: {target}"
        if anchor:
            assert anchor in anchors(found), f"{name_of(page)}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_of_the_code_that_a_page_names_exist(page):
    package = REPOSITORY / "src/bakeoff"
    starts = [REPOSITORY, package, *(package / room for room in ("kernels", "analysis", "training"))]
    named = set(re.findall(r"`([\w./-]+/[\w.-]+\.(?:py|j2|hpp|cpp))`", page.read_text(encoding="utf-8")))
    of_the_example = {"src/bakeoff/data/sources/mine.py", "tests/data/sources/test_mine.py"}
    missing = {path for path in named if not any((start / path).is_file() for start in starts)}
    assert missing <= of_the_example


def test_the_citation_names_this_version():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    citation = (REPOSITORY / "CITATION.cff").read_text()
    assert f"\nversion: {project['version']}\n" in citation
    assert f"\nlicense: {project['license']}\n" in citation
