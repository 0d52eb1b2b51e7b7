"""The runs of a study in MLflow: a parent run for the study, a child run for each of its runs."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from bakeoff.errors import BakeoffError
from bakeoff.logs.content import RunLog, StudyLog

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run

INSTALL = "pip install -c constraints.txt '.[mlflow]'"

KEY, CONTENT, KIND = "bakeoff.key", "bakeoff.content", "bakeoff.kind"
"""Tags by which a run is found again."""

PER_BATCH = 100
"""Parameters of one request; MLflow takes no more."""

METRICS_PER_BATCH = 1000

MAX_VALUE = 500
"""Characters of a parameter; earlier versions of MLflow take no more."""


def log_to_mlflow(study: StudyLog, uri: str | None) -> int:
    """Log the runs that MLflow does not have yet, and the comparison if it changed.

    Parameters
    ----------
    uri
        The tracking server or store; by default that of MLflow: MLFLOW_TRACKING_URI, or a local one.

    Returns
    -------
    The number of runs that were logged.

    Raises
    ------
    BakeoffError
        If MLflow is not installed, or refuses.
    """
    try:
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
    except ImportError as error:
        raise BakeoffError(
            f"MLflow cannot be imported ({error}); in a copy of the repository: {INSTALL}"
        ) from error
    try:
        return _log(MlflowClient(tracking_uri=uri), study)
    except MlflowException as error:
        raise BakeoffError(f"MLflow ({uri or 'its default store'}): {error.message}", "at") from error


def _log(client: MlflowClient, study: StudyLog) -> int:
    experiment = client.get_experiment_by_name(study.name)
    experiment_id = experiment.experiment_id if experiment else client.create_experiment(study.name)
    known = {run.data.tags[KEY]: run for run in _all_runs(client, experiment_id) if KEY in run.data.tags}
    now = int(1000 * time.time())
    parent = known.get(study.key)
    if parent is None:
        parent = _create(client, experiment_id, study.name, now, {KEY: study.key, KIND: "study"})
        _log_params(client, parent, study.settings)
    parent_id = parent.info.run_id
    if parent.data.tags.get(CONTENT) != study.content:
        scores = {
            f"{_key(what)}/{name}": value
            for what, values in study.scores.items()
            for name, value in values.items()
        }
        _log_metrics(client, parent, [(name, value, now, len(study.runs)) for name, value in scores.items()])
        client.log_text(parent_id, json.dumps(study.comparison, indent=1), "comparison.json")
        tags = {f"bakeoff.verdict.{_key(pair)}": verdict for pair, verdict in study.verdicts.items()}
        note = "\n\n".join(filter(None, [study.description, study.conclusion]))
        for tag, value in (tags | {"mlflow.note.content": note, CONTENT: study.content}).items():
            client.set_tag(parent_id, tag, value)
        client.set_terminated(parent_id)
    num_logged = 0
    for run in study.runs:
        if (earlier := known.get(run.key)) is not None:
            if earlier.info.status == "FINISHED":
                continue
            client.delete_run(earlier.info.run_id)  # an earlier call was stopped here
        _log_run(client, experiment_id, parent_id, run, now)
        num_logged += 1
    return num_logged


def _log_run(client: MlflowClient, experiment_id: str, parent_id: str, run: RunLog, now: int) -> None:
    seconds = run.epochs["seconds"].tolist() if "seconds" in run.epochs else []
    start = now - int(1000 * sum(seconds))  # so that MLflow shows how long the training took
    tags = {KEY: run.key, KIND: "run", "mlflow.parentRunId": parent_id, "recipe": run.recipe}
    logged = _create(client, experiment_id, run.name, start, tags)
    _log_params(client, logged, run.settings)
    metrics = [
        (name, value, now, epoch)
        for name, values in run.epochs.items()
        for epoch, value in enumerate(values.tolist(), start=1)
    ]
    last = len(seconds)
    metrics += [(name, value, now, last) for name, value in run.scores.items()]
    _log_metrics(client, logged, metrics)
    client.set_terminated(logged.info.run_id, end_time=now)


def _create(client: MlflowClient, experiment_id: str, name: str, start: int, tags: dict[str, str]) -> Run:
    return client.create_run(experiment_id, start_time=start, tags=tags, run_name=name)


def _all_runs(client: MlflowClient, experiment_id: str) -> Iterator[Run]:
    token = None
    while True:
        page = client.search_runs([experiment_id], page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _log_params(client: MlflowClient, run: Run, settings: Mapping[str, Any]) -> None:
    from mlflow.entities import Param

    params = [Param(_key(name), str(value)[:MAX_VALUE]) for name, value in settings.items()]
    for part in _parts(params, PER_BATCH):
        client.log_batch(run.info.run_id, params=part)


def _log_metrics(client: MlflowClient, run: Run, values: list[tuple[str, float, int, int]]) -> None:
    from mlflow.entities import Metric

    metrics: list[Metric] = [Metric(*value) for value in values if math.isfinite(value[1])]
    for part in _parts(metrics, METRICS_PER_BATCH):
        client.log_batch(run.info.run_id, metrics=part)


Item = TypeVar("Item")


def _parts(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _key(name: str) -> str:
    """A name as MLflow takes it: letters, digits, _ - . space and /."""
    return "".join(sign if sign.isalnum() or sign in "_-. /" else "_" for sign in name)
