import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from byrote.errors import DamagedShard
from byrote.evidence import shards
from byrote.evidence.shards import (
    SCHEMA_VERSION,
    read_columns,
    read_header,
    read_rows,
    read_shard,
    stored,
    write_bytes,
    write_shard,
)

DTYPES = (
    "float16",
    "float32",
    "float64",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "bool",
)
HEADER = {"kind": "outputs", "model": "3", "seed": "17", "language": "naïve ≠ 🐈"}


def sample(dtype, shape=(3, 5), seed=0):
    return np.random.default_rng(seed).integers(0, 2 if dtype == "bool" else 100, shape).astype(dtype)


def same(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("dtype", DTYPES)
def test_round_trip(tmp_path, dtype):
    columns = {
        "row": sample(dtype, (7,)),
        "table": sample(dtype),
        "cube": sample(dtype, (2, 3, 4)),
        "empty": sample(dtype, (0, 3)),
        "transposed": sample(dtype).T,
        "strided": sample(dtype, (9, 4))[::2, 1:],
    }
    write_shard(tmp_path / "s", columns, HEADER)
    same(read_shard(tmp_path / "s"), columns)
    header = read_header(tmp_path / "s")
    assert {name: header[name] for name in HEADER} == HEADER
    assert header["schema"] == SCHEMA_VERSION
    assert len(header["checksum"]) == 64


def test_the_same_content_is_the_same_bytes(tmp_path):
    for name in "abcdefgh":
        write_shard(tmp_path / name, {"x": sample("float32"), "y": sample("int8")}, HEADER)
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1


def test_numbers_that_are_none_and_negative_zero(tmp_path):
    column = np.array([np.nan, np.inf, -np.inf, -0.0, 1e-45], np.float32)
    write_shard(tmp_path / "s", {"x": column}, {})
    assert read_shard(tmp_path / "s")["x"].tobytes() == column.tobytes()


def test_read_only_arrays_are_left_alone(tmp_path):
    column = sample("float32")
    column.flags.writeable = False
    write_shard(tmp_path / "s", {"x": column}, {})
    same(read_shard(tmp_path / "s"), {"x": column})


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("shards") / "whole"
    write_shard(path, {"log_odds": sample("float32", (40,)), "correct": sample("bool", (40,))}, {"kind": "outputs"})
    return path.read_bytes(), read_shard(path), read_header(path)


def sound(path, columns, header):
    """Whether a file is found damaged, or else whether it says exactly what the whole one says."""
    try:
        found = read_shard(path)
    except DamagedShard:
        return "damaged"
    same(found, columns)
    assert read_header(path) == header
    return "the same"


@pytest.mark.slow
def test_a_flipped_bit_anywhere_in_header_or_data_is_noticed(tmp_path, whole):
    """All of them, not some: 8 for each of the some 550 bytes."""
    content, columns, header = whole
    path = tmp_path / "flipped"
    verdicts = []
    for bit in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        verdicts.append(sound(path, columns, header))
    assert verdicts.count("damaged") > 0.99 * len(verdicts)


@given(st.data())
def test_overwritten_stretches_are_noticed(whole, tmp_path_factory, data):
    content, columns, header = whole
    start = data.draw(st.integers(0, len(content) - 1))
    junk = data.draw(st.binary(min_size=1, max_size=64))
    path = tmp_path_factory.mktemp("junk") / "s"
    path.write_bytes((content[:start] + junk + content[start + len(junk) :])[: len(content)])
    if path.read_bytes() != content:
        sound(path, columns, header)


def test_a_cut_or_lengthened_file_is_noticed(tmp_path, whole):
    content, columns, header = whole
    path = tmp_path / "cut"
    for length in range(len(content)):
        path.write_bytes(content[:length])
        assert sound(path, columns, header) == "damaged", length
    for more in (b"\0", b"x" * 100, content):
        path.write_bytes(content + more)
        assert sound(path, columns, header) == "damaged"


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04" + b"\0" * 200, b"\x80\x04\x95", b"\xff" * 64, b"{}"])
def test_foreign_files(tmp_path, content):
    (tmp_path / "s").write_bytes(content)
    with pytest.raises(DamagedShard, match="cannot be read"):
        read_shard(tmp_path / "s")


def test_a_safetensors_file_of_somebody_else(tmp_path):
    from safetensors.numpy import save_file

    save_file({"x": np.zeros(3)}, tmp_path / "s")
    with pytest.raises(DamagedShard, match="does not fit its checksum"):
        read_shard(tmp_path / "s")


def test_missing_files_and_folders(tmp_path):
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(DamagedShard, match="cannot be read"):
            read_shard(path)


def test_the_checksum_covers_names_types_shapes_and_words():
    x = np.zeros((2, 6), np.float32)
    digests = [
        shards.checksum({"x": x}, {"a": "b"}),
        shards.checksum({"y": x}, {"a": "b"}),
        shards.checksum({"x": x.view(np.int32)}, {"a": "b"}),
        shards.checksum({"x": x.reshape(6, 2)}, {"a": "b"}),
        shards.checksum({"x": x}, {"a": "c"}),
        shards.checksum({"x": x}, {"a": "b", "c": ""}),
        shards.checksum({"x": x, "y": x[:0]}, {"a": "b"}),
        shards.checksum({"x": x + 1}, {"a": "b"}),
    ]
    assert len(set(digests)) == len(digests)
    assert shards.checksum({"x": x, "y": x}, {"a": "b", "c": "d"}) == shards.checksum(
        {"y": x, "x": x}, {"c": "d", "a": "b"}
    )


@pytest.mark.parametrize("failing", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()], ids=["OSError", "KeyboardInterrupt"])
def test_nothing_stays_behind_after_a_failure(tmp_path, monkeypatch, failing, error):
    def fail(*_args, **_options):
        raise error

    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(type(error)):
        write_bytes(tmp_path / "deep" / "file", b"content")
    assert not list((tmp_path / "deep").iterdir())


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    write_bytes(tmp_path / "file", b"old")
    monkeypatch.setattr(os, "replace", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_bytes(tmp_path / "file", b"new")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


def test_bytes_are_on_disk_before_the_name_is(tmp_path, monkeypatch):
    happened = []
    fsync, rename = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (happened.append("fsync"), fsync(handle)))
    monkeypatch.setattr(os, "replace", lambda a, b: (happened.append("replace"), rename(a, b)))
    write_bytes(tmp_path / "file", b"content")
    assert happened == ["fsync", "replace", "fsync"]
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644


