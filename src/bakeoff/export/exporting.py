"""export(): write a trained model to a folder, completely or not at all."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bakeoff.analysis.summary.answer import val_accuracy
from bakeoff.analysis.summary.study import Summary
from bakeoff.data.decoding.fit import Fit, resize
from bakeoff.errors import BakeoffError
from bakeoff.export.model_card import model_card
from bakeoff.export.onnx_model import check_onnx, require_onnx, to_onnx
from bakeoff.files import check_free, new_folder
from bakeoff.predict.ensemble import Ensemble, choose_recipe, load_ensemble
from bakeoff.store import StoredStudy, load_study_folder
from bakeoff.study import study_to_toml

NUM_CHECKED = 100
"""The number of test images on which the ONNX model is compared with PyTorch."""

RESIZED: dict[Fit, str] = {
    "stretch": "resized to a square",
    "crop": "cropped and resized to a square",
    "pad": "resized and padded to a square",
}

ONNX_FILE, WEIGHTS_FILE, STUDY_FILE, CARD_FILE = "model.onnx", "model.safetensors", "study.toml", "README.md"


@dataclass(frozen=True)
class Exported:
    """What was exported.

    Attributes
    ----------
    directory
        The output folder.
    ensemble
        The models.
    choice
        The reason for their choice, in words.
    difference
        The largest difference in probability between ONNX Runtime and PyTorch.
    num_checked
        The number of images compared.
    files
        The names of the files written.
    """

    directory: Path
    ensemble: Ensemble
    choice: str
    difference: float
    num_checked: int
    files: tuple[str, ...]


def export(
    study_dir: Path,
    directory: Path,
    *,
    recipe: str | None = None,
    seed: int | None = None,
    ensemble: bool = False,
    license_name: str | None = None,
    trust: bool = False,
) -> Exported:
    """Write model.onnx, model.safetensors, study.toml and a model card, README.md.

    Parameters
    ----------
    study_dir
        A folder that `bakeoff run` wrote.
    directory
        Created; if it exists, it must be empty.
    recipe
        By default the one that the study supports best, or its baseline if that is undecided.
    seed
        By default the one with the highest validation accuracy; test images are never used to choose.
    ensemble
        Export the mean over all finished seeds instead.
    license_name
        For the head of the model card, as Hugging Face names licenses: "apache-2.0", "cc-by-4.0", "other".
    trust
        Run the custom model code that the recipe names, see `bakeoff.predict.model.load_model`.

    Raises
    ------
    BakeoffError
        If the study or a model is invalid, or cannot be exported or written; then nothing is written.
    """
    require_onnx()
    if ensemble and seed is not None:
        raise BakeoffError("found both a seed and the ensemble of all seeds; expected one of them")
    if license_name is not None and not re.fullmatch(r"[a-z0-9][a-z0-9.+-]*", license_name):
        raise BakeoffError(
            f"license: found {license_name!r}; expected a name in lower case such as apache-2.0 or cc-by-4.0"
        )
    check_free(directory)
    study = load_study_folder(study_dir, whole=False)
    summary = Summary(study)
    chosen = choose_recipe(summary, recipe)
    seeds, seed_reason = (None, "") if ensemble else _choose_seed(study, chosen.name, seed)
    loaded = load_ensemble(summary, recipe=chosen.name, seeds=seeds, trust=trust)
    loaded = replace(loaded, choice=chosen)
    choice = loaded.describe() if ensemble else f"Recipe {chosen.name}: {chosen.reason}. Seed {seed_reason}."

    images = _real_images(study, loaded.image_size)[..., : loaded.models[0].num_channels]
    metadata = _metadata(loaded)
    proto = to_onnx(loaded.models, metadata)
    content = proto.SerializeToString(deterministic=True)
    difference = check_onnx(content, loaded.models, images)
    files = {
        ONNX_FILE: content,
        WEIGHTS_FILE: _weights(loaded),
        STUDY_FILE: study_to_toml(study.study).encode(),
    }
    digests = {name: hashlib.sha256(part).hexdigest() for name, part in files.items()}
    card = model_card(
        loaded,
        choice=choice,
        digests=digests,
        difference=difference,
        num_checked=len(images),
        license_name=license_name,
    )
    files[CARD_FILE] = card.encode()
    with new_folder(directory) as temporary:
        for name, part in files.items():
            (temporary / name).write_bytes(part)
    return Exported(directory, loaded, choice, difference, len(images), tuple(files))


def _choose_seed(study: StoredStudy, recipe: str, seed: int | None) -> tuple[list[int], str]:
    if seed is not None:
        return [seed], f"{seed}, as requested"
    runs = study.runs_of(recipe)
    if len(runs) == 1:
        return [runs[0].seed], f"{runs[0].seed}, the only finished one"
    best = max(runs, key=val_accuracy)  # the first of equals
    share = f"{100 * val_accuracy(best):.1f} %"
    return [best.seed], f"{best.seed}, the one of {len(runs)} with the highest validation accuracy ({share})"


def _real_images(study: StoredStudy, image_size: int) -> NDArray[np.uint8]:
    """The first test images; if the folder contains smaller copies, these are enlarged."""
    images = study.test_images[:NUM_CHECKED]
    if images.shape[1] == image_size:
        return images
    return np.stack([resize(Image.fromarray(image), image_size) for image in images])


def _metadata(ensemble: Ensemble) -> dict[str, Any]:
    model = ensemble.models[0]
    decoding = model.preprocessing.decoding
    metadata = {
        "study": ensemble.summary.study.name,
        "recipe": ensemble.recipe,
        "seeds": list(ensemble.seeds),
        "class_names": list(model.class_names),
        "image_size": model.image_size,
        "input": f"images: uint8 [batch, image_size, image_size, {model.num_channels}], "
        f"{'gray' if model.num_channels == 1 else 'RGB'}, "
        f"{RESIZED[decoding.fit]} with Pillow's BILINEAR; standardization is part of the model",
        "mean": list(model.preprocessing.mean),
        "std": list(model.preprocessing.std),
        "bakeoff_version": version("bakeoff"),
    }
    return metadata | ({"decoding": decoding.to_dict()} if decoding.to_dict() else {})


def _weights(ensemble: Ensemble) -> bytes:
    """The weights file of one run unchanged; of several, the tensors named seed-N.NAME."""
    if len(ensemble.models) == 1:
        return ensemble.models[0].stored.content
    from safetensors.torch import save

    tensors = {
        f"seed-{model.seed}.{name}": tensor
        for model in ensemble.models
        for name, tensor in model.stored.tensors.items()
    }
    header = ensemble.models[0].stored.header.model_dump(mode="json", exclude={"seed", "identity"})
    header["seeds"] = list(ensemble.seeds)
    # One metadata entry, because safetensors writes several in arbitrary order.
    return save(tensors, {"bakeoff": json.dumps(header)})
