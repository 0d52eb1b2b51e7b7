"""From stored results to a report folder: of a study, or of predictions made elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np

from bakeoff.analysis.comparison.result import Comparison
from bakeoff.analysis.failures.evidence import study_evidence
from bakeoff.analysis.summary import summarize
from bakeoff.files import to_json, write_atomically, write_text
from bakeoff.report.figures.of_study import study_figures
from bakeoff.report.gallery import gallery
from bakeoff.report.images import png_data_uri
from bakeoff.report.page import published_losses, render, script, settings_side_by_side
from bakeoff.report.tables import comparison_tables, failure_tables, report_tables
from bakeoff.store import Layout, StoredStudy, load_study_folder, remove_stale
from bakeoff.study import study_to_toml


def build_report(study_dir: Path) -> Path:
    """Analyse a study's stored results and write its report: page, figures, tables, numbers.

    The same results give the same bytes.

    Parameters
    ----------
    study_dir
        The folder that `bakeoff run` wrote.

    Returns
    -------
    Path
        Of the page, index.html.

    Raises
    ------
    BakeoffError
        If the folder is no study folder, is damaged, or holds no finished or failed run.
    """
    stored = load_study_folder(study_dir)
    layout = Layout(study_dir)
    evidence = study_evidence(stored)
    summary = summarize(stored, evidence)
    finished = [recipe for recipe in summary["recipes"] if recipe["results"]]
    comparison = summary["comparison"]
    figures = study_figures(summary)
    written: list[Path] = []
    for name, figure in figures.by_name().items():
        write_text(layout.report_figure(name, "svg"), figure.svg)
        write_bytes(layout.report_figure(name, "png"), figure.png)
        written += [layout.report_figure(name, "svg"), layout.report_figure(name, "png")]

    tables = report_tables(summary)
    if comparison:
        tables |= {f"comparison_{name}": text for name, text in comparison_tables(comparison).items()}
        write_text(layout.report_comparison, to_json(comparison))
        written.append(layout.report_comparison)
    if evidence:
        tables |= failure_tables(summary)
    for name, text in tables.items():
        write_text(layout.report_table(name), text)
        written.append(layout.report_table(name))
    write_text(layout.report_summary, to_json(summary))

    gallery_script, gallery_script_source = script("gallery.js")
    page = render(
        "report.html.j2",
        title=summary["study"]["name"],
        summary=summary,
        finished=finished,
        failed=[recipe for recipe in summary["recipes"] if recipe["failures"] or recipe["missing_seeds"]],
        curves=figures.curves,
        confusions=figures.confusions,
        class_accuracies=figures.class_accuracies,
        comparison=comparison,
        comparison_figures=figures.comparison,
        cases=_cases_by_recipe(summary, finished, stored),
        gallery=gallery(evidence, stored.test_images, stored.train_images)
        if summary["failed_cases"] and evidence
        else None,
        gallery_script=gallery_script,
        script_source=gallery_script_source,
        mean_images=_mean_images(stored),
        doubt_images=_doubt_images(summary, stored),
        losses=published_losses(summary),
        settings=settings_side_by_side(summary["recipes"]),
        study_toml=study_to_toml(stored.study),
    )
    write_text(layout.report_page, page)
    remove_stale(layout, written)
    return layout.report_page


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, complete or not at all."""
    write_atomically(path, lambda file: file.write(content))


def _doubt_images(summary: Mapping[str, Any], stored: StoredStudy) -> list[str]:
    found = (summary["failures"] or {}).get("label_doubts") or {"doubts": []}
    return [png_data_uri(stored.test_images[doubt["index"]]) for doubt in found["doubts"][:10]]


def _mean_images(stored: StoredStudy) -> list[dict[str, Any]]:
    """The mean training image of each class that has one; nothing where training images are not stored."""
    images, labels = stored.train_images, stored.train_labels
    if images is None or labels is None:
        return []
    return [
        {
            "class_name": class_name,
            "num_images": int((labels == label).sum()),
            "image": png_data_uri(images[labels == label].mean(axis=0).round().astype(np.uint8)),
        }
        for label, class_name in enumerate(stored.class_names)
        if (labels == label).any()
    ]


def _cases_by_recipe(
    summary: Mapping[str, Any], finished: Sequence[Mapping[str, Any]], stored: StoredStudy
) -> dict[str, list[dict[str, Any]]]:
    """For each recipe one entry a class: its failed case with the image, or none."""
    found = {(case["recipe"], case["true"]): case for case in summary["failed_cases"]}
    class_names = summary["data"]["class_names"]
    cases: dict[str, list[dict[str, Any]]] = {}
    for recipe in finished:
        cases[recipe["name"]] = entries = []
        for label, class_name in enumerate(class_names):
            case = found.get((recipe["name"], label))
            entries.append(
                {"class_name": class_name, "case": case}
                | (
                    {
                        "image": png_data_uri(stored.test_images[case["image_index"]]),
                        "predicted_name": class_names[case["predicted"]],
                    }
                    if case
                    else {"num_images": summary["data"]["counts"]["test"][label]}
                )
            )
    return cases


def write_comparison_report(comparison: Comparison, directory: Path) -> Path:
    """Write index.html (self-contained), figures/*.svg and *.png, tables/*.csv and comparison.json.

    Parameters
    ----------
    comparison
        The result.
    directory
        Made where it is missing; files of the same names are replaced.

    Returns
    -------
    Path
        Of index.html.

    Raises
    ------
    BakeoffError
        The folder cannot be written.
    """
    from bakeoff.files import to_json, write_atomically, write_text
    from bakeoff.report.figures.comparison import comparison_figures
    from bakeoff.report.page import render
    from bakeoff.report.tables import comparison_tables

    content = comparison.to_dict()
    figures = comparison_figures(content)
    page = render(
        "comparison_page.html.j2", title="Comparison", comparison=content, comparison_figures=figures
    )
    for name, figure in figures.items():
        write_text(directory / "figures" / f"{name}.svg", figure.svg)
        write_atomically(directory / "figures" / f"{name}.png", partial(_write, figure.png))
    for name, table in comparison_tables(content).items():
        write_text(directory / "tables" / f"{name}.csv", table)
    write_text(directory / "comparison.json", to_json(content))
    write_text(directory / "index.html", page)
    return directory / "index.html"


def _write(content: bytes, file: IO[bytes]) -> None:
    file.write(content)
