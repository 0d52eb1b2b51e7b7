import pytest

from bakeoff.data import load_data
from bakeoff.errors import BakeoffError
from bakeoff.study import DataSettings, load_study


def test_an_image_that_cannot_be_read_is_told(load, splits_dir):
    (splits_dir / "pictures" / "val 1.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(
        BakeoffError, match=r"1 image cannot be decoded; replace or remove:\n  pictures/val 1.png: "
    ):
        load(f"splits:{splits_dir}")


def test_groups_come_with_the_splits_and_other_groups_decode_nothing_again(splits_dir, own_cache):
    source = f"splits:{splits_dir}"
    plain = load_data(DataSettings(source=source))
    assert plain.test.groups is None
    steps = set()
    settings = DataSettings(source=source, groups=r"(\w+) \d")
    data = load_data(settings, progress=lambda text, done, total: steps.add(text))
    assert data.train.groups == ("train",) * 4
    assert data.test.groups == ("test",) * 2
    assert data.notes == (*plain.notes, "The images form groups: 1 in train, 1 in val and 1 in test.")
    assert "decoding images" not in steps
    assert data.fingerprint == plain.fingerprint


@pytest.mark.parametrize(
    ("pattern", "message"),
    [("(", "not a regular expression: missing"), ("p[0-9]+", r"expected a group in parentheses, as in '\(")],
)
def test_groups_that_are_no_expression_are_refused(pattern, message):
    with pytest.raises(BakeoffError, match=f"data.groups: found .*{message}"):
        load_study("quickstart", overrides=[f"data.groups={pattern}"])
