"""Columns of a table as numbers a network takes: fitted on the training rows, applied to any."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Float, Shaped

from byrote.data.dataset import Display
from byrote.data.inert import inert
from byrote.data.problems import counted, quoted

#: A level of a categorical column has a feature of its own from so many rows on, in small tables from 5 % of them.
LEAST_ROWS: Final = 10
MOST_LEVELS: Final = 50
_FIRST_DAY: Final = np.datetime64("1970-01-01", "D")
#: No feature lies more deviations from the centre; the training rows' own lie nearer.
FARTHEST: Final = 1e6
#: Text columns in which more than this share of the cells differ are names or prose.
MOST_DISTINCT: Final = 0.5
#: Whole numbers that all differ are taken for an id where the column is named like one.
_LIKE_AN_ID: Final = re.compile(r"(^|[_\W])(id|ids|idx|index|key|uuid|guid|row|nr)$|[a-z]I[Dd]$|^unnamed|^$", re.I)


@dataclass(frozen=True)
class Numeric:
    """A column of numbers: a missing cell takes the median, then centre and spread become 0 and 1.

    `missing` says whether a second feature, 0 or 1, tells the missing cells. A date, where `dated`, is its number of
    days since 1970.
    """

    column: str
    median: float
    mean: float
    deviation: float
    missing: bool
    dated: bool = False

    def names(self) -> tuple[str, ...]:
        """The names of its features."""
        return (self.column, *([f"{self.column} is missing"] if self.missing else []))

    def apply(self, cells: pa.ChunkedArray, out: Float[np.ndarray, "row feature"]) -> None:
        """Fill its features."""
        values = days(cells) if self.dated else numbers(cells)
        absent = np.isnan(values)
        half = np.where(absent, self.median, values) / 2 - self.mean / 2  # halves, for a difference may overflow
        with np.errstate(over="ignore"):
            out[:, 0] = np.clip(half / self.deviation * 2, -FARTHEST, FARTHEST)
        if self.missing:
            out[:, 1] = absent

    def undone(self, features: Float[np.ndarray, " feature"]) -> tuple[tuple[str, str], ...]:
        """The cell that they stand for, to be shown."""
        absent = self.missing and features[1] > 0.5
        value = float(features[0]) * self.deviation + self.mean
        shown = str(_FIRST_DAY + np.timedelta64(round(value), "D")) if self.dated else f"{value:.4g}".replace("-", "−")
        return ((self.column, "missing" if absent else shown),)


@dataclass(frozen=True)
class Categorical:
    """A column of names: one feature, 0 or 1, a level; rare levels share one, missing cells have their own.

    A level that the training rows did not have counts as rare, or as none at all where none is.
    """

    column: str
    levels: tuple[str, ...]
    pooled: bool
    missing: bool

    def names(self) -> tuple[str, ...]:
        """The names of its features."""
        return tuple(f"{self.column} = {value}" for value in self._values())

    def apply(self, cells: pa.ChunkedArray, out: Float[np.ndarray, "row feature"]) -> None:
        """Fill its features."""
        texts = named(cells)
        found = pc.index_in(texts, value_set=pa.array(self.levels, pa.string())).to_numpy(zero_copy_only=False)
        absent = texts.is_null().to_numpy(zero_copy_only=False).astype(bool)
        for position in range(len(self.levels)):
            out[:, position] = found == position
        if self.pooled:
            out[:, len(self.levels)] = np.isnan(found.astype(np.float64)) & ~absent
        if self.missing:
            out[:, -1] = absent

    def undone(self, features: Float[np.ndarray, " feature"]) -> tuple[tuple[str, str], ...]:
        """The cell that they stand for, to be shown."""
        known = features.max() > 0.5
        return ((self.column, self._values()[int(features.argmax())] if known else "new"),)

    def _values(self) -> tuple[str, ...]:
        levels = tuple(inert(level) for level in self.levels)
        return (*levels, *(["(rare)"] if self.pooled else []), *(["(missing)"] if self.missing else []))


Column = Numeric | Categorical


@dataclass(frozen=True)
class Encoding:
    """How each column that is used becomes features, in order; what was fitted, and nothing of any single row."""

    columns: tuple[Column, ...]

    def names(self) -> tuple[str, ...]:
        """The names of the features."""
        return tuple(inert(name) for column in self.columns for name in column.names())

    def apply(self, table: pa.Table) -> Float[np.ndarray, "row feature"]:
        """The rows of a table with these columns, as float32."""
        out = np.zeros((len(table), len(self.names())), np.float32)
        start = 0
        for column in self.columns:
            width = len(column.names())
            column.apply(table.column(column.column), out[:, start : start + width])
            start += width
        return out

    def cells(self, example: Float[np.ndarray, " feature"]) -> tuple[tuple[str, str], ...]:
        """An encoded row as a person knows it: columns in their own units, levels by their names."""
        shown: list[tuple[str, str]] = []
        start = 0
        for column in self.columns:
            width = len(column.names())
            shown += [(inert(name), value) for name, value in column.undone(example[start : start + width])]
            start += width
        return tuple(shown)


@dataclass(frozen=True)
class RowDisplay(Display):
    """A row of a table, shown by what its columns held."""

    encoding: Encoding = Encoding(())

    def cells(self, example: Float[np.ndarray, " feature"]) -> tuple[tuple[str, str], ...]:
        """Names and values of one example, as text."""
        return self.encoding.cells(example)


def fit(table: pa.Table, rows: Bool[np.ndarray, " row"]) -> tuple[Encoding, tuple[str, ...]]:
    """The encoding of a table's columns that these rows ask for, and which columns it leaves out, and why."""
    kept: list[Column] = []
    notes: list[str] = []
    chosen = pa.array(rows)
    for name in table.column_names:
        made = _fit(name, table.column(name), chosen)
        if isinstance(made, str):
            notes.append(f"The column {name!r} is left out: {made}.")
            continue
        kept.append(made)
        if isinstance(made, Numeric) and made.dated:
            notes.append(f"The column {name!r} holds dates, which are learned as a number of days.")
        if isinstance(made, Categorical) and made.pooled:
            has = counted(len(made.levels), "level has", "levels have")
            notes.append(f"The column {name!r} has many levels: {has} a feature of their own, the rare ones share one.")
    return Encoding(tuple(kept)), (*notes, *_of_missing(kept))


