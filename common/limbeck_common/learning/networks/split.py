"""Where a torch model's body ends and its head begins. Importing this imports torch."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from limbeck_common.core.errors import UserCodeError


class Split(nn.Module):
    """A model in two parts: the body turns inputs into features, the head, the last layer, features into scores.

    >>> import torch
    >>> model = Split(nn.Flatten(), nn.Linear(4, 2))
    >>> model(torch.zeros(3, 2, 2)).shape
    torch.Size([3, 2])
    """

    def __init__(self, body: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.head = head

    def forward(self, x: Tensor) -> Tensor:
        """Return scores, shape [rows, outputs]."""
        scores: Tensor = self.head(self.body(x))
        return scores


def find_head(module: nn.Module) -> nn.Module | None:
    """Return a model's head: that of a `Split`, else the linear layer that was registered last; None without one."""
    if isinstance(module, Split):
        return module.head
    return next((each for each in reversed(list(module.modules())) if isinstance(each, nn.Linear)), None)


def head_of(module: nn.Module) -> nn.Module:
    """Return a model's head: see `find_head`.

    Raises:
        UserCodeError: it has none.
    """
    head = find_head(module)
    if head is None:
        raise UserCodeError(
            f"the model {type(module).__name__} has no linear layer",
            expected="one at its end, which divides the model into body and head",
            remedy="return Split(body, head)",
        )
    return head


@contextmanager
def captured_features(head: nn.Module | None) -> Iterator[list[Tensor]]:
    """Collect what the head, if any, is given in each forward pass inside the block: features, shape [rows, width]."""
    seen: list[Tensor] = []
    if head is None:
        yield seen
        return
    hook = head.register_forward_pre_hook(lambda _module, given: seen.append(given[0]))
    try:
        yield seen
    finally:
        hook.remove()
