"""The same bits from the same seeds, on a GPU, too. Importing this imports torch."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.utils.deterministic


@contextmanager
def deterministic(device: torch.device) -> Iterator[None]:
    """Have a GPU choose kernels whose sums do not depend on timing; elsewhere nothing is to be done.

    An operation that has no such kernel, in a module of a user's own, is warned of by torch and runs all the same.
    """
    if device.type != "cuda":
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when the process first multiplies matrices
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    memory: Any = torch.utils.deterministic  # its attributes are made when it is imported
    filled = memory.fill_uninitialized_memory
    torch.use_deterministic_algorithms(mode=True, warn_only=True)
    memory.fill_uninitialized_memory = False  # it costs time, and nobody reads such memory
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
            yield
    finally:
        memory.fill_uninitialized_memory = filled
        torch.use_deterministic_algorithms(mode=before[0], warn_only=before[1])
