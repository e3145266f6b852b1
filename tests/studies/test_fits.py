"""mfjax.studies.fits: what is written comes back, damage is refused, and a killed study ends in the same bytes."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mfjax.studies import fits, protocols, run
from mfjax.studies.judging import Judged
from tests.studies.made_up import counting, pairs, ratings, write_ratings


def judged() -> Judged:
    rng = np.random.default_rng(0)
    return Judged(
        np.arange(3, dtype=np.int32), rng.random((2, 3)), np.ones((2, 3)), {"coverage@10": 0.5},
        np.array([[1, -1], [0, 2], [2, 1]], np.int32),
    )  # fmt: skip


def test_what_is_written_comes_back(tmp_path):
    for number, one in enumerate((judged(), judged()._replace(pooled={}, recommended=np.zeros((3, 0), np.int32)))):
        path = fits.folder(tmp_path) / f"{number}.npz"
        fits.save(path, fits.Fitted(one, (1.25, 0.5)))
        found, seconds = fits.load(path)
        assert seconds == (1.25, 0.5)
        assert found.pooled == one.pooled
        for name in ("users", "sums", "counts", "recommended"):
            np.testing.assert_array_equal(getattr(found, name), getattr(one, name))
            assert getattr(found, name).dtype == getattr(one, name).dtype


def test_every_column_of_a_task_counts():
    given = ratings()
    task = protocols.leave_last(given).test[0]
    weights = np.ones(len(task.train), np.float32)
    others = [
        replace(task, train=task.train.with_values(1.0)),
        replace(task, train=replace(task.train, timestamps=None)),
        replace(task, train=replace(task.train, weights=weights)),
        replace(task, hidden=task.hidden.select(slice(1, None))),
        replace(task, excluded=task.hidden),
        replace(task, fold_in=task.train),
        replace(task, whole_catalogue=False),
        replace(task, lists=task.targets),
        replace(task, lists=task.seen),
    ]
    sums = [fits.task_checksum(one) for one in (task, *others)]
    assert len(set(sums)) == len(sums)
    assert fits.task_checksum(protocols.leave_last(ratings()).test[0]) == sums[0]


DAMAGE = {
    "cut": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "text": lambda content: b"no fit",
    "a flipped byte": lambda content: content[:90] + bytes([content[90] ^ 255]) + content[91:],
    "another archive": lambda content: b"PK\x05\x06" + bytes(18),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_fit_is_refused(tmp_path, name):
    tasks, models = protocols.leave_last(pairs()).test, {"mine": counting()}
    run(tasks, models, folder=tmp_path)
    (path,) = (tmp_path / "fits").iterdir()
    path.write_bytes(DAMAGE[name](path.read_bytes()))
    with pytest.raises(ValueError, match=rf"folder: {path} is damaged \(.*\); delete it, and the fit is made again"):
        run(tasks, models, folder=tmp_path)
    path.unlink()
    run(tasks, models, folder=tmp_path)


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="can not be written to"):
        fits.folder(tmp_path / "file")


OPTIONS = [
    "--models", "popularity", "random", "ease", "--seeds", "2", "--sweep", "ease.reg=1,10,100",
    "--validation", "1", "--tune", "3", "--k", "5", "--cores", "1", "--no-compilation-cache",
]  # fmt: skip
LINES = 9
"""Lines of progress: trials and fits."""
WRITTEN = ("results.json", "per_user.parquet", "report.html")


def start(data: Path, out: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "mfjax", "study", str(data), *OPTIONS, "--out", str(out)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_study_that_is_killed_ends_in_the_same_bytes(tmp_path):
    data = write_ratings(tmp_path / "ratings.csv", ratings())
    undisturbed = start(data, tmp_path / "whole")
    told = undisturbed.communicate()
    assert undisturbed.returncode == 0, told
    assert len(told[1].splitlines()) == LINES
    rng, out = random.Random(7), tmp_path / "killed"
    # In the search, between the fits, and while the results are written.
    for line in (1, rng.randrange(4, LINES), LINES):
        study = start(data, out)
        for _ in range(line):
            study.stderr.readline()
        time.sleep(rng.uniform(0, 0.5))
        study.kill()
        study.communicate()
        assert study.returncode == -9
    last = start(data, out)
    told_again = last.communicate()
    assert last.returncode == 0, told_again
    assert told_again[1].count(": found") == 6
    for name in WRITTEN:
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    assert told[0].replace(str(tmp_path / "whole"), "") == told_again[0].replace(str(out), "")
    plots = [
        {path.name: path.read_bytes() for path in (folder / "plots").glob("*")} for folder in (out, tmp_path / "whole")
    ]
    assert plots[0] == plots[1]
