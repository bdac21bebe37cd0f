"""The colours of a report, in light and in dark, and how variants are told apart.

The eight series colours stay distinct under simulated protanopia, deuteranopia and tritanopia, on the light and on the
dark card (a test measures it). Each series also has a marker of its own.
"""

LIGHT = {
    "page": "#f6f6f4",
    "card": "#ffffff",
    "ink": "#1d2126",
    "soft": "#5b636d",
    "line": "#dcdee1",
    "grey": "#8d97a5",
    "blue": "#1b50c0",
    "vermilion": "#b5390a",
    "green": "#14a37a",
    "purple": "#541565",
    "amber": "#d07d12",
    "sky": "#2f94ea",
    "crimson": "#e3265f",
    "slate": "#6b7280",
    "good": "#1a7a3c",
    "bad": "#b42318",
    "warn": "#fdf1d7",
}
"""Hexadecimal colours by name. No two are the same, so that a drawn colour can be traced back to its name."""

DARK = LIGHT | {
    "page": "#14171b",
    "card": "#1d2126",
    "ink": "#e8eaed",
    "soft": "#a3abb6",
    "line": "#363c44",
    "grey": "#77818e",
    "blue": "#6480f5",
    "vermilion": "#e2702a",
    "green": "#3fe8a2",
    "purple": "#cc8ac0",
    "amber": "#e8c040",
    "sky": "#5cbcfc",
    "crimson": "#fb4268",
    "slate": "#dfe2e8",
    "good": "#6fd08c",
    "bad": "#ff8f85",
    "warn": "#3d3216",
}

SERIES = ("blue", "vermilion", "green", "purple", "amber", "sky", "crimson", "slate")
_MARKERS = "osD^vPX*"  # matplotlib's names, in the order of SERIES
_SYMBOLS = "●■◆▲▼✚✖★"


def colour(place: int) -> str:
    """Return the name of a variant's colour, by its place; after eight variants the colours repeat."""
    return SERIES[place % len(SERIES)]


def marker(place: int) -> str:
    """Return matplotlib's name of a variant's marker."""
    return _MARKERS[place % len(_MARKERS)]


def symbol(place: int) -> str:
    """Return the character that looks like a variant's marker."""
    return _SYMBOLS[place % len(_SYMBOLS)]


def dash(place: int) -> str:
    """Return matplotlib's name of a variant's line style: dashed where the colours repeat."""
    return "-" if place < len(SERIES) else "--"
