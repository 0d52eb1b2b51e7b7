import pytest

from bakeoff.errors import BakeoffError


def test_an_image_that_cannot_be_read_is_told(load, splits_dir):
    (splits_dir / "pictures" / "val 1.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(
        BakeoffError, match=r"1 image cannot be decoded; replace or remove:\n  pictures/val 1.png: "
    ):
        load(f"splits:{splits_dir}")
