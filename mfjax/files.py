"""Files and folders that are there whole or not at all, and what killed writers left behind.

A writer works in a temporary `.NAME.HEX` beside NAME and renames it at the end. It holds a lock (flock) on the
temporary for as long as it lives, and the kernel lets go of the lock when the writer ends, however it ends. So a
temporary that can be locked has lost its writer: the next writer of the same NAME removes it. Two writers at once, in
threads or processes, each have a temporary of their own, and the last one to end wins. Where a system or a file system
has no locks, nothing can be known to be left over, and nothing is removed.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


def check_writable(name: str, folder: Path) -> None:
    """Make a folder where it is not there, and raise ValueError unless a byte can be written to it.

    Args:
        name: of the argument, for the message.
        folder: which a long run writes to at its end: better told at its beginning.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"0")
    except OSError as error:
        raise ValueError(f"{name}: {folder} can not be written to ({error.strerror}); pass another folder") from None


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` that takes its place when the block ends well, and vanishes otherwise.

    The temporary is an empty file at the start. Temporaries of `path` whose writers were killed are removed.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder, atomic_path(Path(folder) / "note") as temporary:
        ...     _ = temporary.write_text("whole, or not at all")
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_left_over(path)
    temporary, lock = _claim(path, is_folder=False)
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
        _let_go(lock)


@contextmanager
def scratch_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder beside `path`, for work on what will be there; it vanishes at the end.

    Scratch folders of `path` whose owners were killed are removed.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder, scratch_folder(Path(folder) / "data") as scratch:
        ...     scratch.is_dir(), scratch.parent == Path(folder)
        (True, True)
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_left_over(path)
    folder, lock = _claim(path, is_folder=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _let_go(lock)


def _claim(path: Path, *, is_folder: bool) -> tuple[Path, int | None]:
    """Return a new temporary file or folder beside `path`, and the descriptor that holds its lock."""
    while True:
        # Not mkstemp, whose files only their owner may read: a cache may be shared.
        temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        if is_folder:
            temporary.mkdir()
        else:
            temporary.touch()
        if fcntl is None:
            return temporary, None
        try:
            descriptor = os.open(temporary, os.O_RDONLY)
            _lock(descriptor, wait=True)
        except FileNotFoundError:
            continue
        # Another writer may have locked it first, and have removed what it took for left over.
        if temporary.exists():
            return temporary, descriptor
        os.close(descriptor)


def _remove_left_over(path: Path) -> None:
    left = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{32}}")
    with os.scandir(path.parent) as entries:
        found = [Path(entry.path) for entry in entries if left.fullmatch(entry.name)]
    for temporary in found:
        try:
            descriptor = os.open(temporary, os.O_RDONLY)
        except OSError:
            continue  # its writer has just ended, or it is somebody else's
        try:
            if _lock(descriptor, wait=False):
                _remove(temporary)
        finally:
            os.close(descriptor)


def _remove(temporary: Path) -> None:
    if temporary.is_dir():
        shutil.rmtree(temporary, ignore_errors=True)
        return
    # A folder may let us add files and not remove those of others.
    with suppress(OSError):
        temporary.unlink(missing_ok=True)


def _lock(descriptor: int, *, wait: bool) -> bool:
    """Lock a file for as long as its descriptor is open; return whether that was done."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # locked by its writer, or a file system without locks
        return False
    return True


def _let_go(descriptor: int | None) -> None:
    if descriptor is not None:
        os.close(descriptor)
