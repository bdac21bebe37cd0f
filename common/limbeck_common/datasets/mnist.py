"""MNIST: handwritten digits of 28 x 28 pixels.

Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-Based Learning Applied to Document Recognition", 1998.
"""

from limbeck_common.datasets.dataset import DataSet, Request, Source
from limbeck_common.datasets.torchvision_files import read


def _load(request: Request) -> Source:
    return Source(read("mnist", "MNIST", request), read("mnist", "MNIST", request, train=False))


MNIST = DataSet(
    name="mnist",
    classes=10,
    open_rows=10_000,
    test_rows=10_000,
    contents="60,000 grey images of 28 x 28 handwritten digits to share out, 10,000 to test on",
    load=_load,
)
