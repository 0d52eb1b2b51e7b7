"""Each script of benchmarks/ runs, with little work, and what it prints adds up."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bakeoff.analysis.scores.by_name import SCORES

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
NUM_IMAGES = {"train": 150, "val": 50, "test": 60}

slow = pytest.mark.slow


@pytest.fixture(scope="module")
def few_images(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Links to some real images, with splits/."""
    folder = tmp_path_factory.mktemp("few images")
    (folder / "splits").mkdir()
    for split, number in NUM_IMAGES.items():
        lines = (photographs / "splits" / f"{split}.txt").read_text("utf-8").splitlines()
        chosen = lines[:: len(lines) // number][:number]
        (folder / "splits" / f"{split}.txt").write_text("\n".join(chosen) + "\n", "utf-8")
        for line in chosen:
            path = line.rsplit(" ", 1)[0]
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).symlink_to(photographs / path)
    return folder


@pytest.fixture
def printed(few_images: Path):
    """Runs a script; gives what it printed."""

    def run(script: str, *words: str | Path) -> str:
        done = subprocess.run(
            [sys.executable, BENCHMARKS / script, *words],
            env={**os.environ, "BAKEOFF_STL10": str(few_images)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def numbers(pattern: str, text: str) -> list[float]:
    """What the groups of all matches of the pattern say."""
    found = re.findall(pattern, text, re.MULTILINE)
    assert found, f"no {pattern!r} in\n{text}"
    groups = [group if isinstance(group, tuple) else (group,) for group in found]
    return [float(word.replace(",", "")) for group in groups for word in group]


@slow
def test_the_parts_of_a_profile_add_up_to_the_run(printed, few_images):
    text = printed("run_profile.py", f"splits:{few_images}", "--epochs", "3")
    (total,) = numbers(r"150 training images: ([\d.]+) s$", text)
    parts = numbers(r"^[a-zA-Z ]+? +([\d.]+) s +[\d.]+% +[\d.]+ ms x \d+$", text)
    assert sum(parts) == pytest.approx(total, abs=0.005 * (len(parts) + 1))
    assert sum(numbers(r" s +([\d.]+)% ", text)) == pytest.approx(100, abs=0.05 * len(parts))
    calls = dict(re.findall(r"^([a-zA-Z ]+?)  +[\d.]+ s.* x (\d+)$", text, re.MULTILINE))
    steps, epochs = 6, 3
    assert {name: int(calls[name]) for name in ("forward", "loss", "backward")} == dict.fromkeys(
        ("forward", "loss", "backward"), steps
    )
    assert int(calls["rest of the step"]) == epochs
    assert {"optimizer", "gather and standardise", "validation and test", "TensorBoard"} <= set(calls)
    assert {"attributions", "features", "state to resume from", "saving the run"} <= set(calls)
    (inside,) = numbers(r"optimizer, validation and test\): ([\d.]+)%$", text)
    shares = dict(re.findall(r"^([a-zA-Z ]+?)  +[\d.]+ s +([\d.]+)%", text, re.MULTILINE))
    named = ("forward", "loss", "backward", "optimizer", "validation and test")
    assert inside == pytest.approx(sum(float(shares[name]) for name in named), abs=0.3)


@slow
def test_a_step_of_each_net_is_timed_in_each_way(printed):
    text = printed("net_steps.py", "--rounds", "2", "--batch-size", "8")
    rows = re.findall(
        r"^\| .*? \(8\) \|((?: [\d.]+ \([\d.]+\) \|){3}) ([\d.]+) .*? \| .*? (\d+)% \|$", text, re.M
    )
    assert len(rows) == 8, text
    for times, ratio, share in rows:
        medians = numbers(r" ([\d.]+) \(", times)
        leasts = numbers(r"\(([\d.]+)\)", times)
        assert all(0 < least <= median for least, median in zip(leasts, medians, strict=True))
        assert float(ratio) == pytest.approx(min(medians[:2]) / medians[2], rel=0.1)
        assert 0 <= float(share) < 100


@slow
def test_steps_on_many_images_have_their_parts(printed, few_images):
    words = ["--images", "300", "--size", "32", "--batches", "2"]
    text = printed("large_data.py", f"splits:{few_images}", *words)
    assert re.search(r"^300 images, 0 MiB; .*'own': \d+", text, re.M)
    assert 0 < float(numbers(r"backward: ([\d.]+)%", text)[0]) < 100


def test_a_pass_of_attribution_is_compared_with_one_of_training(printed):
    text = printed("attribution_cost.py", "--nets", "tutorial", "--rounds", "1")
    assert 0 < float(text.splitlines()[1].split()[5]) < 10


@slow
def test_scale_charges_what_is_paid_once_apart(printed, few_images):
    text = printed("scale.py", few_images, "--epochs", "1", "--seeds", "1,2", "--copies", "1,2")
    rows = [line.strip("| ").split(" | ") for line in re.findall(r"^\| [\d,]+ \|.*$", text, re.MULTILINE)]
    assert [row[0] for row in rows] == ["3", "6", "150", "300"], text
    values = [[float(word or "nan") for word in row] for row in rows]
    for (number, whole, *parts, processor), scale in zip(
        (row[:7] for row in values), (1, 1, 1e3, 1e3), strict=True
    ):
        assert sum(parts) == pytest.approx(whole, abs=0.05)
        assert 0 < processor <= 2 * whole * (os.cpu_count() or 1)
        (row,) = (row for row in values if row[0] == number)
        assert row[7:9] == pytest.approx([scale * whole / number, scale * processor / number], rel=0.01)
    for few, many, scale in ((values[0], values[1], 1), (values[2], values[3], 1e3)):
        further = [scale * (many[place] - few[place]) / (many[0] - few[0]) for place in (1, 6)]
        assert many[10:12] == pytest.approx(further, abs=scale * 0.02 / few[0])
        assert many[12] > 0


@slow
def test_kernels_are_compared_recipe_by_recipe(printed, tmp_path):
    text = printed(
        "kernel_equivalence.py", "--out", tmp_path, "--seeds", "2", "--epochs", "1", "--recipes", "lenet5"
    )
    (off,) = numbers(r"^lenet5, kernels off: ([\d.]+) %", text)
    (auto,) = numbers(r"^lenet5, kernels auto: ([\d.]+) %", text)
    (difference,) = numbers(r"difference ([+−-]?[\d.]+) points", text.replace("−", "-"))
    assert difference == pytest.approx(auto - off, abs=0.15)
    assert re.search(r"^off: .*kernels: .*off", text, re.MULTILINE), text


@slow
def test_ways_to_train_on_one_device_are_timed_and_compared(printed, tmp_path):
    words = "--device cpu --epochs 1 --seeds 2 --ways stacked,processes"
    text = printed("gpu_study.py", "--out", tmp_path / "ways", *words.split())
    assert len(numbers(r"^(?:stacked|processes) +([\d.]+) s for 2 seeds of 3 recipes", text)) == 2
    for recipe in ("lenet5", "lenet5_l2_regularization", "lenet5_batch_norm"):
        assert f"{recipe}, stacked" in text
        assert f"{recipe}, processes" in text


@slow
def test_ray_and_processes_take_turns(printed):
    text = printed("ray_engine.py", "short", "--runs", "4", "--repetitions", "1")
    seconds = numbers(r"^seconds: processes ([\d.]+) .*, ray ([\d.]+) .*, ray / processes ([\d.]+) ", text)
    assert seconds[2] == pytest.approx(seconds[1] / seconds[0], rel=0.01)
    rates = numbers(r"^runs a second: processes ([\d.]+) .*, ray ([\d.]+) ", text)
    assert rates == pytest.approx([4 / seconds[0], 4 / seconds[1]], rel=0.01)


@slow
def test_prediction_counts_the_images(printed, photo_study):
    number, rate, rate_of_processor = numbers(
        r"^([\d,]+) images: (-?[\d,]+) images/s, (-?[\d,]+) per processor second; peak [1-9]\d* MiB",
        printed("predict.py", photo_study, "--copies", "2"),
    )
    assert number == 2 * sum(NUM_IMAGES.values())
    assert rate
    assert rate_of_processor


@slow
def test_augmentation_is_timed_for_each_recipe(printed):
    text = printed("augmentation.py", "--steps", "1", "--repetitions", "1")
    rows = re.findall(r"^(\w+): plain ([\d.]+) .* augmented ([\d.]+) .* ratio ([\d.]+) ", text, re.MULTILINE)
    assert [name for name, *_ in rows] == ["lenet5", "lenet5_l2_regularization", "lenet5_batch_norm"]
    for _, plain, augmented, ratio in rows:
        assert float(ratio) == pytest.approx(float(augmented) / float(plain), rel=0.05)


@slow
def test_the_check_of_images_has_all_of_them(printed):
    num_images = sum(NUM_IMAGES.values()) + NUM_IMAGES["train"]
    text = printed("data_check.py", "--image-size", "32", "--images", str(num_images))
    number, seconds, _, peak, before = numbers(
        r"^([\d,]+) images of .*: ([\d.]+) s \(([\d.]+) s of processor time\), peak (\d+) MiB \((\d+) before",
        text,
    )
    assert number == num_images
    assert seconds > 0
    assert peak >= before > 0


@slow
def test_a_large_table_is_compared(printed):
    arrays = printed(
        "compare_scale.py", "--images", "30", "--recipes", "2", "--arrays", "--metric", "macro_f1"
    )
    assert "By macro F1: recipe_1 " in arrays
    text = printed("compare_scale.py", "--images", "30", "--probabilities")
    rows, megabytes, _, processor, peak = numbers(
        r"^([\d,]+) rows, (\d+) MB: ([\d.]+) s \(([\d.]+) s of processor\), peak (\d+) MiB", text
    )
    assert rows == 10 * 10 * 30
    assert megabytes == 0
    assert processor > 0 < peak
    assert "recipe_9" in text


@slow
def test_a_large_report_is_built(printed, tmp_path):
    text = printed("report_scale.py", "--seeds", "2", "--images", "60", "--keep", tmp_path / "study")
    images, _, processor, peak, page = numbers(
        r"^3 recipes x 2 seeds x ([\d,]+) test images of 10 classes: ([\d.]+) s \(([\d.]+) s of processor\), "
        r"peak (\d+) MiB, page ([\d.]+) MB",
        text,
    )
    assert images == 60
    assert processor > 0 < peak
    size = (tmp_path / "study" / "report" / "index.html").stat().st_size
    assert page == pytest.approx(size / 1e6, abs=0.05)


@slow
def test_sources_are_loaded_again_and_checked(printed):
    text = printed("load_data.py", "small-files", "--images", "60", "--classes", "3", "--check")
    steps = numbers(
        r"^(?:load|again|check) +([\d.]+) s +([\d.]+) s of CPU time +at most ([\d,]+) MiB so far$", text
    )
    assert len(steps) == 9
    counts = numbers(r"^([\d,]+) / ([\d,]+) / ([\d,]+) images of 3 classes, 32 x 32$", text)
    assert sum(counts) == 60


@slow
def test_the_coverage_of_every_score_is_counted(printed):
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", printed("score_coverage.py", "4"), re.MULTILINE)
    assert [name for name, _ in rows] == [*SCORES, "top_2"]
    for _, shares in rows:
        assert len(shares.split(" | ")) == 6
        assert all(0 <= float(share) <= 100 for share in shares.split(" | "))


def test_each_script_is_run_here():
    """A new one is run by a test of its own."""
    text = Path(__file__).read_text("utf-8")
    scripts = {path.name for path in BENCHMARKS.glob("*.py")}
    assert {script for script in scripts if f'printed("{script}"' not in re.sub(r"\(\s+", "(", text)} == set()


@slow
def test_claims_about_one_recipe_split_into_two_are_counted(printed, tmp_path):
    words = ("--out", tmp_path / "study", "--data", "digits", "--runs", "6", "--epochs", "1", "--draws", "20")
    text = printed("real_null.py", *words)
    assert text.startswith("6 runs of 1 epochs, 359 test images: accuracy ")
    rates = numbers(r"^\| (?:better or worse|equivalent|McNemar.*) \| ([\d.]+) \| ([\d.]+) \|", text)
    assert len(rates) == 6
    assert all(0 <= rate <= 100 for rate in rates)


@slow
def test_chances_are_compared_with_what_more_seeds_of_real_runs_show(printed):
    text = printed("real_chances.py", BENCHMARKS.parent / "tests/golden/rounds/study", "--draws", "200")
    rows = re.findall(r"^\| (?:below|above|\d+ to).*? \| (\d+) % \| (\d+) % \| (\d+) \|$", text, re.MULTILINE)
    assert rows, text
    for predicted, seen, studies in rows:
        assert 0 <= int(predicted) <= 100
        assert 0 <= int(seen) <= 100
        assert 0 < int(studies) <= 200
