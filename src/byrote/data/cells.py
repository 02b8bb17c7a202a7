"""Cells of a table that are texts: the type that all of them have, and what is no number in a column of numbers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from byrote.data.problems import counted, quoted, rows_said
from byrote.data.spelling import MISSING, plain, says_missing

#: A column is one of numbers, or of dates, although this share of its cells is none; or of its different texts.
STRAY: Final = 0.1
#: The latter where so many different ones are of the type that they are amounts, and no marks.
_AMOUNTS: Final = 20
#: Longer texts are counted and not repeated in a note.
_SHORT: Final = 8
_BLANKS: Final = " \u00a0\u2009\u202f'\u2019"
_UNITS: Final = "%\u2030\u20ac$\u00a3\u00a5\u20b9\u20bd\u20a9\u20ba\u20aa"
_MINUS: Final = "\u2212"


def _pattern(point: str, thousands: str) -> re.Pattern[str]:
    whole = rf"[1-9]\d{{0,2}}(?:[{thousands}]\d{{3}})+|\d+"
    return re.compile(
        rf"(?P<sign>[-+{_MINUS}]?)\s?(?P<before>[{_UNITS}]?)\s?(?:(?P<whole>{whole})(?:[{point}](?P<part>\d*))?|"
        rf"[{point}](?P<only>\d+))(?P<power>[eE][-+]?\d+)?\s?(?P<after>[{_UNITS}]?)"
    )


#: How numbers are written: with a decimal point, or with a decimal comma.
_WRITTEN: Final[Mapping[bool, re.Pattern[str]]] = {
    False: _pattern(".", f",{_BLANKS}"),
    True: _pattern(",", f".{_BLANKS}"),
}
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?(?:Z|[-+]\d\d:?\d\d)?")
_POINT: Final = r"\."
_THOUSANDS: Final = r"^[-+]?[1-9]\d{0,2}(\.\d{3})+$|^[-+]?\d{1,3}$"
_WHOLE: Final = r"^[-+]?\d+$"
#: Cells that are tried first, for most columns that are of another type show it there.
_FIRST: Final = 1000
_TIMES: Final = (pa.timestamp("us"), pa.timestamp("us", tz="UTC"))


@dataclass(frozen=True, kw_only=True, eq=False)
class Typed:
    """The cells of a column by type; `notes` say what is read otherwise than it is written.

    `comma` says that these numbers are written with a decimal comma, and cannot be read with a point; `whole` that
    every cell that is not missing is of the type.
    """

    cells: pa.ChunkedArray
    notes: tuple[str, ...] = ()
    comma: bool = False
    whole: bool = True


def typed(name: str, texts: pa.ChunkedArray, *, comma: bool, sure: bool = False) -> Typed:
    """The cells as the narrowest of whole numbers, numbers, true and false, and times that holds nearly all of them.

    A few cells that are none count as missing. Texts are spelled as names are.

    Args:
        name: the column's, for the notes.
        texts: its cells.
        comma: where both could be meant, a comma is a decimal comma, and a point separates thousands.
        sure: other columns of the file say so.
    """
    trimmed = trimmed_of(texts)
    strict = _strict(trimmed)
    if strict is None or (sure and _thousands(trimmed)):
        counts = _counts(trimmed)
        found = _numbers(name, trimmed, counts, comma=comma) or _dates(name, trimmed, counts)
        return found or Typed(cells=spelled(texts))
    doubtful = comma and pa.types.is_floating(strict.type) and _thousands(trimmed)
    note = (
        f"In the column {name!r} a point before three digits is read as a decimal point (1.000 is 1). If it separates "
        "thousands, write the numbers without it.",
    )
    return Typed(cells=strict, notes=note if doubtful else ())


def trimmed_of(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Texts without blanks around them; those that say that a value is missing are null."""
    trimmed = pc.utf8_trim_whitespace(texts)
    return pc.if_else(pc.is_in(trimmed, value_set=pa.array(sorted(MISSING))), pa.scalar(None, pa.string()), trimmed)


