"""How scores are written."""

from bakeoff.analysis.scores.by_name import SCORES, score_named
from bakeoff.analysis.scores.scale import ACCURACY, Scale


def test_shares_are_in_percent_and_their_differences_in_points() -> None:
    assert ACCURACY.value(0.4987) == "49.9 %"
    assert ACCURACY.difference(-0.0002) == "0.0 points"
    assert ACCURACY.interval((0.48, 0.518)) == "48.0 to 51.8"
    assert ACCURACY.heading == "accuracy, %"


def test_other_scores_have_their_unit_or_none() -> None:
    log_loss, brier = SCORES["log_loss"].scale, SCORES["brier"].scale
    assert log_loss.value(1.23456) == "1.235 nats"
    assert log_loss.difference(-0.0123) == "-0.012 nats"
    assert log_loss.number(0.00012) == "0.00012"
    assert (brier.value(0.25), brier.heading) == ("0.250", "Brier score")
    assert (log_loss.sign, brier.sign, score_named("top_3").scale.sign) == (-1, -1, 1)


def test_all_but_accuracy_are_named_where_a_conclusion_begins() -> None:
    assert ACCURACY.preface == ""
    assert Scale("macro F1").preface == "By macro F1: "
    assert SCORES["log_loss"].scale.preface == "By log-loss (lower is better): "
