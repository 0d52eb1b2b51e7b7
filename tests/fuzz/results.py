"""The part of the targets that is about results: predictions, study folders, resume states, downloads."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from hostile_bytes import damaged_npz, mutate, restructure
from hostile_server import HostileServer, archives, serve

from bakeoff.data import download as fetching
from bakeoff.data import load_data
from bakeoff.errors import BakeoffError
from bakeoff.prediction_files import read_predictions
from bakeoff.store import UnfinishedRun, load_study_folder, prepare_folder, save_run, study_status
from bakeoff.study import load_study

Case = Callable[[random.Random], object]


def predictions_csv(folder: Path) -> Case:
    file = folder / "predictions.csv"
    likely = ("0.5,0.3,0.2", "0.2,0.5,0.3", "0.2,0.3,0.5")
    rows = [
        f"{recipe},{seed},{image}.png,{image % 3},{image * seed % 3},{likely[image * seed % 3]}"
        for recipe in ("plain", "wide")
        for seed in range(3)
        for image in range(6)
    ]
    text = ("recipe,seed,image,label,prediction,p_0,p_1,p_2\n" + "\n".join(rows) + "\n").encode()
    plain = b"\n".join(line.rsplit(b",", 3)[0] for line in text.splitlines())
    words = (
        b"nan",
        b"inf",
        b"1e400",
        b"1e39",
        b"9" * 5000,
        b'"',
        b"a" * 200_000,
        b"\r",
        b",,,",
        b"p_0",
        "٣".encode(),
        "²".encode(),
        b"-0",
        b"=1+1",
        b"\x1b[2J",
        b"\x00",
        b"\xef\xbb\xbf",
    )

    def case(rng: random.Random) -> object:
        file.write_bytes(mutate(rng, rng.choice((text, plain)), words))
        return read_predictions([file])

    return case


def predictions_npz(folder: Path) -> Case:
    good = folder / "good.npz"
    rng_numbers = np.random.default_rng(0)
    np.savez(
        good,
        recipe=np.array("a"),
        seed=np.array(0),
        class_names=np.array(["cat", "dog", "ship"]),
        test_logits=rng_numbers.normal(size=(6, 3)).astype(np.float32),
        test_labels=np.arange(6) % 3,
        test_ids=np.array([f"{index}.png" for index in range(6)]),
    )
    file = folder / "predictions.npz"

    def case(rng: random.Random) -> object:
        file.write_bytes(damaged_npz(rng, good))
        return read_predictions([file])

    return case


def study_folders(folder: Path) -> Case:
    from bakeoff.training import train

    study = load_study("quickstart", seeds=2, epochs=1, recipes=["lenet5", "lenet5_batch_norm"])
    data = load_data(study.data)
    good = folder / "good"
    layout = prepare_folder(good, study, data, {"python": "3"})
    for recipe in study.recipes:
        save_run(layout, study, recipe, 0, "identity", train(study.recipes[recipe], 0, data), data)
    UnfinishedRun(layout.unfinished("lenet5", 1), "identity").save(b"state", 1, 0.5)
    files = [path for path in good.rglob("*") if path.is_file()]
    root = folder / "study"
    shutil.copytree(good, root)

    def damaged(rng: random.Random, path: Path) -> bytes:
        if rng.random() < 0.03:
            return rng.choice((b"", b"[" * 100_000, b"null", b"[]", b"\x00" * 100))
        if path.suffix == ".json" and rng.random() < 0.6:
            return json.dumps(restructure(rng, json.loads(path.read_bytes()))).encode()
        return damaged_npz(rng, path) if path.suffix == ".npz" else mutate(rng, path.read_bytes())

    def case(rng: random.Random) -> object:
        chosen = rng.choice(files)
        file = root / chosen.relative_to(good)
        try:
            if rng.random() < 0.03:
                file.unlink()
            else:
                file.write_bytes(damaged(rng, chosen))
            study_status(root)
            return load_study_folder(root).predictions()
        finally:
            shutil.copy(chosen, file)

    return case


def resume_states(folder: Path) -> Case:
    import torch

    from bakeoff.training.records import EpochRecord
    from bakeoff.training.state import TrainingState

    weights = {"w": torch.arange(30.0)}
    state = TrainingState(
        model=weights,
        optimizer={"state": {}, "param_groups": [{"lr": 0.1}]},
        average={},
        best_score=0.5,
        best_epoch=1,
        best_weights=weights,
        best_val_logits=np.zeros((4, 2), np.float32),
        history=[EpochRecord(1, 0.1, 1.0, 0.5, 1.0, 0.5, 0.1)],
        steps=[(1.0, 0.5)],
        train_true_probability=np.zeros((2, 4), np.float16),
        val_true_probability=np.zeros((2, 4), np.float16),
    ).to_bytes()
    unfinished = UnfinishedRun(folder / "unfinished.state", "identity")
    unfinished.save(state, 1, 0.5)
    good = unfinished.path.read_bytes()

    def case(rng: random.Random) -> object:
        content = mutate(rng, good, (b"cos\nsystem\n(S'true'\ntR.", b"[" * 100_000, b"Infinity"))
        unfinished.path.write_bytes(content)
        found = unfinished.load()
        assert found in (None, state), "a damaged state was taken for a whole one"
        try:
            return TrainingState.from_bytes(mutate(rng, state))
        except ValueError as error:
            raise BakeoffError(f"{folder}: {error}") from error

    return case


def fetched(folder: Path) -> Case:
    fetching.TIMEOUT_SECONDS = 0.2  # type: ignore[assignment]
    fetching.SECONDS_BETWEEN_ATTEMPTS = 0
    server = serve()

    def case(rng: random.Random) -> object:
        target = folder / "to"
        shutil.rmtree(target, ignore_errors=True)
        server.behave(rng)
        try:
            return fetching.fetch("small", target, base_url=server.url, archives=archives(server.promised))
        finally:
            HostileServer.check_kept(folder)

    return case
