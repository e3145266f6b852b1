"""mfjax.data.reading.opening: what Arrow's threads may hold is memory of Arrow's own."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

import mfjax.data
from mfjax.data.reading import opening


def test_arrow_reads_nothing_of_pythons():
    """A thread of Arrow's that lets go of Python's memory while Python ends aborts the process, now and then."""
    folder = Path(mfjax.data.__file__).parent
    for path in folder.rglob("*.py"):
        text = path.read_text()
        allowed = ("def owned(", "pa.CompressedInputStream(")  # the latter reads in the thread that asks
        lines = [line for line in text.splitlines() if "pa.BufferReader(" in line or "pa.PythonFile(" in line]
        assert all("sink.getvalue()" in line or any(word in line for word in allowed) for line in lines), path


@pytest.mark.parametrize("packed", [False, True])
def test_native_files_hold_the_bytes(tmp_path, packed):
    path = tmp_path / "a.bin"
    path.write_bytes(b"1234")
    place = path
    if packed:
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.write(path, "a.bin")
        place = zipfile.Path(tmp_path / "a.zip", "a.bin")
    with opening.native(place) as file:
        assert file.read() == b"1234"
    assert opening.owned(b"56").read() == b"56"