def spelled(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Texts as names are spelled; those that say that a value is missing are null."""
    return _mapped(texts, lambda text: None if says_missing(text) else plain(text))


def as_written(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Texts as they are, but for null where they say that a value is missing."""
    return pc.if_else(trimmed_of(texts).is_null(), pa.scalar(None, pa.string()), texts)


def _mapped(texts: pa.ChunkedArray, make: Callable[[str], str | None]) -> pa.ChunkedArray:
    """What is made of each text, once for those of a chunk that are equal."""
    chunks = []
    for chunk in texts.chunks:
        found = chunk.dictionary_encode()
        chunks.append(pa.array(map(make, found.dictionary.to_pylist()), pa.string()).take(found.indices))
    return pa.chunked_array(chunks, pa.string())


def _cast(texts: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray | None:
    try:
        texts.slice(length=_FIRST).cast(kind)
        return texts.cast(kind)
    except pa.ArrowInvalid:  # a cell is none of these
        return None


def _strict(trimmed: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """The cells by the narrowest type that holds all of them; None where only text does."""
    found = _figures(trimmed)
    for kind in (pa.bool_(), *_TIMES):
        found = _cast(trimmed, kind) if found is None else found
    return found


def _figures(texts: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Texts as whole numbers of any size, or as numbers."""
    whole = _cast(texts, pa.int64())
    if whole is not None:
        return whole
    found = _cast(texts, pa.float64())
    if found is not None and pc.all(pc.match_substring_regex(texts, _WHOLE)).as_py():
        larger = _cast(texts, pa.decimal128(38, 0))  # of which float64 holds the first 16 digits alone
        return found if larger is None else larger
    return found


def _thousands(trimmed: pa.ChunkedArray) -> bool:
    """Whether every point stands where one separates thousands, and there is one."""
    fits = pc.all(pc.match_substring_regex(trimmed, _THOUSANDS)).as_py()
    return bool(fits and pc.any(pc.match_substring_regex(trimmed, _POINT)).as_py())


def _counts(trimmed: pa.ChunkedArray) -> dict[str, int]:
    """How often each text stands there."""
    found = pc.value_counts(trimmed.drop_null())
    return dict(zip(found.field("values").to_pylist(), found.field("counts").to_pylist(), strict=True))


def _numbers(name: str, trimmed: pa.ChunkedArray, counts: Mapping[str, int], *, comma: bool) -> Typed | None:
    """The numbers of a column in which few cells are none; None where they are more."""
    read = {style: _read(counts, style) for style in (False, True)}
    cells = {style: sum(counts[text] for text in found) for style, (found, _) in read.items()}
    style = comma if cells[False] == cells[True] else cells[True] > cells[False]
    found, unit = read[style]
    if not _few(counts, found):
        return None
    figures = _figures(_mapped(trimmed, found.get))
    if figures is None:
        return None
    clear = style and cells[True] > cells[False]
    written = _written(name, found, unit, point="," if style else ".", comma=style and not (comma and clear))
    return Typed(
        cells=figures,
        notes=(*written, *_stray(name, trimmed, figures, "number")),
        comma=clear,
        whole=len(found) == len(counts),
    )


def _read(counts: Mapping[str, int], comma: bool) -> tuple[dict[str, str], str]:
    """The texts that are numbers in the unit of most of them, as they are written with a point, and that unit."""
    found: dict[str, tuple[str, str]] = {}
    units: Counter[str] = Counter()
    for text, count in counts.items():
        match = _WRITTEN[comma].fullmatch(text)
        if match and not (match["before"] and match["after"]):
            whole = re.sub(r"\D", "", match["whole"] or "0")
            part = match["part"] or match["only"]
            sign = "-" if match["sign"] in ("-", _MINUS) else ""
            unit = match["before"] + match["after"]
            found[text] = (f"{sign}{whole}{'.' + part if part else ''}{match['power'] or ''}", unit)
            units[unit] += count
    most = units.most_common(1)[0][0] if units else ""
    return {text: number for text, (number, unit) in found.items() if unit == most}, most


def _few(counts: Mapping[str, int], found: Mapping[str, str]) -> bool:
    """Whether these texts are nearly all of the cells, or most of them and nearly all of the different ones."""
    cells, known = sum(counts.values()), sum(counts[text] for text in found)
    if not found:
        return False
    most = len(found) > _AMOUNTS and len(found) >= (1 - STRAY) * len(counts) and 2 * known >= cells
    return most or known >= (1 - STRAY) * cells


def _written(name: str, found: Mapping[str, str], unit: str, *, point: str, comma: bool) -> tuple[str, ...]:
    """How the numbers are written, where that is not how they are read; a decimal comma only where `comma` is true."""
    notes = []
    if unit:
        notes.append(f"The numbers of the column {name!r} are written with {unit!r}: 12{unit} is read as 12.")
    between = (one for text in found for one in re.findall(rf"\d([.,{_BLANKS}])(?=\d{{3}})", text))
    apart = next((one for one in between if one != point), None)
    if apart is not None:
        notes.append(f"In the column {name!r} {apart!r} separates thousands: 1{apart}000 is 1000.")
    if comma and any("," in text for text in found):
        notes.append(f"In the column {name!r} a comma is a decimal comma: 1,5 is 1.5.")
    return tuple(notes)


def _stray(name: str, trimmed: pa.ChunkedArray, found: pa.ChunkedArray, what: str) -> tuple[str, ...]:
    """Which cells are missing now that are not missing in the file."""
    rows = np.flatnonzero(pc.and_(found.is_null(), trimmed.is_valid()).to_numpy(zero_copy_only=False))
    if not len(rows):
        return ()
    texts = dict.fromkeys(trimmed.take(pa.array(rows)).to_pylist())
    short = [text for text in texts if len(text) <= _SHORT]
    shown = ": " + quoted(short) if short else ""
    one = f"cell of the column {name!r} is no {what} and counts as missing"
    more = f"cells of the column {name!r} are no {what}s and count as missing"
    return (f"{counted(len(rows), one, more)}{shown} ({rows_said(rows)}).",)


def _dates(name: str, trimmed: pa.ChunkedArray, counts: Mapping[str, int]) -> Typed | None:
    """The times of a column in which few cells are none; None where they are more."""
    known = {text: text for text in counts if _DATE.fullmatch(text)}
    if not _few(counts, known):
        return None
    kept = _mapped(trimmed, known.get)
    found = next((cells for cells in (_cast(kept, kind) for kind in _TIMES) if cells is not None), None)
    return None if found is None else Typed(cells=found, notes=_stray(name, trimmed, found, "date"), whole=False)