def _of_missing(columns: Sequence[Column]) -> Iterator[str]:
    """What becomes of missing cells, where there are any."""
    for kind, what in (
        (Numeric, "take the median of the others, and a feature of their own says where they are"),
        (Categorical, "are a level of their own"),
    ):
        names = [column.column for column in columns if isinstance(column, kind) and column.missing]
        if names:
            yield f"Missing cells of {quoted(names, limit=5)} {what}."


def numbers(cells: pa.ChunkedArray) -> Float[np.ndarray, " row"]:
    """Cells of a column of numbers as float64, missing ones as NaN."""
    return np.asarray(cells.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)


def days(cells: pa.ChunkedArray) -> Float[np.ndarray, " row"]:
    """Cells of a column of dates as days since 1970, with their parts, missing ones as NaN."""
    seconds = cells.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
    return np.asarray(numbers(seconds) / (86_400 * 10**6), np.float64)


def named(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    """Cells of any simple type as text."""
    if pa.types.is_dictionary(cells.type):
        cells = cells.cast(cells.type.value_type)
    return cells.cast(pa.string())


def is_numeric(kind: pa.DataType) -> bool:
    """Whether cells of this type are numbers; true and false are 1 and 0."""
    tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean)
    return any(test(kind) for test in tests)


def is_named(kind: pa.DataType) -> bool:
    """Whether cells of this type are names."""
    if pa.types.is_dictionary(kind):
        return is_named(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _fit(name: str, cells: pa.ChunkedArray, chosen: pa.Array) -> Column | str:
    """The encoding of one column by the chosen rows, or why it has none."""
    if cells.null_count == len(cells):
        return "it is empty"
    if is_numeric(cells.type):
        return _numeric(name, cells.filter(chosen))
    if is_named(cells.type):
        return _categorical(name, named(cells).filter(chosen))
    if pa.types.is_timestamp(cells.type) or pa.types.is_date(cells.type):
        return _numeric(name, cells.filter(chosen), dated=True)
    if pa.types.is_temporal(cells.type):
        return "it holds times; write what matters of them as numbers, as the hour"
    return f"it holds values of the type {str(cells.type)!r}"


def _numeric(name: str, cells: pa.ChunkedArray, *, dated: bool = False) -> Numeric | str:
    values = days(cells) if dated else numbers(cells)
    absent = np.isnan(values)
    known = values[~absent]
    if not len(known):
        return "it is empty"
    if pa.types.is_integer(cells.type) and _counts_rows(name, known):
        return f"it looks like an id ({len(known)} different whole numbers in {len(values)} rows)"
    if known.min() == known.max() and not absent.any():
        return f"every row has the same value ({cells.drop_null()[0].as_py() if dated else f'{known[0]:g}'})"
    unit = float(np.abs(known).max()) or 1.0  # sums of the largest numbers would overflow
    median = float(np.median(known / unit)) * unit
    filled = np.where(absent, median, values) / unit
    deviation = float(filled.std()) * unit
    return Numeric(name, median, float(filled.mean()) * unit, deviation or 1.0, bool(absent.any()), dated)


def _counts_rows(name: str, known: Shaped[np.ndarray, " known"]) -> bool:
    if len(known) < 3 or len(np.unique(known)) < len(known):
        return False
    return bool(known.max() - known.min() + 1 == len(known)) or _LIKE_AN_ID.search(name) is not None


def _categorical(name: str, texts: pa.ChunkedArray) -> Categorical | str:
    if texts.null_count == len(texts):
        return "it is empty"
    missing = texts.null_count > 0
    distinct = pc.count_distinct(texts, mode="only_valid").as_py()
    names_rows = "--id names rows by it, " if distinct == len(texts) else ""
    like_prose = (
        f"it looks like an id, a name or prose ({distinct} different texts in {len(texts)} rows); "
        f"{names_rows}--text reads a column of prose"
    )
    if distinct == 1 and not missing:
        return f"every row has the same value ({quoted([texts[0].as_py()])})"
    if distinct > max(2, MOST_DISTINCT * len(texts)):
        return like_prose
    counts = {pair["values"].as_py(): pair["counts"].as_py() for pair in pc.value_counts(texts.drop_null())}
    least = min(LEAST_ROWS, max(2, len(texts) // 20))
    frequent = sorted((level for level in counts if counts[level] >= least), key=lambda level: (-counts[level], level))
    levels = tuple(sorted(frequent[:MOST_LEVELS]))
    return Categorical(name, levels, len(levels) < distinct, missing) if levels else like_prose
