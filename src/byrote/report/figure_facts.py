"""A figure for programs: its value, error and interval, null where unknown, and a reason where there is no value."""

from __future__ import annotations

import math
from typing import Annotated, Literal, NotRequired, TypedDict

from byrote.results import Scalar

#: A number of models, examples or the like.
Many = Annotated[int, {"minimum": 0}]


class Reason(TypedDict):
    """Why a part is not there."""

    reason: str


class FigureFacts(TypedDict):
    """A figure with its error and 95 % interval; null is unknown or undefined."""

    value: float | None
    stderr: float | None
    low: float | None
    high: float | None
    models: Many
    examples: Many
    varies_over: NotRequired[Literal["models", "examples", "models and examples"]]
    reason: NotRequired[str]


def scalar(figure: Scalar) -> FigureFacts:
    """A figure with its error and interval, null where unknown, and a reason where there is no value."""
    found = FigureFacts(
        value=finite(figure.value),
        stderr=finite(figure.stderr),
        low=finite(figure.low),
        high=finite(figure.high),
        models=figure.models,
        examples=figure.examples,
        varies_over=figure.varies_over,
    )
    return FigureFacts(**found, reason=figure.reason) if figure.reason else found


def finite(value: float) -> float | None:
    """The value; None where it is infinite or NaN, which JSON does not know."""
    return float(value) if math.isfinite(value) else None
