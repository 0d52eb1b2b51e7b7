"""Whether the files of a study folder are those that were written."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bakeoff.data import check_cached_images
from bakeoff.environment import available_cores
from bakeoff.errors import BakeoffError
from bakeoff.files import read_json
from bakeoff.store.checks import check_data
from bakeoff.store.layout import MANIFEST, Layout
from bakeoff.store.manifest import MISSING, compare_files, lost_marks
from bakeoff.store.report_folder import restore_report
from bakeoff.text import command, did_you_mean_path, list_some


def check_study_files(
    layout: Layout, read: Collection[str] | None = None, *, may_be_missing: bool = False
) -> None:
    """Check that the study's own files, not those of its runs, are as they were written.

    Of files that an older version wrote nothing is recorded, so they are not checked.

    Parameters
    ----------
    layout
        The folder.
    read
        Names of the files to read in full; of the others only the size is compared. By default all.
    may_be_missing
        Whether they are about to be written anew.

    Raises
    ------
    BakeoffError
        If one is not; the message names each and says what to do.
    """
    differences = compare_files(layout.root, read)
    if may_be_missing:
        differences = {name: text for name, text in differences.items() if text != MISSING}
    _refuse(_of_study(layout.root, differences))


def check_runs(folders: Iterable[Path], read: Collection[str] | None = None) -> None:
    """Check that the files of finished and failed runs are as they were written.

    Parameters
    ----------
    folders
        Of the runs; those that are not finished or do not exist are left out.
    read
        As for `check_study_files`.

    Raises
    ------
    BakeoffError
        If one is not; the message names each and says what to do.
    """
    _refuse([text for folder, found in _compare(folders, read) for text in _of_run(folder, found)])


def check_tests(folders: Iterable[Path]) -> None:
    """Check that what runs predicted for other images is as it was written, by the folders of both.

    Raises
    ------
    BakeoffError
        If a file is not; the message names each and says what to do.
    """
    _refuse([text for folder, found in _compare(folders) for text in _of_test(folder, found)])


@dataclass(frozen=True)
class Verification:
    """What `verify_study` found.

    Attributes
    ----------
    num_checked
        The number of files that were compared with their digests.
    differences
        A sentence for each file, and each of the decoded images' files, that is not as it was written.
    unrecorded
        The files without a digest, as paths below the study folder: TensorBoard's, states of unfinished
        runs, and those of older versions.
    cached
        The folders of the study's decoded images that are still in the cache; all their bytes were checked.
    """

    num_checked: int
    differences: tuple[str, ...]
    unrecorded: tuple[str, ...]
    cached: tuple[Path, ...]


def not_a_study(layout: Layout) -> BakeoffError:
    """The error for a folder without study.toml or data.json: what is there instead."""
    root, parent = layout.root, layout.root.parent
    found = f"it lacks {layout.study.name} or {layout.data.name}"
    if not root.exists():
        names = [path.name for path in parent.iterdir()] if parent.is_dir() else []
        found = f"it does not exist{did_you_mean_path(root, names)}"
    return BakeoffError(
        f"{root} is not a study folder: {found}; expected a folder that `bakeoff run` wrote, "
        "by default results/NAME"
    )


def verify_study(root: Path) -> Verification:
    """Compare each file of a study folder with the digest that was recorded when it was written.

    If the decoded images are still in the cache, they are checked too.

    Raises
    ------
    BakeoffError
        If it is not a study folder.
    """
    layout = Layout(root)
    if not layout.study.is_file() and not layout.data.is_file():
        raise not_a_study(layout)
    restore_report(layout)
    of_study, of_report = compare_files(root), compare_files(layout.report)
    folders = [path for place in ("runs/*/*", "sizes/*/*/*", "tune/*/*") for path in root.glob(place)]
    of_runs = _compare(sorted(path for path in folders if path.is_dir()))
    tests = [*(root / "tests").glob("*"), *(root / "tests").glob("*/*/*")]
    of_tests = _compare(sorted(path for path in tests if path.is_dir()))
    fingerprint = "" if of_study.get(layout.data.name) else _fingerprint(layout)
    cached = check_cached_images(fingerprint) if fingerprint else []
    differences = [
        *_of_study(root, of_study),
        *(text for folder, found in of_runs for text in _of_run(folder, found)),
        *(
            f"{folder / mark} {MISSING}; run the study again, which trains this run anew"
            for folder, _ in of_runs
            for mark in lost_marks(folder)
        ),
        *(text for folder, found in of_tests for text in _of_test(folder, found)),
        *_sentences(layout.report, of_report, f"write it anew with `{command('report', root)}`"),
        *(
            f"{problem}; delete {entry.directory}, which the next run of the study decodes anew"
            for entry in cached
            for problem in entry.problems
        ),
    ]
    compared = [(root, of_study), *of_runs, *of_tests, (layout.report, of_report)]
    checked = {folder / name for folder, found in compared for name in found}
    unrecorded = sorted(
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.is_file() and path not in checked and path.name != MANIFEST and not path.name.startswith(".")
    )
    return Verification(
        num_checked=len(checked),
        differences=tuple(differences),
        unrecorded=tuple(unrecorded),
        cached=tuple(entry.directory for entry in cached),
    )


def _fingerprint(layout: Layout) -> str:
    """The fingerprint of the study's images, or "" if it cannot be read."""
    try:
        return check_data(read_json(layout.data)).fingerprint
    except (OSError, ValueError):
        return ""


def _compare(
    folders: Iterable[Path], read: Collection[str] | None = None
) -> list[tuple[Path, dict[str, str]]]:
    folders = list(folders)
    with ThreadPoolExecutor(available_cores()) as pool:
        return list(zip(folders, pool.map(partial(compare_files, read=read), folders), strict=True))


def _of_study(root: Path, differences: dict[str, str]) -> list[str]:
    anew = "run the study again, which writes it anew"
    missing = {name: text for name, text in differences.items() if text == MISSING}
    others = {name: text for name, text in differences.items() if text != MISSING}
    return [
        *_sentences(root, missing, f"restore it from a copy, or {anew}"),
        *_sentences(root, others, f"restore it from a copy, or move it away and {anew}"),
    ]


def _of_run(folder: Path, differences: dict[str, str]) -> list[str]:
    return _sentences(folder, differences, f"delete {folder} and run the study again to retrain it")


def _of_test(folder: Path, differences: dict[str, str]) -> list[str]:
    remedy = f"delete {folder} and run the study again, which tests the models anew"
    return _sentences(folder, differences, remedy)


def _sentences(folder: Path, differences: dict[str, str], remedy: str) -> list[str]:
    """For each file that differs: how, and what to do."""
    return [f"{folder / name} {text}; {remedy}" for name, text in differences.items() if text]


def _refuse(sentences: list[str]) -> None:
    if sentences:
        several = f"{len(sentences)} files are not as they were written:\n{list_some(sentences)}"
        raise BakeoffError(sentences[0] if len(sentences) == 1 else several)
