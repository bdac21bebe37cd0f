"""Images are mirrored and shifted, each by itself, and nothing else is done to them."""

import torch

from limbeck_common.learning.networks.augmentation import flip_crop


def test_each_image_is_mirrored_or_not_and_shifted_by_up_to_four_pixels() -> None:
    image = torch.zeros(1, 16, 16)
    image[0, 8, 5], image[0, 8, 6] = 1, 2
    torch.manual_seed(0)
    found = flip_crop(image.expand(400, 1, 16, 16))
    assert found.shape == (400, 1, 16, 16)
    rows, places, mirrored = set(), set(), 0
    for each in found[:, 0]:
        row, one = divmod(int((each == 1).nonzero()[0] @ torch.tensor([16, 1])), 16)
        two = int((each == 2).nonzero()[0][1])
        assert abs(one - two) == 1
        mirrored += two < one
        rows.add(row)
        places.add(min(one, two) - (9 if two < one else 5))
    assert rows == set(range(4, 13))
    assert places == set(range(-4, 5))
    assert 150 < mirrored < 250
