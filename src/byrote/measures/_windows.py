"""Windows of documents: a prefix that is given, and the suffix that a model is to go on with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int, Int8, Real

from byrote.errors import BadInput
from byrote.measures.assemble import per_example
from byrote.results import PerExample
from byrote.stats.intervals import Bounds, mean_interval
from byrote.stats.moments import Moments, RunningMoments

#: Tokens given and tokens asked for, as Carlini et al. 2022 have it.
PREFIX: Final = 50
SUFFIX: Final = 50


@dataclass(frozen=True, eq=False)
class Windows:
    """Where each suffix starts in the tokens of all documents end to end, and which document it is of."""

    start: Int[np.ndarray, " window"]
    example: Int[np.ndarray, " window"]
    suffix: int
    examples: int

    @property
    def count(self) -> Int[np.ndarray, " example"]:
        """Windows by document."""
        return np.bincount(self.example, minlength=self.examples)

    def every(self, fact: Bool[np.ndarray, " token"]) -> Bool[np.ndarray, " window"]:
        """Whether it holds of every token of a suffix."""
        return self._reduced(np.logical_and, fact)

    def total(self, values: Real[np.ndarray, " token"]) -> Float[np.ndarray, " window"]:
        """The sum over the tokens of a suffix."""
        return self._reduced(np.add, values.astype(np.float64))

    def smallest(self, values: Real[np.ndarray, " token"]) -> Float[np.ndarray, " window"]:
        """The smallest value over the tokens of a suffix."""
        return self._reduced(np.minimum, values.astype(np.float64))

    def mean(self, values: Real[np.ndarray, " window"] | Bool[np.ndarray, " window"]) -> Float[np.ndarray, " example"]:
        """The mean over a document's windows; NaN where it has none."""
        sums = np.bincount(self.example, values.astype(np.float64), minlength=self.examples)
        mean: np.ndarray = sums / np.where(self.count, self.count, np.nan)
        return mean

    def _reduced(self, operation: np.ufunc, values: np.ndarray) -> np.ndarray:
        edges = np.stack([self.start, self.start + self.suffix], axis=1).ravel()
        # one value more, because the last suffix may end where the tokens do; between suffixes is not looked at
        reduced: np.ndarray = operation.reduceat(np.append(values, values[:1]), edges)[::2]
        return reduced


def windows_of(
    offsets: Int[np.ndarray, " boundary"],
    scored: Bool[np.ndarray, " token"],
    *,
    prefix: int,
    suffix: int,
    stride: int,
) -> Windows:
    """The windows of every document that its length allows and whose suffix tokens all have a prediction.

    A document's first window starts where it does, so that its suffix is read with the prefix and nothing else as
    context. With `stride` 0 it is the only one. Otherwise every `stride` tokens another follows; the record of its
    suffix was read with all of the document before it as context, which is more than the prefix.

    Raises:
        BadInput: a length is negative, or no token is asked for.
    """
    for name, value, least in (("prefix", prefix, 0), ("suffix", suffix, 1), ("stride", stride, 0)):
        if value < least:
            raise BadInput(
                f"The {name!r} argument of an extraction must be a whole number of at least {least}. Got {value}.",
                hint="prefix=50, suffix=50; stride=0 reads one window per document.",
            )
    room = np.diff(offsets) - prefix - suffix
    count = np.where(room >= 0, room // stride + 1 if stride else 1, 0)
    example = np.repeat(np.arange(len(count)), count)
    number = np.arange(len(example)) - np.repeat(np.cumsum(count) - count, count)
    every = Windows(offsets[example] + prefix + number * stride, example, suffix, len(count))
    whole = every.every(scored)
    return Windows(every.start[whole], example[whole], suffix, len(count))


def over_models(
    rows: Iterable[Float[np.ndarray, " example"]],
    member: Int8[np.ndarray, "model example"],
    undefined: Sequence[tuple[str, Bool[np.ndarray, " example"]]],
    *,
    side: int = 1,
    bounds: Bounds,
    rates: bool = False,
    counts: Mapping[str, Int[np.ndarray, " example"]],
) -> PerExample:
    """Mean over the models that were trained on a document (side 1), or were not (side 0), one row per model.

    The interval is Student's over those models, which are independent; with `rates`, whose rows answer yes or no, it
    is that of a rate with one success and one failure added. The error of a single model is unknown. `undefined` are
    the reasons that have nothing to do with models.

    Raises:
        BadInput: there is no such side.
    """
    if side not in (0, 1):
        raise BadInput(
            f"The 'side' argument of an extraction must be 1, the models trained on a document, or 0, those that "
            f"never saw it. Got {side!r}.",
            hint="leave it out: 1 is what is extracted, 0 what comes out without training on it.",
        )
    running = RunningMoments(member.shape[1])
    known = ~np.any([applies for _, applies in undefined], axis=0)
    with np.errstate(invalid="ignore", over="ignore"):
        for row, membership in zip(rows, member, strict=True):
            running.add(row, (membership == side) & known)
    moments = running.result()
    models = (member == side).sum(0)
    squares = np.zeros_like(moments.mean) if rates else moments.squares
    return per_example(
        moments.mean,
        mean_interval(Moments(moments.count, moments.mean, squares), bounds=bounds),
        [
            *undefined,
            ("a member of no model" if side else "no model is known not to have seen it", models == 0),
            ("a model's record of it is not finite", ~np.isfinite(moments.mean)),
        ],
        counts={"members" if side else "nonmembers": models, **counts},
        models=len(member),
        note=f"averaged over the models that {'were trained on the document' if side else 'never saw the document'}",
    )


def too_short(windows: Windows, prefix: int) -> list[tuple[str, np.ndarray]]:
    """The reason of documents that have no window."""
    return [(f"it has no {prefix} and then {windows.suffix} tokens with predictions", windows.count == 0)]
