"""The study file that `bakeoff init` writes, for real images."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from bakeoff.data import load_data
from bakeoff.draft import draft_study
from bakeoff.errors import BakeoffError
from bakeoff.study import Study, study_from_toml


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_digits(place: Path, numbers: dict[int, int]) -> list[Path]:
    """Handwritten digits in a folder for each: so many of each."""
    digits = load_digits()
    written = []
    for label, number in numbers.items():
        (place / str(label)).mkdir(parents=True)
        for index in np.flatnonzero(digits.target == label)[:number]:
            gray = np.rint(digits.images[index] * (255 / 16)).astype(np.uint8)
            written.append(place / str(label) / f"{index}.png")
            Image.fromarray(gray).save(written[-1])
    return written


def drafted(place: Path) -> tuple[Study, str]:
    """The study, whose images can be loaded."""
    draft = draft_study(place)
    study = study_from_toml(draft.text, "draft")
    assert study.name == draft.name
    load_data(study.data)
    return study, draft.text


def test_folder_of_class_folders():
    write_digits(Path("my digits!"), {0: 20, 1: 20, 2: 20})
    study, text = drafted(Path("my digits!"))
    assert (study.name, study.data.source) == ("my-digits", "folder:my digits!")
    assert study.recipes["plain"].model.name == "lenet5"
    assert [study.baseline, *study.recipes] == ["plain", "plain", "batch_norm"]
    assert study.compare.metric == "accuracy"
    assert "# 60 images of 3 classes, 0 (20), 1 (20) and 2 (20): 39 in train, 9 in val and 12" in text
    assert "median side is 8" in text
    assert '# channels = "grey"' in text


@pytest.mark.parametrize(
    ("written", "name"),
    [("Meine Bilder für Übung", "Meine-Bilder-fur-Ubung"), ("Straße à côté", "Strasse-a-cote")],
)
def test_a_name_keeps_letters_without_their_marks(written, name):
    write_digits(Path(written), {0: 10, 1: 10})
    assert draft_study(Path(written)).name == name


def test_splits_and_photographs(photographs):
    study, text = drafted(photographs)
    assert study.data.source == f"splits:{photographs}"
    assert study.recipes["crop_and_flip"].augmentation.horizontal_flip
    assert study.recipes["plain"].model.name == "resnet"
    assert study.data.image_size == 64
    assert "600 in train, 200 in val and 400 in test" in text.replace("\n# ", " ")


def test_unbalanced_classes_are_compared_by_balanced_accuracy():
    write_digits(Path("images"), {0: 60, 1: 20})
    study, text = drafted(Path("images"))
    assert study.compare.metric == "balanced_accuracy"
    assert "3.0 times as many images" in text


def test_table_with_a_column_of_groups():
    files = write_digits(Path("images"), {0: 30, 1: 30})
    rows = [f"{file.relative_to('images')},{file.parent.name},p{n % 15}" for n, file in enumerate(files)]
    Path("images/labels.csv").write_text("\n".join(["image,label,patient_id", *rows]))
    study, text = drafted(Path("images"))
    assert study.data.source == "csv:images/labels.csv"
    assert study.data.columns == {"group": "patient_id"}
    assert "# groups" not in text
    # Too few groups for three splits: images are split one by one.
    rows = [f"{file.relative_to('images')},{file.parent.name},p1" for file in files]
    Path("images/labels.csv").write_text("\n".join(["image,label,patient_id", *rows]))
    assert drafted(Path("images"))[0].data.columns is None


def test_an_archive_gives_its_name():
    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    np.savez("eights.npz", train_images=images, train_labels=digits.target)
    study, text = drafted(Path("eights.npz"))
    assert (study.name, study.data.source) == ("eights", "npz:eights.npz")
    assert '# channels = "grey"' in text


def test_the_images_in_the_current_folder_are_found():
    write_digits(Path("images"), {0: 20, 1: 20})
    assert drafted(Path())[0].data.source == "folder:images"
    write_digits(Path("others"), {0: 20, 1: 20})
    with pytest.raises(BakeoffError, match=r"several folders here .*name one: images and others"):
        draft_study(Path())


def test_results_would_be_a_class_in_a_folder_of_classes(folder, monkeypatch):
    write_digits(Path("images"), {0: 20, 1: 20})
    monkeypatch.chdir(folder / "images")
    with pytest.raises(BakeoffError, match="go to the folder above it, and name images"):
        draft_study(Path())


def test_several_tables_are_asked_back():
    files = write_digits(Path("images"), {0: 10, 1: 10})
    table = "\n".join(["image,label", *(f"{f.relative_to('images')},{f.parent.name}" for f in files)])
    for name in ("all.csv", "sample.csv"):
        Path("images", name).write_text(table)
    with pytest.raises(BakeoffError, match=r"name one: images/all\.csv and images/sample\.csv"):
        draft_study(Path("images"))


@pytest.mark.parametrize(
    ("numbers", "message"),
    [({}, "no images with labels; expected"), ({0: 9}, "only one class"), ({0: 9, 1: 2}, "too few to cut")],
)
def test_too_few_images(numbers, message):
    Path("images").mkdir()
    write_digits(Path("images"), numbers)
    with pytest.raises(BakeoffError, match=message):
        draft_study(Path("images"))


def test_names_of_files_stay_in_comments():
    write_digits(Path("images/bad\nname = 3"), {})
    write_digits(Path("images"), {0: 20, 1: 20})
    (Path("images") / "1").rename(Path("images") / "one\n[recipes.x]")
    study, _ = drafted(Path("images"))
    assert list(study.recipes) == ["plain", "batch_norm"]


def bakeoff(*words: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "bakeoff", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_init_writes_no_file_twice():
    write_digits(Path("images"), {0: 20, 1: 20})
    said = bakeoff("init", "images")
    assert said.endswith("next: bakeoff run images.toml\n")
    assert Path("study.schema.json").is_file()
    text = Path("images.toml").read_text()
    assert text.startswith("#:schema ./study.schema.json\n\n")
    Path("images.toml").write_text("mine")
    assert "images.toml exists, and was not changed" in bakeoff("init", "images", code=2)
    assert Path("images.toml").read_text() == "mine"


@pytest.mark.slow
def test_what_it_wrote_runs_as_it_is():
    write_digits(Path("images"), {0: 40, 1: 15})
    command = re.search("next: bakeoff (.*)", bakeoff("init"))[1].split()
    assert "balanced accuracy" in bakeoff(*command)


def test_init_says_whether_the_images_have_problems():
    written = write_digits(Path("images"), {0: 20, 1: 20, 2: 20})
    assert "data check" not in bakeoff("init", "images")
    Path("images.toml").unlink()
    written[0].with_name("copy.png").write_bytes(written[-1].read_bytes())  # of another class
    line = "61 images checked: .* see bakeoff data check folder:images\nnext: "
    assert re.search(line, bakeoff("init", "images"))


def test_init_says_what_stops_a_run_and_quotes_names_with_spaces():
    written = write_digits(Path("my images"), {0: 20, 1: 20})
    written[0].write_bytes(b"no image")
    lines = bakeoff("init", "my images").splitlines()
    assert lines[1].endswith('or leave them out with data.on_unreadable = "skip":')
    assert lines[2].startswith(f"  {written[0].relative_to('my images')}: ")
    assert lines[3:] == ["next: solve this, then bakeoff run my-images.toml"]
    info = bakeoff("data", "info", "folder:my images", "--set", "data.on_unreadable=skip")
    assert info.rstrip().endswith("run `bakeoff data check 'folder:my images'` to find them")
