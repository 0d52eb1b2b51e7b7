"""A run's identity: equal identities give equal results, so a finished run is taken up only under its own."""

from __future__ import annotations

import hashlib
import json

from bakeoff.study import Recipe


def run_identity(
    recipe: Recipe, seed: int, *, data_fingerprint: str, training_version: int, model_source: str
) -> str:
    """SHA-256, in hexadecimal, over everything that decides the results of a run.

    Parameters
    ----------
    recipe, seed
        What is trained, and where its randomness comes from.
    data_fingerprint
        Of the decoded images.
    training_version
        Of the code that trains.
    model_source
        Digest of the file of a user's own model, "" for Bakeoff's.
    """
    parts = {
        "recipe": recipe.model_dump(mode="json"),
        "seed": seed,
        "data": data_fingerprint,
        "training_version": training_version,
        "model_source": model_source,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
