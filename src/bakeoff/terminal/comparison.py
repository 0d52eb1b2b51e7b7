"""A comparison on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bakeoff.analysis.comparison.changes import Changes
from bakeoff.analysis.comparison.conclusion import describe_replication
from bakeoff.analysis.comparison.result import Comparison, PairResult, PairWithout
from bakeoff.analysis.learning_curve.curve import LearningCurve
from bakeoff.analysis.summary.other_images import OtherTest
from bakeoff.terminal.tables import result_table
from bakeoff.text import counted, number, p_value, printable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


_MOST_ROWS = 15
"""The number of pairs printed; the report and comparison.json have all."""


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print recipes, pairs, how many seeds would settle them, replication and the conclusion.

    Readable at 80 columns; on a narrower terminal columns are omitted, or rows become blocks of lines.
    """
    from rich.text import Text

    percent = f"{100 * comparison.confidence:g} % interval"
    console.print(_recipe_table(comparison, percent, console))
    if comparison.pairs:
        clearest = sorted(comparison.pairs, key=lambda pair: pair.p_holm)[:_MOST_ROWS]
        pairs = [pair for pair in comparison.pairs if pair in clearest]
        console.print(_pair_table(pairs, comparison, percent, console))
        if len(pairs) < len(comparison.pairs):
            console.print(
                f"The {len(pairs)} pairs with the smallest p-values of {len(comparison.pairs)} are shown.\n"
            )
        if any(pair.without_outlying for pair in pairs):
            console.print(_without_outlying_table(pairs, comparison, console))
        undecided = [pair for pair in pairs if pair in comparison.to_settle]
        if undecided and len(pairs) <= 3:
            console.print("How many more seeds or images would settle it:")
            for pair in undecided:
                text = f"- {pair.b} against {pair.a}: {pair.what_it_takes}"
                console.print(Text(printable(text)), soft_wrap=False)
    if not comparison.scale.is_accuracy:
        console.print(_other_scores(comparison, console))
    for recipe in comparison.recipes:
        if recipe.replication is not None:
            console.print(Text(printable(describe_replication(recipe.name, recipe.replication))))
    for note in comparison.notes:
        console.print(Text(printable(note), style="yellow"))
    console.print(Text(printable(f"\n{comparison.conclusion}\n"), style="bold"))


def _recipe_table(comparison: Comparison, percent: str, console: Console) -> RenderableType:
    scale = comparison.scale
    digits = 2 if scale.unit == "%" else 4
    rows = [
        (
            printable(recipe.name),
            str(recipe.num_seeds),
            scale.number(recipe.score),
            scale.interval(recipe.interval),
            "–" if recipe.seed_std is None else number(scale.factor * recipe.seed_std, digits),
        )
        for recipe in comparison.recipes
    ]
    headings = ("recipe", "seeds", printable(scale.name), percent, "std (seeds)")
    title = f"{scale.title} on {counted(comparison.num_images, 'test image')}"
    title += f", {scale.unit}" if scale.unit else ""
    title += "" if scale.higher_is_better else "; lower is better"
    return result_table(title, headings, rows, console, expendable=("std (seeds)", "seeds"))


def _pair_table(
    pairs: Sequence[PairResult], comparison: Comparison, percent: str, console: Console
) -> RenderableType:
    from rich.text import Text

    scale = comparison.scale
    styles = {"better": "green", "worse": "red", "equivalent": "blue", "undecided": "dim"}
    rows: list[list[str | Text]] = [
        [
            printable(f"{pair.b}\nagainst {pair.a}"),
            f"{scale.number(pair.difference)} ({scale.interval(pair.interval)})",
            p_value(pair.p_holm),
            Text(pair.verdict, style=styles[pair.verdict]),
            *([] if pair.fixed is None else [f"{pair.fixed:.0f}/{pair.broken:.0f}"]),
        ]
        for pair in pairs
    ]
    headings = ["pair", f"difference\n({percent})", "p\n(Holm)", "verdict"]
    headings += ["fixed/\nbroken"] if scale.is_accuracy else []
    of_score = "" if scale.is_accuracy else f" of {printable(scale.name)}"
    unit = f" in {scale.difference_unit}" if scale.difference_unit else ""
    title = f"Differences{of_score}{unit}; margin ±{scale.number(comparison.margin)}"
    return result_table(title, headings, rows, console, expendable=("fixed/\nbroken", "p\n(Holm)"))


