"""Made-up personal data in the formats that people write, to see which of them detectors find."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from byrote.data.personal import Detectors
from byrote.data.secret_spaces import CARD, EMAIL, IBAN, PHONE, secret_space


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
        example, made = phonenumbers.example_number(region), []
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
