import io

import numpy as np
from PIL import Image

from bakeoff.data.decoding.source import read_again, read_head, read_whole


def test_files_and_open_files_are_read_from_the_beginning(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    opened = io.BytesIO(b"0123456789")
    opened.seek(5)
    for file in (path, opened):
        assert read_whole(file) == b"0123456789"
        assert read_head(file, 3) == b"012"


def test_bytes_are_read_in_another_order(tmp_path):
    values = np.array([[0x0102, 0xA0B0]], np.uint16)
    path = tmp_path / "gray.png"
    Image.fromarray(values).save(path)
    for file in (path, io.BytesIO(path.read_bytes())):
        assert np.asarray(read_again(file, "I;16B")).tolist() == values.tolist()
        assert np.asarray(read_again(file, "I;16N")).tolist() == values.byteswap().tolist()
