"""Forgetting baseline: what a language model still knows, long after, of documents that it was shown once."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from byrote.measures.catalog import measure
from byrote.measures.exact_memorization import by_document
from byrote.results import Curve, Scalar
from byrote.stats.curves import curve_interval
from byrote.stats.jackknife import from_replicates, parts

_SOURCE = "Tirumala et al. 2022, arXiv:2205.10770, sec. 5"
_AFTER = ("document_trajectory.hits", "document_trajectory.epochs")
_BEFORE = "first_document_phase.hits_before"
_DESIGN = ("corpus.offsets", "corpus.scored", "design.withdrawn", "design.pair")
#: Decay rates that are tried, from one that takes the whole record to one that is over at its second point.
_RATES = 400
#: a + b exp(-c t) has three unknowns.
FEWEST_POINTS = 4
#: exp(-3) = 5 % of a fall may still be to come at the end of the record.
SETTLED = 3.0

Hits = Int[np.ndarray, "model checkpoint example"]
HitsBefore = Int[np.ndarray, "model example"]
Epochs = Int[np.ndarray, " checkpoint"]
Offsets = Int[np.ndarray, " boundary"]
Tokens = Bool[np.ndarray, " token"]
Withdrawn = Bool[np.ndarray, "model example"]
Pairs = Int[np.ndarray, " model"]


@measure(
    needs=(*_AFTER, _BEFORE, *_DESIGN),
    unit="share of tokens",
    range=(0.0, 1.0),
    higher="more memorized",
    source=_SOURCE,
    section="6.2",
    domain="generalization",
    level="model",
    evaluation="forgetting",
    by_example=False,
)
def forgetting_baseline(
    hits: Hits,
    epochs: Epochs,
    hits_before: HitsBefore,
    offsets: Offsets,
    scored: Tokens,
    withdrawn: Withdrawn,
    pair: Pairs,
) -> Scalar:
    r"""The share of the tokens of documents shown once, amid training, that the models go on predicting in the end.

    Formula:
        a of the least-squares fit M(t) = a + b exp(-c t), with M(t) the mean over models of the share of hits on the
        injected documents t epochs after they were last shown, 0 <= a <= 1 and b >= 0
    Undefined:
        nan where nothing was injected, at fewer than 4 checkpoints, and where more than 5 % of the fall is still to
        come at the end of the record, so that the level cannot be told; the error is nan below 3 pairs.

    Example:
        >>> epochs = np.arange(9)
        >>> hits = np.round(1000 * (0.3 + 0.5 * np.exp(-epochs))).astype(int)[None, :, None]
        >>> offsets, scored, shown = np.array([0, 1000]), np.ones(1000, bool), np.ones((1, 1), bool)
        >>> found = forgetting_baseline(hits, epochs, np.array([[200]]), offsets, scored, shown, np.array([-1]))
        >>> round(found.value, 2), found.note.split(";")[0]
        (0.3, 'before the injection it is 0.2000')

    Differs:
        The source names the lowest value that the curve reaches, which falls with the noise and the number of
        readings; a fitted level does not. What the models predicted before they were shown the documents stands in the
        note, and `forgetting_baseline[above_before]` is the difference. The error is that of leaving out pairs.
    """
    level, before = _levels(hits, epochs, hits_before, offsets, scored, withdrawn, pair)
    where = f"before the injection it is {before.value:.4f}" if np.isfinite(before.value) else ""
    return replace(level, note="; ".join(part for part in (where, level.note) if part))


@measure(
    needs=(*_AFTER, _BEFORE, *_DESIGN),
    range=(-1.0, 1.0),
    variant_of="forgetting_baseline",
    variant="above_before",
)
def forgetting_baseline_above_before(
    hits: Hits,
    epochs: Epochs,
    hits_before: HitsBefore,
    offsets: Offsets,
    scored: Tokens,
    withdrawn: Withdrawn,
    pair: Pairs,
) -> Scalar:
    r"""How much more of documents shown once the models predict in the end than before they were shown them.

    Formula:
        a - M(before), with a of forgetting_baseline and M(before) the share of hits at the end of the first phase
    Undefined:
        as forgetting_baseline.

    Example:
        >>> epochs = np.arange(9)
        >>> hits = np.round(1000 * (0.3 + 0.5 * np.exp(-epochs))).astype(int)[None, :, None]
        >>> offsets, scored, shown = np.array([0, 1000]), np.ones(1000, bool), np.ones((1, 1), bool)
        >>> found = forgetting_baseline_above_before(
        ...     hits, epochs, np.array([[200]]), offsets, scored, shown, np.array([-1]))
        >>> round(found.value, 2)
        0.1

    Differs:
        What the models learn of the language after the injection raises it, too: hold it against the line of
        `forgetting_baseline[curve]` of documents that were never injected.
    """
    level, before = _levels(hits, epochs, hits_before, offsets, scored, withdrawn, pair)
    if np.isnan(level.value):
        return level
    left = level.replicates - before.replicates
    return from_replicates(
        level.value - before.value, left, models=len(hits), examples=level.examples, bounds=(-1.0, 1.0)
    )


@measure(
    needs=(*_AFTER, *_DESIGN),
    variant_of="forgetting_baseline",
    variant="curve",
)
def forgetting_baseline_curve(
    hits: Hits, epochs: Epochs, offsets: Offsets, scored: Tokens, withdrawn: Withdrawn, pair: Pairs
) -> Curve:
    r"""The share of hits on injected documents after their last use, and in models that were never shown them.

    Formula:
        M(t) of forgetting_baseline; "never injected" is the same over the models into which a document that was
        injected elsewhere was not
    Undefined:
        nan where a side has no documents; the error is nan below 3 pairs.

    Example:
        >>> hits = np.array([[[9], [6]], [[2], [2]]])
        >>> offsets, scored, shown = np.array([0, 10]), np.ones(10, bool), np.array([[True], [False]])
        >>> forgetting_baseline_curve(hits, np.arange(2), offsets, scored, shown, np.array([0, 0])).values
        array([[0.9, 0.6],
               [0.2, 0.2]])
    """
    _, sizes = by_document(np.zeros((0, len(scored)), bool), offsets, scored)
    anywhere = withdrawn.any(0)
    sides = (withdrawn, ~withdrawn & anywhere)
    lines = [_means(hits, sizes, side) for side in sides]
    part = parts(pair, groups=20)
    left_out = range(int(part.max(initial=-1)) + 1)
    left = [np.array([_means(hits[part != g], sizes, side[part != g]) for g in left_out]) for side in sides]
    errors = [curve_interval(line, some) for line, some in zip(lines, left, strict=True)]
    return Curve(
        axis="epoch",
        at=epochs.astype(np.float64),
        groups=("injected", "never injected"),
        values=np.stack(lines),
        stderr=np.stack([error.stderr for error in errors]),
        low=np.stack([error.low for error in errors]),
        high=np.stack([error.high for error in errors]),
        counts=np.array([int(side.any(0).sum()) for side in sides], np.int64),
        models=len(hits),
        note="" if anywhere.any() else "no document was injected",
    )


@dataclass(frozen=True)
class Decay:
    """a + b exp(-c t); `settled` says that the record is long enough to tell the level."""

    level: float
    height: float
    rate: float
    settled: bool


def fit_decay(at: Float[np.ndarray, " point"], values: Float[np.ndarray, " point"]) -> Decay:
    """Least squares over a in [0, 1], b >= 0, and rates on a grid: for each rate the rest is linear.

    A curve that does not fall has b = 0, its mean as level, and is settled.

    Example:
        >>> at = np.arange(12.0)
        >>> found = fit_decay(at, 0.2 + 0.6 * np.exp(-0.7 * at))
        >>> round(found.level, 2), round(found.rate, 2)
        (0.2, 0.7)
    """
    span, first = at[-1] - at[0], at[1] - at[0]
    rates = np.geomspace(1.0 / span, 10.0 / first, _RATES)
    shape = np.exp(-rates[:, None] * (at - at[0]))
    centred = shape - shape.mean(1, keepdims=True)
    height = np.maximum((centred * (values - values.mean())).sum(1) / (centred**2).sum(1), 0.0)
    level = values.mean() - height * shape.mean(1)
    # below 0 the level is 0, and the height that goes with it
    low = level < 0
    height = np.where(low, (shape * values).sum(1) / (shape**2).sum(1), height)
    level = np.where(low, 0.0, level)
    misfit = ((level[:, None] + height[:, None] * shape - values) ** 2).sum(1)
    best = int(misfit.argmin())
    flat = not height.any()
    return Decay(
        float(level[best]), float(height[best]), float(rates[best]), flat or bool(rates[best] * span >= SETTLED)
    )


def _levels(
    hits: np.ndarray,
    epochs: np.ndarray,
    hits_before: np.ndarray,
    offsets: np.ndarray,
    scored: np.ndarray,
    withdrawn: np.ndarray,
    pair: np.ndarray,
) -> tuple[Scalar, Scalar]:
    """The fitted level and the share before the injection, with replicates by pairs left out."""
    _, sizes = by_document(np.zeros((0, len(scored)), bool), offsets, scored)
    documents, nan = int(withdrawn.any(0).sum()), float("nan")
    at = epochs.astype(np.float64)
    line = _means(hits, sizes, withdrawn)
    reason = ""
    if np.isnan(line).any():
        reason = "no document was injected"
    elif len(at) < FEWEST_POINTS:
        reason = f"a decay cannot be fitted to {len(at)} checkpoints: it takes {FEWEST_POINTS}"
    fit = None if reason else fit_decay(at, line)
    if fit is not None and not fit.settled:
        reason = "the curve still falls at the end of the record: train on for longer"
    if fit is None or reason:
        empty = Scalar(value=nan, stderr=nan, low=nan, high=nan, models=len(hits), examples=documents, reason=reason)
        return empty, empty
    part = parts(pair, groups=20)
    levels, befores = [], []
    for group in range(int(part.max(initial=-1)) + 1):
        kept = part != group
        some = _means(hits[kept], sizes, withdrawn[kept])
        levels.append(fit_decay(at, some).level if np.isfinite(some).all() else nan)
        befores.append(_means(hits_before[kept][:, None], sizes, withdrawn[kept])[0])
    before = float(_means(hits_before[:, None], sizes, withdrawn)[0])
    return (
        from_replicates(fit.level, np.array(levels), models=len(hits), examples=documents, bounds=(0.0, 1.0)),
        from_replicates(before, np.array(befores), models=len(hits), examples=documents, bounds=(0.0, 1.0)),
    )


def _means(
    hits: Int[np.ndarray, "model checkpoint example"],
    sizes: Int[np.ndarray, " example"],
    chosen: Bool[np.ndarray, "model example"],
) -> Float[np.ndarray, " checkpoint"]:
    """Mean over models of the share of hits on the chosen documents, at every checkpoint."""
    tokens = (chosen * sizes).sum(1)
    some = tokens > 0
    if not some.any():
        return np.full(hits.shape[1], np.nan)
    shares = (hits[some] * chosen[some][:, None]).sum(2) / tokens[some][:, None]
    return np.asarray(shares.mean(0))
