"""What a search may draw: numbers from ranges, options from lists, each laid out over the unit interval.

The search space of a published implicit-ALS study on MovieLens-1M::

    {
        "dim": Choice((32, 64, 96, 128, 192, 256)),
        "reg": Uniform(1e-4, 1e-1, log=True),
        "alpha": Choice((5, 10, 20, 40, 80)),
        "steps": Choice((10, 20, 30)),
    }
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mfjax import checks


@dataclass(frozen=True)
class Uniform:
    """A number in [low, high]: equal differences are equally likely, or with `log` equal ratios.

    Example:
        >>> Uniform(0.01, 1.0, log=True).at(0.5)
        0.1
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            checks.shape(name, getattr(self, name), (), "pass one number")
            checks.number(name, getattr(self, name))
            # Python's own number: a file of trials can hold it.
            object.__setattr__(self, name, float(getattr(self, name)))
        checks.kind("log", self.log, bool, "pass True for equal ratios, False for equal differences")
        if not self.low < self.high or (self.log and self.low <= 0):
            above = "0 < low < high" if self.log else "low < high"
            raise ValueError(f"low, high: {self.low}, {self.high} is no range; pass {above}")
        if not math.isfinite(self.high / self.low if self.log else self.high - self.low):
            raise ValueError(f"low, high: {self.low}, {self.high} are too far apart for a number; pass closer ones")

    def at(self, unit: float) -> float:
        """Return the number at `unit` in [0, 1] of the way."""
        if self.log:
            return self.low * (self.high / self.low) ** float(unit)
        return self.low + float(unit) * (self.high - self.low)

    def unit(self, value: float) -> float:
        """Return how far of the way a number is: the inverse of `at`."""
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def slope(self, value: float) -> float:
        """Return the derivative of `at` where it gives `value`."""
        return value * math.log(self.high / self.low) if self.log else self.high - self.low


@dataclass(frozen=True)
class Choice:
    """One of `options`, which are equally likely.

    Example:
        >>> Choice((32, 64, 128)).at(0.9)
        128
    """

    options: tuple

    def __post_init__(self) -> None:
        checks.kind("options", self.options, (tuple, list), "pass a tuple of what there is to choose from")
        if len(self.options) == 0:
            raise ValueError("options: there are none; pass at least one")
        object.__setattr__(self, "options", tuple(self.options))

    def at(self, unit: float) -> Any:
        """Return the option at `unit` in [0, 1] of the way."""
        return self.options[min(int(unit * len(self.options)), len(self.options) - 1)]


Space = Mapping[str, Uniform | Choice]
"""Parameter -> what it may be."""

MOST_SEEDS = 2**63 - 1
"""The largest seed of a search."""


def check(space: Space) -> None:
    """Raise ValueError unless `space` names at least one parameter, and what each may be."""
    checks.kind("space", space, Mapping, "pass parameter -> Uniform or Choice")  # type: ignore[type-abstract]
    if not space:
        raise ValueError("space: there is nothing to draw; pass parameter -> Uniform or Choice")
    for name, one in space.items():
        checks.kind("space", name, str, "pass the parameters by name")
        checks.kind(f"space[{name!r}]", one, (Uniform, Choice), "pass Uniform(low, high) or Choice(options)")


def draw(seed: int, number: int, space: Space) -> dict[str, Any]:
    """Return the values of one random trial: a function of seed and number alone, not of the trials before it.

    Example:
        >>> space = {"reg": Uniform(1e-4, 1e-1, log=True), "alpha": Choice((5, 10, 20, 40, 80))}
        >>> draw(0, 3, space) == draw(0, 3, space) != draw(0, 4, space)
        True
    """
    checks.whole("seed", seed, least=0, most=MOST_SEEDS)
    checks.whole("number", number, least=0)
    check(space)
    units = np.random.default_rng([seed, number]).random(len(space))
    return {name: one.at(unit) for (name, one), unit in zip(space.items(), units, strict=True)}
