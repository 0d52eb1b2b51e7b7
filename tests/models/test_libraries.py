"""Models of timm and torchvision, by name and from a file; with `-m long` where the libraries import."""

import importlib

import pytest
import torch
from safetensors.torch import save_file

from bakeoff.errors import BakeoffError
from bakeoff.models import build_model, check_model
from bakeoff.study.settings.model import CustomModelSettings

NAMES = [
    "timm:resnet18",
    "timm:vit_tiny_patch16_224",
    "timm:mobilenetv3_small_050",
    "torchvision:resnet18",
    "torchvision:mobilenet_v3_small",
    "torchvision:squeezenet1_1",
]


def build(name, num_classes=5, **keys):
    settings = CustomModelSettings(name=name, **keys)
    return build_model(settings, num_classes=num_classes, image_size=32, seed=0)


def imports(library):
    try:
        importlib.import_module(library)
    except Exception:
        return False
    return True


@pytest.mark.parametrize("library", ["timm", "torchvision"])
def test_where_a_library_cannot_be_imported_a_sentence_says_what_to_install(library):
    if imports(library):
        pytest.skip(f"{library} is installed")
    message = rf"needs {library}, which cannot be imported .*pip install {library}$"
    with pytest.raises(BakeoffError, match=message):
        build(f"{library}:resnet18")


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("timm:resnet18", "pretrained"),
        ("timm:resnet18", "checkpoint_path"),
        ("torchvision:vgg11", "weights_backbone"),
    ],
)
def test_nothing_is_downloaded_or_unpickled_by_an_option(name, option):
    with pytest.raises(BakeoffError, match=f"remove the option {option}: .* Bakeoff downloads nothing"):
        build(name, **{option: True})


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("default")
def test_a_model_of_a_library_starts_from_a_file(name, tmp_path):
    path = tmp_path / "weights.safetensors"
    whole = build(name, num_classes=1000)
    save_file({key: tensor.contiguous() for key, tensor in whole.state_dict().items()}, path)
    model = build(name, weights=str(path), freeze="all_but_head").eval()
    assert model.image_size == 224
    assert model.stated.mean is not None
    loaded = model.model.state_dict()
    for key, tensor in whole.state_dict().items():
        assert key.startswith(model.head) or torch.equal(tensor, loaded[key])
    images = torch.randn(2, 3, 32, 32)
    assert model(images).shape == (2, 5)
    features = model.features(images)
    assert (features is None) == ("squeezenet" in name)
    settings = CustomModelSettings(name=name, weights=str(path), freeze="all_but_head")
    assert check_model(settings, num_classes=5, image_size=32) == sum(
        one.numel() for one in model.head_parameters
    )


@pytest.mark.long
@pytest.mark.parametrize("name", ["timm:resnet99", "torchvision:resnet99"])
def test_an_unknown_name_is_said(name):
    with pytest.raises(BakeoffError, match=f"model '{name}' cannot be built: .*resnet99"):
        build(name)
