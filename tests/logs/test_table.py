"""The table of all values."""

import pandas as pd
import pytest
from tests.logs.test_content import log_of

from bakeoff.errors import BakeoffError
from bakeoff.logs.table import COLUMNS, write_table


def test_every_value_is_a_row(tmp_path):
    study = log_of()
    for _ in range(2):  # the second time in place of the first
        write_table(study, tmp_path / "log.csv")
    table = pd.read_csv(tmp_path / "log.csv", keep_default_na=False, na_values=[""])
    assert tuple(table.columns) == COLUMNS
    assert not table.duplicated(["recipe", "seed", "epoch", "metric"]).any()
    for run in study.runs:
        rows = table[(table.recipe == run.recipe) & (table.seed == run.seed)]
        losses = rows[rows.metric == "train_loss"].sort_values("epoch")
        assert losses.value.tolist() == run.epochs["train_loss"].tolist()
        assert losses.epoch.tolist() == list(range(1, len(losses) + 1))
        final = rows[rows.epoch.isna()].set_index("metric").value
        assert final["test_accuracy"] == run.scores["test_accuracy"]
    whole = table[table.seed.isna()]
    assert {
        name: dict(zip(part.metric, part.value, strict=True)) for name, part in whole.groupby("recipe")
    } == {name: dict(scores) for name, scores in study.scores.items()}


def test_another_file_is_not_replaced(tmp_path):
    (tmp_path / "mine.csv").write_text("mine\n")
    with pytest.raises(BakeoffError, match=r"mine\.csv exists with other content, and was not changed"):
        write_table(log_of(), tmp_path / "mine.csv")
    assert (tmp_path / "mine.csv").read_text() == "mine\n"
