"""Words as numbers: which words are known, fitted on the training texts, and how a text becomes a row of numbers."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np
import regex
from jaxtyping import Float, Shaped

from byrote.data.dataset import Display
from byrote.data.inert import inert

MOST_WORDS: Final = 20_000
LONGEST: Final = 256
PADDING, UNKNOWN = 0, 1
_FIRST: Final = 2
#: Letters of scripts that put no blanks between words: Han, Kana, and those of South East Asia, as Thai and Khmer.
UNSPACED: Final = r"[[\p{L}\p{N}]&&[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{Line_Break=Complex_Context}]]"
_LETTER: Final = rf"[[\p{{L}}\p{{N}}]--{UNSPACED}]"
#: A letter and what follows it in a word: letters, their marks, and a joiner (U+200C, U+200D) between these.
_RUN: Final = rf"{_LETTER}(?:[\u200c\u200d]?[{_LETTER}\p{{M}}])*"
WORD: Final = regex.compile(rf"{UNSPACED}\p{{M}}*|{_RUN}(?:['\u2019]{_RUN})*", regex.VERSION1)


def words_of(text: str) -> list[str]:
    """The words of a text in lower case, without punctuation; accents and vowel signs stay with their letter.

    Where a script puts no blanks between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese), each letter with its
    marks is a word.

    Example:
        >>> words_of("It's 3 o'clock: TEA!")
        ["it's", '3', "o'clock", 'tea']
        >>> [len(word) for word in words_of("\u0915\u0940 \u6771\u4eac")]
        [2, 1, 1]
    """
    words: list[str] = WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    return words


@dataclass(frozen=True)
class Vocabulary:
    """The known words, the most frequent first; 0 stands for nothing, 1 for a word that is not among them.

    Example:
        >>> known = Vocabulary.fitted(["a cat", "a dog"], words=2)
        >>> known.apply(["a bird"], length=3)
        array([[2., 1., 0.]], dtype=float32)
    """

    words: tuple[str, ...]

    @classmethod
    def fitted(cls, texts: Iterable[str], *, words: int = MOST_WORDS) -> Vocabulary:
        """The most frequent words of these texts; of equally frequent ones the first in the alphabet."""
        counts = Counter(word for text in texts for word in words_of(text))
        return cls(tuple(sorted(counts, key=lambda word: (-counts[word], word))[:words]))

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return len(self.words) + _FIRST

    def apply(self, texts: Sequence[str], *, length: int) -> Float[np.ndarray, "text word"]:
        """The numbers of the first `length` words of each text, then 0; whole numbers, held as float32."""
        rows = np.zeros((len(texts), length), np.float32)
        for row, text in zip(rows, texts, strict=True):
            known = [self._numbers.get(word, UNKNOWN) for word in words_of(text)[:length]]
            row[: len(known)] = known
        return rows

    def text(self, example: Shaped[np.ndarray, " word"]) -> str:
        """The known words of an encoded text, in order."""
        numbers = example.astype(np.int64)
        return " ".join("…" if one == UNKNOWN else self.words[one - _FIRST] for one in numbers if one != PADDING)

    @cached_property
    def _numbers(self) -> Mapping[str, int]:
        return {word: number for number, word in enumerate(self.words, start=_FIRST)}


@dataclass(frozen=True)
class TextDisplay(Display):
    """A text, shown as it was written where its id is known, and else by its words."""

    vocabulary: Vocabulary = Vocabulary(())
    texts: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False, hash=False)

    def text(self, id: str, example: Shaped[np.ndarray, " word"]) -> str:  # noqa: A002
        """What one example says, with nothing in it that would act on a screen."""
        text = self.texts.get(id) or self.vocabulary.text(example)
        return "\n".join(inert(line) for line in text.splitlines())
