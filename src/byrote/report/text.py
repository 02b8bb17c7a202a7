"""Text from data made harmless to look at, and numbers as a person reads them."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Decimal

from byrote.blocks import capital as capital
from byrote.blocks import cut as cut
from byrote.data.inert import acts, written_out

#: Longer texts are cut: an id or a class name may be as long as its maker liked.
LONGEST = 300


def plain(text: object, limit: int = LONGEST) -> str:
    r"""The text with whatever acts on a page instead of standing on it shown as an escape, and cut at `limit`.

    These are control characters, line breaks, bidirectional and other invisible marks, lone surrogates and
    non-characters. Markup is not touched here: the template escapes it.

    Example:
        >>> print(plain("a\u202eb\x00c\nd"))
        a\u202eb\x00c\nd
        >>> plain("abcdef", limit=3)
        'abc… (6 characters)'
    """
    whole = str(text)
    shown = "".join(
        written_out(letter) if acts(letter) or _is_noncharacter(letter) else letter for letter in whole[:limit]
    )
    return shown if len(whole) <= limit else f"{shown}… ({len(whole):,} characters)"


def _is_noncharacter(letter: str) -> bool:
    code = ord(letter)
    return code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF


def number(value: float, places: int = 2) -> str:
    """A number with a true minus sign, halves rounded away from 0 as the page's script does; an en dash of none.

    Example:
        >>> number(-0.125), number(float("nan")), number(-0.001)
        ('−0.13', '–', '0.00')
    """
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return f"{value}".replace("-", "−")
    text = f"{Decimal(value).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP):f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", "−")


def count(number: int, one: str, many: str = "") -> str:
    """How many of what.

    Example:
        >>> count(1, "model"), count(1438, "example")
        ('1 model', '1,438 examples')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def kind_words(kind: str) -> str:
    """A kind of control in words.

    Example:
        >>> kind_words("label_noise")
        'label noise'
    """
    return kind.replace("_", " ")


def planted_words(kind: str, targets: str = "labels") -> str:
    """Planted controls of a kind, in the plural.

    Example:
        >>> planted_words("label_noise"), planted_words("exact_duplicate"), planted_words("ambiguous")
        ('planted wrong labels', 'planted exact duplicates', 'planted ambiguous examples')
    """
    if kind == "label_noise":
        return f"planted wrong {targets}"
    if kind.endswith("duplicate"):
        return f"planted {kind_words(kind)}s"
    return f"planted {kind_words(kind)} examples"


def amount(value: float) -> str:
    """A number in a unit of the data's own, to seven digits and without an exponent where it is not extreme.

    Example:
        >>> amount(151.0), amount(-0.25), amount(1234567.0), amount(2.5e-9), amount(float("nan"))
        ('151', '−0.25', '1,234,567', '2.5e−09', '–')
    """
    if not math.isfinite(value):
        return "–" if math.isnan(value) else str(value).replace("-", "−")
    short = float(f"{value:.7g}")
    text = f"{short:,.15g}" if value == 0 or 1e-6 <= abs(value) < 1e12 else f"{value:.4g}"
    return text.replace("-", "−")
