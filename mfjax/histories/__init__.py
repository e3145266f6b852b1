"""Interactions as device pytrees: the border between host and device, crossed once.

`ragged` gives one ascending list of items per user, for exclusion and sampling; `build` gives histories of both sides,
packed into equal chunks, for the batched solves of ALS and SVD; `streaming` builds the same from files in batches.
"""

from mfjax.histories import streaming
from mfjax.histories.building import build, side
from mfjax.histories.packed import Histories, Packed, Side
from mfjax.histories.packing import rounded_up
from mfjax.histories.ragged import By, Ragged, ragged

__all__ = ["By", "Histories", "Packed", "Ragged", "Side", "build", "ragged", "rounded_up", "side", "streaming"]
