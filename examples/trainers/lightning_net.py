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

    def forward(self, images):
        return self.layers(images)

    def training_step(self, batch, _):
        return nn.functional.cross_entropy(self(batch[0]), batch[1])

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), self.lr)


def pixels(images):
    return torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float() / 255


def train(settings, seed, train, val, test_images):
    images, labels = pixels(train.images), torch.from_numpy(np.array(train.labels))
    net = Net(int(labels.max()) + 1, settings["lr"])
    net(images[:1])
    off = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar"), False)
    fit = lightning.Trainer(max_epochs=settings["epochs"], accelerator="cpu", **off).fit
    fit(net, DataLoader(TensorDataset(images, labels), batch_size=64, shuffle=True))
    with torch.no_grad():
        val_logits, test_logits = net(pixels(val.images)), net(pixels(test_images))
    return {"val": val_logits, "test": test_logits, "model": net.layers}
