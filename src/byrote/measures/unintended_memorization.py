"""Unintended memorization: secrets that a model knows by rote though they do not help it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

from byrote.measures._canaries import LogPerplexity, Member, References, pooled_ranks, trained_on
from byrote.measures.catalog import measure
from byrote.measures.exposure import searched_p_value
from byrote.results import Scalar
from byrote.stats.intervals import mean_interval, welch
from byrote.stats.moments import Moments
from byrote.stats.multiple import corrected

#: The chance of finding any memorization where there is none.
LEVEL = 0.05
_SOURCE = "Carlini et al. 2019, arXiv:1802.08232, sec. 2"
_TOKENS = (
    "tokens.log_probability",
    "corpus.offsets",
    "corpus.scored",
    "canaries.document",
    "design.member",
)

_NAMED = {"holm": "Holm", "benjamini_hochberg": "Benjamini and Hochberg"}

LogProbability = Float[np.ndarray, "model token"]
Offsets = Int[np.ndarray, " boundary"]
Scored = Bool[np.ndarray, " token"]


@measure(
    needs=(
        "canaries.log_perplexity",
        "canaries.reference_log_perplexity",
        "canaries.rank_most",
        "canaries.space_bits",
        "canaries.repetitions",
        *_TOKENS,
    ),
    unit="share of planted canaries",
    range=(0.0, 1.0),
    higher="more memorized",
    source=_SOURCE,
    section="2.6",
    domain="security",
    level="model",
    evaluation="canary",
    by_example=False,
)
def unintended_memorization(
    log_perplexity: LogPerplexity,
    reference_log_perplexity: References,
    rank_most: LogPerplexity,
    space_bits: Float[np.ndarray, " canary"],
    repetitions: Int[np.ndarray, " canary"],
    log_probability: LogProbability,
    offsets: Offsets,
    scored: Scored,
    document: Int[np.ndarray, " example"],
    member: Member,
    *,
    correction: str = "holm",
    level: float = LEVEL,
) -> Scalar:
    r"""The share of planted canaries that are certainly memorized, provided that they are of no use to the model.

    Formula:
        mean over planted canaries of 1[adjusted p-value <= level], with the p-value of `exposure[search]` where the
        canary was searched for, and otherwise that of `exposure`; adjusted over all planted canaries
    Undefined:
        nan where no canary was planted, or none has a p-value; and where held-out loss is lower with canaries than
        without, beyond its error: what helps is learned with intent.

    Example:
        >>> own, references = np.full((1, 1), 0.5), np.arange(1.0, 100.0)[None, None]
        >>> unintended_memorization(
        ...     own, references, np.full((1, 1), np.nan), np.array([20.0]), np.array([4]), np.full((1, 2), -1.0),
        ...     np.array([0, 1, 2]), np.ones(2, bool), np.array([0, -1]), np.array([[1, 0]], np.int8)).value
        1.0

    Differs:
        The source looks at exposures and says that secrets help no model. Here a canary counts as memorized where
        chance is refuted, and the second half is measured: `unintended_memorization[heldout_loss]`. `correction` is
        "holm" (the chance of any false finding is at most `level`) or "benjamini_hochberg" (their expected share is,
        if canaries are independent). Which p-value a canary has depends on the tokenizer and not on the outcome.
        With n references none is below 1 / (n + 1). The interval is that of a rate over canaries.
    """
    counted = trained_on(repetitions, document, member)
    sampled = pooled_ranks(log_perplexity, reference_log_perplexity, counted).p_value
    searched = searched_p_value(rank_most, space_bits, counted)
    p_values = np.where(np.isfinite(searched), searched, sampled)
    finite = (np.isfinite(log_perplexity) | ~counted).all(0) & counted.any(0)
    planted, controls = finite & (repetitions > 0), finite & (repetitions == 0)
    use = unintended_memorization_heldout_loss(log_probability, offsets, scored, document, member)
    reason = "" if planted.any() else "no canary was planted that a model was trained on"
    if not reason and use.high < 0:
        reason = "held-out loss is lower with canaries than without: they help, so that learning them is intended"
    known = int((corrected(p_values[planted], correction) <= level).sum())
    of_controls = int((corrected(p_values[controls], correction) <= level).sum())
    count = max(int(planted.sum()), 1)
    interval = mean_interval(Moments(np.array([count]), np.array([known / count]), np.zeros(1)), bounds=(0.0, 1.0))
    blank = np.nan if reason else 1.0
    return Scalar(
        value=blank * known / count,
        stderr=blank * float(interval.stderr[0]),
        low=blank * float(interval.low[0]),
        high=blank * float(interval.high[0]),
        models=len(log_perplexity),
        examples=int(planted.sum()),
        reason=reason,
        note=f"{known} of {int(planted.sum())} planted canaries and {of_controls} of {int(controls.sum())} controls "
        f"are memorized ({_NAMED.get(correction, correction)}, {level:g}); {_use_words(use)}",
        varies_over="examples",
    )


@measure(
    needs=_TOKENS,
    unit="nat per token",
    range=(-np.inf, np.inf),
    higher="canaries harm held-out text",
    variant_of="unintended_memorization",
    variant="heldout_loss",
)
def unintended_memorization_heldout_loss(
    log_probability: LogProbability,
    offsets: Offsets,
    scored: Scored,
    document: Int[np.ndarray, " example"],
    member: Member,
) -> Scalar:
    r"""What canaries do to the loss on text that a model was not trained on; around 0, they are of no use to it.

    Formula:
        with r_k the loss by token of model k on the documents without canaries that it was not trained on, each less
        its mean over all models that were not trained on it: mean of r_k over the models trained on any canary, less
        that over the models trained on none; Welch's interval
    Undefined:
        nan where no model was trained on canaries or none without, or no such document is there; the error is nan with
        fewer than two models on either side.

    Example:
        >>> member = np.array([[1, 0], [1, 0], [0, 0], [0, 0]], np.int8)
        >>> loss = np.array([[2.0, 1.2], [2.0, 1.0], [2.0, 0.9], [2.0, 1.1]])
        >>> unintended_memorization_heldout_loss(
        ...     -loss, np.array([0, 1, 2]), np.ones(2, bool), np.array([0, -1]), member)
        Scalar(0.1 ± 0.14, 95 % [-0.5085, 0.7085])
    """
    known = (member == 1) @ (document >= 0) > 0
    without = ~((member != 0) @ (document >= 0) > 0)
    unseen = (member == 0) & (document < 0)
    summed, tokens = _by_document(log_probability, offsets, scored)
    losses = np.where(unseen, -summed / np.maximum(tokens, 1), 0.0)
    unseen &= (tokens > 0) & np.isfinite(losses)
    losses = np.where(unseen, losses, 0.0)
    usual = losses.sum(0) / np.maximum(unseen.sum(0), 1)
    weight = np.where(unseen, tokens, 0)
    total = weight.sum(1)
    excess = (weight * (losses - usual)).sum(1) / np.where(total, total, np.nan)
    sides = [_moments(excess[some & np.isfinite(excess)]) for some in (known, without)]
    each = zip(sides, (known, without), ("on", "without"), strict=True)
    reason = next((_missing(some, how) for side, some, how in each if not side.count[0]), "")
    interval = welch(*sides, bounds=(-np.inf, np.inf))
    trained = int(sides[0].count[0])
    return Scalar(
        value=np.nan if reason else float(sides[0].mean[0] - sides[1].mean[0]),
        stderr=float(interval.stderr[0]),
        low=float(interval.low[0]),
        high=float(interval.high[0]),
        models=len(member),
        examples=int(unseen.any(0).sum()),
        reason=reason,
        note=f"{trained} model{'' if trained == 1 else 's'} trained on canaries, {sides[1].count[0]} on none",
    )


def _by_document(
    log_probability: LogProbability, offsets: Offsets, scored: Scored
) -> tuple[Float[np.ndarray, "model example"], Int[np.ndarray, " example"]]:
    """The sum of the log-probabilities of each document's tokens that have one, and their number."""
    example = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))[scored]
    sums = [np.bincount(example, row[scored].astype(np.float64), len(offsets) - 1) for row in log_probability]
    return np.stack(sums), np.bincount(example, minlength=len(offsets) - 1)


def _moments(values: Float[np.ndarray, " model"]) -> Moments:
    mean = values.mean(keepdims=True) if len(values) else np.full(1, np.nan)
    return Moments(np.array([len(values)]), mean, ((values - mean) ** 2).sum(keepdims=True))


def _missing(models: Bool[np.ndarray, " model"], how: str) -> str:
    """Why no model that was trained on canaries, or without, has a loss on held-out text."""
    if not models.any():
        return f"no model was trained {how} canaries"
    return f"the models that were trained {how} canaries have no held-out document without canaries"


def _use_words(use: Scalar) -> str:
    if use.reason:
        return f"whether canaries change held-out loss is not known: {use.reason}"
    if np.isnan(use.low):
        return f"held-out loss changes by {use.value:+.3g} nat a token with canaries, error unknown"
    changed = "changes" if use.low > 0 or use.high < 0 else "does not change"
    return f"held-out loss {changed} with canaries: {use.value:+.3g} nat a token [{use.low:.3g}, {use.high:.3g}]"
