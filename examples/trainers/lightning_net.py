"""A trainer with Lightning: trainer = "lightning_net:train", settings = { epochs = 5, lr = 0.001 }."""

import lightning
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Net(lightning.LightningModule):
    """A convolution and a linear layer."""

    def __init__(self, num_classes, lr):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(num_classes))
        self.lr = lr

    def training_step(self, batch, _):
        return nn.functional.cross_entropy(self.layers(batch[0]), batch[1])

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), self.lr)


def pixels(images):
    return torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float() / 255


def train(settings, seed, train, val, test_images):
    images, labels = pixels(train.images), torch.from_numpy(np.array(train.labels))
    net = Net(int(labels.max()) + 1, settings["lr"])
    net.layers(images[:1])
    batches = DataLoader(TensorDataset(images, labels), batch_size=64, shuffle=True)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    lightning.Trainer(max_epochs=settings["epochs"], accelerator="cpu", **quiet).fit(net, batches)
    with torch.no_grad():
        logits = [net.layers(pixels(split)) for split in (val.images, test_images)]
    return {"val": logits[0], "test": logits[1], "model": net.layers}
