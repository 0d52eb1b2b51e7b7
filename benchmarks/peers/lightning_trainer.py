"""Lightning: a LightningModule, tensors in memory behind DataLoaders, ModelCheckpoint for the best epoch."""

from __future__ import annotations

import logging
import warnings

import lightning
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from torch_loop import to_tensors
from torch_model import lenet5
from work import BATCH_SIZE, HALVE_EVERY, LEARNING_RATE, EpochDone, Recipe, Work

logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
warnings.filterwarnings("ignore", ".*does not have many workers.*")  # tensors in memory need none


class Classifier(lightning.LightningModule):
    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.recipe = recipe
        self.model = lenet5(recipe)

    def training_step(self, batch: list[Tensor]) -> Tensor:
        images, labels = batch
        return nn.functional.cross_entropy(self.model(images), labels)

    def validation_step(self, batch: list[Tensor]) -> None:
        self._evaluate(batch, "val")

    def test_step(self, batch: list[Tensor]) -> None:
        self._evaluate(batch, "test")

    def _evaluate(self, batch: list[Tensor], split: str) -> None:
        images, labels = batch
        logits = self.model(images)
        self.log(f"{split}_loss", nn.functional.cross_entropy(logits, labels), batch_size=len(labels))
        right = (logits.argmax(1) == labels).float().mean()
        self.log(f"{split}_accuracy", right, batch_size=len(labels))

    def configure_optimizers(self) -> dict:
        decay = self.recipe.weight_decay
        optimizer = torch.optim.Adam(self.parameters(), LEARNING_RATE, weight_decay=decay)
        return {
            "optimizer": optimizer,
            "lr_scheduler": torch.optim.lr_scheduler.StepLR(optimizer, HALVE_EVERY, 0.5),
        }


class Told(Callback):
    def __init__(self, epoch_done: EpochDone) -> None:
        self.epoch_done = epoch_done

    def on_train_epoch_end(self, *_: object) -> None:
        self.epoch_done()  # validation comes before it


def train(work: Work, epoch_done: EpochDone) -> list[float]:
    datasets = {split: TensorDataset(*to_tensors(work, split)) for split in ("train", "val", "test")}
    accuracies = []
    for seed in work.seeds:
        lightning.seed_everything(seed, verbose=False)
        best = ModelCheckpoint(work.scratch / f"seed-{seed}", monitor="val_accuracy", mode="max")
        trainer = lightning.Trainer(
            accelerator="cpu",
            devices=1,
            max_epochs=work.epochs,
            callbacks=[best, Told(epoch_done)],
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        model = Classifier(work.recipe).to(memory_format=torch.channels_last)
        loaders = {split: DataLoader(datasets[split], batch_size=500) for split in ("val", "test")}
        shuffled = DataLoader(datasets["train"], batch_size=BATCH_SIZE, shuffle=True)
        trainer.fit(model, shuffled, loaders["val"])
        tested = trainer.test(model, loaders["test"], ckpt_path="best", verbose=False)
        accuracies.append(tested[0]["test_accuracy"])
    return accuracies
