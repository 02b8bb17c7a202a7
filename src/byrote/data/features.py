"""Columns of a table as numbers a network takes: fitted on the training rows, applied to any."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Float

from byrote.data.dataset import Display, number_said, rounded
from byrote.data.inert import inert
from byrote.data.mapped import built
from byrote.data.own_cells import OwnCells
from byrote.data.problems import counted, quoted
from byrote.data.spelling import alike_said

#: A level of a categorical column has a feature of its own from so many rows on, in small tables from 5 % of them.
LEAST_ROWS: Final = 10
MOST_LEVELS: Final = 50
#: Of more columns that are left out for one reason the first are named.
_TOLD: Final = 5
_INDEX: Final = "it is the index of a pandas table, which names rows; reset_index() makes it a column"
_FIRST_DAY: Final = np.datetime64("1970-01-01", "D")
#: No feature lies more deviations from the centre; the training rows' own lie nearer.
FARTHEST: Final = 1e6
#: Text columns in which more than this share of the cells differ are names or prose.
MOST_DISTINCT: Final = 0.5
#: Whole numbers of which more than this share differ are taken for an id where the column is named like one.
_MOST_IDS: Final = 0.9
#: From here on float64 does not hold every whole number: ids that a program wrote as such are no longer different.
_WHOLE_IN_FLOAT: Final = 2.0**53
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
        if self.dated:
            shown = str(_FIRST_DAY + np.timedelta64(round(value), "D"))
        else:
            shown = number_said(float(rounded(np.array(value), np.array(max(abs(self.mean), self.deviation)))))
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
        """The rows of a table with these columns, as float32; in a file where they are large for the memory."""
        used = table.select([column.column for column in self.columns])
        shape = (len(table), len(self.names()))
        return built(shape, np.float32, lambda rows: self._apply(used.slice(rows.start, rows.stop - rows.start)))

    def _apply(self, table: pa.Table) -> Float[np.ndarray, "row feature"]:
        out = np.zeros((len(table), len(self.names())), np.float32)
        start = 0
        for column, cells in zip(self.columns, table.columns, strict=True):
            width = len(column.names())
            column.apply(cells, out[:, start : start + width])
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
    """A row of a table, shown by its own cells where it is one of the file's, and else by what its features say."""

    encoding: Encoding = Encoding(())
    own: OwnCells | None = field(default=None, repr=False, compare=False)

    def cells(self, id: str, example: Float[np.ndarray, " feature"]) -> tuple[tuple[str, str], ...]:  # noqa: A002
        """Names and values of one example, as text."""
        found = None if self.own is None else self.own.cells(id, example)
        return self.encoding.cells(example) if found is None else found


def fit(
    table: pa.Table, rows: Bool[np.ndarray, " row"], *, index: Collection[str] = ()
) -> tuple[Encoding, tuple[str, ...]]:
    """The encoding of a table's columns that these rows ask for, and which columns it leaves out, and why.

    What names rows is looked for in all rows. The columns `index` are said to be such.
    """
    kept: list[Column] = []
    notes: list[str] = []
    left_out: dict[str, list[str]] = {}
    chosen = pa.array(rows)
    cells = dict(zip(table.column_names, table.columns, strict=True))
    for name in table.column_names:
        made = _INDEX if name in index else _fit(name, cells[name], chosen)
        if isinstance(made, str):
            left_out.setdefault(made, []).append(name)
            continue
        kept.append(made)
        if isinstance(made, Numeric) and made.dated:
            notes.append(f"The column {name!r} holds dates, which are learned as a number of days.")
        if isinstance(made, Categorical) and made.pooled:
            has = counted(len(made.levels), "level has", "levels have")
            notes.append(f"The column {name!r} has many levels: {has} a feature of their own, the rare ones share one.")
        if isinstance(made, Categorical):
            notes += _alike_levels(made, named(cells[name]).filter(chosen))
    different = [column.column for column in kept if isinstance(column, Numeric) and _all_differ(cells[column.column])]
    return Encoding(tuple(kept)), (*_not_used(left_out), *notes, *_of_missing(kept), *_of_different(different))


