"""The threshold of extraction: from which exposure on a secret is found with so many guesses."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import brentq, minimize_scalar
from scipy.special import chdtri, log_expit

from byrote.errors import BadInput
from byrote.measures._canaries import LogPerplexity, Member, References, ranks, trained_on
from byrote.measures.catalog import measure
from byrote.measures.exposure import SAMPLED, SEEN
from byrote.results import Scalar
from byrote.stats.intervals import UPPER

Exposures = Float[np.ndarray, " cell"]
Found = Bool[np.ndarray, " cell"]
#: No threshold is looked for farther away than so many bits.
FARTHEST: Final = 1024.0
#: Where the logarithm of the likelihood is lower by so much, a threshold is outside of the interval.
_DROP: Final = float(chdtri(1, 2 * (1 - UPPER))) / 2


@measure(
    needs=(*SAMPLED, "canaries.rank_least", "canaries.rank_most", *SEEN),
    unit="bit",
    range=(-np.inf, np.inf),
    higher="harder to extract",
    source="Carlini et al. 2019, arXiv:1802.08232, sec. 6-7",
    level="model",
    variant_of="exposure",
    variant="threshold",
)
def exposure_threshold(
    log_perplexity: LogPerplexity,
    reference_log_perplexity: References,
    rank_least: LogPerplexity,
    rank_most: LogPerplexity,
    repetitions: Int[np.ndarray, " canary"],
    document: Int[np.ndarray, " example"],
    member: Member,
    *,
    bits: float = 0.0,
) -> Scalar:
    r"""The exposure at which a secret is found with 2^bits guesses as often as not.

    Formula:
        e in P(found) = 1 / (1 + exp(-b (exposure - e))), fitted to all secrets and the models trained on them, and to
        all models for secrets that were not planted; found: its rank in the whole space is at most 2^bits; the interval
        is that of the profile likelihood. Where all found secrets have a higher exposure than all others, e is the
        middle between them, and the interval the gap
    Undefined:
        nan where all secrets that were searched for are found, or none, or exposure does not grow with success; an end
        of the interval is nan where the likelihood sets none.

    Example:
        >>> own, references = np.array([[0.5, 4.5]]), np.tile(np.arange(1.0, 8.0), (1, 2, 1))
        >>> rank, seen = np.array([[1.0, 9.0]]), (np.array([4, 4]), np.array([0, 1]), np.ones((1, 2), np.int8))
        >>> exposure_threshold(own, references, rank, rank, *seen)
        Scalar(1.839 ± nan, 95 % [0.6781, 3])

    Differs:
        The authors show where the two part. Guesses in the order of likelihood find a secret exactly where its rank is
        at most their number, which is an exposure of log2 |R| - bits; exposure by references is its estimate.
    """
    if bits < 0:
        raise BadInput(f"The 'bits' argument of exposure[threshold] must be at least 0. Got {bits}.", hint="bits=10")
    exposures = ranks(log_perplexity, reference_log_perplexity).exposure
    found, missed = rank_most <= 2.0**bits, rank_least > 2.0**bits
    cells = trained_on(repetitions, document, member) & (found | missed) & np.isfinite(log_perplexity)
    value, low, high, note = threshold(exposures[cells], found[cells])
    return Scalar(
        value=value,
        stderr=math.nan,
        low=low,
        high=high,
        models=len(member),
        examples=int(cells.any(0).sum()),
        reason=note if math.isnan(value) else "",
        note=note,
        varies_over="examples",
    )


def threshold(exposure: Exposures, found: Found) -> tuple[float, float, float, str]:
    """Where success and failure are as likely, the ends of its interval, and what there is to say of it.

    Example:
        >>> threshold(np.array([1.0, 2.0, 5.0]), np.array([False, False, True]))
        (3.5, 2.0, 5.0, 'no secret with less exposure than another was found instead of it: the interval is the gap')
    """
    if found.all() or not found.any():
        return math.nan, math.nan, math.nan, f"{'all' if len(found) and found.all() else 'none'} of them were found"
    least, most = float(exposure[found].min()), float(exposure[~found].max())
    if most < least:
        note = "no secret with less exposure than another was found instead of it: the interval is the gap"
        return (most + least) / 2, most, least, note
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10).fit(exposure[:, None], found)
    slope = float(fitted.coef_[0, 0])
    if not slope > 0:
        return math.nan, math.nan, math.nan, "exposure does not grow with success"
    value, steepest = -float(fitted.intercept_[0]) / slope, 4 * slope + 1
    top = float(log_expit(slope * _signed(value, exposure, found)).sum())

    def above(at: float) -> float:
        """How much more likely the threshold is, with its best slope, than at the ends of the interval."""
        signed = _signed(at, exposure, found)
        best = minimize_scalar(lambda one: -log_expit(one * signed).sum(), bounds=(0.0, steepest), method="bounded")
        return -float(best.fun) - (top - _DROP)

    low, high = (_end(above, value, side) for side in (-1.0, 1.0))
    return value, low, high, f"{int(found.sum())} of {len(found)} were found"


def _signed(at: float, exposure: Exposures, found: Found) -> Exposures:
    """How far each exposure is on its own side of a threshold."""
    return np.asarray(np.where(found, 1.0, -1.0) * (exposure - at))


def _end(above: Callable[[float], float], value: float, side: float) -> float:
    """Where the likelihood falls to the least on one side of the value; nan where it does not."""
    reach = 1.0
    while above(value + side * reach) > 0:
        reach *= 2
        if reach > FARTHEST:
            return math.nan
    return value + side * float(brentq(lambda off: above(value + side * off), 0.0, reach))
