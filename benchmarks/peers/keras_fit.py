"""Keras 3: compile() and fit() on arrays in memory; the best epoch kept by ModelCheckpoint.

The backend is what KERAS_BACKEND names, jax or torch.
"""

from __future__ import annotations

import keras
from keras import layers
from work import (
    BATCH_SIZE,
    HALVE_EVERY,
    IMAGE_SIZE,
    LEARNING_RATE,
    NUM_CLASSES,
    EpochDone,
    Recipe,
    Work,
    read_standardised,
)


def lenet5(recipe: Recipe) -> keras.Model:
    """Logits [N, 10] of images [N, 32, 32, 3]; weights start as PyTorch's do."""

    def like_torch(fan_in: int) -> dict[str, object]:
        bound = fan_in**-0.5
        # The gradient of decay / 2 times the squares is PyTorch's coupled weight decay.
        decay = keras.regularizers.L2(recipe.weight_decay / 2) if recipe.weight_decay else None
        return {
            "kernel_initializer": keras.initializers.RandomUniform(-bound, bound),
            "bias_initializer": keras.initializers.RandomUniform(-bound, bound),
            "kernel_regularizer": decay,
            "bias_regularizer": decay,
        }

    def norm() -> list[layers.Layer]:
        return [layers.BatchNormalization(momentum=0.9, epsilon=1e-5)] if recipe.batch_norm else []

    return keras.Sequential(
        [
            keras.Input((IMAGE_SIZE, IMAGE_SIZE, 3)),
            layers.Conv2D(6, 5, activation="relu", **like_torch(75)),
            *norm(),
            layers.MaxPooling2D(2),
            layers.Conv2D(16, 5, activation="relu", **like_torch(150)),
            *norm(),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(120, activation="relu", **like_torch(400)),
            *norm(),
            layers.Dense(84, activation="relu", **like_torch(120)),
            *norm(),
            layers.Dense(NUM_CLASSES, **like_torch(84)),
        ]
    )


def train(work: Work, epoch_done: EpochDone) -> list[float]:
    arrays = {split: read_standardised(work, split) for split in ("train", "val", "test")}
    accuracies = []
    for seed in work.seeds:
        keras.utils.set_random_seed(seed)
        model = lenet5(work.recipe)
        model.compile(
            optimizer=keras.optimizers.Adam(LEARNING_RATE, epsilon=1e-8),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        best = work.scratch / f"seed-{seed}.weights.h5"
        model.fit(
            *arrays["train"],
            batch_size=BATCH_SIZE,
            epochs=work.epochs,
            validation_data=arrays["val"],
            validation_batch_size=500,
            verbose=0,
            callbacks=[
                keras.callbacks.LearningRateScheduler(
                    lambda epoch: LEARNING_RATE * 0.5 ** (epoch // HALVE_EVERY)
                ),
                keras.callbacks.ModelCheckpoint(
                    best, monitor="val_accuracy", mode="max", save_best_only=True, save_weights_only=True
                ),
                keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: epoch_done()),
            ],
        )
        model.load_weights(best)
        accuracies.append(float(model.evaluate(*arrays["test"], batch_size=500, verbose=0)[1]))
    return accuracies
