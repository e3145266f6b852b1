"""Trials: the settings that a search has tried and what came of them, kept in a file that the search goes on from."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from mfjax.files import atomic_path
from mfjax.search_spaces import Space


@dataclass
class Trial:
    """One setting and what is known of it.

    Attributes:
        number: from 0, in the order of the draws.
        values: of the parameters.
        scores: its curve so far.
        status: "running", "stopped" when it was given up, or "finished".
        gradient: derivatives by the values, where there are any.
    """

    number: int
    values: dict[str, Any]
    scores: list[float] = field(default_factory=list)
    status: Literal["running", "stopped", "finished"] = "running"
    gradient: dict[str, float] | None = None

    def score(self, length: int | None = None) -> float:
        """Return the last score, or that at a length if the curve is longer; -inf without one, or for NaN."""
        last = self.scores[:length][-1] if self.scores else math.nan
        return -math.inf if math.isnan(last) else last


def best(trials: Sequence[Trial]) -> Trial:
    """Return the trial of the highest last score among those that are finished, the earliest of equals."""
    return max((trial for trial in trials if trial.status == "finished"), key=lambda one: (one.score(), -one.number))


class Study:
    """The trials of one search, and the file that they are kept in.

    Args:
        path: of a JSON file, written whole or not at all, or None to keep none.
        space: what the search draws from.
        about: all else that its trials follow from.

    Raises:
        ValueError: when the file holds another search.
    """

    def __init__(self, path: Path | None, space: Space, **about: Any) -> None:
        described = {name: asdict(one) for name, one in space.items()}
        self.path, self.about = path, json.loads(json.dumps({**about, "space": described}))
        self.trials: list[Trial] = []
        if path is not None and path.exists():
            found = json.loads(path.read_text())
            if found["search"] != self.about:
                search = found["search"]
                raise ValueError(f"path: {path} holds another search, {search}; pass its options, or a new path")
            self.trials = [Trial(**trial) for trial in found["trials"]]

    def trial(self, number: int, values: Mapping[str, Any]) -> Trial:
        """Return the trial of a number, as it is known or new."""
        if number == len(self.trials):
            self.trials.append(Trial(number, dict(values)))
        return self.trials[number]

    def save(self) -> None:
        """Write all trials down."""
        if self.path is not None:
            document = {"search": self.about, "trials": [asdict(trial) for trial in self.trials]}
            with atomic_path(self.path) as unfinished:
                unfinished.write_text(json.dumps(document, indent=1) + "\n")
