"""The cells of a table as they are written in its file, for rows that are shown."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Shaped, UInt64

from byrote.data.blocks import row_blocks
from byrote.data.inert import inert

_NO_TIME: Final = re.compile(r" 00:00:00(\.0+)?Z?$")


@dataclass(frozen=True, eq=False)
class OwnCells:
    """A file's cells beside the ids of its rows, and a digest of the features that were made of each row.

    A row whose features are others, for an experiment changed them, is not shown by the cells that it had.
    """

    table: pa.Table
    ids: Shaped[np.ndarray, " row"]
    digests: UInt64[np.ndarray, " row"]

    @classmethod
    def of(cls, table: pa.Table, ids: Shaped[np.ndarray, " row"], inputs: Float[np.ndarray, "row feature"]) -> OwnCells:
        """The cells of rows of which these are the features."""
        digests = (_digest(row) for rows in row_blocks(inputs) for row in inputs[rows])
        return cls(table, ids, np.fromiter(digests, np.uint64, len(inputs)))

    def cells(self, id: str, example: Float[np.ndarray, " feature"]) -> tuple[tuple[str, str], ...] | None:  # noqa: A002
        """Names and cells of one row; None where it is none of the file's. A copy under another id has those it copies.

        Where several rows with the same features are written in other ways, nothing says which of them was copied.
        """
        rows = np.flatnonzero(self.digests == _digest(example))
        own = rows[self.ids[rows] == id]
        found = {self._at(int(row)) for row in (own[:1] if len(own) else rows)}
        return found.pop() if len(found) == 1 else None

    def _at(self, row: int) -> tuple[tuple[str, str], ...]:
        pairs = zip(self.table.column_names, self.table.columns, strict=True)
        return tuple((inert(name), _cell_text(cells[row])) for name, cells in pairs)


def _digest(row: Float[np.ndarray, " feature"]) -> int:
    content = np.ascontiguousarray(row, "<f4").tobytes()
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little")


def _cell_text(cell: pa.Scalar) -> str:
    """A cell as text: a text as it is written, a date without a time of day where it has none."""
    if not cell.is_valid:
        return "missing"
    text = str(cell.cast(pa.string()).as_py()).strip()
    return inert(_NO_TIME.sub("", text) if pa.types.is_timestamp(cell.type) else text) or "missing"
