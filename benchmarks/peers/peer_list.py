"""The peers: what a user could use instead of Bakeoff, and Bakeoff."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Peer:
    """
    Attributes
    ----------
    module
        In this folder; it has `train(work, epoch_done)`.
    needs
        Packages, by the name that is imported.
    places
        How it is timed: "one" process on one core, "each" core a process at once, "all" cores one process.
    seeds_at_once
        Seeds that an epoch of a process trains.
    """

    name: str
    module: str
    needs: tuple[str, ...] = ("torch",)
    places: tuple[str, ...] = ("one", "each")
    seeds_at_once: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)


PEERS = {
    peer.name: peer
    for peer in (
        Peer("notebook", "notebook", places=("one", "all")),
        Peer("PyTorch loop", "torch_loop", places=("one", "each")),
        Peer("PyTorch loop on all threads", "torch_loop", places=("all",)),
        Peer("Lightning", "lightning_trainer", needs=("torch", "lightning")),
        Peer("skorch", "skorch_net", needs=("torch", "skorch")),
        Peer("Keras on JAX", "keras_fit", ("keras", "jax"), environment={"KERAS_BACKEND": "jax"}),
        Peer("Keras on torch", "keras_fit", ("keras", "torch"), environment={"KERAS_BACKEND": "torch"}),
        Peer("JAX with vmap over 2 seeds", "jax_seeds", needs=("jax",), seeds_at_once=2),
        Peer("Bakeoff", "bakeoff_train", needs=("bakeoff",)),
    )
}
REFERENCE = "PyTorch loop"
"""Whose accuracy the others' is held against."""
