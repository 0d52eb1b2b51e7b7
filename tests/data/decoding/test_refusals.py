import io

import imagecodecs
import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

from bakeoff.data.decoding.image_file import open_rgb
from bakeoff.data.decoding.refusals import KNOWN, reason
from bakeoff.errors import BakeoffError

GRAY = np.arange(64, dtype=np.uint16).reshape(8, 8)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (b"this is no image", r"not an image of a known format$"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", r"\(PostScript\)"),
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            "Git LFS pointer: the image itself was not downloaded",
        ),
        (b"<!DOCTYPE html><html>Not found", "a web page"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"P7\nWIDTH 1\n", "PAM"),
        (bytes(128) + b"DICM", "DICOM"),
        (imagecodecs.jpeg8_encode(GRAY * 60, level=90, bitspersample=12), "a JPEG with 12 bits per channel"),
        (imagecodecs.ljpeg_encode(GRAY * 1000), "a JPEG with 16 bits per channel"),
        (b"\xff\xd8\xff\xe0\0\4ab\xff\xc0\0\4\x08a", "a damaged JPEG"),
        (b"\xff\xd8", "a damaged JPEG"),
        (b"\x89PNG\r\n\x1a\n", "a damaged PNG"),
        (b"II*\0\xff\xff\xff\xff", "a TIFF that is damaged"),
    ],
)
def test_a_file_that_is_not_read_is_named(content, words):
    with pytest.raises(BakeoffError, match=words):
        open_rgb(io.BytesIO(content))


def test_a_picture_is_not_named_for_what_is_inside():
    file = io.BytesIO()
    Image.new("RGB", (9, 9)).save(file, "JPEG", comment="<html> %PDF DICM")
    assert open_rgb(file).size == (9, 9)


@pytest.mark.parametrize(("start", "magic", "name"), KNOWN)
def test_each_known_kind_is_named_from_its_first_bytes(start, magic, name):
    assert name in reason(io.BytesIO(bytes(start) + magic), UnidentifiedImageError())


def test_other_errors_keep_their_words(tmp_path):
    assert reason(tmp_path, FileNotFoundError()) == "no such file"
    assert reason(tmp_path, PermissionError(13, "Permission denied")) == "Permission denied"
    assert reason(tmp_path, ValueError("broken data stream")) == "broken data stream"
    assert reason(tmp_path, EOFError()) == "EOFError"
