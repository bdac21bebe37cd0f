"""Changes of images in training. Importing this imports torch."""

import torch
from torch import Tensor
from torch.nn import functional as F

_SHIFT = 4  # pixels, as is usual for images of 32 x 32


def flip_crop(images: Tensor) -> Tensor:
    """Return images, [rows, channels, height, width], each mirrored or not, and shifted by up to 4 pixels.

    What comes in at the border is 0, which for standardised images is the mean. K. He et al. 2016 (arXiv 1512.03385),
    section 4.2. It draws from torch's current random state.
    """
    rows, _, height, width = images.shape
    mirrored = torch.where((torch.rand(rows) < 1 / 2)[:, None, None, None].to(images.device), images.flip(3), images)
    padded = F.pad(mirrored, [_SHIFT] * 4)
    down, right = torch.randint(2 * _SHIFT + 1, (2, rows)).tolist()
    return torch.stack(
        [padded[row, :, down[row] : down[row] + height, right[row] : right[row] + width] for row in range(rows)]
    )
