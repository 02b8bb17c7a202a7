"""The normalised form of a text: what is left of it where case, spacing, punctuation and typography do not count."""

from __future__ import annotations

import string
import unicodedata

import numpy as np
from jaxtyping import Int64


def folded(text: str) -> str:
    """The text decomposed (NFKD) and casefolded, without white space, invisible marks, punctuation, ASCII symbols.

    Every character is folded by itself, so that what stands in a text stands in it folded, too.

    Example:
        >>> folded("“Straße” 4\u00a0111-1111")
        'strasse41111111'
    """
    return text.translate(_TABLE)


def folded_with_positions(text: str) -> tuple[str, Int64[np.ndarray, " letter"]]:
    """The folded text, and for each of its letters the position that it comes from.

    Example:
        >>> folded_with_positions("A, ß")
        ('ass', array([0, 3, 3]))
    """
    pieces = [_TABLE[ord(letter)] for letter in text]
    lengths = np.fromiter((len(piece) for piece in pieces), np.int64, len(pieces))
    return "".join(pieces), np.repeat(np.arange(len(text)), lengths)


class _Table(dict[int, str]):
    """What each character becomes, found when it is first met."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        whole = unicodedata.normalize("NFKD", letter.casefold())
        if whole == letter:
            self[code] = "" if _is_dropped(letter) else letter
        else:
            self[code] = "".join(self[ord(part)] for part in whole)
        return self[code]


_TABLE = _Table()


def _is_dropped(letter: str) -> bool:
    category = unicodedata.category(letter)
    return category[0] in "ZP" or category in ("Cc", "Cf") or letter in string.punctuation
