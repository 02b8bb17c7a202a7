"""The threshold of extraction: from which exposure on a secret is found with so many guesses."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int

from byrote.errors import BadInput
from byrote.measures._canaries import LogPerplexity, Member, References, ranks, trained_on
from byrote.measures.catalog import measure
from byrote.measures.exposure import SAMPLED, SEEN
from byrote.results import Scalar
from byrote.stats.jackknife import UNBOUNDED, parts
from byrote.stats.over_examples import FEWEST_CLUSTERS, influence_from, over_examples

Exposures = Float[np.ndarray, " cell"]
Found = Bool[np.ndarray, " cell"]
Secrets = Int[np.ndarray, " cell"]
#: Exposures that differ by no more than this share are the same.
_ROUNDING: Final = 1e-9
_UNKNOWN: Final = "the error is unknown"
_DOWN: Final = "exposure does not grow with success"


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
        all models for secrets that were not planted; found: its rank in the whole space is at most 2^bits; the error
        is about other secrets: a jackknife that leaves out whole secrets, with all their models. Where no found secret
        has a lower exposure than another, e is the middle between the two
    Undefined:
        nan where all secrets that were searched for are found, or none, or all have the same exposure, or exposure does
        not grow with success; the error is nan where no found secret has a lower exposure than another, where without
        a part of the secrets no threshold follows, and with fewer than 3 secrets.

    Example:
        >>> own, references = np.array([[0.5, 4.5]]), np.tile(np.arange(1.0, 8.0), (1, 2, 1))
        >>> rank, seen = np.array([[1.0, 9.0]]), (np.array([4, 4]), np.array([0, 1]), np.ones((1, 2), np.int8))
        >>> exposure_threshold(own, references, rank, rank, *seen)
        Scalar(1.839 ± nan, 95 % [nan, nan])

    Differs:
        The authors show where the two part. Guesses in the order of likelihood find a secret exactly where its rank is
        at most their number, which is an exposure of log2 |R| - bits; exposure by references is its estimate.
    """
    if bits < 0:
        raise BadInput(f"The 'bits' argument of exposure[threshold] must be at least 0. Got {bits}.", hint="bits=10")
    exposures = ranks(log_perplexity, reference_log_perplexity).exposure
    found, missed = rank_most <= 2.0**bits, rank_least > 2.0**bits
    cells = trained_on(repetitions, document, member) & (found | missed) & np.isfinite(log_perplexity)
    value, note = threshold(exposures[cells], found[cells])
    figure = Scalar(
        value=value,
        stderr=math.nan,
        low=math.nan,
        high=math.nan,
        models=len(member),
        examples=int(cells.any(0).sum()),
        reason=note if math.isnan(value) else "",
        note=note,
        varies_over="examples",
    )
    return figure if note else _over_secrets(figure, exposures[cells], found[cells], np.nonzero(cells)[1])


def _over_secrets(figure: Scalar, exposure: Exposures, found: Found, secret: Secrets) -> Scalar:
    """The threshold with the error that comes from the choice of secrets, each left out whole."""
    part = parts(secret)
    without = np.array([threshold(exposure[part != one], found[part != one])[0] for one in range(part.max() + 1)])
    shown = over_examples(figure, influence_from(without[:, None]), bounds=UNBOUNDED)
    counted = f"{int(found.sum())} of {len(found)} were found"
    if math.isfinite(shown.stderr):
        return replace(shown, note=counted)
    few = len(without) < FEWEST_CLUSTERS
    why = f"it takes at least {FEWEST_CLUSTERS} secrets" if few else "without some secrets no threshold follows"
    return replace(shown, note=f"{counted}; {_UNKNOWN}: {why}", influence=figure.influence)


def threshold(exposure: Exposures, found: Found) -> tuple[float, str]:
    """Where success and failure are as likely, and why nothing does, or what its interval cannot be told from.

    Example:
        >>> threshold(np.array([1.0, 2.0, 5.0]), np.array([False, False, True]))
        (3.5, 'all secrets with more exposure than 2 to 5 were found and no others: the error is unknown')
    """
    if found.all() or not found.any():
        return math.nan, f"{'all' if len(found) and found.all() else 'none'} of them were found"
    if np.ptp(exposure) <= _ROUNDING * max(1.0, float(np.abs(exposure).max())):
        return math.nan, "all of them have the same exposure"
    least, most = float(exposure[found].min()), float(exposure[~found].max())
    if most <= least:
        gap = f"{most:.4g} to {least:.4g}" if most < least else f"{most:.4g}"
        return (most + least) / 2, f"all secrets with more exposure than {gap} were found and no others: {_UNKNOWN}"
    if exposure[found].max() <= exposure[~found].min():
        return math.nan, _DOWN
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10).fit(exposure[:, None], found)
    slope = float(fitted.coef_[0, 0])
    return (-float(fitted.intercept_[0]) / slope, "") if slope > 0 else (math.nan, _DOWN)
