"""Write a report folder: for a study, or for predictions from other tools."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from bakeoff.analysis.comparison.answer import answer
from bakeoff.analysis.comparison.readings import read_calibration, read_classes
from bakeoff.analysis.comparison.result import Comparison
from bakeoff.analysis.failures.groups import GROUP_LABELS
from bakeoff.analysis.summary.recipes import FinishedRecipe
from bakeoff.analysis.summary.study import Summary
from bakeoff.files import check_free, read_text, to_json, write_bytes, write_text
from bakeoff.report.cases import class_cases
from bakeoff.report.figures.comparison import answer_figures, comparison_figures
from bakeoff.report.figures.fonts import characters_without_font
from bakeoff.report.figures.of_study import study_figures
from bakeoff.report.gallery import gallery
from bakeoff.report.images import Sheet, image_sheet, png_data_uri
from bakeoff.report.page import published_losses, render, script, settings_side_by_side, without_folders
from bakeoff.report.tables import (
    comparison_tables,
    failure_tables,
    learning_curve_table,
    report_tables,
    tuning_tables,
)
from bakeoff.store import Layout, StoredStudy, load_study_folder, replace_report
from bakeoff.study import study_to_toml

MOST_PAIRS = 5
"""Rows of a table of pairs or recipes; the others are folded."""

MOST_COLUMNS, MOST_SIDE_BY_SIDE = 4, 3
"""Up to four recipes stand side by side; of more, the three best do, and the others are folded."""

MOST_OPEN_CASES, FEW_OPEN_CASES, MOST_CASES = 10, 6, 100
"""Classes with an open failed case, in a small and in a large study; with an open or folded one."""

MEAN_QUALITY, MOST_MEAN_BYTES = 95, 300_000
"""Of the sheet of the mean images."""


def build_report(study: Path | Summary) -> Path:
    """Analyze a study's stored results and write its report: page, figures, tables, numbers.

    The same results give the same bytes.

    Parameters
    ----------
    study
        The folder that `bakeoff run` wrote, or its summary.

    Returns
    -------
    Path
        Of the page, index.html.

    Raises
    ------
    BakeoffError
        If the folder is not a study folder, is damaged, or contains no finished or failed run.
    """
    summary = study if isinstance(study, Summary) else Summary(load_study_folder(study))
    stored, comparison = summary.stored, summary.comparison
    layout = Layout(stored.root)
    figures = study_figures(summary)
    files: dict[Path, bytes] = {}
    for name, figure in figures.by_name().items():
        files[layout.report_figure(name, "svg")] = figure.svg.encode()
        files[layout.report_figure(name, "png")] = figure.png

    tables = report_tables(summary)
    if comparison:
        tables |= {f"comparison_{name}": text for name, text in comparison_tables(comparison).items()}
        files[layout.report_comparison] = to_json(comparison.to_dict()).encode()
    if summary.learning_curve:
        tables["learning_curve"] = learning_curve_table(summary.learning_curve)
    if summary.tuning:
        tables |= tuning_tables(summary.tuning)
    if summary.failures:
        tables |= failure_tables(summary.failures)
    for name, text in tables.items():
        files[layout.report_table(name)] = text.encode()
    files[layout.report_summary] = to_json(summary.to_dict()).encode()

    mean_classes, means = _mean_images(stored)
    leading, packed, study_toml = _leading(summary), gallery(summary), study_to_toml(stored.study)
    gallery_script, gallery_script_source = script("failures/gallery.js")
    page = render(
        "report.html.j2",
        title=summary.study.name,
        summary=summary,
        finished=summary.finished,
        failed=[recipe for recipe in summary.recipes if recipe.failures or recipe.missing_seeds],
        figures=figures,
        comparison=comparison,
        comparison_figures=figures.comparison,
        tuning=summary.tuning,
        tuning_figures=figures.tuning,
        answer=summary.answer,
        leading=leading,
        others=[recipe for recipe in summary.finished if recipe not in leading],
        most_pairs=MOST_PAIRS,
        most_columns=MOST_COLUMNS,
        group_labels=GROUP_LABELS,
        class_reading=read_classes(comparison) if comparison else "",
        calibration_reading=read_calibration(comparison) if comparison else "",
        published_classes=_with_published_classes(summary),
        cases=class_cases(
            summary,
            packed,
            MOST_OPEN_CASES if _is_small(summary) else FEW_OPEN_CASES,
            MOST_CASES,
        ),
        gallery=packed,
        gallery_script=gallery_script,
        script_source=gallery_script_source,
        sheets=(packed.sheets if packed else {}) | ({"mean": means} if means else {}),
        mean_images=mean_classes,
        doubt_images=_doubt_images(summary),
        losses=published_losses(summary.finished),
        settings=settings_side_by_side(summary.recipes),
        study_toml=without_folders(study_toml),
        paths_shortened=without_folders(study_toml) != study_toml,
        boxes_in_png=characters_without_font("".join([*stored.class_names, *stored.study.recipes])),
    )
    files[layout.report_page] = page.encode()
    replace_report(layout, files)
    return layout.report_page


def _is_small(summary: Summary) -> bool:
    return len(summary.stored.class_names) <= MOST_OPEN_CASES and len(summary.finished) <= MOST_COLUMNS


def _doubt_images(summary: Summary) -> list[str]:
    if summary.evidence is None or summary.evidence.doubts is None:
        return []
    images = summary.stored.test_images
    return [png_data_uri(images[doubt.index]) for doubt in summary.evidence.doubts.doubts[:10]]


class MeanImage(NamedTuple):
    """The mean training image of a class, as a tile of a sheet (a CSS style)."""

    class_name: str
    num_images: int
    sprite: str


def _mean_images(stored: StoredStudy) -> tuple[list[MeanImage], Sheet | None]:
    """The mean image of each class with training images, and their sheet; none if these are not stored."""
    images, labels = stored.train_images, stored.train_labels
    if images is None or labels is None:
        return [], None
    counts = np.bincount(labels, minlength=len(stored.class_names))
    shown = np.flatnonzero(counts)
    means = [images[labels == label].mean(axis=0).round().astype(np.uint8) for label in shown]
    sheet = image_sheet(np.stack(means), MEAN_QUALITY, MOST_MEAN_BYTES)
    return [
        MeanImage(stored.class_names[label], int(counts[label]), sheet.tile(place))
        for place, label in enumerate(shown)
    ], sheet


def _leading(summary: Summary) -> list[FinishedRecipe]:
    """The recipes whose curves and matrices are side by side, not folded: all if they are few."""
    finished = list(summary.finished)
    if len(finished) <= MOST_COLUMNS or summary.answer is None:
        return finished
    names = [recipe.name for recipe in summary.answer.recipes[:MOST_SIDE_BY_SIDE]]
    return [recipe for recipe in finished if recipe.name in names]


def _with_published_classes(summary: Summary) -> list[str]:
    """The recipes with a published accuracy of at least one of the classes."""
    return [
        recipe.name
        for recipe in summary.finished
        if recipe.published
        and recipe.published.class_accuracies
        and set(recipe.published.class_accuracies) & set(summary.stored.class_names)
    ]


PAGE_TITLE = "<title>Comparison · Bakeoff</title>"


def check_report_folder(directory: Path) -> None:
    """Require a folder that is empty, does not exist, or holds an earlier report of a comparison.

    Raises
    ------
    BakeoffError
        If it holds anything else: a report has folders and files of common names.
    """
    page = directory / "index.html"
    try:
        is_report = page.is_file() and PAGE_TITLE in read_text(page)
    except (OSError, ValueError):
        is_report = False
    if not is_report:
        check_free(directory)


def write_comparison_report(comparison: Comparison, directory: Path) -> Path:
    """Write index.html (self-contained), figures/*.svg and *.png, tables/*.csv and comparison.json.

    Parameters
    ----------
    comparison
        The result.
    directory
        New, empty, or with an earlier report of a comparison, which is replaced.

    Returns
    -------
    Path
        Of index.html.

    Raises
    ------
    BakeoffError
        If the folder cannot be written or holds something else.
    """
    check_report_folder(directory)
    found = answer(comparison, {})
    figures = comparison_figures(comparison) | answer_figures(found, comparison)
    page = render(
        "comparison_page.html.j2",
        title="Comparison",
        comparison=comparison,
        comparison_figures=figures,
        answer=found,
        most_pairs=MOST_PAIRS,
        calibration_reading=read_calibration(comparison),
        boxes_in_png=characters_without_font(
            "".join(recipe.name for recipe in comparison.recipes)
            + "".join(entry.name for entry in comparison.recipes[0].classes)
        ),
    )
    # First, for by it the folder is known as a report if the rest cannot be written.
    write_text(directory / "index.html", page)
    for name, figure in figures.items():
        write_text(directory / "figures" / f"{name}.svg", figure.svg)
        write_bytes(directory / "figures" / f"{name}.png", figure.png)
    for name, table in comparison_tables(comparison).items():
        write_text(directory / "tables" / f"{name}.csv", table)
    write_text(directory / "comparison.json", to_json(comparison.to_dict()))
    return directory / "index.html"
