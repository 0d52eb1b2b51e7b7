"""What a learning curve shows, in sentences."""

import pytest

from bakeoff.analysis.learning_curve.curve import CurvePoint, LearningCurve, RecipeCurve
from bakeoff.analysis.learning_curve.power_law import Prediction
from bakeoff.analysis.scores.scale import ACCURACY


@pytest.mark.parametrize(("predicted", "is_told"), [(0.991, True), (1.0, False)])
def test_a_prediction_below_what_was_measured_is_explained(predicted, is_told):
    last = CurvePoint(325, 325.0, 3, 1.0, (0.98, 1.0))
    recipe = RecipeCurve("bn", (last,), Prediction(650, predicted, 0.97, 1.0))
    curve = LearningCurve("accuracy", ACCURACY, 0.95, (325,), (recipe,), (), (), 3, False)
    told = curve.sentences[0]
    assert told.startswith("With twice the images, 650")
    assert ("Not a loss by more images: for bn (100.0 % measured), the curve is fitted" in told) == is_told
