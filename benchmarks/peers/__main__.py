"""Bakeoff beside what a user would use instead, on the same images and the same work.

    python benchmarks/peers --data DIR [--results FILE] [--parts speed,accuracy,study,runs,notebook]
        [--peers NAME,...] [--recipes NAME,...] [--repetitions 5]

DIR holds splits/{train,val,test}.txt and the images they name. Parts: `speed` times an epoch of each recipe
with all peers in turn, alone on one core and as a whole study would use the cores; `accuracy` trains each
peer for some epochs with some seeds, to see that they do the same work; `study` times `bakeoff run` whole;
`runs` times whole runs, 100 epochs, of the peers named (late epochs can be slower than early ones), and
`notebook` times one run of the notebook whole (both take long, and only where they are asked for). What is
measured is added to FILE, and the tables are printed from it, so that parts, recipes and peers may be run one
by one; only what one command measures takes turns.

Peers need `pip install -c constraints.txt -e '.[peers]'`. Linux; on a quiet machine.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from importlib.metadata import version
from pathlib import Path

from measuring import Measuring
from peer_list import PEERS
from peer_process import missing_packages
from tables import SEEDS, tables
from work import EPOCHS, RECIPES

from bakeoff.environment import describe_environment

PARTS = ("speed", "accuracy", "study")
"""By default. "runs" (whole runs of the peers named) and "notebook" (one whole run) take long."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--results", type=Path, help="JSON, added to")
    parser.add_argument("--parts", type=words, default=list(PARTS))
    parser.add_argument("--peers", type=words, default=list(PEERS), help="; ".join(PEERS))
    parser.add_argument("--recipes", type=words, default=list(RECIPES))
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--accuracy-seeds", type=int, default=10)
    parser.add_argument("--accuracy-epochs", type=int, default=5)
    parser.add_argument("--study-seeds", type=int, default=SEEDS)
    parser.add_argument("--study-epochs", type=int, default=EPOCHS)
    options = parser.parse_args()
    results = json.loads(options.results.read_text()) if options.results and options.results.exists() else {}
    cores = sorted(os.sched_getaffinity(0))
    environment = describe_environment(len(cores))
    results |= {"environment": environment, "cores": cores, "left_out": {}}
    peers = []
    for name in options.peers:
        if missing := missing_packages(PEERS[name]):
            results["left_out"][name] = missing
            say(f"LEFT OUT: {name}, for want of {', '.join(missing)} (pip install -e '.[peers]')")
        else:
            peers.append(PEERS[name])
    packages = sorted({package for peer in peers for package in peer.needs})
    results["packages"] = {name: version(name) for name in packages}

    def save() -> None:
        if options.results:
            options.results.write_text(json.dumps(results, indent=1) + "\n")

    measuring = Measuring(options.data, cores, say)
    if "speed" in options.parts:
        for recipe in options.recipes:
            found = measuring.speed(peers, recipe, options.repetitions)
            results.setdefault("speed", {}).setdefault(recipe, {}).update(found)
            save()
    if "accuracy" in options.parts:
        seeds, epochs = options.accuracy_seeds, options.accuracy_epochs
        # With all threads it is the same peer.
        different = [peer for peer in peers if "one" in peer.places]
        found = measuring.accuracy(different, options.recipes, seeds, epochs)
        results["accuracy"] = {"seeds": seeds, "epochs": epochs, "found": found}
        save()
    if "study" in options.parts:
        run = measuring.study(options.study_seeds, options.study_epochs, options.recipes)
        results.setdefault("study", []).append(run)
        save()
    if "runs" in options.parts:
        runs = results.setdefault("runs", {})
        for peer in peers:
            if "each" in peer.places and peer.seeds_at_once == 1:
                found = measuring.whole_runs(peer, options.recipes, options.study_epochs)
                runs.setdefault(peer.name, []).append(found)
                save()
    if "notebook" in options.parts:
        seconds = measuring.one_run(PEERS["notebook"], "lenet5", EPOCHS)
        results.setdefault("notebook", []).append(seconds)
    save()
    print(f"{environment['processor']}, {len(cores)} cores, {environment['system']}")
    versions = {"Python": environment["python"], **environment["packages"], **results["packages"]}
    print(", ".join(f"{name} {version}" for name, version in versions.items()))
    print(f"kernels: {environment['kernels']}")
    for table in tables(results):
        print(f"\n{table}")


def words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
