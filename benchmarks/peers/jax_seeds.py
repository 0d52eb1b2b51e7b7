"""JAX: one jitted function does a step of all seeds at once, with vmap over weights and batches.

The fastest of what was tried on a CPU: a step and not an epoch in one function, for convolutions are slow
inside of XLA's loops; pooling by `maximum` and not `reduce_window`, whose gradient is slow; and two seeds at
once: with five a step took 1.7 times as long for each.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from work import (
    BATCH_SIZE,
    HALVE_EVERY,
    LEARNING_RATE,
    NUM_CLASSES,
    EpochDone,
    Recipe,
    Work,
    read_standardised,
)

SHAPES = {
    "conv1": (5, 5, 3, 6),
    "conv2": (5, 5, 6, 16),
    "linear1": (400, 120),
    "linear2": (120, 84),
    "linear3": (84, NUM_CLASSES),
}
NORMALISED = ("conv1", "conv2", "linear1", "linear2")
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
MOMENTUM, VARIANCE_EPSILON = 0.1, 1e-5


def train(work: Work, epoch_done: EpochDone) -> list[float]:
    arrays = {
        split: tuple(map(jnp.asarray, read_standardised(work, split))) for split in ("train", "val", "test")
    }
    num_images = len(arrays["train"][1])
    keys = jnp.stack([jax.random.key(seed) for seed in work.seeds])
    parameters, statistics = jax.vmap(partial(initialise, work.recipe))(keys)
    state = (parameters, statistics, zeros_like(parameters), zeros_like(parameters), jnp.zeros(len(keys)))
    # The first axis of all but images, labels and learning rate is the seed.
    train_all = jax.jit(jax.vmap(partial(train_step, work.recipe), in_axes=(None, 0, 0, None)))
    evaluate_all = jax.jit(jax.vmap(partial(evaluate, work.recipe), in_axes=(0, None)))
    best, best_accuracy = (parameters, statistics), np.full(len(keys), -1.0)
    for epoch in range(work.epochs):
        rate = LEARNING_RATE * 0.5 ** (epoch // HALVE_EVERY)
        order = orders(keys, epoch, num_images)
        for start in range(0, num_images, BATCH_SIZE):
            state = train_all(arrays["train"], state, order[:, start : start + BATCH_SIZE], rate)
        _, found = map(np.asarray, evaluate_all(state[:2], arrays["val"]))
        better = found > best_accuracy
        best_accuracy = np.maximum(found, best_accuracy)
        best = jax.tree.map(partial(choose, better), state[:2], best)
        jax.block_until_ready(best)
        epoch_done()
    return np.asarray(evaluate_all(best, arrays["test"])[1]).tolist()


@partial(jax.jit, static_argnums=2)
def orders(keys, epoch, num_images: int):
    """Of the images in an epoch, for each seed."""
    return jax.vmap(lambda key: jax.random.permutation(jax.random.fold_in(key, epoch), num_images))(keys)


def choose(better_S, new, old):
    return jnp.where(better_S.reshape(-1, *[1] * (new.ndim - 1)), new, old)


def zeros_like(tree):
    return jax.tree.map(jnp.zeros_like, tree)


def initialise(recipe: Recipe, key):
    """Parameters, and running means and variances."""
    parameters, statistics = {}, {}
    for index, (name, shape) in enumerate(SHAPES.items()):
        bound = float(np.prod(shape[:-1])) ** -0.5
        first, second = jax.random.split(jax.random.fold_in(key, 10**6 + index))
        layer = {
            "weight": jax.random.uniform(first, shape, minval=-bound, maxval=bound),
            "bias": jax.random.uniform(second, shape[-1:], minval=-bound, maxval=bound),
        }
        if recipe.batch_norm and name in NORMALISED:
            layer |= {"scale": jnp.ones(shape[-1]), "shift": jnp.zeros(shape[-1])}
            statistics[name] = {"mean": jnp.zeros(shape[-1]), "variance": jnp.ones(shape[-1])}
        parameters[name] = layer
    return parameters, statistics


def forward(recipe: Recipe, parameters, statistics, images_NHWC, training: bool):
    """Logits [N, 10] and new running statistics."""
    new = {}

    def finish(name: str, values):
        values = jax.nn.relu(values)
        if not (recipe.batch_norm and name in NORMALISED):
            return values
        layer, running = parameters[name], statistics[name]
        if training:
            axes = tuple(range(values.ndim - 1))
            mean, variance = values.mean(axes), values.var(axes)
            number = values.size // values.shape[-1]
            unbiased = variance * number / (number - 1)
            new[name] = {
                "mean": (1 - MOMENTUM) * running["mean"] + MOMENTUM * mean,
                "variance": (1 - MOMENTUM) * running["variance"] + MOMENTUM * unbiased,
            }
        else:
            mean, variance = running["mean"], running["variance"]
        normal = (values - mean) * lax.rsqrt(variance + VARIANCE_EPSILON)
        return normal * layer["scale"] + layer["shift"]

    values = images_NHWC
    for name in ("conv1", "conv2"):
        layer = parameters[name]
        values = lax.conv_general_dilated(
            values, layer["weight"], (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        values = finish(name, values + layer["bias"])
        values = jnp.maximum(values[:, ::2], values[:, 1::2])
        values = jnp.maximum(values[:, :, ::2], values[:, :, 1::2])
    values = values.reshape(len(values), -1)
    for name in ("linear1", "linear2"):
        values = finish(name, values @ parameters[name]["weight"] + parameters[name]["bias"])
    return values @ parameters["linear3"]["weight"] + parameters["linear3"]["bias"], new


def train_step(recipe: Recipe, arrays, state, chosen, rate):
    """The state after a batch of the chosen images."""
    parameters, statistics, first, second, steps = state
    images_NHWC, labels_N = arrays[0][chosen], arrays[1][chosen]

    def loss_of(parameters):
        logits, new = forward(recipe, parameters, statistics, images_NHWC, training=True)
        log_probability = jax.nn.log_softmax(logits)
        return -jnp.take_along_axis(log_probability, labels_N[:, None], 1).mean(), new

    gradient, statistics = jax.grad(loss_of, has_aux=True)(parameters)
    steps = steps + 1
    gradient = jax.tree.map(lambda g, p: g + recipe.weight_decay * p, gradient, parameters)
    first = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, first, gradient)
    second = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, second, gradient)
    scale1, scale2 = 1 / (1 - BETA1**steps), 1 / (1 - BETA2**steps)
    parameters = jax.tree.map(
        lambda p, m, v: p - rate * m * scale1 / (jnp.sqrt(v * scale2) + EPSILON), parameters, first, second
    )
    return parameters, statistics, first, second, steps


def evaluate(recipe: Recipe, kept, arrays):
    """Mean loss, and accuracy."""
    images, labels = arrays
    logits, _ = forward(recipe, *kept, images, training=False)
    loss = -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1).mean()
    return loss, (logits.argmax(1) == labels).mean()
