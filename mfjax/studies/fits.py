"""Finished fits on disk: each is written when it ends, so that a study that was stopped can be resumed."""

from __future__ import annotations

import hashlib
import os
import zipfile
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mfjax import checks
from mfjax.files import atomic_path, check_writable
from mfjax.studies.judging import Judged
from mfjax.studies.task import Task


class Fitted(NamedTuple):
    """The measurements of a fit, and the seconds of each time that it was made."""

    judged: Judged
    seconds: tuple[float, ...]


def folder(path: str | Path) -> Path:
    """Return the folder of the fits in a folder of a study, made where it is not there.

    Raises:
        ValueError: where nothing can be written to it.
    """
    checks.kind("folder", path, (str, os.PathLike), "pass the folder of the study, or None to keep no fits")
    found = Path(path) / "fits"
    for each in (Path(path), found):
        check_writable("folder", each)
    return found


def task_checksum(task: Task) -> str:
    """Return the sha256 of all that a model sees of a task."""
    total = hashlib.sha256()
    for part in (task.train, task.hidden, task.excluded, task.fold_in):
        if part is not None:
            total.update(np.array([len(part), part.num_users, part.num_items], np.int64).tobytes())
            columns = (part.users, part.items, part.values, part.timestamps, part.weights)
            for column in columns:
                total.update(b"none" if column is None else column.tobytes())
    if task.lists is not None:
        total.update(np.asarray(task.lists.offsets).tobytes() + np.asarray(task.lists.ids).tobytes())
    total.update(bytes([task.whole_catalogue]))
    if task.validation is not None:
        total.update(task_checksum(task.validation).encode())
    return total.hexdigest()


def save(path: Path, fitted: Fitted) -> None:
    """Write the measurements of a fit, whole or not at all."""
    judged = fitted.judged
    names, values = list(judged.pooled), list(judged.pooled.values())
    pooled: dict[str, Any] = {"pooled_names": np.array(names), "pooled": np.array(values)}
    arrays: dict[str, Any] = {name: getattr(judged, name) for name in ("users", "sums", "counts", "recommended")}
    with atomic_path(path) as unfinished, unfinished.open("wb") as file:
        np.savez_compressed(file, **arrays, **pooled, seconds=np.array(fitted.seconds))


def load(path: Path) -> Fitted:
    """Return the measurements of a fit. Raises ValueError for a damaged file."""
    try:
        # Opened here: np.load leaves a damaged archive open.
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        pooled = dict(zip(arrays["pooled_names"].tolist(), arrays["pooled"].tolist(), strict=True))
        judged = Judged(arrays["users"], arrays["sums"], arrays["counts"], pooled, arrays["recommended"])
        return Fitted(judged, tuple(map(float, arrays["seconds"])))
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"folder: {path} is damaged ({error!s:.100}); delete it, and the fit is made again") from None
