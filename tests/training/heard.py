"""An observer for tests."""


class Heard:
    """Keeps what it is told of a run."""

    def __init__(self):
        self.steps, self.epochs = [], []

    def on_step(self, step, loss, accuracy):
        self.steps.append((step, loss, accuracy))

    def on_epoch(self, record):
        self.epochs.append((record.epoch, record.train_loss, record.val_accuracy))
