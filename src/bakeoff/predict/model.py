"""A finished run as a trained model: weights, preprocessing and class names from a study folder."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from torch import nn

from bakeoff.data import Decoding, find_image_data
from bakeoff.errors import BakeoffError
from bakeoff.files import read_bytes
from bakeoff.models import build_model
from bakeoff.own_code import is_trusted, place_of, source_digest
from bakeoff.store import Layout, StoredRun, StoredStudy, StoredWeights, read_weights
from bakeoff.store.checks import read_object
from bakeoff.store.run_files import stored_identity
from bakeoff.store.stored_study import read_study
from bakeoff.store.weights import MAX_WEIGHTS_BYTES, StoredPreprocessing
from bakeoff.study import Recipe, Study
from bakeoff.study.settings.model import CustomModelSettings
from bakeoff.text import command, shorten
from bakeoff.training.evaluation import evaluated, predict_logits
from bakeoff.training.preprocessing import Preprocessing

NUM_CHECKED = 64
"""Test images on which a loaded model is compared with the stored logits."""

TOLERANCE = 1e-3
"""Of that comparison, relative to the largest logit: rounding differs between machines."""


@dataclass(frozen=True)
class TrainedModel:
    """One finished run, ready to predict.

    Attributes
    ----------
    recipe, seed
        Identify the run.
    settings
        The recipe's settings.
    class_names
        In label order.
    preprocessing
        From uint8 images to the model's input.
    checkpoint_epoch
        The epoch of the weights.
    model
        In evaluation mode, with test-time augmentation if the recipe has it.
    stored
        The weights as stored in the study folder.
    """

    recipe: str
    seed: int
    settings: Recipe
    class_names: tuple[str, ...]
    preprocessing: Preprocessing
    checkpoint_epoch: int
    model: nn.Module
    stored: StoredWeights

    @property
    def image_size(self) -> int:
        """Height and width in pixels of the input images."""
        return self.preprocessing.image_size

    @property
    def num_channels(self) -> int:
        """3, red, green and blue, or 1 if the images are gray."""
        return len(self.preprocessing.mean)

    def logits(self, images_NHWC: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Compute the logits as in evaluation.

        Parameters
        ----------
        images_NHWC
            uint8 [num_images, image_size, image_size, num_channels], such as from
            `bakeoff.data.decode_image`.

        Returns
        -------
        float32 [num_images, num_classes].

        Raises
        ------
        BakeoffError
            If the images have another shape or type.
        """
        expected = (self.image_size, self.image_size, self.num_channels)
        if images_NHWC.dtype != np.uint8 or images_NHWC.shape[1:] != expected or not len(images_NHWC):
            raise BakeoffError(
                f"found images {images_NHWC.dtype} {list(images_NHWC.shape)}; "
                f"expected uint8 [num_images, {self.image_size}, {self.image_size}, {self.num_channels}]"
            )
        return predict_logits(self.model, images_NHWC, self.preprocessing)

    def probabilities(self, images_NHWC: NDArray[np.uint8]) -> NDArray[np.float64]:
        """float64 [num_images, num_classes], the softmax of `logits`."""
        result: NDArray[np.float64] = softmax(self.logits(images_NHWC).astype(np.float64), axis=1)
        return result


def no_finished_run(root: Path) -> BakeoffError:
    """The error for a study of which every run failed."""
    return BakeoffError(f"{root} has no finished run: all failed; see `{command('status', root)}`")


def has_model(layout: Layout, study: Study, recipe: str, seed: int) -> bool:
    """Whether a finished run kept a model: one of another trainer only if that returned a suitable one."""
    return study.recipes[recipe].trainer is None or layout.exported(recipe, seed).is_file()


def load_model(study_dir: Path, recipe: str, seed: int, *, trust: bool = False) -> TrainedModel:
    """Load a finished run of a study folder as a model.

    Parameters
    ----------
    study_dir
        A folder that `bakeoff run` wrote.
    recipe, seed
        Identify the run.
    trust
        Run the code that the recipe's model names, whoever wrote it. By default code that is not Bakeoff's
        is run only if this user ran the same files in a study on this machine.

    Raises
    ------
    BakeoffError
        If there is no such run, its weights are damaged or are not those of the study, or its model is code
        that is not trusted, cannot be built or does not fit them.
    """
    layout = Layout(study_dir)
    stored = read_weights(layout, recipe, seed)
    header = stored.header
    settings = read_study(layout).recipes.get(recipe)
    if settings is None or header.settings != settings.without_search:
        raise BakeoffError(
            f"{layout.weights(recipe, seed)} holds weights of other settings than {layout.study.name} says "
            f"for {recipe}; one of them was changed or replaced"
        )
    if stored_identity(layout, recipe, seed) != ("finished", header.identity):
        raise BakeoffError(
            f"{layout.weights(recipe, seed)} holds the weights of another run than "
            f"{layout.predictions(recipe, seed).name} beside it; one of them was changed or replaced"
        )
    if header.settings.trainer is not None:
        model = _exported_model(layout, recipe, seed, trust)
    else:
        model = _rebuilt_model(layout, stored, trust)
    return TrainedModel(
        recipe=recipe,
        seed=seed,
        settings=header.settings,
        class_names=tuple(header.class_names),
        preprocessing=_preprocessing(header.preprocessing),
        checkpoint_epoch=header.checkpoint_epoch,
        model=model,
        stored=stored,
    )


