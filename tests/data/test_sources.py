"""Downloads, the cache and the order of places, without a network: file:// addresses and wheels made on the spot."""

import dataclasses
import hashlib
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mfjax.data import load
from mfjax.data.published import recipes, releases, sources
from mfjax.data.published.sources import SourceError

RATINGS = b"196\t242\t3\t881250949\n186\t302\t4\t891717742\n196\t302\t5\t881250949\n"
ITEMS = (
    "242|Kolya (1996)|24-Jan-1997||link|0|0|0|0|0|1" + "|0" * 13 + "\n"
    "302|L\u00e9on: Pros (Le) (1994) |x||link|0|1" + "|0" * 14 + "|1|0|0\n"
).encode("latin-1")
WHEEL_RATINGS = b"user_id:token\titem_id:token\trating:float\ttimestamp:float\n" + RATINGS
WHEEL_ITEMS = (
    "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
    "242\tKolya\t1996\tComedy\n302\tL\u00e9on: Pros (Le)\t1994\tAction Thriller\n"
).encode()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def publish(monkeypatch, digest):
    """Make the tiny ratings the official ones of ml-100k, in an archive of a digest."""
    archive = dataclasses.replace(recipes.SETS["ml-100k"].archive, digest=digest, official=sha256(RATINGS))
    monkeypatch.setitem(recipes.SETS, "ml-100k", dataclasses.replace(recipes.SETS["ml-100k"], archive=archive))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, a GroupLens that is not there, and an index that has no wheel."""
    monkeypatch.setenv("MFJAX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(releases, "GROUPLENS", (tmp_path / "grouplens").as_uri())

    def no_wheel(requirement, folder):
        raise SourceError(f"{requirement}: no such wheel")

    monkeypatch.setattr(sources, "download_wheel", no_wheel)
    return tmp_path / "cache"


@pytest.fixture
def grouplens(cache, tmp_path, monkeypatch):
    """A GroupLens with a tiny ml-100k.zip whose checksums are the published ones."""
    path = tmp_path / "grouplens" / "movielens" / "ml-100k.zip"
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("ml-100k/u.data", RATINGS)
        archive.writestr("ml-100k/u.item", ITEMS)
    publish(monkeypatch, hashlib.md5(path.read_bytes()).hexdigest())
    return path


@pytest.fixture
def index(cache, tmp_path, monkeypatch):
    """An index whose wheel holds the same tiny rows."""
    members = dict(zip(releases.WHEEL_FILES, (WHEEL_RATINGS, WHEEL_ITEMS), strict=True))
    monkeypatch.setattr(releases, "WHEEL_FILES", {name: sha256(data) for name, data in members.items()})
    publish(monkeypatch, "0" * 32)

    def wheel(requirement, folder):
        path = folder / "it.whl"
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in members.items():
                archive.writestr(name, data)
        return path

    monkeypatch.setattr(sources, "download_wheel", wheel)
    return members


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"MFJAX_CACHE": "/here", "XDG_CACHE_HOME": "/xdg"}, "/here"),
        ({"XDG_CACHE_HOME": "/xdg"}, "/xdg/mfjax"),
        ({"XDG_CACHE_HOME": "relative"}, "/home/me/.cache/mfjax"),
        ({}, "/home/me/.cache/mfjax"),
    ],
)
def test_cache_dir(monkeypatch, environment, expected):
    for name in ("MFJAX_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/me")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert sources.cache_dir() == Path(expected)


def test_data_dir_comes_first_and_need_not_be_official(cache, tmp_path, caplog):
    folder = tmp_path / "mine" / "ml-100k"
    folder.mkdir(parents=True)
    (folder / "u.data").write_bytes(RATINGS)
    for data_dir in (folder, folder.parent):
        dataset = load("ml-100k", data_dir)
        assert dataset.source == f"local folder {folder} (u.data is not the official file)"
        assert dataset.checksum == sha256(RATINGS)
        assert (dataset.titles, dataset.years, dataset.genres) == (None, None, None)
    assert "is not the official file of ml-100k" in caplog.text
    assert not cache.exists()


def test_grouplens_then_cache(grouplens, cache, capfd):
    first = load("ml-100k")
    assert first.source.endswith("ml-100k.zip, verified (official u.data)")
    assert "trying file:" in capfd.readouterr().err
    grouplens.unlink()
    second = load("ml-100k")
    assert (second.source, second.checksum) == (first.source, first.checksum)
    assert capfd.readouterr().err == ""
    assert second.titles.tolist() == ["Kolya (1996)", "L\u00e9on: Pros (Le) (1994)"]
    assert second.years.tolist() == [1996, 1994]
    assert second.genres == (("Comedy",), ("Action", "Thriller"))


def test_wheel_gives_what_grouplens_gives(grouplens, cache, index):
    dataset = load("ml-100k")
    assert (cache / "ml-100k" / "u.data").read_bytes() == RATINGS
    assert dataset.source.startswith("wheel recbole==1.2.1, verified")
    assert dataset.source.endswith("(official u.data)")
    assert dataset.titles.tolist() == ["Kolya (1996)", "L\u00e9on: Pros (Le) (1994)"]
    assert dataset.genres == (("Comedy",), ("Action", "Thriller"))


@pytest.mark.parametrize("name", ["u.data", "u.item", sources.MANIFEST])
@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_broken_cache_is_fetched_again(grouplens, cache, capfd, name, damage):
    load("ml-100k")
    path = cache / "ml-100k" / name
    path.unlink() if damage == "gone" else path.write_bytes(path.read_bytes()[:10])
    assert len(load("ml-100k").interactions) == 3
    assert ("broken cache" in capfd.readouterr().err) or (name, damage) == (sources.MANIFEST, "gone")


def test_nothing_anywhere_ends_in_one_message(cache):
    with pytest.raises(FileNotFoundError) as caught:
        load("ml-100k")
    message = str(caught.value)
    for tried in ("nothing cached", "ml-100k.zip", "recbole==1.2.1"):
        assert tried in message
    assert "--data-dir" in message
    assert "MFJAX_CACHE" in message
    with pytest.raises(FileNotFoundError, match="no wheel holds ml-1m"):
        load("ml-1m")


def test_a_folder_that_was_named_is_the_only_source(grouplens, cache, tmp_path):
    load("ml-100k")  # it is in the cache now
    with pytest.raises(FileNotFoundError, match=r"data_dir: .*elsewhere holds neither u\.data nor ml-100k/u\.data"):
        load("ml-100k", tmp_path / "elsewhere")


def test_unwritable_cache_is_one_of_the_things_tried(grouplens, cache):
    cache.write_text("a file where the folder should be")
    with pytest.raises(FileNotFoundError, match="ml-100k was found nowhere"):
        load("ml-100k")


def test_wrong_archive_is_refused(grouplens, cache, monkeypatch):
    publish(monkeypatch, "0" * 32)
    with pytest.raises(FileNotFoundError, match="do not have the published checksum 0000"):
        load("ml-100k")
    assert not list(cache.rglob("u.*"))


def test_wrong_wheel_is_refused(index, cache):
    index[next(iter(index))] = b"other rows"
    with pytest.raises(FileNotFoundError, match=r"ml-100k\.inter does not have the checksum"):
        load("ml-100k")
    assert not list(cache.rglob("u.*"))


def test_archive_without_the_member(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("other", b"")
    with pytest.raises(SourceError, match=r"a\.zip: .*no item named 'u\.data'"):
        sources.extract(tmp_path / "a.zip", {"u.data": tmp_path / "u.data"})
    assert not (tmp_path / "u.data").exists()


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_archive_with_any_byte_changed_gives_the_bytes_or_says_so(tmp_path, compression):
    path, member = tmp_path / "a.zip", tmp_path / "u.data"
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("u.data", RATINGS * 20)
    data, refused = path.read_bytes(), 0
    rng = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(data)
        damaged[rng.integers(len(data))] = rng.integers(256)
        path.write_bytes(damaged[: len(data) - rng.integers(2) * rng.integers(20)])
        try:
            sources.extract(path, {"u.data": member})
        except SourceError:
            refused += 1
        else:
            assert member.read_bytes() == RATINGS * 20
    assert refused > 30


@pytest.mark.parametrize("name", ["u.data", "u.item", sources.MANIFEST])
@pytest.mark.parametrize("empty", [True, False])
def test_folders_in_place_of_cached_files(grouplens, cache, name, empty):
    load("ml-100k")
    path = cache / "ml-100k" / name
    path.unlink()
    path.mkdir()
    if empty:
        assert len(load("ml-100k").interactions) == 3
        assert path.is_file()
    else:
        (path / "mine").write_text("not ours to remove")
        with pytest.raises(FileNotFoundError, match=rf"{name}: is a folder where a file .* delete it"):
            load("ml-100k")


MANIFESTS = [
    "{}",
    "[]",
    "3",
    "null",
    "[" * 100_000,
    "\0",
    '{"sha256": {"u.data": "12"}}',
    '{"sha256": [], "source": 1}',
    '{"sha256": {}, "source": 5}',
    '{"sha256": {"u.data": null}, "source": ""}',
]


@pytest.mark.parametrize("text", MANIFESTS, ids=lambda text: text[:20])
def test_manifests_of_any_kind_are_fetched_again(grouplens, cache, text):
    load("ml-100k")
    (cache / "ml-100k" / sources.MANIFEST).write_text(text)
    assert load("ml-100k").source.endswith("ml-100k.zip, verified (official u.data)")


def test_silent_server_fails_fast(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "NETWORK_TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/ml-100k.zip"
        with pytest.raises(SourceError, match="timed out"):
            sources.download(url, tmp_path / "ml-100k.zip", "0" * 32)
    assert not list(tmp_path.iterdir())


def test_pip_settings_of_the_user_are_honoured(tmp_path, monkeypatch):
    pytest.importorskip("pip")
    shelf, folder = tmp_path / "shelf", tmp_path / "folder"
    shelf.mkdir()
    folder.mkdir()
    with zipfile.ZipFile(shelf / "tiny-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        archive.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("tiny-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    assert sources.download_wheel("tiny==1.0", folder).name == "tiny-1.0-py3-none-any.whl"
    with pytest.raises(SourceError, match=r"tiny==2\.0: ERROR: No matching distribution"):
        sources.download_wheel("tiny==2.0", folder)


def test_no_pip(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pip", None)
    with pytest.raises(SourceError, match="no pip; run python -m ensurepip"):
        sources.download_wheel("tiny==1.0", tmp_path)


def test_pip_that_leaves_no_wheel(tmp_path, monkeypatch):
    pytest.importorskip("pip")
    monkeypatch.setattr(sources, "_PIP", "pass")
    with pytest.raises(SourceError, match=r"tiny==1\.0: pip left no wheel"):
        sources.download_wheel("tiny==1.0", tmp_path)


def test_pip_that_takes_too_long_is_ended(tmp_path, monkeypatch):
    pytest.importorskip("pip")
    monkeypatch.setattr(sources, "_PIP", "import time; time.sleep(60)")
    monkeypatch.setattr(sources, "PIP_TIMEOUT", 0.2)
    with pytest.raises(SourceError, match="pip took more than"):
        sources.download_wheel("tiny==1.0", tmp_path)


KILLED = """
from pathlib import Path
from mfjax.data.published import releases, sources

sources._PIP = sources._PIP.replace(
    'runpy.run_module("pip"', 'print(os.getpid(), file=sys.stderr, flush=True); __import__("time").sleep(60); (1, "pip"'
).replace('run_name="__main__", alter_sys=True)', "2)")
releases.GROUPLENS = "file:///nowhere"
releases.find("ml-100k", None)
"""


def test_a_killed_download_takes_pip_along_and_its_folder_goes_with_the_next(grouplens, cache):
    pytest.importorskip("pip")
    process = subprocess.Popen([sys.executable, "-c", KILLED], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (logs := [log for log in cache.glob(".ml-100k.*/pip.log") if log.read_text().endswith("\n")]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    pip = int(logs[0].read_text())
    process.kill()
    process.wait()
    while Path(f"/proc/{pip}").exists() and "State:\tZ" not in Path(f"/proc/{pip}/status").read_text():
        assert time.monotonic() < deadline, "pip goes on alone"
        time.sleep(0.05)
    assert logs[0].exists()
    load("ml-100k")
    assert not list(cache.glob(".*"))
