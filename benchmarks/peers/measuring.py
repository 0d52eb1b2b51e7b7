"""The three measurements: seconds an epoch of all peers in turn, their accuracies, Bakeoff's whole study."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from peer_list import Peer
from peer_process import PeerProcess
from whole_study import whole_study
from work import EPOCHS, channel_statistics

Say = Callable[[str], None]
NEVER = EPOCHS
"""Epochs of a process that is ended before."""


class Measuring:
    """
    Parameters
    ----------
    folder
        With splits/ and the images.
    cores
        To use.
    """

    def __init__(self, folder: Path, cores: Sequence[int], say: Say) -> None:
        self.folder, self.cores, self.say = folder.resolve(), list(cores), say
        self.mean, self.std = channel_statistics(folder)

    def _work(self, recipe: str, seeds: Sequence[int], epochs: int) -> dict[str, object]:
        return {
            "folder": str(self.folder),
            "recipe": recipe,
            "seeds": list(seeds),
            "epochs": epochs,
            "mean": self.mean,
            "std": self.std,
        }

    def speed(
        self, peers: Sequence[Peer], recipe: str, repetitions: int
    ) -> dict[str, dict[str, list[float]]]:
        """Wall and processor seconds by peer and place; "start" is from the start to the end of an epoch.

        All peers are started first, each alone. Then each repetition gives every peer one epoch in every of
        its places; the others wait meanwhile. An epoch of several processes lasts until the last of them.
        """
        found: dict[str, dict[str, list[float]]] = {}
        with ExitStack() as stack:
            processes: dict[tuple[str, str], list[PeerProcess]] = {}
            for peer in peers:
                times = ("start", *peer.places, *(f"{place} processor" for place in peer.places))
                found[peer.name] = {name: [] for name in times}
                for group in self._start(peer, recipe, stack):
                    processes |= group
                    (started,) = group.values()
                    for process in started:
                        process.wait()
                    seconds = time.perf_counter() - started[0].started
                    found[peer.name]["start"].append(seconds)
                    self.say(f"{recipe}: {peer.name} started in {seconds:.1f} s")
            for repetition in range(repetitions):
                for peer in peers:
                    for place in peer.places:
                        group = "all" if place == "all" else "pinned"
                        running = processes[peer.name, group][: 1 if place == "one" else None]
                        seconds, processor = _epoch(running)
                        found[peer.name][place].append(seconds)
                        found[peer.name][f"{place} processor"].append(processor)
                        self.say(
                            f"{recipe}, {repetition + 1}: {peer.name}, {place}: {seconds:.3f} s, "
                            f"{processor:.3f} s of processor"
                        )
        return found

    def _start(
        self, peer: Peer, recipe: str, stack: ExitStack
    ) -> Iterator[dict[tuple[str, str], list[PeerProcess]]]:
        """Groups of processes, each started when it is asked for."""
        layouts: dict[str, list[list[int]]] = {}
        if "each" in peer.places:
            layouts["pinned"] = [[core] for core in self.cores]
        elif "one" in peer.places:
            layouts["pinned"] = [[self.cores[0]]]
        if "all" in peer.places:
            layouts["all"] = [self.cores]
        for group, layout in layouts.items():
            seeds = [
                range(index * peer.seeds_at_once, (index + 1) * peer.seeds_at_once)
                for index in range(len(layout))
            ]
            yield {
                (peer.name, group): [
                    stack.enter_context(PeerProcess(peer, self._work(recipe, some, NEVER), cores))
                    for some, cores in zip(seeds, layout, strict=True)
                ]
            }

    def accuracy(
        self, peers: Sequence[Peer], recipes: Sequence[str], seeds: int, epochs: int
    ) -> dict[str, dict[str, list[float]]]:
        """Test accuracies by recipe and peer, of each seed; as many processes at once as there are cores."""
        free: queue.Queue[int] = queue.Queue()
        for core in self.cores:
            free.put(core)

        def train(recipe: str, peer: Peer) -> list[float]:
            core = free.get()
            work = self._work(recipe, range(seeds), epochs)
            with PeerProcess(peer, work, [core], paced=False) as process:
                accuracies = process.finish()
            free.put(core)
            self.say(f"{recipe}: {peer.name}: {', '.join(f'{value:.4f}' for value in accuracies)}")
            return accuracies

        with ThreadPoolExecutor(len(self.cores)) as pool:
            asked = {
                recipe: {peer.name: pool.submit(train, recipe, peer) for peer in peers} for recipe in recipes
            }
            return {
                recipe: {name: future.result() for name, future in by_peer.items()}
                for recipe, by_peer in asked.items()
            }

    def study(self, seeds: int, epochs: int, recipes: Sequence[str]) -> dict[str, float]:
        """`bakeoff run` whole."""
        found = whole_study(self.folder, seeds, epochs, recipes)
        self.say(f"bakeoff run, {seeds} seeds, {epochs} epochs: {found['seconds']:.1f} s")
        return found

    def whole_runs(self, peer: Peer, recipes: Sequence[str], epochs: int) -> dict[str, object]:
        """A whole run on each core at once, recipe by recipe: wall seconds without the start, accuracies."""
        seconds: dict[str, float] = {}
        accuracies: dict[str, list[float]] = {}
        for recipe in recipes:
            with ExitStack() as stack:
                processes = [
                    stack.enter_context(PeerProcess(peer, self._work(recipe, [seed], epochs), [core]))
                    for seed, core in enumerate(self.cores)
                ]
                for process in processes:
                    process.wait()  # all have started and done an epoch
                started = time.perf_counter()
                for process in processes:
                    process.let_go(epochs)
                accuracies[recipe] = [found for process in processes for found in process.finish()]
                seconds[recipe] = (time.perf_counter() - started) * epochs / (epochs - 1)
            self.say(f"{recipe}: {peer.name}, {len(processes)} whole runs at once: {seconds[recipe]:.1f} s")
        return {"epochs": epochs, "seconds": seconds, "accuracies": accuracies}

    def one_run(self, peer: Peer, recipe: str, epochs: int) -> float:
        """Wall seconds of one run on all cores, from image files to the test accuracy."""
        work = self._work(recipe, [0], epochs)
        with PeerProcess(peer, work, self.cores, paced=False) as process:
            process.finish()
            seconds = time.perf_counter() - process.started
        self.say(f"{peer.name}, {recipe}, {epochs} epochs: {seconds:.1f} s")
        return seconds


def _epoch(processes: Sequence[PeerProcess]) -> tuple[float, float]:
    """Wall seconds until the last has done an epoch, and seconds of processor of them all."""
    start = time.perf_counter()
    for process in processes:
        process.go_on()
    processor = [process.wait() for process in processes]
    return time.perf_counter() - start, sum(processor)
