"""Canaries: which models were trained on them, and where a secret stands among others of its space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Int8
from scipy.special import betaincinv

from byrote.stats.intervals import UPPER

LogPerplexity = Float[np.ndarray, "model canary"]
References = Float[np.ndarray, "model canary reference"]
Member = Int8[np.ndarray, "model example"]

#: A model that was trained on none of a canary's documents.
UNSEEN = "no model was trained on it"
NOT_FINITE = "a model's log-perplexity of it is not finite"


@dataclass(frozen=True, eq=False)
class Ranks:
    """Of how many references a canary is more perplexing than (`below`) or as perplexing as (`tied`), of how many."""

    below: Int[np.ndarray, "*row"]
    tied: Int[np.ndarray, "*row"]
    references: Int[np.ndarray, "*row"]

    @property
    def middle(self) -> Float[np.ndarray, "*row"]:
        """The rank among the references and itself, 1 = the least perplexing; of ties, the middle of their places."""
        middle: np.ndarray = 1 + self.below + self.tied / 2
        return middle

    @property
    def exposure(self) -> Float[np.ndarray, "*row"]:
        """log2 of the number of references and itself, less log2 of the rank."""
        bits: np.ndarray = np.log2(self.references + 1) - np.log2(self.middle)
        return bits

    @property
    def p_value(self) -> Float[np.ndarray, "*row"]:
        """The chance of so good a rank for a secret that was drawn as the references were; ties count against it."""
        chance: np.ndarray = (1.0 + self.below + self.tied) / (1.0 + self.references)
        return chance

    def bounds(self) -> tuple[Float[np.ndarray, "*row"], Float[np.ndarray, "*row"]]:
        """A 95 % interval of -log2 of the share of the space that is as little perplexing (Clopper and Pearson)."""
        less, more, total = self.below, self.below + self.tied, self.references
        tail = 1 - UPPER
        share_low = np.where(less > 0, betaincinv(np.maximum(less, 1), total - less + 1, tail), 0.0)
        share_high = np.where(more < total, betaincinv(more + 1, np.maximum(total - more, 1), 1 - tail), 1.0)
        with np.errstate(divide="ignore"):
            return -np.log2(share_high), -np.log2(share_low)


def ranks(own: Float[np.ndarray, "*row"], others: Float[np.ndarray, "*row reference"]) -> Ranks:
    """Where each canary stands among its references; those that are nan do not exist."""
    return Ranks((others < own[..., None]).sum(-1), (others == own[..., None]).sum(-1), (~np.isnan(others)).sum(-1))


def trained_on(
    repetitions: Int[np.ndarray, " canary"], document: Int[np.ndarray, " example"], member: Member
) -> Bool[np.ndarray, "model canary"]:
    """Which models count for each canary: those trained on a document of it, or that may have been; all for a control.

    Example:
        >>> member = np.array([[1, 0, 1], [0, 1, 1]], np.int8)
        >>> trained_on(np.array([2, 0]), np.array([0, -1, 1]), member)
        array([[ True,  True],
               [False,  True]])
    """
    holds = document[:, None] == np.arange(len(repetitions))
    seen = (member != 0).astype(np.int64) @ holds.astype(np.int64) > 0
    counted: np.ndarray = seen | (repetitions == 0)
    return counted


def pooled(values: Float[np.ndarray, "model ..."], counted: Bool[np.ndarray, "model canary"]) -> np.ndarray:
    """The mean over the models that count, of values by canary, or by canary and reference; nan without any."""
    weights = counted.reshape(*counted.shape, *[1] * (values.ndim - 2))
    with np.errstate(invalid="ignore"):
        total = np.where(weights, values.astype(np.float64), 0.0).sum(0)
    mean: np.ndarray = total / np.where(weights.any(0), weights.sum(0), np.nan)
    return mean


def pooled_ranks(own: LogPerplexity, others: References, counted: Bool[np.ndarray, "model canary"]) -> Ranks:
    """Where each canary stands by log-perplexities averaged over the models that count.

    All models are asked about the same references, so a canary drawn as they were has any place with equal chance.
    """
    return ranks(pooled(own, counted), pooled(others, counted))
