"""Handwritten digits of 8 x 8 pixels, which ship with scikit-learn.

The test set of E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI repository, 1998.
"""

import numpy as np

from limbeck_common.datasets.dataset import DataSet, Request, Source, import_reader, shuffled
from limbeck_common.datasets.examples import Examples

_TEST_ROWS = 360


def _load(request: Request) -> Source:
    pixels, labels = import_reader("sklearn.datasets", "digits", "sklearn").load_digits(return_X_y=True)
    # 0..16 becomes 0..240: learners divide any uint8 by 255, and expect pixels that span about that range.
    x, y = (pixels * 15).astype(np.uint8).reshape(-1, 1, 8, 8), labels.astype(np.int64)
    order = shuffled(len(y), request.seed, "test")
    test, pool = order[:_TEST_ROWS], order[_TEST_ROWS:]
    return Source(Examples(x[pool], y[pool]), Examples(x[test], y[test]))


DIGITS = DataSet(
    name="digits",
    classes=10,
    open_rows=500,
    test_rows=_TEST_ROWS,
    contents="1,437 grey images of 8 x 8 handwritten digits to share out, 360 to test on; nothing to download",
    load=_load,
)
