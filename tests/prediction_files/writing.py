"""Files of predictions, as somebody else would write them."""

from pathlib import Path

import numpy as np

from bakeoff.predictions import Predictions

HEADER = "recipe,seed,image,label,prediction"
ROWS = [
    "plain,0,one.png,cat,cat",
    "plain,0,two.png,dog,cat",
    "plain,1,one.png,cat,dog",
    "plain,1,two.png,dog,dog",
    "wide,0,one.png,cat,cat",
    "wide,0,two.png,dog,dog",
]
WITH_P = [f"{row},{'0.75,0.25' if row.endswith('cat') else '0.25,0.75'}" for row in ROWS]
HEADER_P = f"{HEADER},p_cat,p_dog"


def write(path: Path, header: str, rows: list[str]) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n", "utf-8")
    return path


def write_npz(path: Path, recipe: str, seed: int, **changes: object) -> Path:
    rng = np.random.default_rng(seed)
    arrays: dict[str, object] = {
        "identity": np.array("abc"),
        "recipe": np.array(recipe),
        "seed": np.array(seed),
        "class_names": np.array(["cat", "dog", "ship"]),
        "test_logits": rng.normal(size=(6, 3)).astype(np.float32),
        "test_labels": np.array([0, 1, 2, 0, 1, 2]),
        "test_ids": np.array([f"{number}.png" for number in range(6)]),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **{key: value for key, value in (arrays | changes).items() if value is not None})
    return path


def same(left: Predictions, right: Predictions) -> bool:
    """Equal predictions, arrays included."""
    flat = [
        (
            p.labels.tolist(),
            p.image_ids,
            p.class_names,
            None if p.groups is None else p.groups.tolist(),
            [
                (
                    r.name,
                    r.seeds,
                    r.predicted.tolist(),
                    None if r.probabilities is None else r.probabilities.tolist(),
                )
                for r in p.recipes
            ],
        )
        for p in (left, right)
    ]
    return flat[0] == flat[1]
