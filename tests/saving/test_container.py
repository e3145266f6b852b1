"""The file format: the same bits come back, and a thousand damaged files are all refused."""

import os

import ml_dtypes
import numpy as np
import pytest

from mfjax.saving import container

ARRAYS = {
    "float32": np.array([[1.5, -0.0, np.nan], [np.inf, 3e-45, 2.0]], np.float32),
    "float64": np.array(1 / 3),
    "bfloat16": np.array([1.5, 2.5], ml_dtypes.bfloat16),
    "big_endian": np.arange(3, dtype=">i8"),
    "strings": np.array(["", "é", "longer"]),
    "bools": np.array([True, False]),
    "empty": np.zeros((4, 0), np.float32),
    "fortran": np.asfortranarray(np.arange(6, dtype=np.int32).reshape(2, 3)),
}
HEADER = {"kind": "test", "nested": {"numbers": [1, 0.1, None, True]}, "text": "é"}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "folder" / "file.mfjax"
    container.write(path, ARRAYS, HEADER)
    return path


def test_the_same_bits_come_back(path):
    arrays, header = container.read(path)
    assert header == HEADER
    assert list(arrays) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert arrays[name].shape == array.shape
        assert arrays[name].dtype == array.dtype.newbyteorder("<")
        assert arrays[name].tobytes() == array.astype(array.dtype.newbyteorder("<")).tobytes()
        assert arrays[name].flags.writeable


def test_a_thousand_mutations_are_all_refused(path):
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    for trial in range(1000):
        mutated = bytearray(data)
        if trial % 4 == 0:
            mutated = mutated[: rng.integers(len(data))]
        elif trial % 4 == 1:
            mutated += rng.bytes(int(rng.integers(1, 9)))
        else:
            for place in rng.integers(len(data), size=trial % 4 - 1):
                mutated[place] ^= 1 << rng.integers(8)
        if mutated != data:
            with pytest.raises(ValueError, match=r"save|load"):
                container.decode(bytes(mutated))


def test_every_byte_is_under_the_checksum(path):
    data = path.read_bytes()
    for place in range(len(data)):
        with pytest.raises(ValueError, match=r"save|load"):
            container.decode(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: b"PK" + data[2:], "not a file that mfjax saved"),
        (lambda data: b"", "not a file that mfjax saved"),
        (lambda data: data[:30], "cut off after 30 bytes"),
        (lambda data: data[:8] + b"\x02\0\0\0" + data[12:], "format version 2, this mfjax reads 1"),
        (lambda data: data[:-1], "damaged, its checksum does not match"),
    ],
)
def test_messages_name_the_file_and_the_fault(path, change, message):
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ValueError, match=f"file.mfjax: {message}"):
        container.read(path)


@pytest.mark.parametrize("array", [np.array([{}]), np.array(["a", None]), np.zeros(1, "V3"), np.zeros(1, "M8[s]")])
def test_arrays_that_need_pickle_are_refused(tmp_path, array):
    with pytest.raises(ValueError, match=r"bad: dtype .* can not be saved; convert it"):
        container.write(tmp_path / "file", {"bad": array}, {})
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("value", [object(), float("nan"), {1, 2}])
def test_headers_that_json_can_not_hold_are_refused(tmp_path, value):
    with pytest.raises(ValueError, match=r"header: .*; pass strings, finite numbers"):
        container.write(tmp_path / "file", {}, {"value": value})


def test_a_failed_write_leaves_the_old_file_alone(path, monkeypatch):
    before = path.read_bytes()

    def full(_):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        container.write(path, {"other": np.zeros(3)}, {})
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]
