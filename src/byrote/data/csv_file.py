"""CSV files: what the file is and how its cells are separated is found first, then every cell is read as text."""

from __future__ import annotations

import csv
import io
import re
from itertools import islice
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.csv as pacsv

from byrote.data.inert import inert
from byrote.data.parquet import refuse_wide
from byrote.data.room import refuse_beyond_memory
from byrote.data.text_file import wide_encoding
from byrote.errors import BadInput

#: Separators, of which an earlier one is taken where two fit equally well.
_DELIMITERS: Final = ("\t", ";", "|", ",")
_BLOCK: Final = 1 << 24
#: The separator is found by so many rows, in so many bytes.
_ROWS: Final = 100
_SAMPLE: Final = 1 << 22
#: How Excel says which separator a file has.
SEPARATOR_LINE: Final = re.compile(r'"?sep=([ -~\t])"?[\r\n]+', re.I)
_NUMBER: Final = re.compile(r"\s*[-+]?\d+([.,]\d+)?\s*")
#: How other files begin that are taken for a CSV, and what they are.
_OTHERS: Final = ((b"PK\x03\x04", "a zip archive or an Excel file"), (b"PAR1", "a Parquet file"), (b"%PDF", "a PDF"))


def read_csv(path: Path) -> tuple[pa.Table, str]:
    """The cells of a file as they are written, all of them texts, and what separates them.

    Raises:
        BadInput: it is no CSV in UTF-8, or has too many columns.
        NotEnoughRoom: this machine's memory does not hold it.
    """
    _refuse_packing(path)
    _refuse_unpacking(path)
    with pa.input_stream(str(path), compression="detect") as stream:
        start = stream.read(_BLOCK)
    _refuse_others(path, start)
    text = start[:_SAMPLE].decode("utf-8-sig", "replace")
    line = SEPARATOR_LINE.match(text)
    delimiter = line[1] if line else separator(text, cut=len(start) > _SAMPLE)
    refuse_wide(path, start.partition(b"\n")[0].count(delimiter.encode()) + 1)
    parse = pacsv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    read = pacsv.ReadOptions(block_size=_BLOCK, use_threads=False, skip_rows=1 if line else 0)
    with pacsv.open_csv(path, read_options=read, parse_options=parse) as reader:
        names = reader.schema.names
    convert = pacsv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()), null_values=[], strings_can_be_null=False
    )
    return pacsv.read_csv(path, read_options=read, parse_options=parse, convert_options=convert), delimiter


def separator(text: str, *, cut: bool = False) -> str:
    r"""What separates the cells: with it the rows have as many cells as the row of names, and these are two or more.

    Among several such it is the one that gives more cells, then more numbers. `cut` says that the text goes on.

    Example:
        >>> separator("age, years;kind\n53;a\n71;b\n"), separator('"a;b;c",kind\n1,a\n')
        (';', ',')
    """
    fits = {one: _fit(text, one, cut=cut) for one in _DELIMITERS}
    best = max(_DELIMITERS, key=lambda one: (*fits[one], -_DELIMITERS.index(one)))
    return best if any(fits[best]) else ","


def _fit(text: str, delimiter: str, *, cut: bool) -> tuple[float, int, int]:
    """The share of rows with as many cells as the first has, how many these are, and how many cells are numbers."""
    try:
        rows = [row for row in islice(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), _ROWS) if row]
    except csv.Error:  # a cell that does not end: no cells are separated so
        return 0.0, 0, 0
    if cut and 1 < len(rows) < _ROWS:
        rows.pop()
    width = len(rows[0]) if rows else 0
    if width < 2:
        return 0.0, 0, 0
    numbers = sum(_NUMBER.fullmatch(cell) is not None for row in rows[1:] for cell in row)
    return sum(len(row) == width for row in rows) / len(rows), width, numbers


def _refuse_packing(path: Path) -> None:
    """Refuse a file whose name says that it is packed and is not, or the other way round."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    named = path.suffix.lower() == ".gz"
    if named and not packed:
        raise BadInput(
            f"The table {str(path)!r} is not packed, although its name ends in .gz.",
            hint=f"rename it to {path.with_suffix('').name!r}.",
        )
    if packed and not named:
        raise BadInput(
            f"The table {str(path)!r} is packed, although its name does not end in .gz.",
            hint=f"rename it to {path.name + '.gz'!r}.",
        )


def _refuse_unpacking(path: Path) -> None:
    """Refuse a text that is larger than the machine's memory; a packed one is unpacked piece by piece."""
    if path.suffix.lower() != ".gz":
        refuse_beyond_memory(f"The table {str(path)!r}", path.stat().st_size)
        return
    size = 0
    with pa.input_stream(str(path), compression="detect") as stream:
        try:
            while piece := len(stream.read(_BLOCK)):
                size += piece
                refuse_beyond_memory(f"The table {str(path)!r}", size)
        except OSError as error:
            what = inert(str(error).strip().partition("\n")[0])[:200].rstrip(".")
            raise BadInput(
                f"The table {str(path)!r} cannot be unpacked: {what}.", hint="copy it again; it is damaged or cut off."
            ) from error


def _refuse_others(path: Path, start: bytes) -> None:
    """Refuse what is no text, or text in two or four bytes a character."""
    what = next((what for begins, what in _OTHERS if start.startswith(begins)), None)
    if what is not None:
        raise BadInput(
            f"The table {str(path)!r} is {what}, not a CSV.",
            hint="save it as CSV UTF-8; a Parquet file is named .parquet.",
        )
    encoding = wide_encoding(start)
    if encoding is not None:
        raise BadInput(
            f"The table {str(path)!r} is written in {encoding.upper()}, not in UTF-8.",
            hint=f"save it as CSV UTF-8, or convert it: `iconv -f {encoding} -t utf-8 old.csv > new.csv`.",
        )
