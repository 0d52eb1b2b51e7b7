"""study_figures(): every figure of a study's report."""

from __future__ import annotations

from dataclasses import dataclass

from bakeoff.analysis.summary.study import Summary
from bakeoff.report.figures.comparison import answer_figures, comparison_figures
from bakeoff.report.figures.confusion import class_accuracy_figure, confusion_figures
from bakeoff.report.figures.curves import curve_figures
from bakeoff.report.figures.drawing import ReportFigure
from bakeoff.report.figures.traits import trait_figure
from bakeoff.report.figures.tuning import tuning_figures


@dataclass(frozen=True)
class StudyFigures:
    """The figures of a study.

    Attributes
    ----------
    curves
        By recipe, then `loss` and `accuracy`.
    confusions
        By recipe.
    class_accuracies
        Of all recipes; None if no run is finished.
    comparison
        As `comparison_figures` and `answer_figures` name them.
    traits
        Where errors are more frequent; None if nothing was tested.
    tuning
        As `tuning_figures` names them; empty if no recipe was tuned.
    """

    curves: dict[str, dict[str, ReportFigure]]
    confusions: dict[str, ReportFigure]
    class_accuracies: ReportFigure | None
    comparison: dict[str, ReportFigure]
    traits: ReportFigure | None
    tuning: dict[str, ReportFigure]

    def by_name(self) -> dict[str, ReportFigure]:
        """`loss-RECIPE`, `accuracy-RECIPE`, `confusion-RECIPE`, `class-accuracies`, `comparison-...`,
        `error-traits`, `tuning-...`."""
        figures = {
            f"{quantity}-{name}": figure
            for name, pair in self.curves.items()
            for quantity, figure in pair.items()
        }
        figures |= {f"confusion-{name}": figure for name, figure in self.confusions.items()}
        figures |= {"class-accuracies": self.class_accuracies} if self.class_accuracies else {}
        figures |= {
            f"comparison-{name.replace('_', '-')}": figure for name, figure in self.comparison.items()
        }
        figures |= {"error-traits": self.traits} if self.traits else {}
        figures |= {f"tuning-{name}": figure for name, figure in self.tuning.items()}
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
        return StudyFigures({}, {}, None, {}, None, {})
    leading = {recipe.name for recipe in summary.answer.recipes}
    return StudyFigures(
        curve_figures(finished),
        confusion_figures(finished, class_names),
        class_accuracy_figure(sorted(finished, key=lambda recipe: recipe.name not in leading), class_names),
        comparison_figures(summary.comparison) | answer_figures(summary.answer, summary.comparison),
        trait_figure(summary.failures.traits, [recipe.name for recipe in finished])
        if summary.failures
        else None,
        tuning_figures(summary.tuning),
    )