def _rebuilt_model(layout: Layout, stored: StoredWeights, trust: bool) -> nn.Module:
    """The model of a run that Bakeoff trained, from its settings and weights."""
    header = stored.header
    settings = header.settings.model
    if isinstance(settings, CustomModelSettings) and not settings.library and not trust:
        _require_known_code(settings.name, layout)
    model = build_model(
        settings,
        num_classes=len(header.class_names),
        image_size=header.preprocessing.image_size,
        num_channels=len(header.preprocessing.mean),
        seed=0,  # any: the weights are overwritten
        trained=stored.tensors,
    ).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    try:
        model.load_state_dict(stored.tensors)
    except Exception as error:  # RuntimeError for other names or shapes; a user's module may raise anything
        raise BakeoffError(
            f"model {settings.name!r} does not fit the weights of {header.recipe}, seed {header.seed}: "
            f"{str(error)[:1000].expandtabs(2)}\n"
            "has its file changed since it was trained?"
        ) from error
    return evaluated(model, header.settings.test_time_augmentation).eval()


def _exported_model(layout: Layout, recipe: str, seed: int, trust: bool) -> nn.Module:
    """The model that a trainer returned, from its exported program."""
    path = layout.exported(recipe, seed)
    if not path.is_file():
        raise BakeoffError(
            f"{recipe} has no model to load: its trainer returned none that can be kept: its predictions "
            "for the test images are all that is kept; choose another recipe",
            "recipe",
        )
    content = read_bytes(path, MAX_WEIGHTS_BYTES)
    digest = hashlib.sha256(content).hexdigest()
    if not (trust or is_trusted(digest)):
        raise BakeoffError(
            f"{path} is a program of PyTorch that was not made by a study on this machine\n"
            f"  SHA-256: {digest}\n"
            "loading it may run any code; trust it only if you know who wrote it",
            "trust",
        )
    try:
        model: nn.Module = torch.export.load(io.BytesIO(content)).module()
    except Exception as error:  # whatever PyTorch raises for damaged files
        raise BakeoffError(f"{path} cannot be loaded: {str(error)[:300]}") from error
    # An exported program has the mode that it was exported in, and refuses to be put into another.
    model.train = lambda mode=True: model  # type: ignore[method-assign]
    model.eval = lambda: model  # type: ignore[method-assign]
    return model


def _preprocessing(stored: StoredPreprocessing) -> Preprocessing:
    decoding = Decoding.from_dict(stored.decoding.model_dump())
    return Preprocessing(stored.mean, stored.std, stored.image_size, decoding)


def _require_known_code(path: str, layout: Layout) -> None:
    """See that a model's class is code that this user has run before, without importing it."""
    digest = source_digest(path)
    if is_trusted(digest):
        return
    place = place_of(path.partition(":")[0])
    recorded = read_object(layout.environment).get("own_code", {}).get(path, "none")
    raise BakeoffError(
        f"the model of this study is {shorten(path)}, code that you have not run in a study on this machine\n"
        f"  file: {place or 'not found'}\n"
        f"  SHA-256 of this code: {digest or 'none'}\n"
        f"  recorded by the study: {shorten(recorded) if recorded != digest else 'the same'}\n"
        "loading the model runs this code; trust it only if you know who wrote it",
        "trust",
    )


def images_to_check(study: StoredStudy) -> NDArray[np.uint8] | None:
    """The first test images at the size that models take, for `check_reproduces`.

    If they are larger than those stored in the study folder, they are read from the cache of decoded images;
    None if they are no longer there.
    """
    images = study.test_images[..., : len(study.data["mean"])]
    if images.shape[1] != study.data["image_size"]:
        data = find_image_data(study.data["fingerprint"])
        if data is None:
            return None
        images = data.test.images
    return np.asarray(images[:NUM_CHECKED])


def check_reproduces(model: TrainedModel, study: StoredStudy, images: NDArray[np.uint8]) -> None:
    """Check that a loaded model reproduces the stored logits of the first test images.

    Raises
    ------
    BakeoffError
        If it does not.
    """
    run: StoredRun = next(run for run in study.runs_of(model.recipe) if run.seed == model.seed)
    expected = run.test_logits[:NUM_CHECKED]
    difference = float(np.abs(model.logits(images) - expected).max())
    if not difference <= TOLERANCE * max(float(np.abs(expected).max()), 1.0):
        raise BakeoffError(
            f"{model.recipe}, seed {model.seed}, does not reproduce its stored logits of the test images "
            f"(they differ by up to {difference:.2g}); has the file of its model, or its run, changed since?"
        )
