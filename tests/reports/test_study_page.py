"""The page of a study: what it says is what was found, for one setting, ratings, sweeps and listed items."""

from __future__ import annotations

from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from mfjax.reports import plots_settings, study_page
from mfjax.reports.figures import DARK, LIGHT
from mfjax.studies import Results, protocols
from mfjax.studies.judging import RATING_MEASURES, Judged
from mfjax.studies.settings import Setting
from tests.studies.made_up import pairs


def made(
    *settings: Setting, measures: tuple[str, ...] = ("ndcg@10",), cutoffs: tuple[int, ...] = (10,), seeds: int = 1
) -> Results:
    """Return made-up results, which are better by the number of the setting and by the cutoff."""
    rng = np.random.default_rng(0)
    task = protocols.leave_last(pairs()).test[0]
    judged = {}
    for number, setting in enumerate(settings):
        for seed in range(seeds):
            sums = np.stack([rng.random(20) * 0.1 + 0.1 * number + len(name) * 0.01 for name in measures])
            pooled = {} if measures[0] in RATING_MEASURES else {f"coverage@{cutoffs[0]}": 0.5}
            one = Judged(np.arange(20, dtype=np.int32), sums, np.ones_like(sums), pooled, np.zeros((20, 0), np.int32))
            judged[setting, seed, 0] = one, 1.0
    return Results.of(settings, range(seeds), measures, cutoffs, [task], judged)


def swept(**axes: tuple[float, ...]) -> list[Setting]:
    """Return the settings of a grid of a model "m"."""
    points = np.array(np.meshgrid(*axes.values(), indexing="ij")).reshape(len(axes), -1).T
    return [Setting("m", tuple(zip(axes, map(float, point), strict=True)), tuple(axes)) for point in points]


