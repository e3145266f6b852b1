"""Imports of optional dependencies; a missing one is reported with the line that installs it."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

EXTRAS = {"tqdm": "experiments", "matplotlib": "experiments", "optuna": "tune", "surprise": "peers"}
"""Module -> the extra that has it."""


def require(*modules: str) -> None:
    """Raise ValueError for the first of `modules`, names of EXTRAS, that is not installed."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            wanted = sorted({"experiments", EXTRAS[module]})
            raise ValueError(
                f'{module} is not installed; python -m pip install "mfjax[{",".join(wanted)}]", '
                f'or in a clone -e ".[{",".join(wanted)}]"'
            )


def bar(*arguments: Any, **options: Any) -> Any:
    """Return a progress bar: `tqdm.tqdm` of the same arguments. Raises ValueError where tqdm is not installed."""
    require("tqdm")
    return importlib.import_module("tqdm").tqdm(*arguments, **options)
