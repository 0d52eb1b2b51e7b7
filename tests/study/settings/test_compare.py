"""The metric in a study file."""

import pytest

from bakeoff.analysis.scores.by_name import SCORES, score_named
from bakeoff.errors import BakeoffError
from bakeoff.study import load_study, study_from_toml, study_to_toml
from bakeoff.study.settings.compare import METRICS, CompareSettings


def test_every_score_with_a_name_can_be_chosen() -> None:
    assert tuple(SCORES) == METRICS
    for name in (*METRICS, "top_3"):
        assert score_named(CompareSettings(metric=name).metric).name == name


def test_it_is_read_set_and_written() -> None:
    study = load_study("quickstart", metric="macro_f1")
    assert study == load_study("quickstart", overrides=["compare.metric=macro_f1"])
    assert study == load_study("quickstart").changed(compare={"metric": "macro_f1"})
    assert study_from_toml(study_to_toml(study), "again") == study
    assert load_study("quickstart").compare.metric == "accuracy"


def test_another_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        BakeoffError, match=r"compare.metric: .*'makro_f1', expected accuracy, .* and top_K; did"
    ):
        load_study("quickstart", metric="makro_f1")
    with pytest.raises(BakeoffError, match=r"compare\.metrik"):
        load_study("quickstart", overrides=["compare.metrik=accuracy"])
