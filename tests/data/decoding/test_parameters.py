import json

import pytest

from bakeoff.data import Decoding
from bakeoff.errors import BakeoffError


def test_it_survives_json():
    for decoding in (
        Decoding(),
        Decoding("pad"),
        Decoding("crop", bits=12),
        Decoding(white=(("float32", 1), ("uint16", 1023))),
    ):
        assert Decoding.from_dict(json.loads(json.dumps(decoding.to_dict()))) == decoding
    assert Decoding().to_dict() == {}


def test_bits_hold_for_all_integers():
    decoding = Decoding(bits=10, white=(("uint16", 4095), ("float32", 1)))
    assert decoding.white_of("uint16", 3) == decoding.white_of("int32", 40_000) == 1023
    assert decoding.white_of("float32", 0.5) == 1


def test_what_the_data_set_told_goes_before_what_an_image_tells():
    decoding = Decoding(white=(("uint16", 1023),))
    assert decoding.white_of("uint16", 20_000) == 1023  # and is refused when it is scaled
    assert decoding.white_of("uint16/12", 20_000) == 65535


def test_what_nothing_tells_is_refused():
    with pytest.raises(BakeoffError, match=r"16-bit integers up to 900: one image does not tell"):
        Decoding().white_of("uint16", 900)
