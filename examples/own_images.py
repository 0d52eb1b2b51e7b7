"""Train on your own images: a folder with one folder per class, or arrays in memory."""

import sys

from sklearn.datasets import load_digits

import bakeoff


def main(folder: str, source: str | None) -> None:
    if source:  # such as folder:my-images
        images: str | bakeoff.ImageArrays = source
    else:
        digits = load_digits()
        pixels = (digits.images * (255 / 16)).round().astype("uint8")  # [1797, 8, 8], grayscale
        images = bakeoff.ImageArrays(
            train=(pixels[:1200], digits.target[:1200]), test=(pixels[1200:], digits.target[1200:])
        )
    study = bakeoff.load_study("quickstart", epochs=3, seeds=2, recipes=["lenet5"])
    result = bakeoff.run(study.changed(name="own-images"), folder, data=images)
    print(result.runs.round(3).to_string(index=False))
    print("report:", result.report())


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "results/own-images", (sys.argv[2:] or [None])[0])
