"""What a report cannot show, why, and what it would take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from byrote.errors import ByroteError, MissingEvidence, TooFewModels

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Missing:
    """A part of the report that is not there, with the reason and the way to it."""

    why: str

    @classmethod
    def because(cls, error: ByroteError) -> Missing:
        """The sentence of an error, and its hint.

        Example:
            >>> Missing.because(MissingEvidence("'outputs.logits' is not recorded", hint="audit again.")).why
            "'outputs.logits' is not recorded. To have it: audit again."
        """
        said = f"{error.message.rstrip('.')}."
        return cls(why=f"{said} To have it: {error.hint.rstrip('.')}." if error.hint else said)


def where_possible(part: Callable[[], T], *also: type[ByroteError]) -> T | Missing:
    """A part of the report, or why the run cannot have it; `also` are other errors that say so."""
    refusals: tuple[type[ByroteError], ...] = (MissingEvidence, TooFewModels, *also)
    try:
        return part()
    except refusals as error:
        return Missing.because(error)
