"""A peer in a process of its own, so that backends and threads of one do not disturb another.

Run as a script it is the peer's side: it trains, and tells through a pipe of each epoch and of the end. Where
the driver paces it, it waits after each epoch until it may go on.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from peer_list import Peer
from work import RECIPES, Work


def missing_packages(peer: Peer) -> list[str]:
    return [name for name in peer.needs if find_spec(name) is None]


class PeerProcess:
    """What the driver holds of a peer at work. A context manager; leaving it ends the process.

    Parameters
    ----------
    cores
        That it may use, with a thread for each.
    paced
        Whether it waits for `go_on` after each epoch.
    """

    def __init__(
        self, peer: Peer, work: dict[str, object], cores: Sequence[int], *, paced: bool = True
    ) -> None:
        self.name = peer.name
        self._scratch = tempfile.TemporaryDirectory(prefix="peers-")
        told, tell = os.pipe()
        order = {"module": peer.module, "cores": list(cores), "paced": paced}
        order["work"] = {**work, "scratch": self._scratch.name}
        threads = dict.fromkeys(("OMP", "MKL", "OPENBLAS"), str(len(cores)))
        environment = {f"{library}_NUM_THREADS": number for library, number in threads.items()}
        self.started = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, __file__, json.dumps(order), str(tell)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=(tell,),
            env={
                **os.environ,
                "BAKEOFF_CACHE": f"{self._scratch.name}/cache",
                **environment,
                **peer.environment,
            },
        )
        os.close(tell)
        self._told = os.fdopen(told)

    def __enter__(self) -> PeerProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._told.close()
        self._scratch.cleanup()

    def wait(self) -> float | list[float]:
        """Until its next epoch is done (its seconds of processor), or until its end (the test accuracies)."""
        line = self._told.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended without a result (its message is above)")
        told: float | list[float] = json.loads(line)
        return told

    def finish(self) -> list[float]:
        """Wait until its end: the test accuracies."""
        while not isinstance(told := self.wait(), list):
            pass
        return told

    def go_on(self) -> None:
        self.let_go(1)

    def let_go(self, epochs: int) -> None:
        """Let it do so many epochs without a pause."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n" * epochs)
        self._process.stdin.flush()


def main() -> None:
    order = json.loads(sys.argv[1])
    os.sched_setaffinity(0, order["cores"])
    settings = order["work"]
    work = Work(
        folder=Path(settings["folder"]),
        recipe=RECIPES[settings["recipe"]],
        seeds=tuple(settings["seeds"]),
        epochs=settings["epochs"],
        mean=tuple(settings["mean"]),
        std=tuple(settings["std"]),
        scratch=Path(settings["scratch"]),
    )
    with os.fdopen(int(sys.argv[2]), "w", buffering=1) as driver:
        since = time.process_time()

        def epoch_done() -> None:
            nonlocal since
            driver.write(f"{time.process_time() - since}\n")
            if order["paced"] and not sys.stdin.readline():
                os._exit(1)  # the driver is gone
            since = time.process_time()

        accuracies = importlib.import_module(order["module"]).train(work, epoch_done)
        driver.write(json.dumps([float(value) for value in accuracies]) + "\n")


if __name__ == "__main__":
    main()
