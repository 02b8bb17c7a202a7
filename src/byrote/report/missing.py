"""What a report cannot show, why, and what it would take."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from byrote.blocks import Missing as Missing
from byrote.blocks import of_this_run as of_this_run
from byrote.errors import ByroteError, MissingEvidence, TooFewModels

T = TypeVar("T")
#: What stands for a run's folder, which may be renamed, moved and passed on with its report in it.
RUN = "RUN"


def where_possible(part: Callable[[], T], *also: type[ByroteError]) -> T | Missing:
    """A part of the report, or why the run cannot have it; `also` are other errors that say so."""
    refusals: tuple[type[ByroteError], ...] = (MissingEvidence, TooFewModels, *also)
    try:
        return part()
    except refusals as error:
        return Missing.because(error)
