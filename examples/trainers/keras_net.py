"""A trainer with Keras: trainer = "keras_net:train", settings = { epochs = 5, lr = 0.001 }."""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np


def train(settings, seed, train, val, test_images):
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    convolution = layers.Conv2D(16, 3, activation="relu")
    classes = layers.Dense(int(train.labels.max()) + 1, activation="softmax")
    net = keras.Sequential([layers.Rescaling(1 / 255), convolution, layers.Flatten(), classes])
    net.compile(
        keras.optimizers.Adam(settings["lr"]), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    fitted = net.fit(
        np.array(train.images),
        np.array(train.labels),
        batch_size=64,
        epochs=settings["epochs"],
        validation_data=(np.array(val.images), np.array(val.labels)),
        verbose=0,
    ).history
    names = {"train_loss": "loss", "val_loss": "val_loss", "val_accuracy": "val_accuracy"}
    epochs = range(settings["epochs"])
    return {
        "val": net.predict(np.array(val.images), verbose=0),
        "test": net.predict(test_images, verbose=0),
        "history": [{name: fitted[key][epoch] for name, key in names.items()} for epoch in epochs],
    }
