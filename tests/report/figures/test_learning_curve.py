"""The figure of a learning curve."""

import re

from bakeoff.analysis.learning_curve.curve import CurvePoint, LearningCurve, RecipeCurve
from bakeoff.analysis.learning_curve.power_law import Prediction
from bakeoff.analysis.scores.scale import ACCURACY
from bakeoff.report.figures.learning_curve import learning_curve_figure


def curve(number: int) -> LearningCurve:
    points = tuple(CurvePoint(size, size, 3, size / 1000, (0.1, 0.9)) for size in (100, 200, 500))
    recipes = tuple(
        RecipeCurve(f"$r{index}$", points, Prediction(1000, 0.6, 0.5, 0.7) if index else None)
        for index in range(number)
    )
    return LearningCurve("accuracy", ACCURACY, 0.95, (100, 200, 500), recipes, (), (), 3, draws_pool=False)


def test_measured_and_predicted_points_have_their_places_and_words() -> None:
    figure = learning_curve_figure(curve(2), [])
    assert figure is not None
    texts = re.findall(r">([^<>]+)</text>", figure.svg)
    assert {"100", "200", "500", "1,000", "$r1$"} <= set(texts)
    assert "$r0$ 10.0 % with 100 and 50.0 % with 500; $r1$ 10.0 %" in figure.caption
    assert "Hollow, with dotted intervals: predicted." in figure.caption


def test_of_many_recipes_the_leading_ones_are_drawn() -> None:
    figure = learning_curve_figure(curve(9), ["$r8$"])
    assert figure is not None
    assert "$r8$" in figure.svg
    assert "$r7$" not in figure.svg
    assert figure.caption.endswith("3 more recipes are in the table.")
    assert learning_curve_figure(None, []) is None
