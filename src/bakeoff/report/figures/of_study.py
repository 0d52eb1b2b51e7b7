"""study_figures(): every figure of a study's report."""

from __future__ import annotations

from dataclasses import dataclass

from bakeoff.analysis.summary.study import Summary
from bakeoff.report.figures.comparison import answer_figures, comparison_figures
from bakeoff.report.figures.confusion import class_accuracy_figure, confusion_figures
from bakeoff.report.figures.confusion_difference import Cell, confusion_difference_figures
from bakeoff.report.figures.curves import curve_figures
from bakeoff.report.figures.drawing import ReportFigure
from bakeoff.report.figures.learning_curve import learning_curve_figure
from bakeoff.report.figures.properties import property_figure
from bakeoff.report.figures.tuning import tuning_figures
from bakeoff.report.figures.validation_curves import validation_figures


@dataclass(frozen=True)
class StudyFigures:
    """The figures of a study.

    Attributes
    ----------
    curves
        By recipe, then `loss` and `accuracy`.
    validation
        `loss` and `accuracy` of all recipes, as `validation_figures` names them.
    confusions
        By recipe.
    confusion_differences
        By the names of the pairs of the answer.
    class_accuracies
        Of all recipes; None if no run is finished.
    comparison
        As `comparison_figures` and `answer_figures` name them.
    properties
        Where errors are more frequent; None if nothing was tested.
    tuning
        As `tuning_figures` names them; empty if no recipe was tuned.
    learning_curve
        None if no run had fewer than all training images.
    """

    curves: dict[str, dict[str, ReportFigure]]
    validation: dict[str, ReportFigure]
    confusions: dict[str, ReportFigure]
    confusion_differences: dict[tuple[str, str], ReportFigure]
    class_accuracies: ReportFigure | None
    comparison: dict[str, ReportFigure]
    properties: ReportFigure | None
    tuning: dict[str, ReportFigure]
    learning_curve: ReportFigure | None = None

    def by_name(self) -> dict[str, ReportFigure]:
        """`loss-RECIPE`, `accuracy-RECIPE`, `validation-...`, `confusion-RECIPE`,
        `confusion-difference-RECIPE-RECIPE`, `class-accuracies`, `comparison-...`, `error-properties`,
        `tuning-...`, `learning-curve`."""
        figures = {
            f"{quantity}-{name}": figure
            for name, pair in self.curves.items()
            for quantity, figure in pair.items()
        }
        figures |= {f"validation-{name}": figure for name, figure in self.validation.items()}
        figures |= {f"confusion-{name}": figure for name, figure in self.confusions.items()}
        figures |= {
            f"confusion-difference-{b}-{a}": figure for (a, b), figure in self.confusion_differences.items()
        }
        figures |= {"class-accuracies": self.class_accuracies} if self.class_accuracies else {}
        figures |= {
            f"comparison-{name.replace('_', '-')}": figure for name, figure in self.comparison.items()
        }
        figures |= {"error-properties": self.properties} if self.properties else {}
        figures |= {f"tuning-{name}": figure for name, figure in self.tuning.items()}
        figures |= {"learning-curve": self.learning_curve} if self.learning_curve else {}
        return figures


def study_figures(summary: Summary) -> StudyFigures:
    """Draw loss and accuracy curves, confusion matrices, class accuracies and the comparison.

    Parameters
    ----------
    summary
        Of the study; recipes without a finished run are omitted.
    """
    finished, class_names = summary.finished, summary.stored.class_names
    if summary.comparison is None or summary.answer is None:
        return StudyFigures({}, {}, {}, {}, None, {}, None, {})
    leading = {recipe.name for recipe in summary.answer.recipes}
    leading_first = sorted(finished, key=lambda recipe: recipe.name not in leading)
    by_name = {recipe.name: recipe for recipe in finished}
    pairs = [(by_name[pair.a], by_name[pair.b]) for pair in summary.answer.pairs]
    return StudyFigures(
        curve_figures(finished),
        validation_figures(leading_first),
        confusion_figures(finished, class_names, leading),
        confusion_difference_figures(pairs, class_names, _significant_cells(summary)),
        class_accuracy_figure(leading_first, class_names),
        comparison_figures(summary.comparison) | answer_figures(summary.answer, summary.comparison),
        property_figure(summary.failures.properties, [recipe.name for recipe in leading_first])
        if summary.failures
        else None,
        tuning_figures(summary.tuning),
        learning_curve_figure(summary.learning_curve, [recipe.name for recipe in summary.answer.recipes]),
    )


def _significant_cells(summary: Summary) -> dict[tuple[str, str], list[Cell]]:
    """By pair: the classes whose accuracies differ significantly, and the confusions."""
    labels = {name: label for label, name in enumerate(summary.stored.class_names)}
    pairs = summary.answer.pairs if summary.answer else ()
    cells = {
        (pair.a, pair.b): [(labels[entry.name],) * 2 for entry in pair.classes if entry.beyond_luck]
        for pair in pairs
    }
    confused = summary.failures.pair_differences.beyond_luck if summary.failures else ()
    for entry in confused:
        for names in ((entry.recipe_a, entry.recipe_b), (entry.recipe_b, entry.recipe_a)):
            if names in cells:
                cells[names].append((entry.true, entry.predicted))
    return cells
