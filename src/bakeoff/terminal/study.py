"""Results, status and data sets on the terminal, as tables that fit 80 columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from bakeoff.data.decoding.fit import DONE
from bakeoff.data.image_data import SPLIT_NAMES
from bakeoff.terminal.lines import print_text
from bakeoff.terminal.tables import result_table
from bakeoff.text import command, counted, printable

if TYPE_CHECKING:
    from bakeoff.analysis.summary.study import Summary
    from bakeoff.data import DataDescription
    from bakeoff.store import RunStatus, Verification
    from bakeoff.study import Study


def print_results(summary: Summary, console: Console) -> None:
    """Print missing runs, failed ones with reasons, and the comparison, which ends with the answer."""
    from bakeoff.terminal.comparison import (  # loads SciPy; the other tables do not
        print_comparison,
        print_learning_curve,
        print_tests,
    )

    for recipe in summary.recipes:
        if missing := recipe.missing_seeds:
            seeds = f"{'seed' if len(missing) == 1 else 'seeds'} {', '.join(map(str, missing))}"
            text = f"{recipe.name}, {seeds}: not finished; run the same command again to continue"
            console.print(Text(text, style="yellow"))
    for failure in summary.stored.failures:
        console.print(
            Text(f"{failure.recipe}, seed {failure.seed}: failed: {printable(failure.reason)}", style="red")
        )
    if summary.learning_curve is not None:
        print_learning_curve(summary.learning_curve, console)
    if summary.comparison is not None:
        print_comparison(summary.comparison, console)
        print_tests(summary.tests, console)


def print_status(study: Study, statuses: list[RunStatus], console: Console) -> None:
    """Print the state, epochs and validation accuracy of each run, and the reasons of failures."""
    rows = []
    for status in statuses:
        accuracy = "" if status.val_accuracy is None else f"{100 * status.val_accuracy:.1f}"
        epochs = f"{status.epochs}/{status.num_epochs}"
        rows.append((status.recipe, _number(status), status.state, epochs, accuracy))
    headings = ("recipe", "seed", "state", "epochs", "val acc. %")
    table = result_table("", headings, rows, console, expendable=("val acc. %", "epochs"), boxed=False)
    console.print(table)
    kinds = dict.fromkeys(_kind(status) for status in statuses)
    for kind in kinds:
        counts = Counter(status.state for status in statuses if _kind(status) == kind)
        if counts:
            what = f"{study.name}, {kind}" if len(kinds) > 1 or study.num_trials else study.name
            console.print(f"{what}: " + ", ".join(f"{number} {state}" for state, number in counts.items()))
    for status in statuses:
        if status.reason:
            number = _number(status) if status.trial or status.size else f"seed {status.seed}"
            text = f"{status.recipe}, {number}: failed: {printable(status.reason)}"
            console.print(Text(text, style="red"))


def _kind(status: RunStatus) -> str:
    if status.size is not None:
        return "runs with fewer training images"
    return "trials" if status.trial else "runs"


def _number(status: RunStatus) -> str:
    if status.size is not None:
        return f"{status.seed}, {status.size} images"
    return f"trial {status.seed}" if status.trial else str(status.seed)


def print_verification(verification: Verification, console: Console) -> None:
    """Print each file that is not as it was written, then how many were checked, and which could not be."""
    for difference in verification.differences:
        console.print(Text(printable(difference), style="red"), soft_wrap=True)
    images = " and the decoded images in the cache" if verification.cached else ""
    text = f"{counted(verification.num_checked, 'file')}{images} checked"
    if verification.num_checked or images:
        num_different = len(verification.differences)
        text += f": {num_different:,} not as written" if num_different else ": all as they were written"
    unrecorded = [
        (folder, list(names))
        for folder, names in groupby(verification.unrecorded, lambda name: name.partition("/")[0])
    ]
    if unrecorded:
        parts = [
            names[0] if len(names) == 1 else f"{folder} ({len(names):,} files)"
            for folder, names in unrecorded
        ]
        text += f"; without a recorded digest: {', '.join(parts)}"
    print_text(text, console)


def print_data_info(description: DataDescription, console: Console) -> None:
    """Print the splits, images per class, sizes, mean and std of a data set."""
    rows: list[Sequence[str | Text]] = [
        (printable(name), *(f"{description.counts[split][label]:,}" for split in SPLIT_NAMES))
        for label, name in enumerate(description.class_names)
    ]
    total = ("total", *(f"{sum(description.counts[split]):,}" for split in SPLIT_NAMES))
    rows.append([Text(cell, style="bold") for cell in total])
    table = result_table("", ("class", *SPLIT_NAMES), rows, console, boxed=False)
    console.print(table)

    sizes = description.original_sizes
    size = _pixels(sizes.median)
    if sizes.min != sizes.max:
        size += f" (median), {_pixels(sizes.min)} to {_pixels(sizes.max)}"
    side = description.image_size
    shapes = {width == height for width, height in (sizes.min, sizes.median, sizes.max)}
    fit = "" if shapes == {True} else f" ({DONE[description.fit]})"
    facts = {
        "source": description.source,
        "sizes": f"{size}, resized to {side} x {side}{fit}",
        "mean": "  ".join(f"{value:.4f}" for value in description.mean)
        + f"  ({'gray' if len(description.mean) == 1 else 'red, green, blue'}; 0..1)",
        "std": "  ".join(f"{value:.4f}" for value in description.std),
        "fingerprint": description.fingerprint[:16],
    }
    console.print()
    for name, fact in facts.items():
        console.print(Text(f"{name:<12} {printable(fact)}"))
    for note in description.notes:
        console.print(Text(f"{'note':<12} {printable(note)}"))
    check = command("data", "check", description.source)
    console.print(Text(f"{'problems':<12} run `{printable(check)}` to find them"), soft_wrap=True)


def _pixels(size: tuple[float, float]) -> str:
    return f"{size[0]:g} x {size[1]:g}"
