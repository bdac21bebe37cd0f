"""The default learner: a torch module, its two optimizers and its own random state."""

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from limbeck_common.core.spec import Recipe, Spec
from limbeck_common.datasets.examples import Examples
from limbeck_common.learning.learner import LearnerState, Penalty
from limbeck_common.learning.optimizers import Optimizer, placed

_PREDICT_ROWS = {"cpu": 100}  # a small network's activations for them fit a core's cache: twice as fast as 1,000
_PREDICT_ROWS_ELSEWHERE = 1000
_Use = Literal["fit", "distill"]


class TorchLearner:
    """Trains `module` on cross-entropy, with labels or with soft labels.

    Both optimizers and the random state live as long as the learner, across rounds. Randomness is the learner's own:
    each call borrows torch's global generator and restores it afterwards, so that learners in one process never disturb
    each other, whatever layers they have.
    """

    def __init__(self, make_module: Callable[[], nn.Module], spec: Spec, seed: int, device: torch.device) -> None:
        self.device = device
        self.threads = spec.recipe.threads
        a_channel = (-1, *(1 for _ in spec.sample_shape[1:]))
        self._mean = torch.tensor(spec.input_mean, device=device).reshape(a_channel)
        self._std = torch.tensor(spec.input_std, device=device).reshape(a_channel)
        self._random = torch.Generator().manual_seed(seed).get_state()
        with self._own_randomness():
            self.module = make_module().to(device)
        self._slots: dict[_Use, dict[str, Tensor]] = {"fit": {}, "distill": {}}

    def fit(self, examples: Examples, recipe: Recipe, penalty: Penalty | None = None) -> None:
        """Train on labels, in shuffled order; see `WeightLearner`."""
        targets = torch.from_numpy(np.array(examples.y, np.int64))
        self._train(examples.x, targets, "fit", recipe, penalty)

    def distill(self, x: NDArray[Any], labels: NDArray[np.float32], recipe: Recipe) -> None:
        """Train towards soft labels, rows in their order; see `Learner`.

        The gradient is that of the KL divergence from the labels. As in BlazeFL's example of DS-FL, the rows are not
        shuffled: they keep the open set's order, which must be random.
        """
        targets = torch.from_numpy(np.asarray(labels, np.float32)).clone()  # aligned, as the inputs are
        self._train(x, targets, "distill", recipe)

    def predict(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Return class probabilities, shape [rows, classes]."""
        probabilities: NDArray[np.float32] = F.softmax(self._logits(x), dim=1).numpy()
        return probabilities

    def scores(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Return logits, shape [rows, classes]."""
        scores: NDArray[np.float32] = self._logits(x).numpy()
        return scores

    def parameters(self) -> LearnerState:
        """Return the module's floating-point parameters and buffers; see `WeightLearner`."""
        state = self.module.state_dict()
        return {name: _copy(value.float()) for name, value in state.items() if value.is_floating_point()}

    def frozen(self) -> Callable[[Tensor], Tensor]:
        """Return the module as it is now, as a function; see `WeightLearner`."""
        module = copy.deepcopy(self.module).eval().requires_grad_(requires_grad=False)

        def run(inputs: Tensor) -> Tensor:
            logits: Tensor = module(inputs.to(self.device))
            return logits.to(inputs.device)

        return run

    def load_parameters(self, parameters: Mapping[str, NDArray[Any]]) -> None:
        """Set parameters and buffers; see `WeightLearner`."""
        state = self.module.state_dict()
        tensors = {name: torch.from_numpy(np.array(value)) for name, value in parameters.items()}
        shaped = {name: value.reshape(state[name].shape) for name, value in tensors.items()}
        self.module.load_state_dict(state | shaped)

    def state(self) -> LearnerState:
        """Return the module's, the optimizers' and the random state."""
        state = {f"model.{name}": _copy(value) for name, value in self.module.state_dict().items()}
        for use, slots in self._slots.items():
            state |= {f"{use}.{slot}": _copy(value) for slot, value in slots.items()}
        return state | {"random": self._random.numpy()}

    def load_state(self, state: LearnerState) -> None:
        """Continue from what `state` returned."""
        tensors = {name: torch.from_numpy(np.array(value)) for name, value in state.items()}
        self.module.load_state_dict(_part(tensors, "model"))
        self._random = tensors["random"]
        for use, slots in self._slots.items():
            slots.clear()
            slots.update(placed(_part(tensors, use), self.device))

    def _logits(self, x: NDArray[Any]) -> Tensor:
        """Return logits on the CPU, shape [rows, outputs]."""
        self.module.eval()
        step = _PREDICT_ROWS.get(self.device.type, _PREDICT_ROWS_ELSEWHERE)
        with self._own_randomness(advance=False), torch.inference_mode():
            parts = range(0, max(1, len(x)), step)  # one pass even for no rows: it gives the number of outputs
            return torch.cat([self.module(self._inputs(x[start : start + step])).float().cpu() for start in parts])

    def _train(
        self, x: NDArray[Any], targets: Tensor, use: _Use, recipe: Recipe, penalty: Penalty | None = None
    ) -> None:
        inputs, targets = self._inputs(x), targets.to(self.device)
        epochs = recipe.local_epochs if use == "fit" else recipe.distill_epochs
        rate = recipe.learning_rate if use == "fit" else recipe.distill_learning_rate
        optimizer = Optimizer(self.module.parameters(), self._slots[use], recipe, rate)
        self.module.train()
        with self._own_randomness():
            for _ in range(epochs):
                if use == "fit":
                    order = torch.randperm(len(inputs)).to(self.device)
                    inputs, targets = inputs.index_select(0, order), targets.index_select(0, order)
                for batch in _batches(len(inputs), recipe.batch_size):
                    optimizer.zero_grad()
                    logits = self.module(inputs[batch])
                    loss = F.cross_entropy(logits, targets[batch])
                    if penalty is not None:
                        loss = loss + penalty(self.module, inputs[batch], targets[batch], logits)
                    loss.backward()  # type: ignore[no-untyped-call]
                    optimizer.step()

    def _inputs(self, x: NDArray[Any]) -> Tensor:
        """Return rows on the device as float32; bytes are standardised by the federation's mean and deviation."""
        writable = np.require(x, requirements=["C", "W"])  # torch warns of any other array
        tensor = torch.from_numpy(writable).to(self.device)
        if tensor.dtype is torch.uint8:
            return (tensor.float() / 255 - self._mean) / self._std
        # Copied even if it is float32: torch aligns the copy, and sums inside a kernel may depend on alignment.
        return tensor.to(torch.float32, copy=True)

    @contextmanager
    def _own_randomness(self, *, advance: bool = True) -> Iterator[None]:
        """Draw from the learner's own random state inside the block; `advance` keeps the state that results."""
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            torch.set_num_threads(self.threads)
            torch.set_flush_denormal(True)  # per thread; denormal gradients would cost a fifth of the time
            torch.set_rng_state(self._random)
            if devices:  # dropout on the GPU draws from the GPU's generator: seed it from the CPU's
                torch.cuda.manual_seed(int(torch.randint(2**62, ())))
            try:
                yield
            finally:
                torch.set_flush_denormal(False)
            if advance:
                self._random = torch.get_rng_state()


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose names start with a prefix, by the rest of their names."""
    found = {name.partition("."): value for name, value in tensors.items()}
    return {rest: value for (first, _, rest), value in found.items() if first == prefix}


def _copy(value: Tensor) -> NDArray[Any]:
    """Return a copy that further training does not change."""
    copied: NDArray[Any] = value.cpu().numpy().copy()
    return copied


def _batches(rows: int, size: int) -> Iterator[slice]:
    """Yield slices of `size` rows. A single last row joins the batch before it: batch normalisation needs two."""
    start = 0
    while start < rows:
        stop = start + size if rows - start - size > 1 else rows
        yield slice(start, stop)
        start = stop
