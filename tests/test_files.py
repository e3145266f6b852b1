"""Files are whole or not there, and what killed writers leave behind goes with the next writer."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from mfjax import files

WRITER = """
import sys, time
from pathlib import Path
from mfjax import files

make = getattr(files, sys.argv[2])
with make(Path(sys.argv[1])) as temporary:
    (temporary / "part" if temporary.is_dir() else temporary).write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""


def start_writer(path, make="atomic_path"):
    """Return a process that is in the middle of writing `path`."""
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path), make], stdout=subprocess.PIPE, text=True)
    assert writer.stdout.readline() == "writing\n"
    return writer


def kill(writer):
    writer.send_signal(signal.SIGKILL)
    writer.communicate()


def write(path, text):
    with files.atomic_path(path) as temporary:
        temporary.write_text(text)


def names(folder):
    return sorted(found.name for found in folder.iterdir())


@pytest.mark.parametrize("make", ["atomic_path", "scratch_folder"])
def test_what_a_killed_writer_leaves_goes_with_the_next_of_the_same_name(tmp_path, make):
    path = tmp_path / "results.json"
    kill(start_writer(path, make))
    (left,) = names(tmp_path)
    assert left.startswith(".results.json.")
    write(tmp_path / "other.json", "other")
    assert left in names(tmp_path)
    write(path, "whole")
    assert names(tmp_path) == ["other.json", "results.json"]
    assert path.read_text() == "whole"


@pytest.mark.parametrize("make", ["atomic_path", "scratch_folder"])
def test_the_temporary_of_a_living_writer_stays(tmp_path, make):
    path = tmp_path / "results.json"
    writer = start_writer(path, make)
    try:
        write(path, "first")
        assert len(names(tmp_path)) == 2
    finally:
        kill(writer)


def test_temporaries_of_earlier_versions_are_known(tmp_path):
    (tmp_path / f".a[1].{'0' * 32}").write_text("half")
    (tmp_path / ".a[1].mine").write_text("somebody's")
    write(tmp_path / "a[1]", "whole")
    assert names(tmp_path) == [".a[1].mine", "a[1]"]


def test_many_writers_at_once_all_end_well(tmp_path):
    path, failed = tmp_path / "shared", []

    def many(text):
        try:
            for _ in range(100):
                write(path, text * 1000)
                assert path.read_text() in {one * 1000 for one in "abcd"}
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=many, args=(text,)) for text in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert names(tmp_path) == ["shared"]


def test_a_block_that_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "results"
    write(path, "old")
    with pytest.raises(KeyboardInterrupt), files.atomic_path(path) as temporary:
        temporary.write_text("ne")
        raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt), files.scratch_folder(path) as folder:
        (folder / "part").write_text("x")
        raise KeyboardInterrupt
    assert [(found.name, found.read_text()) for found in tmp_path.iterdir()] == [("results", "old")]


def test_without_locks_nothing_is_taken_for_left_over(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "fcntl", None)
    left = tmp_path / f".a.{'0' * 32}"
    left.write_text("half")
    write(tmp_path / "a", "whole")
    assert names(tmp_path) == [left.name, "a"]


def test_files_have_the_mode_of_plain_ones(tmp_path):
    write(tmp_path / "ours", "x")
    (tmp_path / "plain").write_text("x")
    assert os.stat(tmp_path / "ours").st_mode == os.stat(tmp_path / "plain").st_mode


@pytest.mark.slow
def test_sixty_kills_leave_no_half_file_and_nothing_over(tmp_path):
    script = (
        "import sys\nfrom pathlib import Path\nfrom mfjax import files\nprint('writing', flush=True)\n"
        "while True:\n    with files.atomic_path(Path(sys.argv[1])) as t:\n        t.write_text('x' * 100_000)\n"
    )
    path = tmp_path / "results"
    for trial in range(60):
        writer = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE)
        writer.stdout.readline()
        time.sleep(0.003 * (trial % 7))
        kill(writer)
        assert not path.exists() or path.read_text() == "x" * 100_000
    write(path, "end")
    assert names(tmp_path) == ["results"]
