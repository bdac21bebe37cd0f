"""Wide open data: 16,000 rows of 1,000 classes, so that a client's predictions fill 64 MB."""

import numpy as np

from limbeck_common.datasets.examples import ParticipantData

ROWS, CLASSES = 16_000, 1_000


def data() -> ParticipantData:
    return ParticipantData(open=np.arange(ROWS, dtype=np.float32)[:, None])
