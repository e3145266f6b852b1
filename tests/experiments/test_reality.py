"""experiments.reality: several sets in one command, what counts as a like in each, and the table of all."""

from __future__ import annotations

import json

import numpy as np
import pytest

from experiments import reality
from mfjax.data import synthetic
from mfjax.studies import command_line
from tests.studies.made_up import ratings, write_ratings


@pytest.fixture
def sets(tmp_path) -> list[str]:
    """A file of stars and a file of counts."""
    stars = write_ratings(tmp_path / "stars.csv", ratings(1, users=40, items=20, count=400))
    counts = synthetic.power_law(2, num_users=40, num_items=20, num_interactions=400)
    counts = counts.with_values(np.random.default_rng(0).integers(1, 90, len(counts)).astype(np.float32))
    return [str(stars), f"shop={write_ratings(tmp_path / 'counts.csv', counts)}"]


def test_the_table_of_all_sets_has_the_scores_of_each(sets, tmp_path, capsys):
    words = ("--models", "popularity", "ease", "--k", "3", "--users-core", "2", "--tune", "2", "--no-compilation-cache")
    out = ("--out", str(tmp_path / "out"))
    assert command_line.main(reality.Options, ["--sets", *sets, *words, *out], program="experiments.reality") == 0
    told = capsys.readouterr().out
    table = told[told.index("All sets") :].splitlines()
    found = json.loads((tmp_path / "out" / "reality.json").read_text())
    assert found["measure"] == "ndcg@3" and "shop" in table[3]
    assert [line.split("  ")[0] for line in table[5:8]] == ["popularity", "ease, chosen", "ease"]
    shares = []
    for name in ("stars.csv", "shop"):
        study = json.loads((tmp_path / "out" / name / "results.json").read_text())
        means = {row["model"]: row["mean"] for row in study["rows"] if row["metric"] == "ndcg@3"}
        scores = found["scores"][name]
        assert scores["popularity"] == pytest.approx(means["popularity"])
        shares.append(scores["popularity"] / max(scores.values()))
    assert table[5].split()[-2:] == [f"{np.mean(shares):.2f}", f"{min(shares):.2f}"]


def test_stars_are_likes_from_four_on_and_other_values_all():
    pairs = ratings()
    kept = reality.Options(users_core=0, items_core=0).kept(pairs)
    assert len(kept) == (pairs.values >= 4).sum() and (kept.values == 1).all()
    counts = pairs.with_values(pairs.values * 10)
    assert len(reality.Options(users_core=0, items_core=0).kept(counts)) == len(counts)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ((), "sets: nothing is given"),
        (("a/x", "b/x"), "sets: x, x; name"),
        (("ml-1m", "nowhere/at/all"), "sets: nowhere/at/all is not there"),
    ],
)
def test_bad_sets(chosen, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        reality.Options(sets=chosen).run()
