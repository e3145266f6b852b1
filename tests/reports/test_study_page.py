"""The page of a study: what it says is what was found, for one setting, ratings, sweeps and many settings."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

from mfjax.reports import plots_settings, study_page, study_tables
from mfjax.reports.figures import DARK, LIGHT
from mfjax.reports.line_plots import Line, Panel, line_plot
from mfjax.reports.sections import Section
from mfjax.studies import Results
from mfjax.studies.settings import Setting
from tests.reports.made_up import made, swept


class Page(HTMLParser):
    """The tags of a page with their attributes, and the text of bold cells by heading."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.best: dict[str, list[str]] = {}
        self.heading, self.is_best, self.is_heading = "", False, False
        self.text = path.read_text()
        self.feed(self.text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.is_heading = tag == "h2"
        if tag == "td":
            self.is_best = "best" in (dict(attributes).get("class") or "")

    def handle_data(self, data):
        if self.is_heading:
            self.heading, self.is_heading = data, False
        if self.is_best:
            self.best.setdefault(self.heading, []).append(data.strip())
            self.is_best = False

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def page_of(folder: Path, results: Results, **options) -> Page:
    return Page(study_page.write(folder, results, **options))


def test_one_setting_and_one_cutoff(tmp_path):
    page = page_of(tmp_path, made("m"), title="A & B", about=["Few <rows>."])
    assert "<h1>A &amp; B</h1>" in page.text
    assert "Few &lt;rows&gt;." in page.text
    assert not page.all("img")
    assert not page.best
    for absent in ("Differences", "Comparison", "Manifest", "greatest", "Bold"):
        assert absent not in page.text


def test_the_best_of_each_column_is_bold(tmp_path):
    results = made("one", "two", "three", measures=("ndcg@10", "rmse"))
    page = page_of(tmp_path, results, manifest={"command": "mfjax study"})
    means = results.means()[:, 0]
    assert page.best["Models"] == [f"{means[0, 1]:.4f}", f"{means[2, 0]:.4f}"]
    assert "of rmse the least" in page.text
    assert "&quot;mfjax study&quot;" in page.text


def test_differences_that_are_real_are_bold(tmp_path):
    results = made("one", "two", measures=("ndcg@10", "recall@10"))
    page = page_of(tmp_path, results)
    (ndcg, recall) = results.compare()
    assert ndcg.p_holm < 0.05
    assert page.best["Differences"] == [f"{-row.difference:+.4f}" for row in (ndcg, recall)]
    assert "Differences" not in page_of(tmp_path, results, compared=()).text


def test_tiles_have_intervals(tmp_path):
    results = made("one", "two")
    row = next(row for row in results.rows() if (row.model, row.metric) == ("two", "ndcg@10"))
    interval = f"<b>{row.mean:.4f} <small>[{row.low:.4f}, {row.high:.4f}]</small></b>"
    assert f"{interval}<span>ndcg@10 of two, the greatest [95 % interval]</span>" in page_of(tmp_path, results).text


def test_only_ratings(tmp_path):
    results = made(*swept(reg=(0.01, 0.1, 1.0)), measures=("rmse", "mae"))
    page = page_of(tmp_path, results)
    (image,) = page.all("img")
    least = results.means()[:, 0, 0].min()
    assert f"The least is {least:.4f} at reg 0.01" in page.text
    assert f"m {least:.4g} at 0.01, " in image["alt"]
    assert "What is recommended" not in page.text
    assert "mean square or magnitude" in page.text


def test_own_tables_and_plots_are_shown(tmp_path):
    own = line_plot("own", "My plot", [Panel("y", "x", [Line("a", [1, 2], [1, 2])])], "My caption.")
    table = Section("My table", "", [["", "head"], ["row", "<cell>"]])
    page = page_of(tmp_path, made("one", "two"), sections=[table], plots=[own])
    assert "My caption." in page.text
    assert "&lt;cell&gt;" in page.text
    assert ">Models<" not in page.text
    assert (tmp_path / "plots" / "own.svg").read_bytes() == own.svg(LIGHT)


@pytest.mark.parametrize("count", [2, 14])
def test_lines_by_length_say_who_leads(count):
    settings = [f"model {number}" for number in range(count)]
    results = made(*settings, measures=("ndcg@20", "ndcg@1", "ndcg@5"), cutoffs=(20, 1, 5))
    (plot,) = plots_settings.by_length(results, results.rows(resamples=50))
    best = results.means()[-1, 0]
    assert (
        f"No setting has a greater ndcg@20 than model {count - 1}, {best[0]:.4f}; its ndcg@1 is {best[1]:.4f}."
        in plot.caption
    )
    assert f"model {count - 1} {best[1]:.4g} at 1, {best[2]:.4g} at 5, {best[0]:.4g} at 20" in plot.alt
    assert ("Shown are the 12 settings of the greatest ndcg@20 of 14." in plot.caption) == (count > 12)
    assert ("model 0 " in plot.alt) == (count <= 12)
    for theme in (LIGHT, DARK):
        assert b"<svg" in plot.svg(theme)


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
    greatest = results.means().max()
    assert f"The greatest is {greatest:.4f} at " in plot.caption
    assert all(f"{name} {values[-1]:g}" in plot.caption for name, values in axes.items())
    assert f"{greatest:.4g}" in plot.alt
    assert plot.svg(LIGHT) != plot.svg(DARK)


def test_a_sweep_of_one_value_is_no_plot():
    results = made(*swept(reg=(1.0,)))
    assert plots_settings.sweeps(results, results.rows(resamples=50)) == []


def test_settings_that_make_no_grid_are_no_plot():
    """As the default and the best of a search over two parameters."""
    points = ({"reg": 0.003, "weight": 0.1}, {"reg": 0.02, "weight": 0.9})
    results = made(*[Setting("m", tuple(point.items()), tuple(point)) for point in points])
    assert plots_settings.sweeps(results, results.rows(resamples=50)) == []


def test_a_model_of_any_name_has_files(tmp_path):
    settings = [Setting("../a b", (("reg", value),), ("reg",)) for value in (1.0, 2.0)]
    page_of(tmp_path / "out", made(*settings))
    assert [path.name for path in tmp_path.rglob("*.svg")] == ["sweep-.._a_b-reg.svg"]


def test_the_page_is_for_everybody(tmp_path):
    results = made(*swept(reg=(1.0, 10.0)), measures=("ndcg@5", "ndcg@10"), cutoffs=(5, 10), seeds=2)
    page = page_of(tmp_path, results)
    assert all(" by " in image["alt"] and " at " in image["alt"] for image in page.all("img"))
    assert {head["scope"] for head in page.all("th")} == {"row", "col"}
    rows = sum(len(section.lines) - 1 for section in study_tables.every(results)) + 1  # one pair
    named = [head for head in page.all("th") if head["scope"] == "row"]
    # Comparison and Differences have two cells that say what a line is of.
    assert len(named) == rows + len(results.settings) + 1
    scrolled = [each for each in page.all("div") if each.get("class") == "scroll"]
    assert all(each["tabindex"] == "0" and each["role"] == "region" and each["aria-label"] for each in scrolled)
    assert len(scrolled) == len(page.all("img")) + len(page.all("table"))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert [each["href"] for each in page.all("a")] == [f"#{name}" for name in ids]
    assert len(set(ids)) == len(ids)
    # Paper is white: it has the light colours, and nothing is cut off.
    assert "@media print" in page.text
    assert all(each["media"] == "screen and (prefers-color-scheme: dark)" for each in page.all("source"))
    assert "@media (prefers-color-scheme: dark)" not in page.text
    assert "Mean over 2 seeds" in page.text
    # Written again, the page has the same bytes.
    assert page_of(tmp_path, results).text == page.text
