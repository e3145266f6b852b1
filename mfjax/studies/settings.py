"""The settings of a study: every model with its parameters, and the grid of those that are swept."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from mfjax import checks
from mfjax.studies.model import Model, Parameters

Sweep = Mapping[str, Mapping[str, Sequence[Any]]]
"""Model -> parameter -> values."""

Chosen = Mapping[str, Parameters | Sequence[Parameters]]
"""Model -> parameter -> value in place of its default; or several such, each a setting of the model."""


class Setting(NamedTuple):
    """A model with its parameters.

    Attributes:
        model: its name.
        parameters: (name, value) of every one.
        swept: names of those that differ between settings of the model.
        exact: whether the name of the setting has all digits: where fewer do not tell it from others.
    """

    model: str
    parameters: tuple[tuple[str, Any], ...]
    swept: tuple[str, ...] = ()
    exact: bool = False

    def __str__(self) -> str:
        """Return the name of the setting.

        Example:
            >>> str(Setting("als", (("reg", 0.1), ("dim", 8)), ("reg",)))
            'als[reg=0.1]'
        """
        if not self.swept:
            return self.model
        values = dict(self.parameters)
        write = repr if self.exact else shown
        return f"{self.model}[{','.join(f'{name}={write(values[name])}' for name in self.swept)}]"


def shown(value: float) -> str:
    """Return a number in six digits.

    Example:
        >>> shown(100.0), shown(0.12345678)
        ('100', '0.123457')
    """
    return f"{value:g}"


def settings_of(models: Mapping[str, Model], sweep: Sweep, chosen: Chosen) -> list[Setting]:
    """Return the settings of every model, swept ones in the order of their grid, around each of its points."""
    _check(models, sweep, chosen)
    settings = []
    for name, model in models.items():
        axes = {axis: _values(f"{name}.{axis}", values) for axis, values in sweep.get(name, {}).items()}
        given = chosen.get(name, {})
        points = [given] if isinstance(given, Mapping) else list(given)
        try:
            bases = [model.parameters(point) for point in points]
            differing = [axis for axis in model.defaults if len({base[axis] for base in bases}) > 1]
            of_model = [
                model.parameters({**base, **dict(zip(axes, point, strict=True))})
                for base in bases
                for point in itertools.product(*axes.values())
            ]
        except ValueError as error:
            raise ValueError(f"{'sweep' if axes else 'parameters'}: {name}: {error}") from None
        named = tuple(dict.fromkeys([*differing, *axes]))
        found = dict.fromkeys(Setting(name, tuple(parameters.items()), named) for parameters in of_model)
        exact = len(set(map(str, found))) < len(found)
        settings += [setting._replace(exact=exact) for setting in found]
    return settings


def _check(models: Mapping[str, Model], sweep: Sweep, chosen: Chosen) -> None:
    for what, named in (("sweep", sweep), ("parameters", chosen)):
        checks.kind(what, named, Mapping, 'pass such as {"ease": {"reg": ...}}')
        for name, one in named.items():
            several = what == "parameters" and isinstance(one, list | tuple) and len(one)
            remedy = "pass parameter -> " + ("values" if what == "sweep" else "value, or a list of such")
            for point in one if several else [one]:
                checks.kind(f"{what}[{name!r}]", point, Mapping, remedy)
        if strange := sorted(set(named) - set(models)):
            raise ValueError(f"{what}: {strange[0]!r} is not among the models ({', '.join(models)}); add it")


def _values(name: str, values: Any) -> list[Any]:
    if isinstance(values, np.ndarray):
        values = values.tolist()
    checks.kind("sweep", values, (list, tuple, range), f"pass the values of {name}, such as [10, 100]")
    for value in values:
        checks.shape("sweep", value, (), f"pass numbers for {name}")
        checks.number("sweep", value, remedy=f"pass numbers for {name}")
    if not values or len(set(values)) < len(values):
        raise ValueError(f"sweep: {name} = {list(values)}; give each value once")
    return list(values)
