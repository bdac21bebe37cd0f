"""DS-FL's server on BlazeFL's classes, and what it shares with the clients: settings, model, packages, distilling.

As in the DS-FL example of BlazeFL's repository, distilling goes through the images in the labels' own order, never
shuffled, and the server's optimizer lives as long as the server.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum

import torch
from blazefl.core import BaseServerHandler, ModelSelector
from blazefl.reproducibility import create_rng_suite
from mnist_parts import CLASSES, MnistParts, Part
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Subset


@dataclass(frozen=True)
class Settings:
    """Everything that a run depends on but the place of the data."""

    rounds: int = 10
    clients: int = 10
    sample_ratio: float = 1.0
    private: int = 20_000
    open: int = 10_000
    open_per_round: int = 1_000
    alpha: float = 0.5
    epochs: int = 5
    lr: float = 0.1
    batch_size: int = 50
    distill_epochs: int = 5
    distill_lr: float = 0.1
    distill_batch_size: int = 50
    temperature: float = 0.1
    seed: int = 42
    mode: str = "process"
    workers: int = 2
    threads: int = 1
    start_method: str = "fork"

    def per_round(self) -> int:
        """How many clients a round takes."""
        return int(self.clients * self.sample_ratio)

    def check(self) -> None:
        """Refuse what cannot be run."""
        for name, value in asdict(self).items():
            if not isinstance(value, str) and name != "seed" and value <= 0:
                raise ValueError(f"--{name.replace('_', '-')} must be above 0, and is {value}")
        if self.mode == "process" and self.start_method == "fork" and self.threads > 1:
            raise ValueError("a forked process hangs in torch with --threads above 1; give --start-method spawn")
        if self.private < self.clients:
            raise ValueError(f"--private {self.private} is less than an image for each of {self.clients} clients")
        if self.open_per_round > self.open:
            raise ValueError(f"--open-per-round is {self.open_per_round}, more than the {self.open} open images")
        if self.per_round() not in range(1, self.clients + 1):
            raise ValueError(f"--sample-ratio {self.sample_ratio} takes {self.per_round()} of {self.clients} clients")


class ModelName(StrEnum):
    """The one model here."""

    CNN = "cnn"


class Models(ModelSelector[ModelName]):
    """The PyTorch tutorial's CNN for one channel; server and clients start from the same weights."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def select_model(self, model_name: ModelName) -> nn.Module:
        """Build the named model; its weights, drawn as PyTorch draws them, come from the seed in any thread."""
        convolutions = [nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)]
        dense = [nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, CLASSES)]
        model = {ModelName.CNN: nn.Sequential(*convolutions, nn.Flatten(), *dense)}[model_name]
        generator = torch.Generator().manual_seed(self.seed)
        for layer in model:
            for parameter in layer.parameters():
                bound = layer.weight[0].numel() ** -0.5
                nn.init.uniform_(parameter, -bound, bound, generator=generator)
        return model


@dataclass
class Uplink:
    """A client's soft labels for the images asked for."""

    cid: int
    soft_labels: torch.Tensor
    indices: torch.Tensor


@dataclass
class Downlink:
    """The last round's labels, if there was one, and the images to label next."""

    soft_labels: torch.Tensor | None
    indices: torch.Tensor | None
    next_indices: torch.Tensor


def sgd(model: nn.Module, lr: float) -> torch.optim.SGD:
    return torch.optim.SGD(model.parameters(), lr=lr)


def step(optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def distill(
    s: Settings, model: nn.Module, optimizer: torch.optim.Optimizer, images: Subset, labels: torch.Tensor
) -> None:
    """Fit the labels by Kullback-Leibler divergence, in the order they came."""
    model.train()
    loader = DataLoader(images, batch_size=s.distill_batch_size)
    for _ in range(s.distill_epochs):
        for x, y in zip(loader, labels.split(s.distill_batch_size), strict=True):
            step(optimizer, F.kl_div(F.log_softmax(model(x), dim=1), y, reduction="batchmean"))


class Server(BaseServerHandler[Uplink, Downlink]):
    """Asks for labels, sharpens their mean (the paper's ERA) and distills its own model on them."""

    def __init__(self, settings: Settings, parts: MnistParts) -> None:
        self.s, self.parts = settings, parts
        self.model = Models(settings.seed).select_model(ModelName.CNN)
        self.optimizer = sgd(self.model, settings.distill_lr)
        self.rng = create_rng_suite(settings.seed)
        self.round = 0
        self.received: list[Uplink] = []
        self.labels: torch.Tensor | None = None
        self.indices: torch.Tensor | None = None

    def if_stop(self) -> bool:
        return self.round >= self.s.rounds

    def sample_clients(self) -> list[int]:
        return sorted(self.rng.python.sample(range(self.s.clients), self.s.per_round()))

    def downlink_package(self) -> Downlink:
        order = torch.randperm(self.s.open, generator=self.rng.torch_cpu)
        return Downlink(self.labels, self.indices, order[: self.s.open_per_round])

    def load(self, payload: Uplink) -> bool:
        self.received.append(payload)
        if len(self.received) < self.s.per_round():
            return False
        self.global_update(sorted(self.received, key=lambda uplink: uplink.cid))
        self.received = []
        self.round += 1
        return True

    def global_update(self, buffer: list[Uplink]) -> None:
        """Every client labels the same images in the same order, so the mean is taken over whole tensors."""
        mean = torch.stack([uplink.soft_labels for uplink in buffer]).mean(dim=0)
        self.indices, order = buffer[0].indices.sort()
        self.labels = F.softmax(mean[order] / self.s.temperature, dim=1)
        images = Subset(self.parts.get_dataset(Part.OPEN, None), self.indices.tolist())
        distill(self.s, self.model, self.optimizer, images, self.labels)

    @torch.no_grad()
    def accuracy(self) -> float:
        """The server model's share of the test images."""
        self.model.eval()
        loader = self.parts.get_dataloader(Part.TEST, None, self.s.distill_batch_size)
        right = sum(int((self.model(x).argmax(dim=1) == y).sum()) for x, y in loader)
        return right / len(loader.dataset)
