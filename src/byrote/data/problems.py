"""All that is wrong with one dataset, told in one sentence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

from byrote.errors import BadInput


def quoted(values: Iterable[object], *, limit: int = 3) -> str:
    """The first values in quotes, with an ellipsis where there are more.

    Example:
        >>> quoted(["a", "b", "c", "d"])
        "'a', 'b', 'c', …"
    """
    first = [repr(str(value)) for value in islice(values, limit + 1)]
    return ", ".join([*first[:limit], "…"] if len(first) > limit else first)


def counted(count: int, singular: str, plural: str) -> str:
    """A number with the words that fit it.

    Example:
        >>> counted(1, "label is", "labels are")
        '1 label is'
    """
    return f"{count} {singular if count == 1 else plural}"


@dataclass
class Problems:
    """Collects clauses while a dataset is checked; `settle` raises them together."""

    name: str
    clauses: list[str] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)

    def add(self, clause: str, hint: str | None = None) -> None:
        """Note one problem, and its mend where there is one."""
        self.clauses.append(clause)
        if hint is not None:
            self.hints.append(hint)

    def settle(self) -> None:
        """Go on if nothing was found.

        Raises:
            BadInput: something was.
        """
        if self.clauses:
            message = f"The dataset {self.name!r} cannot be used: {'; '.join(self.clauses)}."
            raise BadInput(message, hint="; ".join(self.hints) + "." if self.hints else None)
