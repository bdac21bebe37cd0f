"""The default learner: a torch module, its two optimizers and its own random state."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from limbeck_common.core.recipe import Distill, Fit, Steps
from limbeck_common.core.spec import Spec
from limbeck_common.datasets.examples import Examples
from limbeck_common.learning.batches import Batches
from limbeck_common.learning.determinism import deterministic
from limbeck_common.learning.learner import LearnerState, Loss
from limbeck_common.learning.losses import hard_loss, predictions, scores_of, soft_loss
from limbeck_common.learning.metrics import balanced_weights
from limbeck_common.learning.networks.augmentation import flip_crop
from limbeck_common.learning.networks.split import captured_features, find_head, head_of
from limbeck_common.learning.optimizers import Optimizer, placed
from limbeck_common.learning.training import OwnOptimizer, Training

_PREDICT_ROWS = {"cpu": 100}  # a small network's activations for them fit a core's cache: twice as fast as 1,000
_PREDICT_ROWS_ELSEWHERE = 1000
_Use = Literal["fit", "distill"]


@dataclass(frozen=True)
class Step:
    """One batch on its way through a module in training; all are torch's.

    `scores`, [rows, *row_shape], are the module's; `features`, [rows, width], are what its head was given; `loss` is
    the task's own; `beside` holds the steps of the learners that are trained in step, on the same batch.

    >>> def loss(step: Step) -> Tensor:
    ...     "Return the task's loss, and a penalty on large scores."
    ...     return step.loss + 0.01 * step.scores.square().mean()
    """

    module: nn.Module
    inputs: Tensor
    targets: Tensor
    scores: Tensor
    features: Tensor | None
    loss: Tensor
    beside: tuple["Step", ...] = ()


class TorchLearner:
    """Trains a module on its task's loss, with labels or towards another model's predictions.

    Both optimizers and the random state live as long as the learner, across rounds. Randomness is the learner's own:
    each call borrows torch's global generator and restores it afterwards, so that learners in one process never disturb
    each other, whatever layers they have.

    >>> from limbeck_common.core.spec import Output
    >>> spec = Spec(output=Output(width=2), sample_shape=(3,), sample_dtype="<f4", open_rows=0)
    >>> learner = TorchLearner(lambda: nn.Linear(3, 2), spec, seed=0, device=torch.device("cpu"))
    >>> learner.fit(Examples(np.ones((4, 3), np.float32), np.array([0, 0, 0, 1])), Fit(epochs=1))
    >>> learner.predict(np.ones((5, 3), np.float32)).shape
    (5, 2)
    """

    reads_batches = True

    def __init__(
        self, make_module: Callable[[], nn.Module | Training], spec: Spec, seed: int, device: torch.device
    ) -> None:
        self.device = device
        self.threads = spec.recipe.threads
        self._spec = spec
        self._scaling = channel_scaling(spec, device)
        self._random = torch.Generator().manual_seed(seed).get_state()
        with self._own_randomness():
            made = make_module()
            self._training = made if isinstance(made, Training) else Training(made)
            self.module = self._training.module.to(device)
        self._slots: dict[_Use, dict[str, Tensor]] = {"fit": {}, "distill": {}}
        self._calls: dict[_Use, int] = {"fit": 0, "distill": 0}  # each is a round's share of the schedule

    def fit(
        self, examples: Examples, recipe: Fit, loss: Loss | None = None, beside: Sequence["TorchLearner"] = ()
    ) -> None:
        """Train on labels, in shuffled order; see `LossTaker`."""
        weights = None
        if recipe.class_weights == "balanced" and self._spec.output.task == "classification":
            weights = torch.from_numpy(balanced_weights(examples.y, self._spec.output.width)).to(self.device)
        towards = hard_loss(self._spec.output.task, weights)
        self._train((examples.x, examples.y), "fit", recipe, towards, loss=loss, beside=beside)

    def distill(
        self, x: NDArray[Any], labels: NDArray[np.float32], recipe: Distill, truth: NDArray[Any] | None = None
    ) -> None:
        """Train towards predictions; see `Learner`. `truth` are the rows' labels, for an alpha below 1."""
        task, alpha = self._spec.output.task, recipe.alpha
        soft, hard = soft_loss(task, recipe.temperature), hard_loss(task)
        if truth is None:
            self._train((x, labels), "distill", recipe, soft)
            return

        def mixed(scores: Tensor, labels: Tensor, truth: Tensor) -> Tensor:
            return alpha * soft(scores, labels) + (1 - alpha) * hard(scores, truth)

        self._train((x, labels, truth), "distill", recipe, mixed)

    def predict(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Return predictions, shape [rows, *row_shape]."""
        predicted: NDArray[np.float32] = predictions(self._spec.output.task, self._forward(x)).numpy()
        return predicted

    def scores(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Return scores, shape [rows, *row_shape]."""
        scores: NDArray[np.float32] = self._forward(x).numpy()
        return scores

    def features(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Return what the head is given, shape [rows, width]."""
        with captured_features(head_of(self.module)) as seen:
            self._forward(x)
        found: NDArray[np.float32] = torch.cat([each.float().cpu() for each in seen]).numpy()
        return found

    def head(self) -> LearnerState:
        """Return the head's parameters; see `Featured`."""
        return _floats(head_of(self.module))

    def load_head(self, parameters: Mapping[str, NDArray[Any]]) -> None:
        """Set the head's parameters."""
        _load(head_of(self.module), parameters)

    def parameters(self) -> LearnerState:
        """Return the module's floating-point parameters and buffers; see `WeightLearner`."""
        return _floats(self.module)

    def load_parameters(self, parameters: Mapping[str, NDArray[Any]]) -> None:
        """Set parameters and buffers; see `WeightLearner`."""
        _load(self.module, parameters)

    def frozen(self) -> Callable[[Tensor], Tensor]:
        """Return the module as it is now, as a function; see `LossTaker`."""
        module = copy.deepcopy(self.module).eval().requires_grad_(requires_grad=False)

        def run(inputs: Tensor) -> Tensor:
            return scores_of(module(inputs.to(self.device))).to(inputs.device)

        return run

    def state(self) -> LearnerState:
        """Return the module's, the optimizers' and the random state."""
        state = {f"model.{name}": _copy(value) for name, value in self.module.state_dict().items()}
        for use, slots in self._slots.items():
            state |= {f"{use}.{slot}": _copy(value) for slot, value in slots.items()}
        return state | {"random": self._random.numpy(), "calls": np.array(list(self._calls.values()))}

    def load_state(self, state: LearnerState) -> None:
        """Continue from what `state` returned."""
        tensors = {name: torch.from_numpy(np.array(value)) for name, value in state.items()}
        self.module.load_state_dict(_part(tensors, "model"))
        self._random = tensors["random"]
        self._calls = {"fit": int(tensors["calls"][0]), "distill": int(tensors["calls"][1])}
        for use, slots in self._slots.items():
            slots.clear()
            slots.update(placed(_part(tensors, use), self.device))

    def _forward(self, x: NDArray[Any]) -> Tensor:
        """Return scores on the CPU, shape [rows, *row_shape]."""
        self.module.eval()
        step = _PREDICT_ROWS.get(self.device.type, _PREDICT_ROWS_ELSEWHERE)
        with self._own_randomness(advance=False), torch.inference_mode(), self._precision():
            parts = range(0, max(1, len(x)), step)  # one pass even for no rows: it gives the number of outputs
            passes = (self.module(self._inputs(x[start : start + step])) for start in parts)
            return torch.cat([scores_of(each).float().cpu() for each in passes])

    def _train(  # noqa: PLR0913 - rows, use and recipe, and what a method may change
        self,
        rows: Sequence[Any],
        use: _Use,
        recipe: Steps,
        towards: Callable[..., Tensor],
        *,
        loss: Loss | None = None,
        beside: Sequence["TorchLearner"] = (),
    ) -> None:
        """Train on `rows`, inputs and their targets, on the loss that `towards` gives of scores and targets."""
        x, *targets = rows
        sources = [Batches(x, self._inputs), *(Batches(each, self._targets) for each in targets)]
        shuffled = recipe.shuffle if isinstance(recipe, Distill) else True
        augment = self._augmentation(recipe) if isinstance(recipe, Fit) else None
        pace = _Pace(recipe, len(x), self._calls[use], self._spec.rounds)
        takers = [each._stepper(use, recipe) for each in (self, *beside)]  # noqa: SLF001 - learners of this class
        with self._own_randomness():
            for _ in range(recipe.epochs):
                order = torch.randperm(len(x)) if shuffled else None
                every = (each.epoch(order, recipe.batch_size) for each in sources)
                for batch, *goals in zip(*every, strict=True):
                    given = batch if augment is None else augment(batch)
                    if loss is None:
                        found = towards(self._scores(given), *goals)
                    else:
                        found = loss(self._step(given, goals, towards, beside))
                    for taker in takers:
                        taker.zero_grad()
                    found.backward()  # type: ignore[no-untyped-call]
                    pace.advance()
                    for taker in takers:
                        taker.step(pace.progress if isinstance(taker, OwnOptimizer) else recipe.rate(pace.progress))
        for taker in takers:
            if isinstance(taker, OwnOptimizer):
                taker.keep()
        for each in (self, *beside):
            each._calls[use] += 1  # noqa: SLF001 - learners of this class

    def _stepper(self, use: _Use, recipe: Steps) -> Optimizer | OwnOptimizer:
        self.module.train()
        slots = self._slots[use]
        if recipe.fresh:
            slots.clear()
        if self._training.optimizer is None:
            return Optimizer(self.module.parameters(), slots, recipe)
        return OwnOptimizer(self._training.optimizer(self.module.parameters()), slots, self._training.schedule)

    def _scores(self, inputs: Tensor) -> Tensor:
        with self._precision():
            return scores_of(self.module(inputs)).float()

    def _step(
        self,
        inputs: Tensor,
        targets: list[Tensor],
        towards: Callable[..., Tensor],
        beside: Sequence["TorchLearner"],
    ) -> Step:
        """Run a batch forward for a method's own loss."""
        others = tuple(each._step(inputs, targets, towards, ()) for each in beside)  # noqa: SLF001 - learners of this class
        with captured_features(find_head(self.module)) as seen:
            scores = self._scores(inputs)
        features = seen[-1] if seen else None
        return Step(self.module, inputs, targets[0], scores, features, towards(scores, *targets), others)

    def _augmentation(self, recipe: Fit) -> Callable[[Tensor], Tensor] | None:
        return self._training.augment or (flip_crop if recipe.augment == "flip_crop" else None)

    def _inputs(self, x: NDArray[Any]) -> Tensor:
        return standardised(_tensor(x).to(self.device), *self._scaling)

    def _targets(self, y: NDArray[Any]) -> Tensor:
        tensor = _tensor(y)
        wanted = (
            torch.float32 if tensor.is_floating_point() or self._spec.output.task != "classification" else torch.int64
        )
        return tensor.to(self.device, wanted, copy=True)

    def _precision(self) -> Any:
        if self._spec.recipe.mixed_precision and self.device.type == "cuda":
            return torch.autocast("cuda", torch.bfloat16)
        return nullcontext()

    @contextmanager
    def _own_randomness(self, *, advance: bool = True) -> Iterator[None]:
        """Draw from the learner's own random state inside the block; `advance` keeps the state that results."""
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices), deterministic(self.device):
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


def channel_scaling(spec: Spec, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the mean and the deviation of bytes scaled to [0, 1], each of the shape [channels, 1, ...]."""
    a_channel = (-1, *(1 for _ in spec.sample_shape[1:]))
    mean, deviation = (torch.tensor(each, device=device) for each in (spec.input_mean, spec.input_std))
    return mean.reshape(a_channel), deviation.reshape(a_channel)


def standardised(rows: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    """Return rows as a module gets them: bytes standardised, other integers as they are.

    Floats become float32. They are copied even if they are: torch aligns the copy, and sums inside a kernel may depend
    on alignment.
    """
    if rows.dtype is torch.uint8:
        return (rows.float() / 255 - mean) / deviation
    if not rows.is_floating_point():
        return rows.to(torch.int64, copy=True)
    return rows.to(torch.float32, copy=True)


class _Pace:
    """How far the schedule is, in the middle of each step."""

    def __init__(self, recipe: Steps, rows: int, calls: int, rounds: int) -> None:
        self._steps = max(1, recipe.epochs * -(-rows // recipe.batch_size))
        self._taken = 0
        self._before, self._rounds = (0, 1) if recipe.fresh else (calls, rounds)

    def advance(self) -> None:
        """Count a step."""
        self._taken += 1

    @property
    def progress(self) -> float:
        """The share of the schedule that is over, from 0 to 1."""
        return min(1.0, (self._before + (self._taken - 0.5) / self._steps) / self._rounds)


def _tensor(values: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.require(values, requirements=["C", "W"]))  # torch warns of any other array


def _floats(module: nn.Module) -> LearnerState:
    state = module.state_dict()
    return {name: _copy(value.float()) for name, value in state.items() if value.is_floating_point()}


def _load(module: nn.Module, parameters: Mapping[str, NDArray[Any]]) -> None:
    state = module.state_dict()
    tensors = {name: torch.from_numpy(np.array(value)) for name, value in parameters.items()}
    shaped = {name: value.reshape(state[name].shape) for name, value in tensors.items()}
    module.load_state_dict(state | shaped)


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose names start with a prefix, by the rest of their names."""
    found = {name.partition("."): value for name, value in tensors.items()}
    return {rest: value for (first, _, rest), value in found.items() if first == prefix}


def _copy(value: Tensor) -> NDArray[Any]:
    """Return a copy that further training does not change."""
    copied: NDArray[Any] = value.cpu().numpy().copy()
    return copied
