"""Text from outside that cannot act on whatever shows it: no control characters, no change of direction."""

from __future__ import annotations

import unicodedata

import numpy as np
from jaxtyping import Shaped

#: Categories of characters that are seen by what they do: controls, formats, halves, line and paragraph ends.
_ACTIVE = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
#: The joiners that scripts and emoji are written with.
_JOINERS = frozenset("\u200c\u200d")
#: What a cell that is a formula begins with; wide forms, too, for spreadsheets of East Asia take them as well.
_FORMULA = frozenset("=+-@\t\r\n|\uff1d\uff0b\uff0d\uff20\u2212")


def inert(text: str) -> str:
    r"""The text with every character that would act, rather than be read, written out as its code.

    Example:
        >>> inert("cat\x1b[31m \u202egnp.exe")
        'cat\\x1b[31m \\u202egnp.exe'
    """
    if text.isprintable():
        return text
    return "".join(written_out(one) if acts(one) else one for one in text)


def inert_texts(texts: Shaped[np.ndarray, " text"]) -> Shaped[np.ndarray, " text"]:
    """Each of these texts made inert; what is no text, as a missing cell, stays as it is."""
    made = [inert(one) if isinstance(one, str) else one for one in texts.tolist()]
    if texts.dtype.kind == "U":
        return np.array(made, np.str_)
    column = np.empty(len(made), object)
    column[:] = made
    return column


def spreadsheet_cell(text: str) -> str:
    """The text as a cell of a CSV that no spreadsheet takes for a formula; numbers need it not.

    What begins as a formula does, also after spaces or a quotation mark, gets an apostrophe before it.

    Example:
        >>> spreadsheet_cell("=HYPERLINK(1)"), spreadsheet_cell("cat")
        ("'=HYPERLINK(1)", 'cat')

    Source: OWASP, CSV Injection.
    """
    made = inert(text)
    begins = text.lstrip(" \"'\u00a0\u3000")[:1]
    return f"'{made}" if begins and begins in _FORMULA else made


def acts(character: str) -> bool:
    """Whether it would act, rather than be read."""
    return unicodedata.category(character) in _ACTIVE and character not in _JOINERS


def written_out(character: str) -> str:
    """Its code, as Python writes it."""
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
