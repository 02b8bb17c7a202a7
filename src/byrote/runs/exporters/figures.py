"""The figures of a run by name, as its `report.json` holds them: what cards and trackers of experiments take."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from byrote.errors import BadInput, MissingEvidence
from byrote.evidence.seals import is_broken
from byrote.runs.run import Run

FILE: Final = "report.json"
#: What every report says, of whatever version.
_NEEDED: Final = frozenset(("byrote", "run", "headline", "notes"))
#: Parts that hold many figures of single examples, of scores or of slices, and no figure of the run.
_OF_PARTS: Final = frozenset(("top", "texts", "exposure", "slices", "curve", "scores", "analyses", "groups"))


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A number of a run with its 95 % interval; None where there is none."""

    value: float
    low: float | None = None
    high: float | None = None


def report_of(run: Run) -> dict[str, Any]:
    """What the report of a run says, for programs.

    Raises:
        MissingEvidence: it was not written yet.
        BadInput: it was changed since, or cannot be read.
    """
    path = run.folder / FILE
    if not path.is_file():
        raise MissingEvidence(
            f"The run {str(run.folder)!r} has no {FILE}.", hint=f"byrote report {run.folder} writes it."
        )
    content = path.read_bytes()
    try:
        found = json.loads(content)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not found.keys() >= _NEEDED or is_broken(content):
        raise BadInput(
            f"The file {str(path)!r} was changed since byrote wrote it.",
            hint=f"byrote report {run.folder} writes it again.",
        )
    return found


def figures_of(report: Mapping[str, Any]) -> dict[str, Figure]:
    """Every figure of a report by its place there; those of single examples, scores and slices are left out.

    Example:
        >>> share = {"value": 0.1, "low": 0.0, "high": 0.2}
        >>> figures_of({"memorization": {"share": share, "top": [share]}, "notes": ["none"]})
        {'memorization/share': Figure(value=0.1, low=0.0, high=0.2)}
    """
    return dict(_figures(report, ""))


def _figures(part: Any, place: str) -> Iterator[tuple[str, Figure]]:
    if isinstance(part, list):
        for one in part:
            if isinstance(one, dict) and "attack" in one:
                yield from _figures(one, f"{place}/{one['attack']}")
    elif isinstance(part, dict) and {"value", "low", "high"} <= part.keys():
        if part["value"] is not None:
            yield place, Figure(value=part["value"], low=part["low"], high=part["high"])
    elif isinstance(part, dict):
        for name, one in part.items():
            if name not in _OF_PARTS:
                yield from _figures(one, place if name in ("figures", place) else f"{place}/{name}".lstrip("/"))
