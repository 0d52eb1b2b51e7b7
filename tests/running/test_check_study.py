"""What is found before a study starts names the setting that is wrong."""

import pytest

from bakeoff.data import load_data
from bakeoff.errors import BakeoffError
from bakeoff.running.check_study import check_study
from bakeoff.study import DataSettings, Study


@pytest.fixture(scope="module")
def digits():
    return load_data(DataSettings(source="digits"))


def study_with(**changes: object) -> Study:
    return Study.model_validate(
        {"name": "s", "data": {"source": "digits"}, "recipes": {"plain": {}}} | changes
    )


def test_a_study_that_can_run_passes(digits):
    checked = check_study(study_with(train_sizes=[200]), digits)
    assert (checked.not_captured, checked.num_other_images) == ({}, 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_sizes": [100, 5000]}, r"^train_sizes: found 5,000, but digits has 1,169 training images"),
        ({"compare": {"metric": "top_10"}}, r"^compare\.metric: top_10 is 100 % for every model"),
        (
            {"recipes": {"own": {"model": {"name": "collections:OrderedDict"}}}},
            r"^recipes\.own: .*OrderedDict",
        ),
        ({"recipes": {"own": {"trainer": {"name": "nowhere:train"}}}}, r"^recipes\.own: .*nowhere"),
    ],
)
def test_what_cannot_run_is_named_by_its_setting(digits, changes, message):
    with pytest.raises(BakeoffError, match=message):
        check_study(study_with(**changes), digits)
