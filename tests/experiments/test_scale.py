"""experiments.benchmark.scale: devices and processes share the work and agree."""

from __future__ import annotations

import json

import pytest

from experiments.benchmark import scale


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_devices_and_processes_give_the_factors_of_one(tmp_path):
    runs = scale.Options(parts=("devices",), devices=(1, 2), size=3e3, dim=8, repeats=1, out=tmp_path).run()
    layouts = [(one.devices, one.processes, one.by_rows) for one in runs]
    assert layouts == [(1, 1, False), (2, 1, False), (2, 2, False), (2, 1, True), (2, 2, True)]
    assert all(one.difference <= 1e-5 for one in runs)
    written = json.loads((tmp_path / "scale.json").read_text())
    assert written["schema"] == 1
    assert len(written["runs"]) == 5


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_interactions_and_rows_are_measured(capsys):
    runs = scale.Options(parts=("interactions", "rows"), interactions=(2e3, 4e3), rows=(1e3,), dim=8, repeats=1).run()
    assert [one.size for one in runs] == [2000, 4000, 1000]
    assert all(one.seconds > 0 and one.peak_mb > one.base_mb > 0 for one in runs)
    assert "slope" in capsys.readouterr().out


def test_a_failed_run_is_reported():
    with pytest.raises(ValueError, match="failed; its message is above"):
        scale._start({"part": "rows", "size": 0, "dim": 8, "repeats": 1, "devices": 1}, 1)
