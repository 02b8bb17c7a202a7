"""Personal data in texts: card and account numbers, e-mail addresses and telephone numbers, by form and checksum.

What stands there is found and never shown. Names, postal addresses and whatever is spelled out are not looked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

from byrote.data.secret_spaces import CARD, EMAIL, IBAN, PHONE, luhn_digit
from byrote.errors import BadInput, meant

#: In the order in which a text is read: what a kind has found is no other kind's.
KINDS: Final = (CARD, IBAN, EMAIL, PHONE)
REGIONS: Final = ("US", "GB", "DE", "FR")
#: What takes a package of its own.
PACKAGES: Final = {IBAN: "stdnum", PHONE: "phonenumbers"}
NOT_COVERED: Final = (
    "names, postal addresses, dates of birth and numbers of documents are not looked for, nor what is spelled out, as "
    "'a at b dot org', nor national telephone numbers of other regions"
)

#: From each number on: those before a card may be of four digits, too.
_CARD: Final = re.compile(
    r"(?<!\d)(?=(?P<number>\d{13,19}|\d{4}(?P<four>[ -])\d{4}(?P=four)\d{4}(?P=four)\d{1,7}"
    r"|\d{4}(?P<six>[ -])\d{6}(?P=six)\d{4,5})(?!\d))"
)
_IBAN: Final = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_EMAIL: Final = re.compile(r"(?<![\w.%+-])[\w.%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w-])")


@dataclass(frozen=True, order=True)
class Found:
    """Where something of a kind stands: characters `start` to `stop` of a text."""

    start: int
    stop: int
    kind: str


@dataclass(frozen=True, kw_only=True)
class Detectors:
    """What to look for, and in which regions telephone numbers are at home that are written without a country.

    Without a region international numbers alone are found.

    Example:
        >>> Detectors(kinds=("card", "email")).find("Pay with 4000 0012 3456 7899, or ask ann@example.org.")
        [Found(start=9, stop=28, kind='card'), Found(start=37, stop=52, kind='email')]

    Raises:
        BadInput: there is no such kind or region, or a kind takes a package that is not installed.
    """

    kinds: tuple[str, ...] = KINDS
    regions: tuple[str, ...] = REGIONS

    def __post_init__(self) -> None:
        for kind in self.kinds:
            if kind not in KINDS:
                raise BadInput(
                    f"There is no kind of personal data named {kind!r}.",
                    hint=f"{meant(kind, KINDS)}the kinds are {', '.join(KINDS)}.",
                )
            _refuse_missing(kind)
        if PHONE in self.kinds:
            _refuse_unknown(self.regions)

    def find(self, text: str) -> list[Found]:
        """All that stands in a text, in its order; none overlaps another."""
        found, taken = list[Found](), bytearray(len(text))
        for kind in (kind for kind in KINDS if kind in self.kinds):
            for start, stop in _FINDERS[kind](text, self.regions):
                if not any(taken[start:stop]):
                    found.append(Found(start, stop, kind))
                    taken[start:stop] = b"1" * (stop - start)
        return sorted(found)


def masked(text: str, found: Sequence[Found]) -> str:
    """The text with the kind in place of what was found; nothing is found in it again.

    Example:
        >>> masked("ask ann@example.org now", [Found(4, 19, "email")])
        'ask [email] now'
    """
    pieces, end = [], 0
    for one in sorted(found):
        pieces += [text[end : one.start], f"[{one.kind}]"]
        end = one.stop
    return "".join((*pieces, text[end:]))


def passes_luhn(number: str) -> bool:
    """Whether the last digit of a number is the one that Luhn's test wants.

    Example:
        >>> passes_luhn("79927398713"), passes_luhn("79927398714")
        (True, False)
    """
    return luhn_digit(number[:-1]) == number[-1]


def numbers_like_cards(text: str) -> Iterator[tuple[int, int, bool]]:
    """Where numbers of the form of a card stand, and whether they pass Luhn's test, as one in ten does by chance."""
    end = 0
    for match in _CARD.finditer(text):
        start, stop = match.span("number")
        if start >= end:
            passes = passes_luhn(re.sub("[ -]", "", match["number"]))
            yield start, stop, passes
            end = stop if passes else end


def _cards(text: str, regions: Sequence[str]) -> Iterator[tuple[int, int]]:
    yield from ((start, stop) for start, stop, passes in numbers_like_cards(text) if passes)


def _ibans(text: str, regions: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Of what is long enough, the longest beginning that is one: words in capitals may follow it."""
    from stdnum.iban import is_valid

    for match in _IBAN.finditer(text):
        ends = [match.start() + end.start() for end in re.finditer(r" |$", match[0])]
        for stop in reversed(ends):
            if is_valid(text[match.start() : stop]):
                yield match.start(), stop
                break


def _emails(text: str, regions: Sequence[str]) -> Iterator[tuple[int, int]]:
    yield from (match.span() for match in _EMAIL.finditer(text))


def _phones(text: str, regions: Sequence[str]) -> Iterator[tuple[int, int]]:
    from phonenumbers import PhoneNumberMatcher

    for region in regions or (None,):
        yield from ((match.start, match.end) for match in PhoneNumberMatcher(text, region))


_FINDERS: Final = {CARD: _cards, IBAN: _ibans, EMAIL: _emails, PHONE: _phones}


def _refuse_missing(kind: str) -> None:
    if kind in PACKAGES and find_spec(PACKAGES[kind]) is None:
        raise BadInput(
            f"The kind {kind!r} takes the package {PACKAGES[kind]}, which is not installed.",
            hint="pip install 'byrote[personal-data]', or name other kinds: --kind card --kind email.",
        )


def _refuse_unknown(regions: Sequence[str]) -> None:
    from phonenumbers import SUPPORTED_REGIONS

    for region in regions:
        if region not in SUPPORTED_REGIONS:
            raise BadInput(
                f"There is no region {region!r} with telephone numbers.",
                hint="two capital letters name a region, as --region US --region DE.",
            )
