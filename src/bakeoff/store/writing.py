"""Writing a study folder: the study's own files, then each run when it is finished or has failed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bakeoff.data.image_data import SPLIT_NAMES, ImageData, Split
from bakeoff.errors import BakeoffError
from bakeoff.files import write_atomically, write_text
from bakeoff.store.layout import FORMAT_VERSION, Layout
from bakeoff.study import Study, study_from_toml, study_to_toml
from bakeoff.study.recipe import flatten_settings
from bakeoff.text import list_some

if TYPE_CHECKING:
    from bakeoff.training import TrainedRun

MAX_THUMBNAIL_SIZE = 64


def prepare_folder(root: Path, study: Study, data: ImageData, environment: Mapping[str, Any]) -> Layout:
    """Make the study folder, or check that the one there holds the same study on the same data.

    Seeds and recipes may be added or left out; a recipe that was run may not change.

    Raises
    ------
    BakeoffError
        If the folder holds something else, results of another study or of other data: says what differs.
    """
    layout = Layout(root)
    check_folder(root)
    # One of the two and no run: a folder whose first writer was stopped between them.
    if (layout.study.exists() and layout.data.exists()) or layout.runs.exists():
        _refuse_other_results(layout, study, data)
    remove_leftovers(layout)
    write_text(layout.study, study_to_toml(study))
    write_text(layout.data, _to_json(_describe_data(data)))
    write_text(layout.environment, _to_json(environment))
    _save_images(layout.test_images, data.test)
    _save_images(layout.train_images, data.train)
    return layout


def remove_leftovers(layout: Layout) -> None:
    """Remove what workers that were stopped had begun to write; none may be at work."""
    for leftover in layout.runs.glob("*/*/.*.tmp"):
        leftover.unlink(missing_ok=True)


def check_folder(root: Path) -> None:
    """See that a folder is a study folder, empty, or not there yet; nothing is written.

    Raises
    ------
    BakeoffError
        If it is something else.
    """
    layout = Layout(root)
    if root.exists() and not root.is_dir():
        raise BakeoffError(f"{root} is a file; expected a folder to write the study to (--out)")
    if layout.study.exists() or layout.data.exists() or not root.is_dir():
        return
    if any(not path.name.startswith(".lock") for path in root.iterdir()):
        raise BakeoffError(f"{root} is not empty and not a study folder; choose another one with --out")


def check_still_there(layout: Layout) -> None:
    """See that a study folder was not deleted while runs were written to it.

    Raises
    ------
    BakeoffError
        If it was.
    """
    if not (layout.study.exists() and layout.data.exists()):
        raise BakeoffError(
            f"{layout.root} was deleted or moved, in part at least, while the study ran; delete what is "
            "left of it and run the same command again"
        )


def _refuse_other_results(layout: Layout, study: Study, data: ImageData) -> None:
    try:
        stored_data = json.loads(layout.data.read_text("utf-8"))
        stored_study = study_from_toml(layout.study.read_text("utf-8"), str(layout.study))
        found_format = stored_data["format_version"]
    except (OSError, ValueError, KeyError) as error:
        raise BakeoffError(
            f"{layout.root} is a damaged study folder ({error}); choose another one with --out"
        ) from error
    remedy = "choose another folder with --out, or delete this one to start anew"
    if found_format != FORMAT_VERSION:
        raise BakeoffError(
            f"{layout.root} has the format {found_format} of another version of Bakeoff; "
            f"this one writes {FORMAT_VERSION}: {remedy}"
        )
    differences = []
    if stored_data["fingerprint"] != data.fingerprint:
        differences.append(
            f"data: the folder was made from {stored_data['source']!r} with other images, labels or splits "
            f"than {data.source!r} gives now"
        )
    for name, recipe in study.recipes.items():
        if name in stored_study.recipes and any((layout.runs / name).glob("*/*")):
            before = flatten_settings(stored_study.recipes[name])
            now = flatten_settings(recipe)
            differences += [
                f"recipes.{name}.{key}: was {before.get(key, 'not there')}, now {now.get(key, 'not there')}"
                for key in sorted({*before, *now})
                if before.get(key) != now.get(key)
            ]
    if differences:
        raise BakeoffError(
            f"{layout.root} holds results of other settings:\n{list_some(differences)}\n{remedy}"
        )


def _describe_data(data: ImageData) -> dict[str, Any]:
    counts = {
        name: np.bincount(data.split(name).labels, minlength=data.num_classes).tolist()
        for name in SPLIT_NAMES
    }
    return {
        "format_version": FORMAT_VERSION,
        "source": data.source,
        "fingerprint": data.fingerprint,
        "image_size": data.image_size,
        "class_names": data.class_names,
        "counts": counts,
        "mean": data.mean,
        "std": data.std,
        "notes": data.notes,
    }


def _save_images(path: Path, split: Split) -> None:
    if not path.exists():
        arrays: dict[str, Any] = {
            "images": _thumbnails(split.images),
            "labels": np.asarray(split.labels),
            "ids": np.array(split.ids),
        }
        write_atomically(path, lambda file: np.savez_compressed(file, **arrays))


def _thumbnails(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if images.shape[1] <= MAX_THUMBNAIL_SIZE:
        return np.asarray(images)
    size = (MAX_THUMBNAIL_SIZE, MAX_THUMBNAIL_SIZE)
    return np.stack(
        [np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)) for image in images]
    )


def save_audit(layout: Layout, audit: Mapping[str, Any]) -> None:
    """Write what a check of the images found."""
    write_text(layout.audit, _to_json(audit))


def save_run(
    layout: Layout, study: Study, recipe: str, seed: int, identity: str, run: TrainedRun, data: ImageData
) -> None:
    """Write a finished run. predictions.npz comes last: where it is, the run is complete."""
    from safetensors.torch import save

    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(type(run.history[0]).__dataclass_fields__)
    writer.writerows(astuple(record) for record in run.history)
    write_text(layout.history(recipe, seed), text.getvalue())

    # One metadata entry, because safetensors writes several in no fixed order.
    metadata = {
        "recipe": recipe,
        "seed": seed,
        "settings": study.recipes[recipe].model_dump(mode="json"),
        "class_names": data.class_names,
        "preprocessing": run.preprocessing.to_dict(),
        "checkpoint_epoch": run.checkpoint_epoch,
        "identity": identity,
    }
    weights = {name: value.contiguous() for name, value in run.weights.items()}
    content = save(weights, {"bakeoff": json.dumps(metadata)})
    write_atomically(layout.weights(recipe, seed), lambda file: file.write(content))

    if run.test_features is not None and run.train_features is not None:
        features: dict[str, Any] = {
            "identity": np.array(identity),
            "test": run.test_features,
            "train": run.train_features,
        }
        write_atomically(layout.features(recipe, seed), lambda file: np.savez(file, **features))

    layout.attributions(recipe, seed).unlink(missing_ok=True)  # of a run before this one
    if run.attributions is not None:
        attributions: dict[str, Any] = {"identity": np.array(identity), **vars(run.attributions)}
        write_atomically(
            layout.attributions(recipe, seed), lambda file: np.savez_compressed(file, **attributions)
        )

    arrays: dict[str, Any] = {
        "identity": np.array(identity),
        "recipe": np.array(recipe),
        "seed": np.array(seed),
        "class_names": np.array(data.class_names),
        "checkpoint_epoch": np.array(run.checkpoint_epoch),
        "num_parameters": np.array(run.num_parameters),
        "device": np.array(run.device),
        "val_logits": run.val_logits,
        "val_labels": np.asarray(data.val.labels),
        "val_ids": np.array(data.val.ids),
        "test_logits": run.test_logits,
        "test_labels": np.asarray(data.test.labels),
        "test_ids": np.array(data.test.ids),
        "train_true_probability": run.train_true_probability,
        "val_true_probability": run.val_true_probability,
    }
    write_atomically(layout.predictions(recipe, seed), lambda file: np.savez(file, **arrays))
    layout.failure(recipe, seed).unlink(missing_ok=True)
    layout.unfinished(recipe, seed).unlink(missing_ok=True)


def save_failure(
    layout: Layout, recipe: str, seed: int, identity: str, reason: str, *, try_again: bool
) -> None:
    """Record that a run failed, why, and whether the next `bakeoff run` should try it again."""
    content = {"identity": identity, "reason": reason, "try_again": try_again}
    write_text(layout.failure(recipe, seed), _to_json(content))


def _to_json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
