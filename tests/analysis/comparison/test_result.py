"""A comparison as plain values."""

import json

import pytest
from tests.prediction_files.sample import predictions

from bakeoff.analysis.comparison.compare import compare
from bakeoff.analysis.comparison.result import Comparison
from bakeoff.files import to_json


@pytest.fixture(scope="module")
def result() -> Comparison:
    return compare(predictions(), published={"lenet5": 0.45, "lenet5_batch_norm": 0.99})


def test_the_json_text_is_the_result(result: Comparison) -> None:
    assert json.loads(to_json(result.to_dict())) == result.to_dict()
