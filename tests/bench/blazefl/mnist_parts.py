"""MNIST in parts, as a BlazeFL `PartitionedDataset`: each client's images, the open images, the test images.

A part is a `FilteredDataset` in a file of its own, loaded whenever it is asked for; a torchvision transform runs on
every sample each time it is read. BlazeFL's DS-FL example does the same, pickled files and normalisation by 0.5
included. Private and open images are drawn from the 60,000 training images and never overlap.
"""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
import torch
from blazefl.core import FilteredDataset, PartitionedDataset
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from torchvision.datasets import MNIST

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

CLASSES = 10
TRAINING_IMAGES = 60_000


class Part(StrEnum):
    """What a stored part is for."""

    TRAIN = "train"
    OPEN = "open"
    TEST = "test"


def mnist(data: Path, *, train: bool) -> MNIST:
    """MNIST's training or test half, from a folder that has it."""
    try:
        return MNIST(data, train=train, download=False)
    except RuntimeError as error:
        raise FileNotFoundError(f"no MNIST in {data}: it should hold MNIST/raw/, as torchvision lays it out") from error


def dirichlet(
    indices: list[int], labels: NDArray[np.int64], clients: int, alpha: float, rng: np.random.Generator
) -> list[list[int]]:
    """Clients of one size, each with a class mix of its own from Dirichlet(alpha).

    Places are filled in random order, each with a class from the client's mix among those not yet used up.
    """
    stock = [[i for i in indices if labels[i] == c] for c in range(CLASSES)]
    left = np.array([len(images) for images in stock])
    mixes = rng.dirichlet([alpha] * CLASSES, clients)
    parts: list[list[int]] = [[] for _ in range(clients)]
    for client in rng.permutation(np.repeat(np.arange(clients), len(indices) // clients)):
        weights = mixes[client] * (left > 0)
        if weights.sum() == 0:
            weights = left.astype(float)
        chosen = rng.choice(CLASSES, p=weights / weights.sum())
        left[chosen] -= 1
        parts[client].append(stock[chosen].pop())
    return parts


class MnistParts(PartitionedDataset[Part]):
    """The parts, written under `folder` once and read from there by whoever needs one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, data: Path, clients: list[list[int]], opened: list[int]) -> None:
        """Store every part; the indices count the training images."""
        train, test = mnist(data, train=True), mnist(data, train=False)
        images, labels = train.data.numpy(), train.targets.tolist()
        seen = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
        for cid, indices in enumerate(clients):
            self.set_dataset(Part.TRAIN, cid, FilteredDataset(indices, images, labels, transform=seen))
        self.set_dataset(Part.OPEN, None, FilteredDataset(opened, images, transform=seen))
        everything = list(range(len(test)))
        tested = FilteredDataset(everything, test.data.numpy(), test.targets.tolist(), transform=seen)
        self.set_dataset(Part.TEST, None, tested)

    def _path(self, type_: Part, cid: int | None) -> Path:
        return self.folder / (f"{type_}.pkl" if cid is None else f"{type_}-{cid}.pkl")

    def get_dataset(self, type_: Part, cid: int | None) -> Dataset:
        """Read one part."""
        return torch.load(self._path(type_, cid), weights_only=False)

    def set_dataset(self, type_: Part, cid: int | None, dataset: Dataset) -> None:
        """Store one part."""
        torch.save(dataset, self._path(type_, cid))

    def get_dataloader(
        self, type_: Part, cid: int | None, batch_size: int | None, generator: torch.Generator | None = None
    ) -> DataLoader:
        """Batches of one part; only training shuffles."""
        dataset = self.get_dataset(type_, cid)
        return DataLoader(dataset, batch_size=batch_size, shuffle=type_ == Part.TRAIN, generator=generator)


def split(
    data: Path, clients: int, sizes: tuple[int, int], alpha: float, seed: int
) -> tuple[list[list[int]], list[int]]:
    """The seed's own split: each client's private images, and the open ones."""
    labels = mnist(data, train=True).targets.numpy()
    private, opened = sizes
    if private + opened > len(labels):
        raise ValueError(f"{private} private and {opened} open images are more than the {len(labels)} there are")
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(labels)).tolist()
    return dirichlet(order[:private], labels, clients, alpha, rng), order[private : private + opened]


def read_split(path: Path) -> tuple[list[list[int]], list[int]]:
    """A split made elsewhere: {"clients": [[index, ...], ...], "open": [index, ...]}."""
    try:
        found = json.loads(path.read_text())
        clients, opened = found["clients"], found["open"]
        used = [int(index) for part in [*clients, opened] for index in part]
    except (TypeError, KeyError, ValueError) as error:
        raise ValueError(f'{path} is no split: {{"clients": [[index, ...], ...], "open": [index, ...]}}') from error
    if not clients or not all([*clients, opened]):
        raise ValueError(f"{path}: a client, or the open set, has no image")
    if len(set(used)) < len(used) or not set(used) <= set(range(TRAINING_IMAGES)):
        raise ValueError(f"{path}: every index must be below {TRAINING_IMAGES}, and in one place only")
    return clients, opened
