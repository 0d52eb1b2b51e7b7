"""The runs of a study as offline runs of Weights & Biases, which `wandb sync` uploads."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bakeoff.errors import BakeoffError
from bakeoff.logs.content import RunLog, StudyLog

INSTALL = "pip install -c constraints.txt '.[wandb]'"


def write_offline_runs(study: StudyLog, folder: Path) -> int:
    """Write an offline run for each run that has none in `folder`/wandb, and one for the comparison.

    Runs are known by their id: a comparison that changed is another run. Nothing is uploaded.

    Returns
    -------
    The number of runs that were written, without that of the comparison.

    Raises
    ------
    BakeoffError
        If Weights & Biases is not installed, or the folder cannot be written.
    """
    try:
        import wandb
    except ImportError as error:
        raise BakeoffError(
            f"wandb cannot be imported ({error}); in a copy of the repository: {INSTALL}"
        ) from error
    try:
        folder.mkdir(parents=True, exist_ok=True)
        new = [run for run in study.runs if not _is_there(folder, run.key)]
        for run in new:
            _write_run(wandb, study, run, folder)
        if not _is_there(folder, study.content):
            _write_comparison(wandb, study, folder)
    except (OSError, wandb.Error) as error:
        raise BakeoffError(f"cannot write offline runs to {folder}: {error}", "at") from error
    return len(new)


def _is_there(folder: Path, key: str) -> bool:
    """Whether a run was written to its end."""
    return any((folder / "wandb").glob(f"offline-run-*-{key}/files/{COMPLETE}"))


COMPLETE = "complete.txt"
"""Written into the files of a run after it."""


def _write_run(wandb: Any, study: StudyLog, run: RunLog, folder: Path) -> None:
    with _Offline(wandb, study, folder, run.key, run.name, "run", run.settings) as offline:
        num_epochs = len(next(iter(run.epochs.values()), []))
        for index in range(num_epochs):
            values = {name: float(column[index]) for name, column in run.epochs.items()}
            offline.log(
                {name: value for name, value in values.items() if math.isfinite(value)}, step=index + 1
            )
        offline.summary.update(dict(run.scores))


def _write_comparison(wandb: Any, study: StudyLog, folder: Path) -> None:
    with _Offline(wandb, study, folder, study.content, study.name, "study", study.settings) as offline:
        offline.notes = "\n\n".join(filter(None, [study.description, study.conclusion]))
        for what, scores in study.scores.items():
            offline.summary.update({f"{what}/{name}": value for name, value in scores.items()})
        offline.summary.update({f"{pair}/verdict": verdict for pair, verdict in study.verdicts.items()})
        offline.summary["conclusion"] = study.conclusion


class _Offline:
    """A run, from its first value to its end. A context manager."""

    def __init__(
        self,
        wandb: Any,
        study: StudyLog,
        folder: Path,
        key: str,
        name: str,
        kind: str,
        config: Mapping[str, Any],
    ) -> None:
        self._run = wandb.init(
            mode="offline",
            dir=str(folder),
            project=study.name,
            group=study.name,
            job_type=kind,
            id=key,
            name=name,
            config=dict(config),
            reinit="create_new",
            # The machine that logs is not the one that trained.
            settings=wandb.Settings(console="off", silent=True, disable_git=True, x_disable_stats=True),
        )

    def __enter__(self) -> Any:
        return self._run

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        files = Path(self._run.dir)
        self._run.finish(exit_code=0 if kind is None else 1)
        if kind is None:
            (files / COMPLETE).touch()
