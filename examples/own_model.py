"""Use your own model, augmentation and metric."""

import sys

import numpy as np
from torch import Tensor, nn

import bakeoff


class TwoLayers(nn.Module):
    """Called as Class(num_classes=..., image_size=..., **other keys of the recipe's model table)."""

    def __init__(self, num_classes: int, image_size: int, width: int = 64) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(3 * image_size**2, width), nn.ReLU(), nn.Linear(width, num_classes)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Logits [N, num_classes] of standardized images [N, 3, image_size, image_size]."""
        return self.layers(images)


class Noise:
    """Called with a batch, uint8 [N, H, W, 3], and a seeded generator."""

    def __call__(self, images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        noise = generator.normal(0, 8, images.shape)
        return np.clip(images + noise, 0, 255).astype(np.uint8)


def top3_accuracy(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """A metric returns one score per image; recipes are compared by its mean."""
    return (np.argsort(probabilities)[:, -3:] == labels[:, None]).any(axis=1)


def main(folder: str) -> None:
    study = bakeoff.load_study("quickstart", epochs=3, seeds=3, recipes=["lenet5"])
    lenet5 = study.recipes["lenet5"]
    recipes = {
        "two_layers": lenet5.changed(model=TwoLayers),
        "two_layers_wide": lenet5.changed(model={"name": TwoLayers, "width": 256}),
        "two_layers_noise": lenet5.changed(model=TwoLayers, augmentation={"custom": Noise}),
    }
    result = bakeoff.run(study.changed(name="own-model", baseline="lenet5", recipes=recipes), folder)
    print(result.comparison.conclusion)
    for score in result.compare(top3_accuracy).recipes:
        print(f"{score.recipe}: top-3 accuracy {score.mean:.3f} ({score.low:.3f} to {score.high:.3f})")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "results/own-model")
