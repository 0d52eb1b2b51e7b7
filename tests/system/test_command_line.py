"""The command line: what a user types, sees and finds on disk; in real processes where these matter."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tests import in_process

BAKEOFF = str(Path(sys.executable).with_name("bakeoff"))
SMALL = ["quickstart", "--epochs", "2", "--seeds", "2", "--recipes", "lenet5,lenet5_batch_norm"]
SMALL += ["--set", "data.image_size=16"]


@pytest.fixture(autouse=True, scope="module")
def without_kernels():
    """With them a run is over before it can be disturbed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BAKEOFF_KERNELS", "off")
        yield


def bakeoff(*words, cwd, check=True, **variables):
    environment = {**os.environ, "COLUMNS": "80", **variables}
    done = subprocess.run(
        [BAKEOFF, *map(str, words)], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    if check:
        assert done.returncode == 0, done.stdout + done.stderr
    return done


def bakeoff_here(*words, cwd, check=True, **variables):
    """The same in this process."""
    done = in_process.bakeoff(*words, cwd=cwd, **{"COLUMNS": "80", **variables})
    if check:
        assert done.returncode == 0, done.stdout + done.stderr
    return done


def result_files(root: Path) -> dict[str, bytes]:
    kept = ("predictions.npz", "best.safetensors")
    return {str(path.relative_to(root)): path.read_bytes() for name in kept for path in root.rglob(name)}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A small study that ran once, with two workers."""
    folder = tmp_path_factory.mktemp("finished")
    done = bakeoff("run", *SMALL, "--jobs", "2", "--out", "study", cwd=folder)
    return folder, done


def test_a_run_prints_its_progress_its_results_and_the_report(finished):
    folder, done = finished
    assert "2 recipes x 2 seeds on digits" in done.stdout
    assert "lenet5_batch_norm seed 1 epoch 2/2: loss" in done.stdout
    assert done.stdout.rstrip().splitlines()[-1] == "report: study/report/index.html"
    assert (folder / "study/report/index.html").stat().st_size > 10_000
    assert done.stderr == ""
    assert max(map(len, done.stdout.splitlines()[-30:])) <= 110


def test_one_worker_and_two_workers_give_the_same_bytes(finished, tmp_path):
    folder, _ = finished
    bakeoff("run", *SMALL, "--jobs", "1", "--no-check", "--out", "study", cwd=tmp_path)
    one, two = result_files(tmp_path / "study"), result_files(folder / "study")
    assert len(one) == 8
    assert one == two


def test_a_second_run_with_the_same_words_trains_nothing(finished):
    folder, _ = finished
    before = {path: path.stat().st_mtime_ns for path in (folder / "study/runs").rglob("*.*")}
    done = bakeoff_here("run", *SMALL, "--out", "study", cwd=folder)
    assert "4 of 4 runs already finished" in done.stdout
    assert {path: path.stat().st_mtime_ns for path in (folder / "study/runs").rglob("*.*")} == before


def test_other_settings_in_the_same_folder_are_refused(finished):
    folder, _ = finished
    done = bakeoff_here("run", *SMALL, "--epochs", "3", "--out", "study", cwd=folder, check=False)
    assert done.returncode == 2
    assert "recipes.lenet5.epochs: was 2, now 3" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_report_can_be_made_again_from_the_results_alone(finished, tmp_path):
    folder, _ = finished
    before = (folder / "study/report/index.html").read_bytes()
    (folder / "study/report/index.html").unlink()
    bakeoff_here("report", "study", cwd=folder, BAKEOFF_CACHE=str(tmp_path / "no cache"))
    assert (folder / "study/report/index.html").read_bytes() == before
    assert not (tmp_path / "no cache").exists()


def test_tensorboard_finds_every_run_with_curves_matrix_and_hyperparameters(finished):
    folder, _ = finished
    runs = sorted(path for path in (folder / "study/tensorboard").glob("*/*"))
    assert [f"{path.parent.name}/{path.name}" for path in runs] == [
        "lenet5/seed-0", "lenet5/seed-1", "lenet5_batch_norm/seed-0", "lenet5_batch_norm/seed-1",
    ]  # fmt: skip
    for path in runs:
        assert len(list(path.iterdir())) == 1
        events = EventAccumulator(str(path)).Reload()
        tags = events.Tags()
        assert {"loss/train", "loss/val", "accuracy/train", "accuracy/val", "learning_rate"} <= set(
            tags["scalars"]
        )
        assert [event.step for event in events.Scalars("loss/val")] == [1, 2]
        steps = [event.step for event in events.Scalars("step/loss")]
        assert steps == list(range(1, len(steps) + 1))
        assert tags["images"] == ["confusion_matrix/test"]
        assert "_hparams_/session_start_info" in events.summary_metadata
        history = np.genfromtxt(
            folder / "study/runs" / path.parent.name / path.name / "history.csv", delimiter=",", names=True
        )
        logged = [event.value for event in events.Scalars("loss/train")]
        assert logged == pytest.approx(history["train_loss"], rel=1e-6)


def test_every_event_file_holds_the_hyperparameters(finished):
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    folder, _ = finished
    (path,) = (folder / "study/tensorboard/lenet5_batch_norm/seed-1").iterdir()
    text = b"".join(event.SerializeToString() for event in EventFileLoader(str(path)).Load())
    assert b"model.batch_norm" in text
    assert b"optimizer.lr" in text


def test_the_study_folder_holds_what_the_design_names(finished):
    folder, _ = finished
    root = folder / "study"
    assert {path.name for path in root.iterdir()} == {
        ".lock", ".lock-report", "files.json", "study.toml", "audit.json", "costs.json", "data.json",
        "environment.json", "test_images.npz", "train_images.npz", "runs", "tensorboard", "report",
    }  # fmt: skip
    assert {path.name for path in (root / "runs/lenet5/seed-0").iterdir()} == {
        "history.csv", "predictions.npz", "features.npz", "attributions.npz", "best.safetensors",
        "files.json",
    }  # fmt: skip
    study = tomllib.loads((root / "study.toml").read_text())
    assert study["recipes"]["lenet5"]["epochs"] == 2
    assert json.loads((root / "environment.json").read_text())["threads_per_run"] == 1
    summary = json.loads((root / "report/summary.json").read_text())
    assert "comparison" in summary


@pytest.mark.slow
def test_a_run_whose_loss_is_not_finite_fails_alone(tmp_path):
    words = [*SMALL, "--set", "recipes.lenet5.optimizer.lr=1e30", "--out", "study"]
    done = bakeoff("run", *words, cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert "lenet5, seed 0: failed: training loss is" in done.stdout
    assert (
        sorted(path.parent.parent.name for path in tmp_path.rglob("predictions.npz"))
        == ["lenet5_batch_norm"] * 2
    )
    assert "training loss is" in (tmp_path / "study/report/index.html").read_text()
    again = bakeoff("run", *words, cwd=tmp_path, check=False)
    assert again.returncode == 1
    assert "4 of 4 runs already finished" in again.stdout


def children_of(process_id: int) -> list[int]:
    found = []
    for path in Path(f"/proc/{process_id}/task").glob("*/children"):  # of each thread
        try:
            found += map(int, path.read_text().split())
        except OSError:
            continue
    return found


def processes_of(session: int) -> list[int]:
    stats = {path.parent.name: path for path in Path("/proc").glob("[0-9]*/stat")}
    found = []
    for name, path in stats.items():
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session:
            found.append(int(name))
    return found


def is_running(process_id: int) -> bool:
    """Whether a process is there and no zombie, which waits only for its parent to take note."""
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition, seconds=180):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def workers_of(words, cwd) -> int:
    """The most worker processes that a command has at once until it ends."""
    process, most = start(words, cwd), 0
    while process.poll() is None:
        commands = [Path(f"/proc/{child}/cmdline") for child in children_of(process.pid)]
        most = max(most, sum(path.exists() and b"spawn_main" in path.read_bytes() for path in commands))
        time.sleep(0.02)
    process.communicate()
    return most


def start(words, cwd):
    return subprocess.Popen(
        [BAKEOFF, "run", *words], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip


LONG = [
    "quickstart", "--epochs", "30", "--seeds", "3", "--recipes", "lenet5", "--jobs", "2",
    "--out", "study",
]  # fmt: skip


@pytest.mark.slow
def test_ctrl_c_stops_cleanly_and_the_same_words_go_on(tmp_path):
    # A shell's background job hands its deafness for Ctrl-C down to the tests and to what they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    process = start(LONG, tmp_path)
    wait_until(lambda: list(tmp_path.rglob("predictions.npz")))
    os.killpg(process.pid, signal.SIGINT)
    output, errors = process.communicate(timeout=30)
    assert process.returncode == 130, output + errors
    number = len(list(tmp_path.rglob("predictions.npz")))
    assert errors.startswith(f"stopped; study keeps {number} finished run")
    assert errors.endswith("; run the same command again to continue\n")
    assert not list(tmp_path.rglob("*.tmp"))
    finished = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("predictions.npz")}
    assert len(finished) < 3
    done = bakeoff("run", *LONG, cwd=tmp_path)
    assert "runs already finished" in done.stdout
    assert len(list(tmp_path.rglob("predictions.npz"))) == 3
    assert all(path.stat().st_mtime_ns == before for path, before in finished.items())


@pytest.mark.parametrize("moment", ["a worker is there", "images are decoded"])
def test_ctrl_c_before_the_first_run_is_as_clean(tmp_path, moment):
    signal.signal(signal.SIGINT, signal.default_int_handler)
    process = start(LONG, tmp_path)
    if moment == "a worker is there":
        wait_until(lambda: len(children_of(process.pid)) >= 2)
        time.sleep(0.5)  # Python itself starts
    else:
        wait_until(lambda: list(tmp_path.rglob("data.json")))
    os.killpg(process.pid, signal.SIGINT)
    output, errors = process.communicate(timeout=30)
    assert process.returncode == 130, output + errors
    begins = "stopped before the first epoch was saved; " if moment == "a worker is there" else "stopped"
    assert errors.startswith(begins)
    assert errors.endswith("; run the same command again to continue\n")
    wait_until(lambda: not any(map(is_running, processes_of(process.pid))))


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_only_the_time_since_its_last_state(tmp_path):
    process = start(LONG, tmp_path)
    wait_until(lambda: len(list(tmp_path.rglob("events.*"))) >= 2)
    workers = [
        child
        for child in children_of(process.pid)
        if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]
    os.kill(workers[0], signal.SIGKILL)
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, output + errors
    assert "killed by signal 9" in output
    assert "trying again" in output
    assert len(list(tmp_path.rglob("predictions.npz"))) == 3
    assert not list(tmp_path.rglob("unfinished.state"))


@pytest.mark.slow
def test_a_run_of_which_three_workers_died_is_given_up_and_the_rest_goes_on(tmp_path):
    (tmp_path / "nets.py").write_text(
        "import os\n"
        "from torch import nn\n"
        "class Dies(nn.Module):\n"
        "    def __init__(self, num_classes, image_size):\n"
        "        super().__init__()\n"
        "        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(3 * image_size**2, num_classes))\n"
        "    def forward(self, images):\n"
        "        if len(images) > 200:\n"
        "            os.kill(os.getpid(), 9)\n"
        "        return self.layers(images)\n"
    )
    (tmp_path / "mine.toml").write_text(
        'name = "mine"\nseeds = 1\n[recipes.dies]\nmodel = "nets:Dies"\n[recipes.lives]\nepochs = 1\n'
    )
    done = bakeoff("run", "mine.toml", cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert done.stdout.count("trying again") == 2
    assert "dies, seed 0: failed: the worker process died (killed by signal 9" in done.stdout
    assert [path.parent.parent.name for path in tmp_path.rglob("predictions.npz")] == ["lives"]
    status = bakeoff("status", "results/mine", cwd=tmp_path).stdout
    assert "1 failed, 1 finished" in status


@pytest.mark.slow
def test_a_second_run_in_the_same_folder_says_who_holds_it_or_waits(tmp_path):
    process = start(LONG, tmp_path)
    wait_until(lambda: list(tmp_path.rglob(".lock-holder.json")))
    waiting = start([*LONG, "--wait"], tmp_path)
    refused = bakeoff("run", *LONG, cwd=tmp_path, check=False)
    assert refused.returncode == 2
    assert f"in use by process {process.pid} on" in refused.stderr
    process.communicate()
    assert process.returncode == 0
    output, errors = waiting.communicate()
    assert waiting.returncode == 0, output + errors
    assert "waiting" in output
    assert "3 of 3 runs already finished" in output


@pytest.mark.slow
def test_a_lock_left_by_a_killed_driver_is_taken_over(tmp_path):
    process = start(LONG, tmp_path)
    wait_until(lambda: list(tmp_path.rglob("events.*")))
    process.kill()
    process.communicate()
    bakeoff("run", *LONG, cwd=tmp_path)
    assert len(list(tmp_path.rglob("predictions.npz"))) == 3


def test_workers_end_when_the_driver_is_killed(tmp_path):
    process = start(LONG, tmp_path)
    wait_until(lambda: len(list(tmp_path.rglob("events.*"))) >= 2)
    workers = children_of(process.pid)
    assert len(workers) >= 2
    process.kill()
    process.communicate()
    wait_until(lambda: not any(is_running(worker) for worker in workers))


def test_a_users_own_model_in_the_current_folder_is_trained(tmp_path):
    (tmp_path / "nets.py").write_text(
        "from torch import nn\n"
        "class Linear(nn.Module):\n"
        "    def __init__(self, num_classes, image_size):\n"
        "        super().__init__()\n"
        "        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(3 * image_size**2, num_classes))\n"
        "    def forward(self, images):\n"
        "        return self.layers(images)\n"
    )
    (tmp_path / "mine.toml").write_text(
        'name = "mine"\nseeds = 1\n[recipes.linear]\nepochs = 1\nmodel = "nets:Linear"\n'
    )
    bakeoff("run", "mine.toml", "--no-check", cwd=tmp_path)
    assert len(list((tmp_path / "results/mine/runs/linear").glob("*/predictions.npz"))) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "quikstart"], "did you mean 'quickstart'"),
        (["run", "--data", "folder:nowhere"], "nowhere"),
        (["run", "--data", "foldr:x"], "did you mean 'folder:x'?"),
        (
            ["run", "--data", "foldr:x"],
            "(data.source in the study file; on the command line: --data SOURCE)\n",
        ),
        (["data", "check", "foldr:x"], "cifar10:DIR)\n"),  # an argument, not an option
        (["data", "check", "digits", "--set", "data.val_fraction=7"], "error: the settings: 1 problem\n"),
        (["init", "folder:."], "did you mean '.'?"),
        (["run", "lenet5-stl10"], "`bakeoff data fetch stl10 data/stl10` downloads it"),
        (["run", "--set", "defaults.epoch=3"], "'epochs'"),
        (["run", "--set", "epochs=3"], "did you mean 'defaults.epochs', for all recipes?"),
        (["run", "--set", "defaults.model=nets:Linear", "--jobs", "1"], "cannot import 'nets'"),
        (["run", "--recipes", "a"], "no recipe 'a'"),
        (["show", "nothing"], "to write one for a folder of images: bakeoff init FOLDER"),
        (["report", "."], ". is not a study folder: it lacks study.toml or data.json; expected a folder"),
        (["report", "x"], "x is not a study folder: it does not exist; expected a folder that"),
        (["data", "info", "splits:nowhere"], "nowhere"),
        (["data", "fetch", "mnist", "."], "stl10"),
    ],
)
def test_a_users_mistake_is_one_message_and_exit_code_2(tmp_path, words, message):
    done = bakeoff_here(*words, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_a_misspelt_file_or_class_is_told_with_what_is_there(tmp_path):
    (tmp_path / "mine.toml").write_text('name = "mine"\n[recipes.net]\nmodel = "nets:Nett"\n')
    (tmp_path / "nets.py").write_text("from torch import Tensor, nn\nclass Net(nn.Module): pass\n")
    done = bakeoff("show", "mime.toml", cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "did you mean 'mine.toml'?" in done.stderr
    assert done.stdout == ""
    done = bakeoff("run", "mine.toml", "--jobs", "1", cwd=tmp_path, check=False)
    assert done.stderr.endswith("nets has no class 'Nett'; it has Net\n")


def test_a_report_of_an_unfinished_study_names_what_is_not_done(finished, tmp_path):
    shutil.copytree(finished[0] / "study", tmp_path / "study")
    (tmp_path / "study/runs/lenet5/seed-1/predictions.npz").unlink()
    shutil.rmtree(tmp_path / "study/runs/lenet5_batch_norm")
    said = bakeoff_here("report", "study", cwd=tmp_path).stdout
    assert "lenet5, seed 1: not finished; run the same command again to continue" in said
    assert "lenet5_batch_norm, seeds 0, 1: not finished" in said
    assert "there is no other recipe with results" in said


def test_the_version_is_the_installed_one(tmp_path):
    assert bakeoff("--version", cwd=tmp_path).stdout == f"bakeoff {metadata.version('bakeoff')}\n"


def test_show_gives_a_file_that_run_takes(tmp_path):
    (tmp_path / "mine.toml").write_text(bakeoff_here("show", "quickstart", cwd=tmp_path).stdout)
    done = bakeoff_here("show", "mine.toml", cwd=tmp_path)
    assert done.stdout == (tmp_path / "mine.toml").read_text()


def test_studies_lists_the_built_in_ones(tmp_path):
    lines = bakeoff_here("studies", cwd=tmp_path).stdout
    for name in ("quickstart", "lenet5-stl10", "lenet5-as-published"):
        assert name in lines


def test_data_info_tells_splits_counts_and_statistics(tmp_path, photographs):
    text = bakeoff_here("data", "info", f"splits:{photographs}", cwd=tmp_path).stdout
    lines = (photographs / "splits" / "train.txt").read_text().splitlines()
    files = [photographs / line.split()[0] for line in lines]
    pixels = np.stack([Image.open(file).resize((32, 32), Image.Resampling.BILINEAR) for file in files]) / 255
    red, green = pixels[..., 0].mean(), pixels[..., 1].std()
    for word in ("600", "200", "400", "flower5", "96 x 96", f"{red:.4f}", f"{green:.4f}"):
        assert word in text, text


def test_help_imports_nothing_heavy():
    script = (
        "import sys\nfrom bakeoff.cli import app\n"
        "from typer.testing import CliRunner\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        "heavy = {'torch', 'numpy', 'matplotlib', 'sklearn', 'scipy', 'pydantic', 'PIL'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.slow
def test_workers_start_only_where_there_is_something_to_train(finished, tmp_path):
    folder, _ = finished
    assert workers_of([*SMALL, "--out", "study"], folder) == 0
    assert workers_of([*SMALL, "--data", "folder:nowhere"], tmp_path) == 0
    shutil.copytree(folder / "study", tmp_path / "study")
    shutil.rmtree(tmp_path / "study/runs/lenet5/seed-1")
    assert workers_of([*SMALL, "--out", "study", "--jobs", "2"], tmp_path) == 1


@pytest.mark.slow
def test_a_study_without_the_kernels_says_so_once(tmp_path):
    words = ["run", "quickstart", "--recipes", "lenet5", "--seeds", "2", "--epochs", "1", "--no-check"]
    done = subprocess.run(
        [sys.executable, "-m", "bakeoff", *words, "--out", str(tmp_path / "study")],
        env={**os.environ, "BAKEOFF_KERNELS": "off"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.replace("\n", " ").count("kernels: none: switched off by BAKEOFF_KERNELS") == 1
    environment = json.loads((tmp_path / "study" / "environment.json").read_text())
    assert environment["kernels"].startswith("none")


def test_data_check_lists_what_to_remove(tmp_path, photographs):
    paths = sorted((photographs / "train").iterdir())[::20]
    for split, copied in (("train", paths), ("val", paths[:10]), ("test", paths[10:22])):
        for path in copied:
            folder = tmp_path / "images" / split / f"class{path.stem.split('_')[1]}"
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, folder)
    said = bakeoff_here("data", "check", "folder:images", "--list", "remove.csv", cwd=tmp_path, check=False)
    assert said.returncode == 1, said.stdout + said.stderr
    assert "22 images to remove, with reasons: remove.csv" in said.stdout
    again = bakeoff_here("data", "check", "folder:images", "--list", "remove.csv", cwd=tmp_path, check=False)
    assert again.stdout == said.stdout
    header, *rows = (tmp_path / "remove.csv").read_text().splitlines()
    assert header == "path,split,reason,other_path,other_split,distance"
    listed = {row.split(",")[0].rpartition("/")[2] for row in rows}
    assert listed == {path.name for path in paths[:22]}


def test_data_check_and_compare_replace_no_file_of_somebody_else(tmp_path):
    rows = [
        f"{recipe},{seed},{i},{i % 2},{(i + seed) % 2}"
        for recipe in "ab"
        for seed in (0, 1)
        for i in range(9)
    ]
    (tmp_path / "p.csv").write_text("\n".join(["recipe,seed,image,label,prediction", *rows]))
    (tmp_path / "mine.toml").write_text('name = "mine"\n')
    for words in (["data", "check", "digits", "--list"], ["compare", "p.csv", "--json"]):
        said = bakeoff_here(*words, "mine.toml", cwd=tmp_path, check=False)
        assert said.returncode == 2
        assert "mine.toml exists with other content" in said.stderr
        assert f"{words[-1]} FILE" in said.stderr
        assert (tmp_path / "mine.toml").read_text() == 'name = "mine"\n'
    for _ in range(2):
        bakeoff_here("compare", "p.csv", "--json", "out.json", cwd=tmp_path)


def test_compare_prints_the_same_whether_or_not_a_file_gets_more(tmp_path):
    rows = [
        f"{recipe},{seed},{i},{i % 5 // 4},{(i + seed) % 2},{'0.25,0.75' if (i + seed) % 2 else '0.75,0.25'}"
        for recipe in "ab"
        for seed in (0, 1)
        for i in range(40)
    ]
    (tmp_path / "p.csv").write_text("\n".join(["recipe,seed,image,label,prediction,p_0,p_1", *rows]))
    for metric in ("accuracy", "log_loss"):
        alone = bakeoff_here("compare", "p.csv", "--metric", metric, cwd=tmp_path)
        for_a_file = bakeoff_here(
            "compare", "p.csv", "--metric", metric, "--json", f"{metric}.json", cwd=tmp_path
        )
        assert for_a_file.stdout == alone.stdout
        recipe = json.loads((tmp_path / f"{metric}.json").read_text())["recipes"][0]
        assert recipe["calibration"]["bins"]
        assert len(recipe["secondary"]) == 6
        assert recipe["classes"][0]["f1"] is not None
