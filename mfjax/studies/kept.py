"""The options that choose which interactions a command uses, and the interactions that they choose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import tyro

from mfjax.studies import protocols
from mfjax.studies.options import MOST, Checked, Within
from mfjax.types import Interactions


@dataclass(frozen=True)
class Kept(Checked):
    """Which interactions a command is about."""

    group: ClassVar[str] = "rows"

    positives: Annotated[float | None, tyro.conf.arg(metavar="VALUE")] = None
    """Keep the interactions of at least this value, and give each the value 1; None keeps all, with their values."""
    users_core: Annotated[int, tyro.conf.arg(metavar="ROWS"), Within(0, MOST)] = 0
    """Keep users with at least this many rows; users and items are dropped until all that are left have enough."""
    items_core: Annotated[int, tyro.conf.arg(metavar="ROWS"), Within(0, MOST)] = 0
    """Keep items with at least this many rows."""

    def kept(self, pairs: Interactions) -> Interactions:
        """Return the interactions that the command is about.

        Raises:
            ValueError: where none are left.
        """
        if self.positives is not None:
            pairs = protocols.positives(pairs, self.positives)
        if self.users_core or self.items_core:
            pairs = protocols.core(pairs, users=self.users_core, items=self.items_core)
        return pairs
