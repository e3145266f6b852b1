"""A model of a study: a fit with parameters by name. A model of your own is treated like any other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mfjax import checks
from mfjax.search import Space, spaces
from mfjax.studies.options import MOST, MOST_DIM
from mfjax.studies.task import Task
from mfjax.types import Factors, Interactions, Key, Scorer

Parameters = Mapping[str, Any]
"""Parameter -> number."""

Fit = Callable[[Key, Task, Parameters], Scorer | Factors]
"""(key, task, parameters) -> scorer or factors for the users of the task."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model of a study: how it is fitted, and its parameters by name.

    Attributes:
        fit: a pure function; it looks at `task.train`, and at `task.history` for what users are scored by.
        defaults: parameter -> value where nothing else is said; a whole number makes the parameter one.
        random: whether the fit depends on its key; one that does not is fitted once.
        folds_in: whether the fit scores users that are not in `task.train` by `task.history`.
        predicts_ratings: whether its scores are ratings, so that rmse and mae mean something.
        space: what tuning draws from: parameter -> range or options.
        about: one line for `--help` and tables.
        shares_key: whether its key is that of the seed alone: models of such keys start alike, and meet the same draws.
        repeats: whether it may recommend what the user has a row of that is not trained on, such as a low rating.
        path: (key, task, parameters, parts) -> the models after so many equal parts of the training, the last of them
            that of `fit`; a search looks at them, and gives up early. Fewer where the training has fewer steps.
        length: the parameter that says how many steps `path` takes, such as "epochs"; early stopping chooses it.
        config: (parameters, task) -> the `als.Config` or `ranking.Config` that is fitted, where there is one: for
            gradients by parameters, explanations, and the record of a saved model.
        history: (parameters, task) -> the rows that users' own rows are solved from; None for `task.history`.

    Raises:
        ValueError: for a fit that is no function, defaults that are no numbers, or a space of parameters without one.

    Example:
        >>> from mfjax import baselines
        >>> ease = Model(fit=lambda key, task, p: baselines.ease(task.train, reg=p["reg"]), defaults={"reg": 100.0})
        >>> ease.parameters({"reg": 5})
        {'reg': 5.0}
    """

    fit: Fit
    defaults: Parameters = field(default_factory=dict)
    random: bool = True
    folds_in: bool = False
    predicts_ratings: bool = False
    space: Space = field(default_factory=dict)
    about: str = ""
    shares_key: bool = False
    repeats: bool = False
    path: Callable[[Key, Task, Parameters, int], Iterator[Scorer | Factors]] | None = None
    length: str | None = None
    config: Callable[[Parameters, Task], Any] | None = None
    history: Callable[[Parameters, Task], Interactions] | None = None

    def __post_init__(self) -> None:
        checks.function("fit", self.fit, "pass a function of (key, task, parameters)")
        checks.kind("defaults", self.defaults, Mapping, "pass such as {'reg': 0.1}")
        for name, value in self.defaults.items():
            if not isinstance(value, int | float) or isinstance(value, bool):
                raise ValueError(f"defaults: {name} is {value!r:.40}; pass a number")
        if self.space:
            spaces.check(self.space)
        if strange := sorted(set(self.space) - set(self.defaults)):
            raise ValueError(f"space: {strange[0]!r} is no parameter; give it a default")
        if self.length is not None and self.length not in self.defaults:
            raise ValueError(f"length: {self.length!r} is no parameter; give it a default")

    @property
    def can_be_stopped(self) -> bool:
        """Whether it is trained step by step, so that early stopping can choose its length."""
        return self.path is not None and self.length is not None

    def with_defaults(self, about: str | None = None, **defaults: float) -> Model:
        """Return the model with other defaults, and other words about it unless None.

        Raises:
            ValueError: as `parameters`.

        Example:
            >>> from mfjax.studies import MODELS
            >>> MODELS["ials"].with_defaults("iALS, 256 factors", dim=256).defaults["dim"]
            256
        """
        return replace(self, defaults=self.parameters(defaults), about=self.about if about is None else about)

    def parameters(self, chosen: Parameters) -> dict[str, Any]:
        """Return the defaults with those chosen.

        Raises:
            ValueError: for an unknown name, or a number out of range.
        """
        found = dict(self.defaults)
        for name, value in chosen.items():
            if name not in self.defaults:
                raise ValueError(f"{name}: is no parameter; choose from {', '.join(self.defaults) or 'none'}")
            default = self.defaults[name]
            checks.shape(name, value, (), "pass one number")
            # An exponent may be below 0, and so may what is below 0 by default; nothing else may. A dim may be 0 where
            # that is its default.
            signed = name.endswith("_exponent") or default < 0
            checks.number(name, value, least=None if signed else 0.0)
            if isinstance(default, int):
                if int(value) != value:
                    raise ValueError(f"{name}: {value} is not a whole number")
                most = MOST_DIM if name == "dim" else MOST
                checks.whole(name, int(value), least=-MOST if signed else min(default, int(name == "dim")), most=most)
            found[name] = type(default)(value)
        return found


def check_models(models: Any) -> None:
    """Raise ValueError unless `models` are some Models by name."""
    checks.kind("models", models, Mapping, 'pass such as {"mine": Model(fit=...)}, or names of catalogue.MODELS')
    if not models:
        raise ValueError("models: there are none; pass at least one")
    for name, model in models.items():
        checks.kind("models", name, str, "name each by a text")
        checks.kind(f"models[{name!r}]", model, Model, "pass a studies.Model")
