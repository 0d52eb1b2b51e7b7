"""The engine for one GPU: the seeds of a recipe are trained together, as one stacked model."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING

from bakeoff.data import keep_in_cache, open_image_data
from bakeoff.data.image_data import ImageData
from bakeoff.engines.engine import (
    EpochDone,
    Event,
    Job,
    RunFailed,
    RunFinished,
    RunsNotStacked,
    RunStarted,
    Task,
)
from bakeoff.engines.one_run import FolderOutput, clear_log, do_run, failure_of, log_result
from bakeoff.errors import BakeoffError
from bakeoff.store import UnfinishedRun
from bakeoff.store.unfinished import unfinished_progress
from bakeoff.study.recipe import Recipe
from bakeoff.study.settings.optimization import OwnOptimizerSettings

if TYPE_CHECKING:
    from bakeoff.training.stacked.operations import Convolution


class StackedEngine:
    """Runs on one device, the seeds of a recipe together; in this process.

    Parameters
    ----------
    device
        "cuda", "cuda:1" and the like, or "cpu", for tests only.
    stack_size
        Runs that are trained together; by default as many as fit into the GPU's memory, on a CPU 10.
    convolution
        "grouped" or "matmul": how a stack computes convolutions.

    Raises
    ------
    BakeoffError
        If the device is not available.
    """

    num_workers = 1
    """Stacks at the same time: an epoch's time is divided among the seeds of its stack."""

    def __init__(
        self, device: str = "cuda", *, stack_size: int | None = None, convolution: Convolution = "grouped"
    ) -> None:
        self.torch_device, self.stack_size, self.convolution = device, stack_size, convolution
        self.device = f"{_device_name(device)}, stacked"

    def do(self, tasks: Sequence[Task], job: Job) -> Generator[Event, None, None]:
        """Execute all tasks, one recipe after another, and yield events as they occur.

        If a recipe's model cannot be stacked, its runs are trained one after another, and an event says so.
        """

        def together(task: Task) -> Task | str:
            # Each trial has other settings, and a run that draws its images has others.
            return task if task.trial or task.draws_images(job.study) else task.recipe

        with _reproducible_arithmetic():
            for stack in dict.fromkeys(map(together, tasks)):
                yield from self._do_recipe([task for task in tasks if together(task) == stack], job)

    def _do_recipe(self, tasks: Sequence[Task], job: Job) -> Generator[Event, None, None]:
        from bakeoff.training.stacked import try_stacking

        recipe = tasks[0].recipe_in(job.study)
        keep_in_cache(job.data_directory)
        if reason := _why_not_on_the_gpu(recipe):
            yield RunsNotStacked(tasks[0], f"{reason}; they use the CPU")
            for task in tasks:
                yield from _do_alone(task, job)
            return
        try:
            data = open_image_data(job.data_directory, with_test=not tasks[0].trial)
            data = tasks[0].images(job.study, data, job.groups)
            seeds = [task.seed_in(job.study) for task in tasks]
            stacking = try_stacking(recipe, seeds, data, self.torch_device, self.convolution)
        except BakeoffError as error:
            yield from (RunFailed(task, str(error), try_again=True) for task in tasks)
            return
        if not stacking.vectorized and len(tasks) > 1:
            yield RunsNotStacked(tasks[0], stacking.reason)
        size = min(stacking.size, self.stack_size or stacking.size)

        # Only runs at the same epoch can be trained together.
        def epochs_done(task: Task) -> int:
            store = self._unfinished(task, job)
            progress = unfinished_progress(store.path) if store.load() is not None else None
            return progress[0] if progress else 0

        for _, group in groupby(sorted(tasks, key=epochs_done, reverse=True), key=epochs_done):
            same_epoch = list(group)
            for start in range(0, len(same_epoch), size):
                stack = same_epoch[start : start + size]
                yield from self._do_stack(stack, job, data, vectorized=stacking.vectorized)

    def _do_stack(
        self, tasks: Sequence[Task], job: Job, data: ImageData, *, vectorized: bool
    ) -> Generator[Event, None, None]:
        from bakeoff.training import EpochRecord, TrainingFailure
        from bakeoff.training.stacked import train_stacked
        from bakeoff.training.tensorboard import TensorBoardLog

        recipe = tasks[0].recipe_in(job.study)
        outputs = {
            task.seed_in(job.study): FolderOutput(task, job.study, task.layout(job.root)) for task in tasks
        }
        unfinished = {seed: output.task for seed, output in outputs.items()}
        yield from (RunStarted(task) for task in tasks)
        try:
            with ExitStack() as open_logs:
                logs = {}
                for seed, output in outputs.items():
                    clear_log(output)
                    logs[seed] = open_logs.enter_context(TensorBoardLog(output.log_directory))
                for seed, result in train_stacked(
                    recipe,
                    list(outputs),
                    data,
                    self.torch_device,
                    vectorized=vectorized,
                    convolution=self.convolution,
                    observers=[[logs[seed]] for seed in outputs],
                    state_stores=[self._unfinished(task, job) for task in tasks],
                    all_attributions=job.study.all_attributions,
                    metric=job.study.compare.metric,
                ):
                    task = unfinished[seed]
                    if isinstance(result, EpochRecord):
                        yield EpochDone(task, result)
                        continue
                    if isinstance(result, TrainingFailure):
                        del unfinished[seed]
                        yield failure_of(task, result)
                        continue
                    log_result(logs[seed], task, job.study, result, data)
                    device = self.device if vectorized else self.device.removesuffix(", stacked")
                    outputs[seed].save(replace(result, device=device), data)
                    del unfinished[seed]
                    yield RunFinished(task)
        except Exception as error:
            failure = failure_of(tasks[0], error)  # once for all, because it may print a traceback
            yield from (replace(failure, task=task) for task in unfinished.values())

    def _unfinished(self, task: Task, job: Job) -> UnfinishedRun:
        """The store of a run's state, bound to this device: a run does not resume on a different one."""
        path = task.layout(job.root).unfinished(task.recipe, task.seed)
        return UnfinishedRun(path, f"{task.identity} on {self.device}")


