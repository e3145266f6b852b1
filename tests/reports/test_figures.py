"""One drawing style: colours that everybody tells apart, the same bytes each time, words that follow the data."""

from __future__ import annotations

from itertools import combinations
from math import nan

import numpy as np
import pytest

from mfjax.reports import figures
from mfjax.reports.figures import DARK, LIGHT, MOST_VECTOR_DOTS, Plot
from mfjax.reports.item_space import principal_components
from mfjax.reports.line_plots import Line, Panel, line_plot
from mfjax.reports.plots_study import item_space


def linear(colour: str) -> np.ndarray:
    """Return linear red, green and blue."""
    values = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


# Linear RGB as seen without one kind of cone: Machado, Oliveira & Fernandes 2009, severity 1.
SEEN = {
    "by most": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}


def lab(rgb: np.ndarray) -> np.ndarray:
    """Return CIELAB of linear RGB, D65."""
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ np.clip(rgb, 0, 1)
    ratio = xyz / np.array([0.95047, 1.0, 1.08883])
    x, y, z = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("eyes", SEEN)
@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_lines_are_told_apart(theme, eyes):
    seen = [lab(SEEN[eyes] @ linear(colour)) for colour in theme.palette]
    for one, other in combinations(range(len(seen)), 2):
        # A difference of 2.3 can just be seen.
        assert np.linalg.norm(seen[one] - seen[other]) > 25, (theme.palette[one], theme.palette[other])


def contrast(one: str, other: str) -> float:
    low, high = sorted(float(np.array([0.2126, 0.7152, 0.0722]) @ linear(colour)) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_lines_stand_out_from_the_page(theme):
    for colour in theme.palette:
        assert contrast(colour, theme.surface) >= 3, colour  # WCAG 2.1, 1.4.11


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_can_be_read_on_the_page(theme):
    for colour in (theme.ink, theme.muted):
        assert contrast(colour, theme.surface) >= 4.5, colour  # WCAG 2.1, 1.4.3


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_eighteen_series_have_signs_of_their_own(theme):
    signs = [theme.sign(place) for place in range(18)]
    assert len({(sign["color"], sign["linestyle"]) for sign in signs}) == 18
    assert len({(sign["marker"], sign["markerfacecolor"]) for sign in signs}) == 18
    # Colour is never the only sign.
    assert len({(sign["marker"], sign["linestyle"]) for sign in signs}) == 18


def lines(count: int = 2) -> Plot:
    found = [Line(f"line {number}", [1, 2, 4], [number, nan, number + 0.5]) for number in range(count)]
    return line_plot("name", "Title", [Panel("y", "x", found, log="x", ticks={1: "one", 4: "four"})], "Caption.")


def test_the_same_plot_has_the_same_bytes(tmp_path):
    first, again = lines().svg(), lines().svg()
    assert first == again
    assert first != lines().svg(DARK)
    assert b"<svg" in first and b"Matplotlib v" not in first and b"dc:date" not in first
    # Letters are paths, and no font is asked for.
    assert b"<text" not in first
    path = figures.write(lines(), tmp_path / "plots")
    assert (path.name, path.read_bytes()) == ("name.svg", first)


def test_a_users_own_style_changes_nothing():
    from matplotlib import rc_context

    plain = lines().svg()
    with rc_context({"font.size": 20, "svg.fonttype": "none", "axes.grid": False}):
        assert lines().svg() == plain


def test_a_plot_of_any_name_has_a_file(tmp_path):
    plot = line_plot("sweep-../a b-reg", "Title", [Panel("y", "x", [Line("a", [1, 2], [1, 2])])], "Caption.")
    assert figures.write(plot, tmp_path).name == "sweep-.._a_b-reg.svg"


@pytest.mark.parametrize("drawn", ["line", "dots"])
def test_a_name_is_no_formula(drawn):
    names = ["$a_1$", "$", "cost $\\frac{$", "{", "a & <b>"]
    found = [Line(name, [1, 10], [0.1, 10], drawn=drawn) for name in names]
    plot = line_plot("name", "Title", [Panel("$y_1$", "$x$", found, log="xy")], "Caption.")
    assert b"<svg" in plot.svg()


def test_words_follow_the_lines():
    assert lines().alt == "Title. y by x: line 0 0 at one, 0.5 at four; line 1 1 at one, 1.5 at four."
    long = Line("long", range(10), [number % 7 for number in range(10)])
    plot = line_plot("name", "Title", [Panel("y", "x", [long, Line("none", [1], [nan])])], "Caption.")
    assert plot.alt == "Title. y by x: long from 0 at 0 to 2 at 9, between 0 and 6."
    assert b"<svg" in plot.svg()


@pytest.mark.parametrize("count", [1, 5, 18])
@pytest.mark.parametrize("drawn", ["line", "dots", "steps"])
def test_many_panels_and_series_have_room(count, drawn):
    found = [
        Line(f"a name of some length {n}", [1, 2, 4], [n, n, n], [n] * 3, [n + 1] * 3, drawn) for n in range(count)
    ]
    plot = line_plot("name", "Title", [Panel(f"y {number}", "x", found) for number in range(4)], "Caption.")
    assert plot.size[0] < 11
    assert b"<svg" in plot.svg()  # warnings of the layout are errors


@pytest.mark.parametrize("items", [100, 2 * MOST_VECTOR_DOTS])
def test_many_dots_are_one_image(items):
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 100, items)
    spaces = {"model": principal_components(rng.normal(size=(items, 4)), counts)}
    plot = item_space(spaces, counts, [["Drama"] if item % 2 else [] for item in range(items)])
    svg = plot.svg()
    assert (b"<image" in svg.split(b"colorbar")[0]) and len(svg) < 300_000
    assert svg == plot.svg()
    assert "Drama" in plot.alt
    assert f"correlates {spaces['model'].popularity_correlation:.2f}" in plot.caption


def test_items_of_one_factor_and_of_one_count_are_drawn():
    space = principal_components(np.arange(5.0)[:, None], np.full(5, 3))
    assert space.popularity_correlation == 0
    assert space.explained.tolist() == [1, 0]
    assert b"<svg" in item_space({"model": space}, np.full(5, 3)).svg()
