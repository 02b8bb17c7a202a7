"""Made-up personal data in the formats that people write, to see which of them detectors find."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from byrote.data.personal import Detectors
from byrote.data.secret_spaces import CARD, EMAIL, IBAN, PHONE, iban_digits, luhn_digit, secret_space
from byrote.data.words import FIRST_NAMES, LAST_NAMES

#: So many last digits of a number are its own; those before it are of an issuer, a bank or a region.
LAST: Final = {CARD: 8, IBAN: 8, PHONE: 4}
#: Numbers are drawn so often for each that is wanted.
TRIES: Final = 50


def examples(detectors: Detectors, count: int, rng: np.random.Generator) -> Iterator[tuple[str, str, list[str]]]:
    """A kind, a format, and so many examples of it: those of all kinds that the detectors look for.

    Nobody's: cards and accounts of numbers that are kept for tests, addresses in the example domains, and telephone
    numbers whose last digits are drawn.
    """
    if CARD in detectors.kinds:
        cards = secret_space(CARD).draw(count, rng)
        yield CARD, "digits alone", cards
        yield CARD, "in fours", [in_fours(card) for card in cards]
        yield CARD, "with dashes", [in_fours(card, "-") for card in cards]
    if IBAN in detectors.kinds:
        accounts = secret_space(IBAN).draw(count, rng)
        yield IBAN, "without spaces", accounts
        yield IBAN, "in fours", [in_fours(account) for account in accounts]
    if EMAIL in detectors.kinds:
        addresses = secret_space(EMAIL).draw(count, rng)
        yield EMAIL, "as usual", addresses
        yield EMAIL, "spelled out", [one.replace("@", " at ").replace(".", " dot ") for one in addresses]
    if PHONE in detectors.kinds:
        yield from _phones(detectors.regions, count, rng)


def alike(secret: str, kind: str, detectors: Detectors, count: int, rng: np.random.Generator) -> list[str]:
    """Others of the same form, fewer where few are valid: the last digits are drawn anew, and checksums put right.

    Of an e-mail address names and digits before the @ are drawn anew.

    Example:
        >>> alike("4000 0012 3456 7899", "card", Detectors(kinds=("card",)), 2, np.random.default_rng(0))
        ['4000 0012 8652 3006', '4000 0012 1869 5690']
    """
    found, tried = list[str](), 0
    while len(found) < count and tried < TRIES * count:
        made, tried = _address(secret, rng) if kind == EMAIL else _number(secret, kind, rng), tried + 1
        whole = [(one.kind, one.start, one.stop) for one in detectors.find(made)] == [(kind, 0, len(made))]
        if whole and made != secret and made not in found:
            found.append(made)
    return found


def _number(secret: str, kind: str, rng: np.random.Generator) -> str:
    places = [at for at, letter in enumerate(secret) if letter.isdigit()][-LAST[kind] :]
    letters = list(secret)
    for at, digit in zip(places, rng.integers(10, size=len(places)).tolist(), strict=True):
        letters[at] = str(digit)
    return _checked("".join(letters), kind)


def _address(secret: str, rng: np.random.Generator) -> str:
    """Another name at the same place, in the same spelling; a letter for a letter."""
    name, at, place = secret.partition("@")
    pieces, names = re.split(r"([A-Za-z]+|\d+)", name), FIRST_NAMES
    for number, piece in enumerate(pieces):
        if piece.isdigit():
            pieces[number] = "".join(map(str, rng.integers(10, size=len(piece)).tolist()))
        elif piece.isalpha():
            drawn = names[int(rng.integers(len(names)))].lower()[: 1 if len(piece) == 1 else None]
            pieces[number] = drawn.upper() if piece.isupper() else drawn.title() if piece[0].isupper() else drawn
            names = LAST_NAMES
    return "".join((*pieces, at, place))


def _checked(number: str, kind: str) -> str:
    """The number with the checksum of its kind."""
    if kind == CARD:
        digits = "".join(filter(str.isdigit, number))
        return number[:-1] + luhn_digit(digits[:-1])
    if kind == IBAN:
        account = "".join(filter(str.isalnum, number[4:]))
        return f"{number[:2]}{iban_digits(number[:2], account)}{number[4:]}"
    return number


def in_fours(text: str, between: str = " ") -> str:
    """The characters in groups of four.

    Example:
        >>> in_fours("4000001234567899", "-")
        '4000-0012-3456-7899'
    """
    return between.join(text[start : start + 4] for start in range(0, len(text), 4))


def _phones(regions: Sequence[str], count: int, rng: np.random.Generator) -> Iterator[tuple[str, str, list[str]]]:
    import phonenumbers
    from phonenumbers import PhoneNumberFormat

    for region in regions:
        example: Any = phonenumbers.example_number(region)
        made: list[phonenumbers.PhoneNumber] = []
        while len(made) < count:
            number = phonenumbers.PhoneNumber(
                country_code=example.country_code,
                national_number=example.national_number // 1000 * 1000 + int(rng.integers(1000)),
                italian_leading_zero=example.italian_leading_zero,
            )
            made += [number] if phonenumbers.is_valid_number(number) else []
        for name, form in (
            ("international", PhoneNumberFormat.INTERNATIONAL),
            ("international, without spaces", PhoneNumberFormat.E164),
            ("national", PhoneNumberFormat.NATIONAL),
        ):
            yield PHONE, f"{region}, {name}", [phonenumbers.format_number(one, form) for one in made]