@given(st.integers(0, 11), st.integers(0, 12))
def test_blocks_of_examples_are_slices_of_the_whole(tmp_path_factory, start, length):
    columns = {
        "log_odds": sample("float32", (12,)),
        "logits": sample("float32", (12, 4)),
        "trajectory": sample("float32", (3, 12)),
    }
    path = tmp_path_factory.mktemp("blocks") / "s"
    write_shard(path, columns, {})
    block = slice(start, min(start + length, 12))
    along = {"log_odds": 0, "logits": 0, "trajectory": 1}
    found = {name: read_columns(path, [name], block, axis)[name] for name, axis in along.items()}
    assert read_columns(path, ["logits"], block, None)["logits"].shape == columns["logits"].shape
    np.testing.assert_array_equal(found["log_odds"], columns["log_odds"][block])
    np.testing.assert_array_equal(found["logits"], columns["logits"][block])
    np.testing.assert_array_equal(found["trajectory"], columns["trajectory"][:, block])
    where = stored(path)
    for name in ("log_odds", "logits"):
        np.testing.assert_array_equal(read_rows(path, where[name], block), columns[name][block])


def test_rows_are_whole_where_one_call_of_the_system_gives_a_part(tmp_path, monkeypatch):
    column, whole = sample("float32", (40, 3)), os.pread
    write_shard(tmp_path / "s", {"x": column}, {})
    where = stored(tmp_path / "s")["x"]
    sizes = []

    def pread(file, size, position):
        sizes.append(size)
        return whole(file, min(size, 100), position)

    monkeypatch.setattr(os, "pread", pread)
    np.testing.assert_array_equal(read_rows(tmp_path / "s", where, slice(2, 31)), column[2:31])
    assert sizes == [348, 248, 148, 48]


def test_columns_of_every_type_are_where_they_are_said_to_be(tmp_path):
    types = ("bool", *(f"{sign}int{8 * size}" for sign in ("", "u") for size in (1, 2, 4, 8)), "<f2", "<f4", "<f8")
    columns = {f"c{number}": np.arange(number, number + 9).astype(kind) for number, kind in enumerate(types)}
    write_shard(tmp_path / "s", columns, {})
    where = stored(tmp_path / "s")
    assert where.keys() == columns.keys()
    for name, column in columns.items():
        found = read_rows(tmp_path / "s", where[name], slice(2, 7))
        assert found.dtype == column.dtype
        np.testing.assert_array_equal(found, column[2:7])


def test_scalars_keep_their_shape_and_foreign_byte_orders_their_values(tmp_path):
    write_shard(tmp_path / "s", {"x": np.array(3), "y": np.arange(3, dtype=">f4")}, {})
    arrays = read_shard(tmp_path / "s")
    assert arrays["x"].shape == ()
    np.testing.assert_array_equal(arrays["y"], [0, 1, 2])


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664), (0o027, 0o640)])
def test_files_have_the_permissions_that_the_umask_leaves(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        write_bytes(tmp_path / "new", b"1")
        write_bytes(tmp_path / "new", b"2")
    finally:
        os.umask(before)
    assert (tmp_path / "new").stat().st_mode & 0o777 == mode
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
