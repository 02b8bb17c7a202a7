"""Lines of a text file in UTF-8, or in the Unicode form that its first bytes name."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from byrote.errors import BadInput

#: What a file begins with that names its form; the longer ones first, since one of them begins as another does.
MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
#: So many first bytes are looked at.
HEAD: Final = 4096


def form_of(path: Path) -> str:
    """The form that a file is to be decoded from.

    Raises:
        BadInput: it has zero bytes as UTF-16 has, and no mark that names its form.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    form = next((form for mark, form in MARKS if head.startswith(mark)), "utf-8")
    if form == "utf-8" and b"\0" in head:
        likely = "utf-16be" if head[::2].count(0) > head[1::2].count(0) else "utf-16le"
        raise BadInput(
            f"The file {str(path)!r} is not text in UTF-8: it holds zero bytes, as UTF-16 without a mark does.",
            hint=f"convert the file, as with `iconv -f {likely} -t utf-8`.",
        )
    return form


def lines_of(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a file with their numbers, from 1, without what ends them.

    Raises:
        BadInput: a line is not valid; it is named.
    """
    form = form_of(path)
    if form.startswith("utf-8"):
        yield from _of_bytes(path)
        return
    number = 0
    try:
        with path.open(encoding=form, newline="\n") as file:
            for line in file:
                number += 1
                yield number, line.rstrip("\r\n")
    except UnicodeError as error:
        raise BadInput(
            f"The file {str(path)!r} begins as {form.upper()} does and is not valid after line {number}.",
            hint="write the file again, in UTF-8.",
        ) from error


def text_of(path: Path) -> str:
    """The whole text of a file, with its lines ended by one character each.

    Raises:
        BadInput: a line is not valid; it is named.
    """
    return "\n".join(line for _, line in lines_of(path))


def _of_bytes(path: Path) -> Iterator[tuple[int, str]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise BadInput(
                    f"Line {number} of {str(path)!r} is not valid UTF-8: byte {error.start + 1} is "
                    f"0x{line[error.start]:02x}.",
                    hint="convert the file, as with `iconv -f cp1252 -t utf-8` if it comes from an older Windows.",
                ) from None
            yield number, text.rstrip("\r\n")