def _other_scores(comparison: Comparison, console: Console) -> RenderableType:
    """The secondary scores, without verdicts."""
    rows = [
        (
            printable(recipe.name),
            *(
                f"{scale.number(other.score)} ({scale.interval(other.interval)})"
                if (other := recipe.other(name))
                else "–"
                for name, scale in comparison.secondary.items()
            ),
        )
        for recipe in comparison.recipes
    ]
    headings = ["recipe", *(scale.heading.replace(", ", ",\n") for scale in comparison.secondary.values())]
    title = "Other scores, without verdicts (all are in the report)"
    return result_table(title, headings, rows, console, expendable=headings[:1:-1], enough=None)


def _without_outlying_table(
    pairs: Sequence[PairResult], comparison: Comparison, console: Console
) -> RenderableType:
    scale = comparison.scale

    def shown(pair: PairResult | PairWithout) -> str:
        return f"{scale.number(pair.difference)} ({scale.interval(pair.interval)})\n{pair.verdict}"

    rows = [
        (printable(f"{pair.b}\nagainst {pair.a}"), shown(pair), shown(pair.without_outlying))
        for pair in pairs
        if pair.without_outlying
    ]
    title = "Differences with and without the outlying runs"
    return result_table(title, ("pair", "all runs", "without them"), rows, console, expendable=())


def print_learning_curve(curve: LearningCurve, console: Console) -> None:
    """Print the scores with each number of training images, what overtakes what, and what is predicted."""
    from rich.text import Text

    scale = curve.scale
    predicted = f"{curve.predicted_size:,}, probably"
    headings = ("recipe", *(f"{size:,}" for size in curve.sizes), predicted)
    rows = []
    for recipe in curve.recipes:
        points = [recipe.point(size) for size in curve.sizes]
        found = recipe.prediction
        rows.append(
            (
                printable(recipe.name),
                *(scale.number(point.score) if point else "–" for point in points),
                f"{scale.number(found.value)} ({scale.interval((found.low, found.high))})" if found else "–",
            )
        )
    title = f"{scale.heading[:1].upper()}{scale.heading[1:]}, by training images"
    console.print(result_table(title, headings, rows, console, expendable=headings[2:-2]))
    console.print(Text(printable(" ".join(curve.sentences))))


def print_tests(tests: Sequence[OtherTest], console: Console) -> None:
    """Print what becomes of the recipes and their differences on each set of other images."""
    from rich.text import Text

    for test in tests:
        number = counted(test.comparison.num_images, "image")
        console.print(Text(printable(f"On {test.name} ({number} of {test.source}):"), style="bold"))
        print_changes(test.changes, console, test.notes, test.name)
        console.print(Text(printable(f"\n{test.comparison.conclusion}\n"), style="bold"))


def print_changes(changes: Changes, console: Console, notes: Sequence[str] = (), name: str = "these") -> None:
    """Print how scores change from the test images to others, whether differences stay, and notes."""
    from rich.text import Text

    scale = changes.scale
    rows = [
        (
            printable(recipe.name),
            scale.number(recipe.before),
            scale.number(recipe.after),
            f"{scale.number(recipe.change)} ({scale.interval(recipe.interval)})",
        )
        for recipe in changes.recipes
    ]
    percent = f"{100 * changes.confidence:.4g} % interval"
    headings = ("recipe", "test images", printable(name), f"change\n({percent})")
    title = f"{scale.title} on the test images of the study and on {printable(name)}"
    title += f", {scale.unit}" if scale.unit else ""
    console.print(result_table(title, headings, rows, console, expendable=("test images",)))
    if changes.pairs:
        console.print("Do the differences stay?")
    for pair in changes.pairs:
        console.print(Text(printable(f"- {pair.describe(scale)}")), soft_wrap=False)
    for note in notes:
        console.print(Text(printable(note), style="yellow"))
