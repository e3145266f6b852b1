"""`python -m experiments.cold_items`: who likes an item that nobody has rated yet, told from its genres and year.

A tenth of the items lose all their ratings; users are to rank these items, and no others. Every model chooses its
values on the train part alone, in which another tenth of the items is cold. Each seed draws its own cold items. Peers
are left out, with a note, where they are not installed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.cold_items.models import MODELS, ORACLE, OURS, choose
from experiments.cold_items.tasks import K, Task, about, hold_out, ndcg
from mfjax import compilation
from mfjax.data import datasets
from mfjax.data.splits import host_rng
from mfjax.histories.parts import Whole
from mfjax.statistics import bootstrap
from mfjax.studies import command_line, manifests
from mfjax.studies.options import MOST, MOST_DIM, Checked, OneOf, Place, Within
from mfjax.studies.tables import align

PEERS = tuple(name for name, model in MODELS.items() if model.needs)
KEYS = "cold items, then those of validation: numpy's generator of key(seed); fits: fold_in(key(seed), 1)"
_bootstrap = compilation.jit(bootstrap)


@dataclass(frozen=True)
class Line:
    """One row of `cold_items.json`: a model.

    Attributes:
        mean, low, high: NDCG@10 over cold items and its 95 % interval over users, a user's value its mean over the
            seeds in which it rated one of them.
        less: mean and interval of the paired difference, that of `als, features` less this one; None for itself.
        per_seed: the mean over users of every seed.
        chosen: the values of every seed, and their NDCG@10 on validation.
        tried: settings tried for a seed, at most.
        search_s, fit_s: seconds, mean over seeds, compilation included, of the search and of the last fit.
    """

    model: str
    mean: float
    low: float
    high: float
    less: tuple[float, float, float] | None
    per_seed: tuple[float, ...]
    chosen: tuple[dict[str, Any], ...]
    tried: int
    search_s: float
    fit_s: float


@dataclass(frozen=True)
class Fit:
    """A model under a seed: NDCG of every user, NaN for one who rated no cold item, and how it came about."""

    values: np.ndarray
    chosen: dict[str, Any]
    tried: int
    search_s: float
    fit_s: float


@dataclass(frozen=True)
class Options(Checked):
    """Rank the items of MovieLens-1M that have no train rating, by models that know genres and years."""

    data_dir: Annotated[Path | None, Place("folder")] = None
    """Folder with the MovieLens files; None looks in the cache, then fetches them."""
    seeds: Annotated[int, Within(1, MOST)] = 3
    """Number of seeds; each draws its own cold items."""
    dim: Annotated[int, Within(1, MOST_DIM)] = 32
    """Number of factors, of every model."""
    peers: Annotated[tuple[str, ...], OneOf((*PEERS, "none"))] = PEERS
    """Libraries to compare with, where they are installed; or none."""
    out: Annotated[Path | None, Place("output", ("cold_items.json",))] = None
    """Folder for cold_items.json; None writes no file."""

    def run(self) -> list[Line]:
        """Run the experiment, print its table, write its results, and return its lines."""
        command_line.begin(self)
        names = self.named()
        dataset = datasets.load("ml-1m", self.data_dir)
        known, ones = about(dataset), np.ones(len(dataset.interactions), np.float32)
        whole, fits, lines = Whole(dataset.interactions.with_values(ones)), dict[str, list[Fit]](), list[Line]()
        manifest = manifests.manifest("experiments.cold_items", [dataset], {}, KEYS, self)
        for seed in range(self.seeds):
            rng = host_rng(jax.random.key(seed))
            task = hold_out(rng, whole, whole.numbered, known)
            within = hold_out(rng, whole, task.train, known)
            manifest["splits"][f"seed {seed}"] = hashlib.sha256(task.cold.tobytes() + within.cold.tobytes()).hexdigest()
            for name in names:
                found = fit(name, seed, task, within, self.dim)
                fits.setdefault(name, []).append(found)
                print(f"seed {seed}, {name}: {np.nanmean(found.values):.4f}", flush=True)
            lines = lines_of(fits)
            if self.out is not None:  # what is done outlives a run that is stopped
                document = {"rows": [asdict(line) for line in lines], "manifest": manifest}
                manifests.write(self.out / "cold_items.json", document)
        print("\n" + table(lines) + "\n\n" + verdict(lines))
        return lines

    def named(self) -> list[str]:
        """Return the models to run; peers that are not installed are named and left out."""
        chosen = [name for name in self.peers if name != "none"]
        missing = [name for name in chosen if importlib.util.find_spec(MODELS[name].needs or "") is None]
        if missing:
            remedy = 'python -m pip install -e ".[peers]"; docs/how_to/features.md has LightFM'
            print(f"Left out, as not installed: {', '.join(missing)}. {remedy}.\n")
        return [name for name in MODELS if name not in PEERS or (name in chosen and name not in missing)]


def fit(name: str, seed: int, task: Task, within: Task, dim: int) -> Fit:
    """Choose the values of a model on the validation of a task, fit it on the task, and judge it."""
    key, model = jax.random.fold_in(jax.random.key(seed), 1), MODELS[name]
    clock = [time.perf_counter()]
    chosen, tried = choose(model, key, within, dim)
    clock.append(time.perf_counter())
    fitted = jax.block_until_ready(model.fit(key, task, dim, **chosen))
    clock.append(time.perf_counter())
    validated = {"validation": max(tried.values())} if tried else {}
    return Fit(ndcg(fitted, task), chosen | validated, len(tried), *np.diff(clock).tolist())


def lines_of(fits: dict[str, list[Fit]]) -> list[Line]:
    """Return the lines, the models in their order."""
    values = {name: np.stack([one.values for one in found]) for name, found in fits.items()}  # [seeds, users]
    rated = ~np.isnan(values[OURS]).all(axis=0)
    of_users = {name: np.nanmean(found[:, rated], axis=0) for name, found in values.items()}
    lines = []
    for name, found in fits.items():
        own = _interval(of_users[name])
        less = None if name == OURS else _interval(of_users[OURS] - of_users[name])
        per_seed = tuple(np.nanmean(values[name], axis=1).tolist())
        chosen = tuple(one.chosen for one in found)
        search_s, fit_s = (float(np.mean([getattr(one, what) for one in found])) for what in ("search_s", "fit_s"))
        lines.append(Line(name, *own, less, per_seed, chosen, max(one.tried for one in found), search_s, fit_s))
    return lines


def _interval(values: np.ndarray) -> tuple[float, float, float]:
    found = _bootstrap(jax.random.key(0), jnp.asarray(values, jnp.float32))
    return float(found.mean), float(found.low), float(found.high)


def _told(interval: tuple[float, float, float], sign: str = "") -> str:
    mean, low, high = interval
    return f"{mean:{sign}.4f} [{low:{sign}.4f}, {high:{sign}.4f}]"


def table(lines: Sequence[Line]) -> str:
    """Return the lines as text."""
    rows = [["model", f"ndcg@{K} of cold items", f"{OURS}, less it", "each seed", "tried", "search, s", "fit, s"]]
    for line in lines:
        less = "-" if line.less is None else _told(line.less, "+")
        seeds = " ".join(f"{mean:.3f}" for mean in line.per_seed)
        seconds = [f"{line.search_s:.1f}" if line.tried else "-", f"{line.fit_s:.1f}"]
        own = _told((line.mean, line.low, line.high))
        rows.append([line.model, own, less, seeds, str(line.tried or "-"), *seconds])
    return align(rows)


def verdict(lines: Sequence[Line]) -> str:
    """Return the difference from the best of the others in a sentence; the oracle is none of them."""
    best = max((line for line in lines if line.less and line.model != ORACLE), key=lambda line: line.mean)
    assert best.less is not None
    _, low, high = best.less
    word = "above" if low > 0 else "below" if high < 0 else "even with"
    return f"{OURS} is {word} the best of the others, {best.model}: {_told(best.less, '+')}, paired by user"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    return command_line.main(Options, arguments, program="experiments.cold_items")
