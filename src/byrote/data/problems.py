"""All that is wrong with one dataset, told in one sentence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from jaxtyping import Int

from byrote.errors import BadInput

#: Letters of a value of the data that an error quotes, at most.
SHOWN = 80


def shown(value: object) -> str:
    """The value as Python writes it, cut where it is longer than an error should quote.

    Example:
        >>> shown("a" * 1000)[:5], len(shown("a" * 1000))
        ("'aaaa", 80)
    """
    written = repr(value)
    return written if len(written) <= SHOWN else f"{written[: SHOWN - 2]}…{written[-1]}"


def quoted(values: Iterable[object], *, limit: int = 3) -> str:
    """The first values in quotes, with an ellipsis where there are more.

    Example:
        >>> quoted(["a", "b", "c", "d"])
        "'a', 'b', 'c', …"
    """
    first = [shown(str(value)) for value in islice(values, limit + 1)]
    return ", ".join([*first[:limit], "…"] if len(first) > limit else first)


def counted(count: int, singular: str, plural: str) -> str:
    """A number with the words that fit it.

    Example:
        >>> counted(1, "label is", "labels are")
        '1 label is'
    """
    return f"{count} {singular if count == 1 else plural}"


def rows_said(rows: Iterable[int] | Int[np.ndarray, " row"]) -> str:
    """The first of these rows as a person counts them.

    Example:
        >>> rows_said([0, 4])
        'rows 1, 5, counted from 1'
    """
    first = [str(row + 1) for row in islice(rows, 6)]
    return f"row{'s' if len(first) > 1 else ''} {', '.join(first[:5])}{', …' if len(first) > 5 else ''}, counted from 1"


@dataclass
class Problems:
    """Collects clauses while a dataset is checked; `settle` raises them together."""

    name: str
    clauses: list[str] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)

    def add(self, clause: str, hint: str) -> None:
        """Note one problem, and its mend."""
        self.clauses.append(clause)
        self.hints.append(hint)

    def settle(self) -> None:
        """Go on if nothing was found.

        Raises:
            BadInput: something was.
        """
        if self.clauses:
            message = f"The dataset {self.name!r} cannot be used: {'; '.join(self.clauses)}."
            raise BadInput(message, hint="; ".join(dict.fromkeys(self.hints)) + ".")
