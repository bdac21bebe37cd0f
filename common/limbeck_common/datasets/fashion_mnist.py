"""Fashion-MNIST: articles of clothing of 28 x 28 pixels. H. Xiao, K. Rasul, R. Vollgraf, 2017 (arXiv 1708.07747)."""

from limbeck_common.datasets.dataset import DataSet, Request, Source
from limbeck_common.datasets.torchvision_files import read


def _load(request: Request) -> Source:
    pool = read("fashion_mnist", "FashionMNIST", request)
    return Source(pool, read("fashion_mnist", "FashionMNIST", request, train=False))


FASHION_MNIST = DataSet(
    name="fashion_mnist",
    classes=10,
    open_rows=10_000,
    test_rows=10_000,
    contents="60,000 grey images of 28 x 28 clothes to share out, 10,000 to test on",
    load=_load,
)
