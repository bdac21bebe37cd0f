"""A network that generates inputs, for methods without data to distil on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import ceil, prod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from limbeck_common.core.recipe import Steps
from limbeck_common.core.spec import Spec
from limbeck_common.learning.optimizers import Optimizer

_LATENT = 64
_CHANNELS = 32
_SLOPE = 0.2

Loss = Callable[[Tensor, Tensor], Tensor]
"""A function of inputs, [rows, *sample_shape], and the classes that they should be of, [rows], to a scalar."""


class Generator(nn.Module):
    """From noise and a class to an input as the learners' modules take it: standardised, [rows, *sample_shape].

    Samples that are not images are generated as one line of pixels. It lives on the CPU and draws from torch's current
    random state: see `seeded`.
    """

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.spec = spec
        match spec.sample_shape:
            case (channels, height, width):
                pass
            case shape:
                channels, height, width = 1, 1, prod(shape)
        self._sizes = [(ceil(height / part), ceil(width / part)) for part in (4, 2, 1)]
        self.start = nn.Linear(_LATENT + spec.output.width, _CHANNELS * prod(self._sizes[0]))
        self.norms = nn.ModuleList(nn.BatchNorm2d(_CHANNELS) for _ in self._sizes)
        self.convs = nn.ModuleList(nn.Conv2d(_CHANNELS, _CHANNELS, 3, padding=1) for _ in self._sizes[1:])
        self.end = nn.Conv2d(_CHANNELS, channels, 3, padding=1)
        self.level = nn.BatchNorm2d(channels, affine=False)
        self._slots: dict[str, Tensor] = {}

    def forward(self, noise: Tensor, classes: Tensor) -> Tensor:
        """Return inputs of the given classes, [rows], from noise, [rows, latent]."""
        x = self.start(torch.cat([noise, F.one_hot(classes, self.spec.output.width).float()], dim=1))
        x = self.norms[0](x.reshape(len(x), _CHANNELS, *self._sizes[0]))
        for size, conv, norm in zip(self._sizes[1:], self.convs, self.norms[1:], strict=True):
            x = F.leaky_relu(norm(conv(F.interpolate(x, size=size))), _SLOPE)
        return self._standardised(self.end(x)).reshape(len(x), *self.spec.sample_shape)

    def draw(self, rows: int) -> tuple[Tensor, Tensor]:
        """Return inputs, [rows, *sample_shape], and their classes, [rows], which are drawn uniformly."""
        classes = torch.randint(self.spec.output.width, (rows,))
        return self(torch.randn(rows, _LATENT), classes), classes

    def improve(self, loss: Loss, steps: int, rows: int, rate: float) -> None:
        """Take steps of Adam on the loss, each on `rows` fresh draws."""
        optimizer = Optimizer(self.parameters(), self._slots, Steps(optimizer="adam"))
        for _ in range(steps):
            optimizer.zero_grad()
            loss(*self.draw(rows)).backward()  # type: ignore[no-untyped-call]
            optimizer.step(rate)

    def _standardised(self, x: Tensor) -> Tensor:
        """Bring images of bytes into the range of bytes, and other inputs to mean 0 and variance 1."""
        if self.spec.sample_dtype != "|u1":
            return self.level(x)  # type: ignore[no-any-return]
        channel = (-1, 1, 1)
        mean, std = (torch.tensor(each).reshape(channel) for each in (self.spec.input_mean, self.spec.input_std))
        return (x.sigmoid() - mean) / std


@contextmanager
def seeded(seed: int, threads: int) -> Iterator[None]:
    """Draw from a separate random state inside the block; torch's own is restored afterwards."""
    with torch.random.fork_rng([]):
        torch.set_num_threads(threads)
        torch.manual_seed(seed)
        yield
