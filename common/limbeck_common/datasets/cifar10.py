"""CIFAR-10: objects and animals of 32 x 32 pixels, with open rows from CIFAR-100.

A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009. Both are published as pickles, which
torchvision opens only if their MD5 is the publisher's.
"""

from limbeck_common.datasets.dataset import DataSet, Request, Source
from limbeck_common.datasets.torchvision_files import read


def _load(request: Request) -> Source:
    pool, test = read("cifar10", "CIFAR10", request), read("cifar10", "CIFAR10", request, train=False)
    return Source(pool, test, open=read("cifar10", "CIFAR100", request).x)


CIFAR10 = DataSet(
    name="cifar10",
    classes=10,
    open_rows=10_000,
    test_rows=10_000,
    contents="50,000 colour images of 32 x 32 to share out, 10,000 to test on; open rows are from CIFAR-100",
    load=_load,
)
