"""KIND:DIR, and what is refused with the nearest valid source."""

import os
import re

import pytest

from bakeoff.cli import SOURCES
from bakeoff.data.sources.naming import FILE_SOURCES
from bakeoff.errors import BakeoffError
from bakeoff.study import DataSettings


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("foldr:x", ["'foldr:x'", "did you mean 'folder:x'?", "stl10:DIR"]),
        ("digit", ["did you mean 'digits'?"]),
        ("SPLITS:x", ["did you mean 'splits:x'?"]),
        ("mnist", ["unknown data source 'mnist'", "(valid: digits, folder:DIR, csv:PATH"]),
        ("", ["unknown data source ''"]),
        ("splits", ["lacks its folder", "splits:DIR"]),
        ("stl10:", ["lacks its folder", "stl10:DIR"]),
        ("csv", ["lacks its file or folder", "csv:PATH"]),
        ("tables/labels.csv", ["did you mean 'csv:tables/labels.csv'?"]),
        ("digits:x", ["digits takes no folder"]),
    ],
)
def test_a_source_that_is_none_is_refused_with_the_nearest_one(load, source, words):
    with pytest.raises(BakeoffError) as caught:
        load(source)
    for word in words:
        assert word in str(caught.value)
    assert caught.value.parameter == "data"


def test_a_bare_folder_is_told_its_kind(load, tmp_path):
    with pytest.raises(BakeoffError, match=f"did you mean 'folder:{tmp_path}'"):
        load(str(tmp_path))


@pytest.mark.parametrize("kind", ["splits", "folder", "stl10", "cifar10"])
def test_a_missing_folder_is_told_with_a_sibling_of_nearly_that_name(load, tmp_path, kind):
    (tmp_path / "pictures").mkdir()
    with pytest.raises(BakeoffError, match=rf"no folder .*pictres; did you mean '{tmp_path}/pictures'\?"):
        load(f"{kind}:{tmp_path / 'pictres'}")
    with pytest.raises(BakeoffError, match=r"no folder .*quite-other"):
        load(f"{kind}:{tmp_path / 'quite-other'}")
    (tmp_path / "file").write_text("")
    with pytest.raises(BakeoffError, match="file is a file; expected a folder"):
        load(f"{kind}:{tmp_path / 'file'}")


def test_a_file_is_required_where_a_kind_reads_one(load, tmp_path):
    (tmp_path / "labels.csv").write_text("")
    with pytest.raises(BakeoffError, match=r"no file .*label.csv; did you mean '.*/labels.csv'\?"):
        load(f"csv:{tmp_path / 'label.csv'}")
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(BakeoffError, match=r"pipe.csv is not a regular file; expected a file"):
        load(f"csv:{tmp_path / 'pipe.csv'}")


@pytest.mark.parametrize(("key", "value"), [("columns", {"image": "id"}), ("image_folder", "images")])
def test_a_setting_of_another_kind_is_refused(load, key, value):
    with pytest.raises(BakeoffError, match=rf"data.{key} is for csv:PATH.* only.*'folder:x'; remove it"):
        load("folder:x", **{key: value})


@pytest.mark.parametrize("source", ["digits", "folder:x", "stl10:x", "cifar10:x", "csv:x"])
def test_the_published_fault_is_refused_elsewhere(load, source):
    with pytest.raises(
        BakeoffError, match=r"data.first_line_is_header is for splits:DIR only.*set it to false"
    ):
        load(source, first_line_is_header=True)


def test_help_and_settings_name_every_kind():
    documented = DataSettings.model_fields["source"].description
    for kind, source in FILE_SOURCES.items():
        assert f"{kind}:{source.takes}" in SOURCES
        assert re.search(rf"\b{kind}\b", documented)
