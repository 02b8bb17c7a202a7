from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from byrote.errors import BadInput
from byrote.evidence.seals import BLANK, has_seal, is_broken, sealed
from byrote.evidence.tables import read_table, write_table


def flipped(content: bytes) -> list[bytes]:
    """The content with each of its bits flipped."""
    return [
        content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :]
        for at in range(len(content))
        for bit in range(8)
    ]


def test_a_text_is_sealed_once_and_every_other_bit_breaks_it() -> None:
    made = sealed(f'{{"seal": "{BLANK}", "note": "{BLANK} stands in the data, too"}}'.encode())
    assert sealed(made) == made
    assert has_seal(made)
    assert not is_broken(made)
    assert made.count(BLANK.encode()) == 1  # what comes from data stays as it is
    unbroken = [one for one in flipped(made) if not is_broken(one)]
    assert unbroken == []


def test_what_has_no_seal_is_neither_whole_nor_broken() -> None:
    assert sealed(b"text") == b"text"
    assert not has_seal(b"text")
    assert not is_broken(b"text")


def test_every_flipped_bit_of_a_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    write_table(path, pa.table({"example": [BLANK, "b"], "value": [0.5, 1.0]}))
    assert read_table(path, must_be_sealed=True).to_pydict() == {"example": [BLANK, "b"], "value": [0.5, 1.0]}
    for one in flipped(path.read_bytes())[::13]:
        path.write_bytes(one)
        with pytest.raises(BadInput, match=r"table\.parquet"):
            read_table(path, must_be_sealed=True)
