"""The colours of a report can be told apart, by colour-blind readers too."""

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from limbeck_lab.report.charts.colours import DARK, LIGHT, SERIES, colour, dash, marker, symbol

VISION = {  # G. Machado, M. Oliveira, L. Fernandes, 2009: linear RGB as seen with a full deficiency
    "usual": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
DISTINCT = 11.0  # in CIE 1976 L*a*b*; 2.3 can just be noticed


def linear(code: str) -> NDArray[np.float64]:
    value = np.array([int(code[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def lab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ np.clip(rgb, 0, 1) / np.array([0.9505, 1, 1.089])
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def contrast(one: str, other: str) -> float:
    dark, light = sorted(float(np.array([0.2126, 0.7152, 0.0722]) @ linear(code)) for code in (one, other))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_series_differ_for_every_reader(palette: dict[str, str], vision: str) -> None:
    seen = [lab(np.array(VISION[vision]) @ linear(palette[name])) for name in SERIES]
    assert min(float(np.linalg.norm(one - other)) for one, other in combinations(seen, 2)) > DISTINCT


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_lines_and_text_stand_out_from_the_card(palette: dict[str, str]) -> None:
    assert min(contrast(palette[name], palette["card"]) for name in SERIES) > 3
    assert min(contrast(palette[name], palette["card"]) for name in ("ink", "soft", "good", "bad")) > 4.5


def test_a_drawn_colour_can_be_traced_back_to_its_name() -> None:
    assert len(set(LIGHT.values())) == len(LIGHT)
    assert LIGHT.keys() == DARK.keys()


def test_the_first_sixteen_variants_all_look_different() -> None:
    looks = {(colour(place), marker(place), symbol(place), dash(place)) for place in range(16)}
    assert len(looks) == 16
