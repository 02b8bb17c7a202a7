"""Errors of the user's world: one sentence that quotes the value, and a hint at what to do."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import TypeVar

T = TypeVar("T")
#: Letters that an error quotes of a value, at most, and those of the whole sentence: data may be of any length.
QUOTED, SENTENCE = 240, 1200
_QUOTE = re.compile(rf"(?<!\w)(['\"])(?:(?!\1)[^\n]){{{QUOTED},}}\1")


class ByroteError(Exception):
    """Something outside byrote is not as it must be; the command line prints it and ends with status 2.

    Example:
        >>> str(ByroteError('The disk is full.', hint='make room.'))
        'The disk is full. Hint: make room.'
    """

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.message = _short(_readable(message))
        self.hint = _readable(hint)

    def __str__(self) -> str:
        return f"{self.message} Hint: {self.hint}"

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.message, self.hint))


def _readable(text: str) -> str:
    """The sentence with what would act on a terminal, as a quoted value may hold it, written out as its code."""
    return "".join(
        one if one == "\n" or unicodedata.category(one) not in ("Cc", "Cf", "Cs", "Zl", "Zp") else _code(one)
        for one in text
    )


def _short(message: str) -> str:
    """The sentence with what it quotes cut to a line or two, and itself cut in its middle where it is long still."""
    cut = _QUOTE.sub(lambda quote: _cut(quote[0], QUOTED), message)
    return _cut(cut, SENTENCE)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: 2 * most // 3]} … {text[3 - most // 3 :]}"


def _code(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def _rebuild(kind: type[ByroteError], message: str, hint: str) -> ByroteError:
    return kind(message, hint=hint)


def meant(name: str, known: Iterable[str]) -> str:
    """A question that names the known name closest to one that is none, to begin a hint with; empty where none is.

    Example:
        >>> meant("diagnosi", ["age", "diagnosis"])
        "did you mean 'diagnosis'? "
    """
    close = get_close_matches(name, list(known), n=1)
    return f"did you mean {close[0]!r}? " if close else ""


#: Hints for a path that leads nowhere, or to what cannot be read.
CHECK_THE_PATH = "check the path; it is relative to the current folder."
UNREADABLE = "check that the file is complete and readable."


class BadInput(ByroteError):
    """Data, a file or an argument that cannot be used.

    Example:
        >>> str(BadInput('The column is empty.', hint='fill it.'))
        'The column is empty. Hint: fill it.'
    """


def find(known: Mapping[str, T], name: str, what: str, all_of_them: str) -> T:
    """What is known by that name.

    Example:
        >>> find({"age": 1, "sex": 2}, "age", "column", "columns")
        1

    Raises:
        BadInput: nothing is; the hint names the closest, and then all.
    """
    if name not in known:
        raise BadInput(
            f"There is no {what} {name!r}.", hint=f"{meant(name, known)}the {all_of_them} are {', '.join(known)}."
        )
    return known[name]


class MissingEvidence(ByroteError):
    """A measure asks for evidence that the run does not hold."""


class TooFewModels(ByroteError):
    """The claim rests on more models than there are."""


class RunMismatch(ByroteError):
    """A run folder belongs to another audit."""


class OtherExamples(RunMismatch):
    """A run's table of examples is not that of its data."""


class DamagedShard(ByroteError):
    """A shard whose content does not fit its checksum."""


class WorkerFailed(ByroteError):
    """A training process ended, again and again, without a result."""


class NotWritable(BadInput):
    """A file or folder that cannot be written where it should be."""


class NotEnoughRoom(ByroteError):
    """Too little memory or disk for what was asked."""
