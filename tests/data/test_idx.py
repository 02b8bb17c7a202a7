import gzip
import struct
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from byrote.data import read_idx
from byrote.data.idx import DTYPES
from byrote.errors import BadInput


def idx_bytes(array, code=0x08):
    header = bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(DTYPES[code]).tobytes()


CONTENT = idx_bytes(np.arange(6).reshape(2, 3))


def refusal(tmp_path, content):
    path = tmp_path / "some.idx"
    path.write_bytes(content)
    with pytest.raises(BadInput) as caught:
        read_idx(path)
    assert repr(str(path)) in caught.value.message
    return str(caught.value).replace(repr(str(path)), "PATH")


@settings(max_examples=50)
@given(
    st.sampled_from(sorted(DTYPES)),
    hnp.arrays(np.int8, hnp.array_shapes(max_dims=4, max_side=5), elements=st.integers(0, 100)),
    st.booleans(),
)
def test_what_is_written_is_read(code, array, packed):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "some.idx"
        content = idx_bytes(array, code)
        path.write_bytes(gzip.compress(content) if packed else content)
        read = read_idx(path)
    assert np.array_equal(read, array)
    assert read.dtype == np.dtype(DTYPES[code]).newbyteorder("=")


def test_a_missing_file(tmp_path):
    with pytest.raises(BadInput, match=r"There is no file '.*nothing'"):
        read_idx(tmp_path / "nothing")


def test_a_folder(tmp_path):
    with pytest.raises(BadInput, match="cannot be read: Is a directory"):
        read_idx(tmp_path)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_truncated_file(tmp_path, pack):
    assert refusal(tmp_path, pack(CONTENT[:-1])).startswith(
        "The file PATH is truncated: its header says 2 × 3, 6 bytes, and fewer follow."
    )
    assert refusal(tmp_path, pack(CONTENT[:7])).startswith("The file PATH is truncated: it ends inside its header.")
    assert "truncated: it holds 3 bytes, too few for a header" in refusal(tmp_path, pack(CONTENT[:3]))
    assert "truncated: it holds 0 bytes" in refusal(tmp_path, pack(b""))


def test_a_gzip_stream_that_ends_early(tmp_path):
    assert "PATH is truncated: its gzip stream ends early." in refusal(tmp_path, gzip.compress(CONTENT)[:-9])


def test_a_foreign_file(tmp_path):
    assert "is not an idx file: it begins with b'\\x89PNG'" in refusal(tmp_path, b"\x89PNG\r\n")


def test_a_foreign_type(tmp_path):
    said = refusal(tmp_path, b"\x00\x00\x0a\x01" + CONTENT[4:])
    assert said == (
        "The file PATH has the unknown idx type 0x0a. Hint: the types are 0x08, 0x09, 0x0b, 0x0c, 0x0d, 0x0e."
    )


def test_axes_that_cannot_be(tmp_path):
    assert "must have 1 to 8 axes. Its header says 0." in refusal(tmp_path, b"\x00\x00\x08\x00")
    assert "is empty: its header says 0 × 3." in refusal(tmp_path, b"\x00\x00\x08\x02" + struct.pack(">2I", 0, 3))


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_something_after_the_end(tmp_path, pack):
    said = refusal(tmp_path, pack(CONTENT + b"x"))
    assert said.startswith("The file PATH goes on after the 6 bytes that its header declares.")


def test_a_damaged_gzip_stream(tmp_path):
    packed = bytearray(gzip.compress(CONTENT))
    packed[-6] ^= 0xFF  # the checksum
    assert "is damaged: its gzip stream cannot be unpacked (CRC check failed" in refusal(tmp_path, bytes(packed))
    packed[12] ^= 0xFF
    refusal(tmp_path, bytes(packed))
    assert "is damaged" in refusal(tmp_path, gzip.compress(CONTENT) + b"garbage")


def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch):
    unpacked = []
    read = gzip.GzipFile.read

    def counting(self, size=-1):
        assert size >= 0
        piece = read(self, size)
        unpacked.append(len(piece))
        return piece

    monkeypatch.setattr(gzip.GzipFile, "read", counting)
    assert "goes on after the 6 bytes" in refusal(tmp_path, gzip.compress(CONTENT + bytes(50_000_000)))
    assert sum(unpacked) == len(CONTENT) + 1


def test_a_claim_beyond_what_the_file_can_hold_is_refused_unread(tmp_path):
    header = b"\x00\x00\x08\x08" + b"\xff" * 32
    assert "is truncated" in refusal(tmp_path, header + b"x" * 100)
    assert "is truncated" in refusal(tmp_path, gzip.compress(header + b"x" * 100))


@settings(max_examples=300)
@given(
    st.binary(max_size=64),
    st.sampled_from([b"", b"\x00\x00", b"\x00\x00\x08\x01", CONTENT[:4], b"\x1f\x8b\x08"]),
    st.booleans(),
)
def test_arbitrary_bytes_give_an_array_or_bad_input(noise, start, packed):
    content = start + noise
    with TemporaryDirectory() as folder:
        path = Path(folder) / "fuzz"
        path.write_bytes(gzip.compress(content) if packed else content)
        try:
            read = read_idx(path)
        except BadInput as error:
            assert str(path) in error.message  # noqa: PT017
        else:
            assert read.size
