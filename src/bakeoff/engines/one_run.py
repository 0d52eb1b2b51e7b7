"""One run from beginning to end, the same for all engines; only where it goes differs."""

from __future__ import annotations

import gc
from collections.abc import Callable

from bakeoff.data.image_data import ImageData
from bakeoff.engines.run_output import RunOutput, clear_log, failure_of, log_result
from bakeoff.engines.tasks import EpochDone, Event, RunFinished, RunStarted, Task
from bakeoff.study import Study
from bakeoff.training import EpochRecord, Observer, train
from bakeoff.training.tensorboard import TensorBoardLog


def do_run(
    task: Task,
    study: Study,
    open_images: Callable[[], ImageData],
    output: RunOutput,
    tell: Callable[[Event], None],
) -> None:
    """Train one run and give it to `output`, or tell why it failed."""
    tell(RunStarted(task))
    # What libraries have loaded stays: looking through it for garbage took 1 to 3 % of an epoch of LeNet-5.
    gc.collect()
    gc.freeze()
    try:
        _train_and_save(task, study, open_images(), output, tell)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        raise  # nobody listens any more
    except Exception as error:
        tell(failure_of(task, error))
    else:
        tell(RunFinished(task))


def _train_and_save(
    task: Task, study: Study, data: ImageData, output: RunOutput, tell: Callable[[Event], None]
) -> None:
    clear_log(output)
    recipe = study.recipes[task.recipe]
    with TensorBoardLog(output.log_directory) as log:
        observers: list[Observer] = [log, _Teller(task, tell)]
        run = train(recipe, task.seed, data, observers=observers, state_store=output.states)
        log_result(log, task, study, run, data)
    output.save(run, data)


class _Teller:
    """An observer that passes each epoch on to the driver."""

    def __init__(self, task: Task, tell: Callable[[Event], None]) -> None:
        self.task, self.tell = task, tell

    def on_step(self, step: int, loss: float, accuracy: float) -> None:
        pass

    def on_epoch(self, record: EpochRecord) -> None:
        self.tell(EpochDone(self.task, record))
