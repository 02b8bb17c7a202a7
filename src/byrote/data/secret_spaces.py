"""The spaces that secrets are drawn from: all secrets of a space are equally likely, and their number is known."""

from __future__ import annotations

import itertools
import math
import re
import string
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from byrote.data.words import COMMON, FIRST_NAMES, LAST_NAMES, RARE
from byrote.errors import BadInput

RANDOM_DIGITS: Final = "random_digits"
RANDOM_TOKENS: Final = "random_tokens"
CARD: Final = "card"
IBAN: Final = "iban"
PHONE: Final = "phone"
EMAIL: Final = "email"
KEY: Final = "key"
SENTENCE_TYPICAL: Final = "sentence_typical"
SENTENCE_ATYPICAL: Final = "sentence_atypical"

KINDS: Final = (
    RANDOM_DIGITS,
    RANDOM_TOKENS,
    CARD,
    IBAN,
    PHONE,
    EMAIL,
    KEY,
    SENTENCE_TYPICAL,
    SENTENCE_ATYPICAL,
)
DIGITS: Final = tuple(string.digits)
#: Digits, capitals, small letters: the figures of a number to base 62.
BASE62: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
#: Prefixes that France keeps free for numbers in fiction; four digits follow.
FICTION: Final = ("+33 1 99 00 ", "+33 2 61 91 ", "+33 3 53 01 ", "+33 4 65 71 ", "+33 5 36 49 ")

#: Random tokens are drawn from at most so many words.
MOST_WORDS: Final = 1024

#: Choices, and how many times in a row one of them is drawn.
Part = tuple[tuple[str, ...], int]


@dataclass(frozen=True)
class SecretSpace:
    """Secrets put together from independent draws, and finished with the checksum of their kind where it has one.

    Example:
        >>> space = secret_space("random_digits", digits=4)
        >>> space.size, space.draw(2, np.random.default_rng(0))
        (10000, ['8530', '6200'])
    """

    kind: str
    parts: tuple[Part, ...]

    @property
    def slots(self) -> tuple[tuple[str, ...], ...]:
        """The choices of every single draw."""
        return tuple(choices for choices, times in self.parts for _ in range(times))

    @property
    def size(self) -> int:
        """How many secrets there are."""
        return math.prod(len(choices) ** times for choices, times in self.parts)

    @property
    def bits(self) -> float:
        """log2 of their number."""
        return sum(times * math.log2(len(choices)) for choices, times in self.parts)

    def compose(self, pieces: Sequence[str]) -> str:
        """The secret of these draws."""
        return _FINISH.get(self.kind, str)("".join(pieces))

    def draw(self, count: int, rng: np.random.Generator) -> list[str]:
        """Secrets drawn with replacement."""
        columns = [rng.integers(len(choices), size=count) for choices in self.slots]
        return [
            self.compose([choices[pick] for choices, pick in zip(self.slots, row, strict=True)])
            for row in zip(*(column.tolist() for column in columns), strict=True)
        ]

    def all(self) -> Iterator[str]:
        """Every secret once."""
        return map(self.compose, itertools.product(*self.slots))

    def contains(self, text: str) -> bool:
        """Whether the text is one of the secrets, its checksum included.

        Example:
            >>> [secret_space("card").contains(f"400000123456789{digit}") for digit in "09"]
            [False, True]
        """
        found = self._pattern.fullmatch(text)
        return found is not None and self.compose([found["body"]]) == text

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        before, after = (_pattern_of(parts) for parts in _CHECKSUM.get(self.kind, ((), ())))
        return re.compile(f"{before}(?P<body>{_pattern_of(self.parts)}){after}")

    @property
    def free(self) -> bool:
        """Whether every text made of the pieces of `written` is a secret: no checksum binds some to others."""
        return self.kind not in _CHECKSUM

    @property
    def written(self) -> tuple[tuple[str, ...], ...]:
        """The choices of every piece of a whole secret; more texts than secrets where checksums bind some to others."""
        before, after = _CHECKSUM.get(self.kind, ((), ()))
        return tuple(choices for choices, times in (*before, *self.parts, *after) for _ in range(times))


