"""DS-FL's clients on BlazeFL's trainers, in a pool of processes or of threads.

What a client does, and in which order, follows the DS-FL example of BlazeFL's repository: distill on the last
round's labels, train, predict; model, optimizers and random generators kept from round to round; the training part
stored anew after training. Only the example's evaluation of every client is left out.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import torch
import torch.multiprocessing as mp
from blazefl.core import ProcessPoolClientTrainer, ThreadPoolClientTrainer, process_tensors_in_object
from blazefl.reproducibility import RNGSuite, create_rng_suite, setup_reproducibility
from federation import Downlink, ModelName, Models, Settings, Uplink, distill, sgd, step
from mnist_parts import CLASSES, MnistParts, Part
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Subset

DEVICE = "cpu"


@dataclass
class ClientState:
    """What a client keeps from round to round."""

    rng: RNGSuite
    model: dict[str, torch.Tensor]
    optimizer: dict[str, torch.Tensor]
    distill_optimizer: dict[str, torch.Tensor]


@dataclass
class Client:
    """What a client's work needs, as it travels to the process that does it."""

    settings: Settings
    parts: MnistParts
    cid: int

    def work(self, task: Downlink, stop: threading.Event, state: ClientState | None) -> tuple[Uplink, ClientState]:
        """One round: distill, train, predict."""
        s = self.settings
        torch.set_num_threads(s.threads)
        setup_reproducibility(s.seed)
        model = Models(s.seed).select_model(ModelName.CNN)
        optimizer, distill_optimizer = sgd(model, s.lr), sgd(model, s.distill_lr)
        rng = state.rng if state else create_rng_suite(s.seed + self.cid)
        if state:
            model.load_state_dict(state.model)
            optimizer.load_state_dict(state.optimizer)
            distill_optimizer.load_state_dict(state.distill_optimizer)
        images = self.parts.get_dataset(Part.OPEN, None)
        if task.indices is not None and task.soft_labels is not None:
            distill(s, model, distill_optimizer, Subset(images, task.indices.tolist()), task.soft_labels)
        self.train(model, optimizer, rng, stop)
        model.eval()
        with torch.no_grad():
            loader = DataLoader(Subset(images, task.next_indices.tolist()), batch_size=s.batch_size)
            soft_labels = torch.cat([F.softmax(model(x), dim=1) for x in loader])
        kept = ClientState(rng, model.state_dict(), optimizer.state_dict(), distill_optimizer.state_dict())
        return Uplink(self.cid, soft_labels, task.next_indices), kept

    def train(self, model: nn.Module, optimizer: torch.optim.Optimizer, rng: RNGSuite, stop: threading.Event) -> None:
        """Fit the client's own images."""
        model.train()
        loader = self.parts.get_dataloader(Part.TRAIN, self.cid, self.settings.batch_size, rng.torch_cpu)
        for _ in range(self.settings.epochs):
            if stop.is_set():
                return
            for x, y in loader:
                step(optimizer, F.cross_entropy(model(x), y))
        self.parts.set_dataset(Part.TRAIN, self.cid, loader.dataset)


class ProcessTrainer(ProcessPoolClientTrainer[Uplink, Downlink, Client]):
    """Clients in a pool of processes: labels come back in shared memory, states lie in files."""

    def __init__(self, settings: Settings, parts: MnistParts) -> None:
        self.s, self.parts = settings, parts
        self.device, self.num_parallels = DEVICE, settings.workers
        self.manager = mp.Manager()
        self.stop_event = self.manager.Event()
        self.cache: list[Uplink] = []

    def get_client_config(self, cid: int) -> Client:
        return Client(self.s, self.parts, cid)

    def prepare_uplink_package_buffer(self) -> Uplink:
        count = self.s.open_per_round
        return Uplink(-1, torch.zeros(count, CLASSES), torch.zeros(count, dtype=torch.int64))

    @staticmethod
    def worker(
        config: Client,
        payload: Downlink,
        device: str,
        stop_event: threading.Event,
        *,
        shm_buffer: Uplink | None = None,
    ) -> Uplink:
        del device  # one processor, no choice
        path = config.parts.folder / f"state-{config.cid}.pt"
        state = torch.load(path, weights_only=False) if path.exists() else None
        uplink, state = config.work(payload, stop_event, state)
        torch.save(state, path)
        if shm_buffer is None:
            return uplink
        shm_buffer.soft_labels.copy_(uplink.soft_labels)
        shm_buffer.indices.copy_(uplink.indices)
        return process_tensors_in_object(uplink, mode="replace")

    def uplink_package(self) -> list[Uplink]:
        uplinks, self.cache = self.cache, []
        return uplinks


class ThreadTrainer(ThreadPoolClientTrainer[Uplink, Downlink]):
    """Clients in a pool of threads, states in memory; a global interpreter lock keeps them from running at once."""

    def __init__(self, settings: Settings, parts: MnistParts) -> None:
        self.s, self.parts = settings, parts
        self.device, self.num_parallels = DEVICE, settings.workers
        self.stop_event = threading.Event()
        self.cache: list[Uplink] = []
        self.states: dict[int, ClientState] = {}

    def worker(self, cid: int, device: str, payload: Downlink, stop_event: threading.Event) -> Uplink:
        del device  # one processor, no choice
        client = Client(self.s, self.parts, cid)
        uplink, self.states[cid] = client.work(payload, stop_event, self.states.get(cid))
        return uplink

    def uplink_package(self) -> list[Uplink]:
        uplinks, self.cache = self.cache, []
        return uplinks
