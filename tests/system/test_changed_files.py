"""Each file of a finished study is changed: it is named, or it is harmless, as docs/robustness.md says."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tests.in_process import bakeoff as command

import bakeoff
from bakeoff.errors import BakeoffError
from bakeoff.prediction_files import read_predictions
from bakeoff.store import study_status, verify_study

READERS: tuple[Callable[[Path], object], ...] = (study_status, bakeoff.open_result)


@pytest.fixture(scope="module")
def finished(study: bakeoff.Study, made_once: Callable[..., Path]) -> Path:
    """A study of digits with its report, checked images and TensorBoard's files."""

    def run(root: Path) -> None:
        bakeoff.run(study, root, jobs=1, progress=False).report()

    return made_once("digits study", run)


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    return shutil.copytree(finished, tmp_path / "study")


def files(root: Path, pattern: str) -> list[Path]:
    """Without locks, which are empty."""
    paths = sorted(path for path in root.glob(pattern) if path.is_file() and not path.name.startswith("."))
    assert paths
    return paths


def flips(path: Path, num_places: int = 4) -> Iterator[int]:
    """Change one byte at several places, one after the other; the file is whole again at the end."""
    content = path.read_bytes()
    last = len(content) - 1
    for place in sorted({last, last // 2, last // 3, 0})[-num_places:]:
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        yield place
    path.write_bytes(content)


def assert_named(path: Path, root: Path, readers: tuple[Callable[[Path], object], ...] = READERS) -> None:
    """A changed record may blame the file that it records, which is in the same folder."""
    name = str(path.parent if path.name == "files.json" else path)
    for read in readers:
        with pytest.raises(BakeoffError) as caught:
            read(root)
        assert name in str(caught.value)
    assert [text for text in verify_study(root).differences if name in text]


def test_a_whole_study_is_as_it_was_written(finished: Path) -> None:
    for read in READERS:
        read(finished)
    found = verify_study(finished)
    assert found.differences == ()
    assert {name.partition("/")[0] for name in found.unrecorded} == {"tensorboard"}
    everything = [path for path in files(finished, "**/*") if path.name != "files.json"]
    assert found.num_checked + len(found.unrecorded) == len(everything)


def test_a_changed_byte_of_the_study_or_of_a_run_is_named(copy: Path) -> None:
    for path in [*files(copy, "*"), *files(copy, "runs/*/*/*")]:
        for _ in flips(path):
            assert_named(path, copy)
    for read in READERS:
        read(copy)


def test_a_changed_byte_of_a_report_is_named_by_verify_and_replaced_by_the_next_report(copy: Path) -> None:
    for path in files(copy, "report/**/*"):
        for _ in flips(path, num_places=1):  # there are many files
            assert_named(path, copy, ())
            study_status(copy)
    for path in files(copy, "report/**/*"):
        path.write_bytes(b"")
    bakeoff.open_result(copy).report()
    assert verify_study(copy).differences == ()


def test_a_changed_byte_of_an_event_file_ends_it_for_tensorboard_and_nothing_else_reads_it(
    copy: Path,
) -> None:
    (path, *_) = files(copy, "tensorboard/*/*/*")
    whole = [event.SerializeToString() for event in EventFileLoader(str(path)).Load()]
    for _ in flips(path):
        found = [event.SerializeToString() for event in EventFileLoader(str(path)).Load()]
        assert found == whole[: len(found)] != whole
        bakeoff.open_result(copy)
        assert verify_study(copy).differences == ()


@pytest.mark.parametrize("change", ["emptied", "cut", "removed"])
def test_a_file_that_is_emptied_cut_or_removed_is_named(copy: Path, change: str) -> None:
    for path in [*files(copy, "*"), *files(copy, "runs/*/seed-0/*")]:
        content = path.read_bytes()
        if change == "removed":
            path.unlink()
        else:
            path.write_bytes(content[: len(content) // 2 if change == "cut" else 0])
        if change == "removed" and path.name == "files.json":  # as an older version leaves it
            bakeoff.open_result(copy)
            assert verify_study(copy).unrecorded
        elif change == "removed" and path.name == "predictions.npz":  # as a run that is not finished
            assert [run.state for run in study_status(copy)[1]].count("finished") == 3
            (difference,) = verify_study(copy).differences
            assert difference == f"{path} is missing; run the study again, which trains this run anew"
        else:
            assert_named(path, copy)
        path.write_bytes(content)


def test_files_swapped_between_runs_are_named(copy: Path) -> None:
    for path in files(copy, "runs/lenet5/seed-0/*"):
        other = copy / "runs/lenet5/seed-1" / path.name
        contents = path.read_bytes(), other.read_bytes()
        path.write_bytes(contents[1])
        other.write_bytes(contents[0])
        assert_named(path, copy)
        assert_named(other, copy)
        path.write_bytes(contents[0])
        other.write_bytes(contents[1])


def test_what_the_message_says_to_do_gives_the_same_results(
    copy: Path, finished: Path, study: bakeoff.Study
) -> None:
    weights = copy / "runs/lenet5/seed-0/best.safetensors"
    weights.write_bytes(b"")
    before = {path: path.read_bytes() for path in files(copy, "runs/*/*/predictions.npz")}
    with pytest.raises(BakeoffError, match=r"best\.safetensors is empty"):
        bakeoff.run(study, copy, jobs=1, progress=False)
    shutil.rmtree(weights.parent)
    for name in ("study.toml", "test_images.npz"):
        for _ in flips(copy / name):
            with pytest.raises(BakeoffError, match=f"{name} has changed since it was written"):
                bakeoff.run(study, copy, jobs=1, progress=False)
        (copy / name).rename(copy.parent / name)
    bakeoff.run(study, copy, jobs=1, progress=False).report()
    assert verify_study(copy).differences == ()
    assert {path: path.read_bytes() for path in before} == before
    for name in ("study.toml", "test_images.npz", "data.json"):
        assert (copy / name).read_bytes() == (finished / name).read_bytes()


def test_commands_that_use_some_of_the_files_check_these(copy: Path, tmp_path: Path) -> None:
    from bakeoff.predict.ensemble import load_ensemble

    features = copy / "runs/lenet5/seed-0/features.npz"
    for _ in flips(features):
        load_ensemble(copy, recipe="lenet5")
        read_predictions([copy])
    weights = copy / "runs/lenet5/seed-0/best.safetensors"
    for _ in flips(weights):
        read_predictions([copy])
        load_ensemble(copy, recipe="lenet5", seeds=[1])
        with pytest.raises(BakeoffError, match=r"seed-0/best\.safetensors has changed"):
            load_ensemble(copy, recipe="lenet5")
    predictions = copy / "runs/lenet5/seed-0/predictions.npz"
    for _ in flips(predictions):
        for paths in ([copy], [predictions]):
            with pytest.raises(BakeoffError, match=r"seed-0/predictions\.npz has changed"):
                read_predictions(paths)
        with pytest.raises(BakeoffError, match=r"seed-0/predictions\.npz has changed"):
            load_ensemble(copy, recipe="lenet5", seeds=[1])
    for _ in flips(copy / "data.json"):
        with pytest.raises(BakeoffError, match=r"data\.json has changed"):
            read_predictions([copy])


def test_the_command_prints_each_difference_and_how_many_files_were_checked(copy: Path) -> None:
    whole = command("verify", "study", cwd=copy.parent)
    assert whole.returncode == 0, whole.stderr
    num_checked = verify_study(copy).num_checked
    assert whole.stdout == (
        f"{num_checked} files and the decoded images in the cache checked: all as they were written; "
        "without a recorded digest: tensorboard (4 files)\n"
    )
    (copy / "runs/lenet5/seed-0/history.csv").unlink()
    (copy / "data.json").write_text("{}")
    changed = command("verify", "study", cwd=copy.parent)
    assert changed.returncode == 1, changed.stderr
    first, second, summary = changed.stdout.splitlines()
    assert first.startswith("study/data.json has 2 bytes, expected ")
    assert second.startswith("study/runs/lenet5/seed-0/history.csv is missing; delete ")
    assert summary.startswith(
        f"{num_checked} files checked: 2 not as written; "
    )  # data.json names the images
    nothing = command("verify", "runs", cwd=copy)
    assert nothing.returncode == 2
    assert "runs is not a study folder" in nothing.stderr
