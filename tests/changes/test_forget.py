from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from byrote.changes.forget import named, read_ids, share_of
from byrote.errors import BadInput
from byrote.evidence.tables import write_table

KNOWN = np.array(["a", "b", "c", "d"])


def test_ids_are_read_from_lines_and_from_tables(tmp_path: Path) -> None:
    (tmp_path / "ids.txt").write_text("c\n\n a \n")
    (tmp_path / "ids.csv").write_text("example,more\nc,1\na,2\n")
    write_table(tmp_path / "ids.parquet", pa.table({"example": ["c", "a"]}))
    for name in ("ids.txt", "ids.csv", "ids.parquet"):
        assert read_ids(tmp_path / name).tolist() == ["c", "a"]
        assert named(tmp_path / name, KNOWN, "the run").rows.tolist() == [0, 2]
    assert named(["c", "a"], KNOWN, "the run").digest == named(tmp_path / "ids.txt", KNOWN, "the run").digest


def test_a_share_is_no_list() -> None:
    assert share_of(0.1) == 0.1
    assert share_of(["a"]) is None
    with pytest.raises(BadInput, match=r"must lie in \(0, 1\)"):
        share_of(1.5)


@pytest.mark.parametrize(
    ("forget", "part"),
    [
        ([], "There are no examples to forget"),
        (["a", "a"], "'a' is named twice"),
        (["a", "z"], "1 of the 2 examples to forget are not in the run: 'z'"),
        ("none.txt", "There is no file 'none.txt'"),
    ],
)
def test_what_names_no_examples_is_refused(forget: object, part: str) -> None:
    with pytest.raises(BadInput, match=part):
        named(forget, KNOWN, "the run")


def test_a_table_without_the_column_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ids.csv").write_text("id\na\n")
    with pytest.raises(BadInput, match="has no column 'example'"):
        read_ids(tmp_path / "ids.csv")
