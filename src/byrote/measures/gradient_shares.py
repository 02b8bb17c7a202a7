"""Gradient shares: what part wrong labels have in the gradient of a training, and whether their gradients agree."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int, Int8

from byrote.measures._over_models import over_models
from byrote.measures.catalog import measure
from byrote.results import Curve

_SOURCE = "Gu & Tresp 2019; Stephenson et al. 2021, arXiv:2105.14602; survey section 4.4"
_UNDEFINED = "no member has a planted wrong label, or the whole gradient is 0"


@measure(
    needs=(
        "gradient_shares.share",
        "gradient_shares.share_random",
        "gradient_shares.epochs",
        "design.member",
        "design.pair",
        "controls.label_noise",
    ),
    unit="ratio to the share of members",
    range=(-np.inf, np.inf),
    higher="wrong labels drive more of the training",
    source=_SOURCE,
    section="4.4",
    domain="generalization",
    level="model",
    evaluation="noisy label",
    by_example=False,
)
def gradient_shares(
    share: Float[np.ndarray, "model checkpoint"],
    share_random: Float[np.ndarray, "model checkpoint"],
    epochs: Int[np.ndarray, " checkpoint"],
    member: Int8[np.ndarray, "model example"],
    pair: Int[np.ndarray, " model"],
    label_noise: Bool[np.ndarray, " example"],
) -> Curve:
    r"""Share of the whole gradient that is due to planted wrong labels, divided by their share of the members.

    Formula:
        with G = g_A + g_B, sums over members with a wrong label and over the others: (g_A . G) / |G|^2 / (|A| / n);
        beside it the same of as many members drawn at random, whose expectation is 1.
        The mean over models, with Student's interval over pairs of them.
    Undefined:
        nan where no member has a planted wrong label, or the whole gradient is 0; the error is nan below 3 pairs.

    Example:
        >>> one, m, noise = np.array([[0.5, 1.0], [0.25, 0.5]]), np.ones((2, 3), np.int8), np.array([1, 0, 0], bool)
        >>> pair = np.array([-1, -1])
        >>> gradient_shares(one, one, np.array([0, 5]), m, pair, noise).values[0]
        array([0.375, 0.75 ])

    Differs:
        A projection, and no probability: it may be below 0, and above n / |A|. Code of Maini et al. 2023 adds norms of
        tensors by the root of their first dimension; here all trained weights are one vector.
    """
    each = np.stack([share, share_random], axis=1)
    return over_models(
        each,
        epochs,
        pair,
        ("wrong labels", "as many at random"),
        counts=_counts(label_noise, member, True, True),
        bounds=(-np.inf, np.inf),
        why=_UNDEFINED,
    )


@measure(
    needs=(
        "gradient_shares.norm_share",
        "gradient_shares.epochs",
        "design.member",
        "design.pair",
        "controls.label_noise",
    ),
    variant_of="gradient_shares",
    variant="norm",
    unit="share",
    range=(0.0, 1.0),
    higher="wrong labels pull harder",
)
def gradient_shares_norm(
    norm_share: Float[np.ndarray, "model checkpoint"],
    epochs: Int[np.ndarray, " checkpoint"],
    member: Int8[np.ndarray, "model example"],
    pair: Int[np.ndarray, " model"],
    label_noise: Bool[np.ndarray, " example"],
) -> Curve:
    r"""Norm of the gradient of planted wrong labels, by the sum of it and that of the others.

    Formula:
        |g_A| / (|g_A| + |g_B|), sums over members with a wrong label and over the others.
        The mean over models, with Student's interval over pairs of them.
    Undefined:
        nan where no member has a planted wrong label, or the whole gradient is 0; the error is nan below 3 pairs.

    Example:
        >>> one, m, noise = np.array([[0.5, 1.0], [0.25, 0.5]]), np.ones((2, 3), np.int8), np.array([1, 0, 0], bool)
        >>> pair = np.array([-1, -1])
        >>> gradient_shares_norm(one, np.array([0, 5]), m, pair, noise).values[0]
        array([0.375, 0.75 ])

    Differs:
        Not divided by how many they are, as the projection is.
    """
    each = np.stack([norm_share], axis=1)
    return over_models(
        each,
        epochs,
        pair,
        ("wrong labels",),
        counts=_counts(label_noise, member, True),
        bounds=(0.0, 1.0),
        why=_UNDEFINED,
    )


@measure(
    needs=(
        "gradient_shares.cosine",
        "gradient_shares.epochs",
        "design.member",
        "design.pair",
        "controls.label_noise",
    ),
    variant_of="gradient_shares",
    variant="cosine",
    unit="cosine",
    range=(-1.0, 1.0),
    higher="wrong labels and the others pull the same way",
)
def gradient_shares_cosine(
    cosine: Float[np.ndarray, "model checkpoint"],
    epochs: Int[np.ndarray, " checkpoint"],
    member: Int8[np.ndarray, "model example"],
    pair: Int[np.ndarray, " model"],
    label_noise: Bool[np.ndarray, " example"],
) -> Curve:
    r"""Cosine between the gradient of planted wrong labels and that of the other members.

    Formula:
        cos(g_A, g_B), sums over members with a wrong label and over the others.
        The mean over models, with Student's interval over pairs of them.
    Undefined:
        nan where no member has a planted wrong label, or the whole gradient is 0; the error is nan below 3 pairs.

    Example:
        >>> one, m, noise = np.array([[0.5, 1.0], [0.25, 0.5]]), np.ones((2, 3), np.int8), np.array([1, 0, 0], bool)
        >>> pair = np.array([-1, -1])
        >>> gradient_shares_cosine(one, np.array([0, 5]), m, pair, noise).values[0]
        array([0.375, 0.75 ])

    Differs:
        As `gradient_shares`, of the same sums.
    """
    each = np.stack([cosine], axis=1)
    return over_models(
        each,
        epochs,
        pair,
        ("wrong labels and others",),
        counts=_counts(label_noise, member, True),
        bounds=(-1.0, 1.0),
        why=_UNDEFINED,
    )


@measure(
    needs=(
        "gradient_shares.coherence",
        "gradient_shares.coherence_others",
        "gradient_shares.epochs",
        "design.member",
        "design.pair",
        "controls.label_noise",
    ),
    variant_of="gradient_shares",
    variant="coherence",
    unit="share",
    range=(0.0, 1.0),
    higher="gradients of the group agree",
)
def gradient_shares_coherence(
    coherence: Float[np.ndarray, "model checkpoint"],
    coherence_others: Float[np.ndarray, "model checkpoint"],
    epochs: Int[np.ndarray, " checkpoint"],
    member: Int8[np.ndarray, "model example"],
    pair: Int[np.ndarray, " model"],
    label_noise: Bool[np.ndarray, " example"],
) -> Curve:
    r"""How far gradients of planted wrong labels cancel each other, and those of the others.

    Formula:
        |sum_i g_i| / sum_i |g_i| over members with a wrong label, and over the others: 1 where all agree, about
        1 / sqrt n where n of them lie at random.
        The mean over models, with Student's interval over pairs of them.
    Undefined:
        nan where no member has a planted wrong label, or the whole gradient is 0; the error is nan below 3 pairs.

    Example:
        >>> one, m, noise = np.array([[0.5, 1.0], [0.25, 0.5]]), np.ones((2, 3), np.int8), np.array([1, 0, 0], bool)
        >>> pair = np.array([-1, -1])
        >>> gradient_shares_coherence(one, one, np.array([0, 5]), m, pair, noise).values[0]
        array([0.375, 0.75 ])

    Differs:
        Groups of unequal number do not have the same value by chance.
    """
    each = np.stack([coherence, coherence_others], axis=1)
    return over_models(
        each,
        epochs,
        pair,
        ("wrong labels", "others"),
        counts=_counts(label_noise, member, True, False),
        bounds=(0.0, 1.0),
        why=_UNDEFINED,
    )


@measure(
    needs=(
        "gradient_shares.alike",
        "gradient_shares.alike_others",
        "gradient_shares.alike_any",
        "gradient_shares.alike_others_any",
        "gradient_shares.epochs",
        "design.member",
        "design.pair",
        "controls.label_noise",
    ),
    variant_of="gradient_shares",
    variant="alike",
    unit="cosine",
    range=(-1.0, 1.0),
    higher="gradients of the group agree",
)
def gradient_shares_alike(
    alike: Float[np.ndarray, "model checkpoint"],
    alike_others: Float[np.ndarray, "model checkpoint"],
    alike_any: Float[np.ndarray, "model checkpoint"],
    alike_others_any: Float[np.ndarray, "model checkpoint"],
    epochs: Int[np.ndarray, " checkpoint"],
    member: Int8[np.ndarray, "model example"],
    pair: Int[np.ndarray, " model"],
    label_noise: Bool[np.ndarray, " example"],
) -> Curve:
    r"""Mean cosine between the gradients of two members with planted wrong labels, and of two others.

    Formula:
        (|sum_i g_i / |g_i||^2 - n) / (n (n - 1)) over members with a wrong label and over the others, for pairs of one
        given class, and of any.
        The mean over models, with Student's interval over pairs of them.
    Undefined:
        nan where no member has a planted wrong label, or the whole gradient is 0; the error is nan below 3 pairs.

    Example:
        >>> one, m, noise = np.array([[0.5, 1.0], [0.25, 0.5]]), np.ones((2, 3), np.int8), np.array([1, 0, 0], bool)
        >>> pair = np.array([-1, -1])
        >>> gradient_shares_alike(one, one, one, one, np.array([0, 5]), m, pair, noise).values[0]
        array([0.375, 0.75 ])

    Differs:
        No pair is formed: the sum of unit gradients is one backward pass of losses weighted by 1 / |g_i|.
    """
    each = np.stack([alike, alike_others, alike_any, alike_others_any], axis=1)
    return over_models(
        each,
        epochs,
        pair,
        ("wrong labels, one class", "others, one class", "wrong labels, any class", "others, any class"),
        counts=_counts(label_noise, member, True, False, True, False),
        bounds=(-1.0, 1.0),
        why=_UNDEFINED,
    )


def _counts(label_noise: np.ndarray, member: np.ndarray, *lines: bool) -> np.ndarray:
    """How many examples that some model was trained on each line is about: wrong labels, or (False) others."""
    trained = (member == 1).any(0)
    return np.array([int((trained & (label_noise == wrong)).sum()) for wrong in lines], np.int64)