class Page(HTMLParser):
    """The tags of a page with their attributes, and the text of bold cells."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.best: list[str] = []
        self.is_best = False
        self.text = path.read_text()
        self.feed(self.text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag == "td":
            self.is_best = "best" in (dict(attributes).get("class") or "")

    def handle_data(self, data):
        if self.is_best:
            self.best.append(data)
            self.is_best = False

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def page_of(folder: Path, results: Results, **options) -> Page:
    return Page(study_page.write(folder, results, **options))


def test_one_setting_and_one_cutoff(tmp_path):
    page = page_of(tmp_path, made(Setting("m", ())), title="A & B", told="Few <rows>.")
    assert "<h1>A &amp; B</h1>" in page.text
    assert "Few &lt;rows&gt;." in page.text
    assert not page.all("img")
    assert not page.best
    assert "Differences" not in page.text
    assert "Manifest" not in page.text


def test_the_best_of_each_column_is_bold(tmp_path):
    results = made(Setting("one", ()), Setting("two", ()), Setting("three", ()), measures=("ndcg@10", "rmse"))
    page = page_of(tmp_path, results, manifest={"command": "mfjax study"})
    means = results.means()[:, 0]
    assert sorted(page.best) == sorted([f"{means[2, 0]:.4f}", f"{means[0, 1]:.4f}"])
    assert "of rmse the least" in page.text
    assert "&quot;mfjax study&quot;" in page.text
    assert "three differs from" not in page.text
    assert ">Differences<" in page.text


def test_only_ratings(tmp_path):
    results = made(*swept(reg=(0.01, 0.1, 1.0)), measures=("rmse", "mae"))
    page = page_of(tmp_path, results)
    (image,) = page.all("img")
    least = results.means()[:, 0, 0].min()
    assert f"The least is {least:.4f} at reg 0.01" in image["alt"]
    assert "What is recommended" not in page.text
    assert f"<b>{least:.4f} [" in page.text


@pytest.mark.parametrize("count", [2, 14])
def test_lines_by_length_say_who_leads(tmp_path, count):
    settings = [Setting(f"model {number}", ()) for number in range(count)]
    results = made(*settings, measures=("ndcg@20", "ndcg@1", "ndcg@5"), cutoffs=(20, 1, 5))
    (plot,) = plots_settings.by_length(results, results.rows(resamples=50))
    best = results.means()[-1, 0]
    assert (
        f"No setting has a greater ndcg@20 than model {count - 1}, {best[0]:.4f}; its ndcg@1 is {best[1]:.4f}."
        in plot.caption
    )
    assert ("Shown are the 12 settings of the greatest ndcg@20 of 14." in plot.caption) == (count > 12)
    for theme in (LIGHT, DARK):
        assert plot.png(theme).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("axes", "title"),
    [
        ({"reg": (1.0, 10.0)}, "m by reg"),
        ({"reg": (0.0, 10.0), "dim": (2.0, 4.0, 8.0)}, "m by reg and dim"),
        ({"a": (1.0, 2.0), "b": (1.0, 2.0), "c": (3.0, 4.0)}, "m by a and b and c"),
        ({"a": (1.0, 2.0, 3.0, 4.0), "b": (1.0,), "c": (3.0, 4.0)}, "m by a and b and c"),
    ],
)
def test_a_sweep_is_a_line_or_heat_maps(axes, title):
    results = made(*swept(**axes))
    (plot,) = plots_settings.sweeps(results, results.rows(resamples=50))
    assert plot.title == title
    assert f"The greatest is {results.means().max():.4f} at " in plot.caption
    assert all(f"{name} {values[-1]:g}" in plot.caption for name, values in axes.items())
    assert plot.png(LIGHT) != plot.png(DARK)


def test_a_sweep_of_one_value_is_no_plot():
    results = made(*swept(reg=(1.0,)))
    assert plots_settings.sweeps(results, results.rows(resamples=50)) == []


def test_a_model_of_any_name_has_files(tmp_path):
    settings = [Setting("../a b", (("reg", value),), ("reg",)) for value in (1.0, 2.0)]
    page_of(tmp_path / "out", made(*settings))
    assert [path.name for path in tmp_path.rglob("*.png")] == ["sweep-.._a_b-reg.png"]


def test_the_page_is_for_everybody(tmp_path):
    results = made(*swept(reg=(1.0, 10.0)), measures=("ndcg@5", "ndcg@10"), cutoffs=(5, 10), seeds=2)
    page = page_of(tmp_path, results)
    assert all(len(image["alt"]) > 60 for image in page.all("img"))
    assert {head["scope"] for head in page.all("th")} == {"row", "col"}
    scrolled = [each for each in page.all("div") if each.get("class") == "scroll"]
    assert all(each["tabindex"] == "0" and each["role"] == "region" and each["aria-label"] for each in scrolled)
    assert len(scrolled) == len(page.all("img")) + len(page.all("table"))
    links = {each["href"][1:] for each in page.all("a")}
    assert links <= {attributes.get("id") for _, attributes in page.tags}
    assert "@media print" in page.text
    assert "Mean over 2 seeds" in page.text
    # Written again, the page has the same bytes.
    assert page_of(tmp_path, results).text == page.text


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
    seen = [lab(SEEN[eyes] @ linear(colour)) for colour in theme.genres]
    for one, other in combinations(range(len(seen)), 2):
        # A difference of 2.3 can just be seen.
        assert np.linalg.norm(seen[one] - seen[other]) > 25, (theme.genres[one], theme.genres[other])


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_lines_stand_out_from_the_page(theme):
    def luminance(colour: str) -> float:
        return float(np.array([0.2126, 0.7152, 0.0722]) @ linear(colour))

    for colour in theme.genres:
        low, high = sorted((luminance(colour), luminance(theme.surface)))
        assert (high + 0.05) / (low + 0.05) >= 3, colour  # WCAG 2.1, 1.4.11


def test_listed_items_are_warned_of(tmp_path):
    results = made(Setting("m", ()))
    object.__setattr__(results, "lists", True)
    assert "Krichene" in page_of(tmp_path, results).text
