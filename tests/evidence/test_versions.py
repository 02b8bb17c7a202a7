"""Every table says its schema version: those of version 0.1.0 open, and a newer one is refused in a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from byrote.errors import BadInput
from byrote.evidence import shards
from byrote.evidence.manifest import Manifest
from byrote.evidence.shards import SCHEMA_VERSION, read_header, read_shard, write_shard
from byrote.evidence.tables import SCHEMA_KEY, read_table, write_table

GOLDEN = Path(__file__).parents[1] / "golden" / "0.1.0"
TABLES = sorted(GOLDEN.rglob("*.parquet"))
SHARDS = sorted(GOLDEN.rglob("*.safetensors"))
RUNS = sorted(path.parent for path in GOLDEN.rglob("manifest.json"))
REFUSED = rf"has schema version '2'; this byrote reads version '{SCHEMA_VERSION}'\."


@pytest.mark.parametrize("kind", sorted(folder.name for folder in GOLDEN.iterdir()))
def test_all_that_version_0_1_0_wrote_opens(kind: str) -> None:
    mine = [path for path in [*TABLES, *SHARDS] if path.is_relative_to(GOLDEN / kind)]
    assert mine
    for path in mine:
        if path.suffix == ".parquet":
            assert read_table(path).num_columns > 0
            assert SCHEMA_KEY.encode() not in (pq.read_metadata(path).metadata or {})
        elif "run" in path.relative_to(GOLDEN / kind).parts[:-1] and is_ours(path):
            assert read_shard(path)
    runs = [folder for folder in RUNS if folder.is_relative_to(GOLDEN / kind)]
    assert runs
    assert all(Manifest.read(folder).schema == "1" for folder in runs)


def is_ours(path: Path) -> bool:
    """Whether byrote wrote a file, and not the one whose model it was."""
    return "schema" in read_header(path)


def test_a_table_says_its_version_and_a_newer_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, table = tmp_path / "t.parquet", pa.table({"example": ["a"], "value": [1.0]})
    write_table(path, table)
    assert pq.read_metadata(path).metadata[SCHEMA_KEY.encode()] == SCHEMA_VERSION.encode()
    assert read_table(path, must_be_sealed=True)["value"].to_pylist() == [1.0]
    monkeypatch.setattr("byrote.evidence.tables.SCHEMA_VERSION", "2")
    write_table(path, table)
    with pytest.raises(BadInput, match=REFUSED):
        read_table(path)


def test_a_newer_shard_is_refused_and_not_called_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s.safetensors"
    with monkeypatch.context() as newer:
        newer.setattr(shards, "SCHEMA_VERSION", "2")
        write_shard(path, {"x": np.arange(3)}, {})
    with pytest.raises(BadInput, match=REFUSED) as error:
        read_shard(path)
    assert type(error.value) is BadInput


def test_a_newer_manifest_is_refused(tmp_path: Path) -> None:
    content = json.loads((RUNS[0] / "manifest.json").read_text("utf-8"))
    (tmp_path / "manifest.json").write_text(json.dumps({**content, "schema": "2"}), "utf-8")
    with pytest.raises(BadInput, match=REFUSED):
        Manifest.read(tmp_path)