def _why_not_on_the_gpu(recipe: Recipe) -> str:
    """Why runs of a recipe are trained as in a worker process; "" if they need not be."""
    if recipe.trainer is not None:
        return "their trainer is not Bakeoff's"
    if isinstance(recipe.optimizer, OwnOptimizerSettings):
        return "their optimizer is not Bakeoff's"
    return "their model has pretrained or frozen weights" if recipe.is_pretrained else ""


def _do_alone(task: Task, job: Job) -> Iterator[Event]:
    """Execute a run as a worker process does, in this process."""
    events: list[Event] = []
    output = FolderOutput(task, job.study, task.layout(job.root))
    images = partial(open_image_data, job.data_directory, with_test=not task.trial)
    do_run(task, job.study, images, output, events.append, job.groups, job.own_code)
    yield from events


@contextmanager
def _reproducible_arithmetic() -> Iterator[None]:
    """One thread on a CPU, so that sums do not depend on its cores; float32 on a GPU, not TensorFloat-32."""
    import torch

    num_threads, allow_tf32 = torch.get_num_threads(), torch.backends.cudnn.allow_tf32
    torch.set_num_threads(1)
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.set_num_threads(num_threads)
        torch.backends.cudnn.allow_tf32 = allow_tf32


def _device_name(device: str) -> str:
    """The name of the device for results; raises a BakeoffError if it is not available."""
    import torch

    try:
        torch_device = torch.device(device)
    except RuntimeError as error:
        raise BakeoffError(f"device {device!r} is unknown; expected cuda or cpu", "device") from error
    if torch_device.type == "cpu":
        return "cpu"
    if torch_device.type != "cuda":
        raise BakeoffError(f"device {device!r} is not supported; expected cuda or cpu", "device")
    if not torch.cuda.is_available():
        reason = "is built for CPUs only" if torch.version.cuda is None else "finds none that it can use"
        raise BakeoffError(
            f"device {device!r}: there is no CUDA GPU here: PyTorch {torch.__version__} {reason}; choose the "
            "device 'cpu', or install PyTorch for CUDA (pytorch.org) and check that nvidia-smi lists the GPU",
            "device",
        )
    return f"cuda ({torch.cuda.get_device_name(torch_device)})"
