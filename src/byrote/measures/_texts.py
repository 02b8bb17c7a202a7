"""Different texts of a corpus, each asked for at several lengths of what is given: as a curve, and as its slope."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Int8, Real

from byrote.measures._repetitions import copies_of, pooled_curve
from byrote.results import Curve, Scalar
from byrote.stats.log_linear import log_linear


@dataclass(frozen=True, eq=False)
class TextsByLength:
    """What comes of each text at every length: `outcome`; and which (model, text) pairs count.

    `sides` are the pairs whose model was trained on the text, and those whose model never saw it. A text stands where
    the first of its copies does.
    """

    at: Int[np.ndarray, " point"]
    outcome: Float[np.ndarray, "point model example"]
    sides: tuple[Bool[np.ndarray, "model example"], Bool[np.ndarray, "model example"]]
    cluster: Int[np.ndarray, " example"]

    def curve(self, axis: str) -> Curve:
        """The shares at each length."""
        everywhere = [np.tile(side, (len(self.at), 1, 1)) for side in self.sides]
        texts = len(np.unique(np.nonzero(self.sides[0] | self.sides[1])[1]))
        number = f"{texts} different texts" if texts else "no text is long enough"
        return pooled_curve(axis, self.at.astype(np.float64), self.outcome, everywhere, self.cluster, number)

    def slope(self) -> Scalar:
        """By how much the share of those trained on grows with each tenfold of the length."""
        pair = np.nonzero(self.sides[0])
        model, example = (np.tile(index, len(self.at)) for index in pair)
        at = np.repeat(self.at, len(pair[0]))
        ways = [self.cluster[example], model] if len(np.unique(model)) > 2 else [self.cluster[example]]
        fit = log_linear(self.outcome[:, pair[0], pair[1]].ravel(), {"length": at}, ways)
        return Scalar(
            value=float(fit.values[1]),
            stderr=float(fit.stderr[1]),
            low=float(fit.low[1]),
            high=float(fit.high[1]),
            models=self.outcome.shape[1],
            examples=len(np.unique(example)),
            reason="there is one length only, or no text is long enough that a model was trained on"
            if fit.reason
            else "",
            note=f"R² {fit.r_squared:.2f}; {fit.note}".rstrip("; "),
            varies_over="models and examples" if len(ways) > 1 else "examples",
        )


def texts_by_length(
    at: Int[np.ndarray, " point"],
    share: Real[np.ndarray, "model point example"] | Bool[np.ndarray, "model point example"],
    long: Bool[np.ndarray, " example"],
    token: Int[np.ndarray, " token"],
    offsets: Int[np.ndarray, " boundary"],
    member: Int8[np.ndarray, "model example"],
) -> TextsByLength:
    """The different texts among the documents that are `long` enough; of copies, the mean share."""
    copies = copies_of(token, offsets, member)
    documents = np.bincount(copies.cluster, long)
    first = np.zeros(len(long), bool)
    first[np.unique(copies.cluster, return_index=True)[1]] = True
    first &= documents[copies.cluster] > 0

    def over_copies(values: np.ndarray) -> np.ndarray:
        sums = np.bincount(copies.cluster, np.where(long, values, 0.0), len(documents))
        return np.asarray((sums / np.maximum(documents, 1))[copies.cluster])

    outcome = np.stack([[over_copies(share[model, point]) for model in range(len(share))] for point in range(len(at))])
    return TextsByLength(at, outcome, (first & (copies.seen > 0), first & (copies.seen == 0)), copies.cluster)