def secret_space(kind: str, *, digits: int = 6, words: Sequence[str] = ()) -> SecretSpace:
    """The space of a kind. `digits` is the length of random digits; `words` are what random tokens are drawn from.

    Cards have the prefix 4000 00, which issuers keep for tests; account numbers a German bank code that begins with
    9, which no bank has; telephone numbers are those kept free for fiction; addresses lie in the example domains.

    Raises:
        BadInput: there is no such kind, or a length or the words do not make a space of at least two secrets.
    """
    if kind not in KINDS:
        raise BadInput(f"There is no kind of canary named {kind!r}.", hint=f"the kinds are {', '.join(KINDS)}.")
    if digits < 1:
        raise BadInput(
            f"The 'digits' argument of secret_space must be at least 1. Got {digits}.",
            hint="6 digits make a million secrets.",
        )
    if kind == RANDOM_TOKENS:
        _check_words(words)
    makers: dict[str, Callable[[], tuple[Part, ...]]] = {
        RANDOM_DIGITS: lambda: ((DIGITS, digits),),
        RANDOM_TOKENS: lambda: ((tuple(words), 1), (tuple(f" {word}" for word in words), 5)),
        CARD: lambda: ((("400000",), 1), (DIGITS, 9)),
        IBAN: lambda: ((("9",), 1), (DIGITS, 17)),
        PHONE: lambda: ((FICTION, 1), (DIGITS, 2), ((" ",), 1), (DIGITS, 2)),
        EMAIL: _email_parts,
        KEY: lambda: ((tuple(BASE62), 30),),
        SENTENCE_TYPICAL: lambda: _sentence_parts(COMMON),
        SENTENCE_ATYPICAL: lambda: _sentence_parts(RARE),
    }
    return SecretSpace(kind, makers[kind]())


def _check_words(words: Sequence[str]) -> None:
    if len(words) < 2 or len(set(words)) < len(words) or any(not word or word.split() != [word] for word in words):
        raise BadInput(
            f"Canaries of random tokens need at least 2 words, all different and without white space. "
            f"Got {len(words)}, {len(set(words))} of them different.",
            hint="single_token_words(encode, texts) finds the words of a corpus that are one token each.",
        )


def single_token_words(encode: Callable[[Sequence[str]], Sequence[Sequence[int]]], texts: Iterable[str]) -> list[str]:
    """Words of three small letters or more that are one token each after a space, the most frequent first.

    Example:
        >>> single_token_words(lambda words: [word.split("u") for word in words], ["the cat, the mouse"])
        ['the', 'cat']
    """
    counts = Counter(word for text in texts for word in re.findall(r"(?<= )[a-z]{3,}\b", f" {text}"))
    words = sorted(counts, key=lambda word: (-counts[word], word))
    tokens = encode([f" {word}" for word in words]) if words else []
    return [word for word, pieces in zip(words, tokens, strict=True) if len(pieces) == 1][:MOST_WORDS]


def _pattern_of(parts: Sequence[Part]) -> str:
    return "".join(f"(?:{'|'.join(map(re.escape, choices))}){{{times}}}" for choices, times in parts)


def _email_parts() -> tuple[Part, ...]:
    first, last = (tuple(name.lower() for name in names) for names in (FIRST_NAMES, LAST_NAMES))
    domains = tuple(f"@example.{end}" for end in ("com", "net", "org"))
    return ((first, 1), ((".",), 1), (last, 1), (DIGITS, 3), (domains, 1))


def _sentence_parts(words: tuple[tuple[str, ...], ...]) -> tuple[Part, ...]:
    adjective, noun, verb, thing = words
    spaced = [tuple(f" {word}" for word in choices) for choices in (adjective, noun, verb, adjective, thing)]
    before = (("the",), (), (), (" the",), ())
    parts: list[Part] = []
    for article, choices in zip(before, spaced, strict=True):
        parts += [(article, 1)] if article else []
        parts.append((choices, 1))
    return tuple(parts)


def luhn_digit(number: str) -> str:
    """The digit that makes a number pass the Luhn test when it is put at its end.

    Example:
        >>> luhn_digit("7992739871")
        '3'
    """
    doubled = (int(digit) * (2 - place % 2) for place, digit in enumerate(reversed(number)))
    return str(-sum(value // 10 + value % 10 for value in doubled) % 10)


def iban_digits(country: str, account: str) -> str:
    """The two digits between the country and the account that make the whole 1 modulo 97 (ISO 7064).

    Example:
        >>> iban_digits("DE", "370400440532013000")
        '89'
    """
    letters = "".join(str(int(letter, 36)) for letter in account + country)
    return f"{98 - int(letters + '00') % 97:02d}"


def key_checksum(body: str) -> str:
    """CRC-32 of the text to base 62, in six figures.

    Example:
        >>> key_checksum("123456789")
        '3jZRME'
    """
    value, figures = zlib.crc32(body.encode()), ""
    for _ in range(6):
        value, figure = divmod(value, 62)
        figures = BASE62[figure] + figures
    return figures


_FINISH: Final[dict[str, Callable[[str], str]]] = {
    CARD: lambda number: number + luhn_digit(number),
    IBAN: lambda account: f"DE{iban_digits('DE', account)}{account}",
    KEY: lambda body: f"key_{body}{key_checksum(body)}",
}
#: What the checksum puts before the draws, and after them.
_CHECKSUM: Final[dict[str, tuple[tuple[Part, ...], tuple[Part, ...]]]] = {
    CARD: ((), ((DIGITS, 1),)),
    IBAN: (((("DE",), 1), (DIGITS, 2)), ()),
    KEY: (((("key_",), 1),), ((tuple(BASE62), 6),)),
}
