"""SVG markup that fits into a page."""

import re

import pytest
from matplotlib import rcParams
from matplotlib.axes import Axes

from limbeck_lab.report.charts.colours import LIGHT
from limbeck_lab.report.charts.drawing import HALF, draw, titled


def line(axes: Axes) -> None:
    axes.plot([1, 2], [3, 4], color=LIGHT["blue"], marker="o", label="<server>", gid=titled('a "quoted" <name>'))


def test_colours_become_the_pages_variables_and_fonts_are_left_to_it() -> None:
    svg = draw("name", "title", "description", HALF, line)
    assert "stroke: var(--blue)" in svg
    assert not re.search(r"#[0-9a-fA-F]{6}|font", svg)


def test_a_drawing_says_its_title_and_description() -> None:
    svg = draw("name", "Bytes & rounds", "<b>", HALF, line)
    assert svg.startswith(f'<svg viewBox="0 0 {HALF.width} {HALF.height + 20}" role="img" ')
    assert 'aria-labelledby="name-title name-desc"' in svg
    assert '<title id="name-title">Bytes &amp; rounds</title><desc id="name-desc">&lt;b&gt;</desc>' in svg


def test_an_artist_says_its_title_and_nothing_becomes_markup() -> None:
    svg = draw("name", "title", "description", HALF, line)
    assert '<title>a "quoted" &lt;name&gt;</title>' in svg
    assert "&lt;server&gt;" in svg
    assert not re.search("<server|<name|<style|<metadata|xlink|http", svg)


def test_a_drawing_is_the_same_each_time_and_its_identifiers_are_its_own() -> None:
    first, again, other = (draw(name, "title", "description", HALF, line) for name in ("one", "one", "two"))
    assert first == again
    identifiers = [set(re.findall(r'id="([^"]+)"', svg)) for svg in (first, other)]
    assert identifiers[0]
    assert not identifiers[0] & identifiers[1]


def test_a_legend_with_many_labels_makes_the_drawing_higher() -> None:
    def plot(axes: Axes) -> None:
        for place in range(12):
            axes.plot([1, 2], [place, place], label=f"variant-{place:02} of a dozen")

    heights = [
        float(re.findall(r"viewBox=\"0 0 \d+ (\d+)\"", draw("n", "", "", HALF, each))[0]) for each in (line, plot)
    ]
    assert heights == [HALF.height + 20, HALF.height + 6 * 20]


def test_numbers_are_short() -> None:
    assert not re.search(r'(?: d| x| y)="[^"]*\d\.\d\d', draw("name", "title", "description", HALF, line))


@pytest.mark.parametrize("size", [5.0, 40.0])
def test_ones_own_matplotlib_settings_change_nothing(monkeypatch: pytest.MonkeyPatch, size: float) -> None:
    before = draw("name", "title", "description", HALF, line)
    monkeypatch.setitem(rcParams, "font.size", size)
    assert draw("name", "title", "description", HALF, line) == before
    assert rcParams["font.size"] == size