def _not_used(left_out: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Which columns are left out, and why; many of one reason are told together."""
    for why, names in left_out.items():
        if len(names) > _TOLD:
            yield f"{len(names)} columns are left out ({quoted(names)}): of each, {why}."
        else:
            yield from (f"The column {name!r} is left out: {why}." for name in names)


def _alike_levels(column: Categorical, texts: pa.ChunkedArray) -> tuple[str, ...]:
    """Levels with a feature of their own that may be meant to be one."""
    counts = {pair["values"].as_py(): pair["counts"].as_py() for pair in pc.value_counts(texts.drop_null())}
    own = {inert(level): counts[level] for level in column.levels}
    return alike_said(f"levels of the column {column.column!r}", own, ("training row", "training rows"))


def _all_differ(cells: pa.ChunkedArray) -> bool:
    """Whether no two of the cells that are not missing are the same."""
    known = len(cells) - cells.null_count
    return known > 2 and bool(pc.count_distinct(cells, mode="only_valid").as_py() == known)


def _of_different(names: Sequence[str]) -> Iterator[str]:
    """Which columns could name rows, and are learned from."""
    if names:
        has = (
            f"The column {names[0]!r} has no value twice"
            if len(names) == 1
            else f"{len(names)} columns have no value twice"
        )
        which = "" if len(names) == 1 else f" ({quoted(names, limit=5)})"
        yield (
            f"{has}{which} and {'is' if len(names) == 1 else 'are'} learned from. A column that names rows says "
            "nothing about new ones: remove it, or name it with --id."
        )


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


def is_category(kind: pa.DataType) -> bool:
    """Whether cells of this type are names of which the file lists those that there are."""
    return bool(pa.types.is_dictionary(kind) and is_named(kind))


def _fit(name: str, cells: pa.ChunkedArray, chosen: pa.Array) -> Column | str:
    """The encoding of one column by the chosen rows, or why it has none."""
    if cells.null_count == len(cells):
        return "it is empty"
    if is_numeric(cells.type):
        different = _counts_rows(name, cells)
        if different:
            return f"it looks like an id ({different} different whole numbers in {len(cells)} rows)"
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
    if known.min() == known.max() and not absent.any():
        return f"every row has the same value ({cells.drop_null()[0].as_py() if dated else f'{known[0]:g}'})"
    unit = float(np.abs(known).max()) or 1.0  # sums of the largest numbers would overflow
    median = float(np.median(known / unit)) * unit
    filled = np.where(absent, median, values) / unit
    deviation = float(filled.std()) * unit
    return Numeric(name, median, float(filled.mean()) * unit, deviation or 1.0, bool(absent.any()), dated)


def _counts_rows(name: str, cells: pa.ChunkedArray) -> int:
    """How many different whole numbers a column has that names rows; 0 where it does not.

    It counts them up, or is named like an id and nearly all of its numbers differ. Whole numbers are compared as such,
    for float64 does not tell apart those of more than 15 digits.
    """
    known = cells.drop_null()
    if len(known) < 3 or pa.types.is_boolean(cells.type) or not _all_whole(known):
        return 0
    different = int(pc.count_distinct(known).as_py())
    if _LIKE_AN_ID.search(name) is not None:
        beyond = pa.types.is_floating(known.type) and pc.max(known).as_py() >= _WHOLE_IN_FLOAT
        return different if beyond or different > _MOST_IDS * len(known) else 0
    ends = pc.min_max(known).as_py()
    return different if different == len(known) and ends["max"] - ends["min"] + 1 == different else 0


def _all_whole(known: pa.ChunkedArray) -> bool:
    if pa.types.is_integer(known.type):
        return True
    values = numbers(known)
    return bool((np.isfinite(values) & (values == np.floor(values))).all())


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
