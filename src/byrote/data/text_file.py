"""Lines of a text file in UTF-8, or in the Unicode form that its first bytes name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from byrote.errors import BadInput

_WIDE: Final = (b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")
#: So many first bytes are looked at.
HEAD: Final = 4096


def wide_encoding(start: bytes) -> str | None:
    r"""The name of the encoding in which text takes two or four bytes a character; None where it does not.

    Example:
        >>> wide_encoding("a,b".encode("utf-16")), wide_encoding(b"a\x00,\x00b\x00"), wide_encoding(b"a,b")
        ('utf-16', 'utf-16le', None)
    """
    if start.startswith(_WIDE):
        return "utf-32"
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    first = start[: 1 << 12]
    halves = {"utf-16be": first[::2], "utf-16le": first[1::2]}
    return next((name for name, half in halves.items() if half and half.count(0) > len(half) / 2), None)


def form_of(path: Path) -> str:
    """The encoding that a file is to be decoded from.

    Raises:
        BadInput: it is UTF-16 without a mark that says so, or holds zero bytes as no text does.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    encoding = wide_encoding(head)
    if encoding in ("utf-16le", "utf-16be"):
        raise BadInput(
            f"The file {str(path)!r} is written in {encoding.upper()}, without a mark that says so.",
            hint=f"convert the file, as with `iconv -f {encoding} -t utf-8`.",
        )
    if encoding is None and b"\0" in head:
        raise BadInput(
            f"The file {str(path)!r} is not text: it contains bytes of 0.", hint="give a text in UTF-8, or one .jsonl."
        )
    return encoding or "utf-8"


def lines_of(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a file with their numbers, from 1, without what ends them.

    Raises:
        BadInput: a line is not valid; it is named.
    """
    form = form_of(path)
    if form == "utf-8":
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
