from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from byrote.errors import BadInput
from byrote.evidence.shards import write_shard
from byrote.evidence.tables import read_controls, read_design, read_examples

READERS: dict[str, Callable[[Path], object]] = {
    "examples.parquet": read_examples,
    "controls.parquet": read_controls,
    "design.safetensors": read_design,
}


def made(folder: Path) -> Path:
    pq.write_table(pa.table({"example": ["a"], "label": [1]}), folder / "examples.parquet")
    pq.write_table(pa.table({"example": ["a"], "kind": ["x"], "original": ["b"]}), folder / "controls.parquet")
    write_shard(folder / "design.safetensors", {"pair": np.arange(2)}, {})
    return folder


def test_what_was_written_is_read(tmp_path: Path) -> None:
    made(tmp_path)
    assert read_examples(tmp_path)["label"].to_pylist() == [1]
    assert read_controls(tmp_path)["original"].to_pylist() == ["b"]
    np.testing.assert_array_equal(read_design(tmp_path)["pair"], [0, 1])


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("keep", [None, 0, 20])
def test_missing_empty_or_cut_files_are_named(tmp_path: Path, name: str, keep: int | None) -> None:
    path = made(tmp_path) / name
    if keep is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(BadInput, match=rf"{name}.*Hint: an audit's command, run again, writes it again"):
        READERS[name](tmp_path)


def test_a_flipped_byte_of_the_design_is_found(tmp_path: Path) -> None:
    path = made(tmp_path) / "design.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"design is damaged: .* does not fit its checksum"):
        read_design(tmp_path)


def test_a_foreign_table_is_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"label": [1]}), tmp_path / "examples.parquet")
    with pytest.raises(BadInput, match="lacks the column example"):
        read_examples(tmp_path)
