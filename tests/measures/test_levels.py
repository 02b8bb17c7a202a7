"""How often the intervals of scores in time, by layer and by unit miss the truth, where models differ as they may.

Of every score 200 draws lie side by side, as checkpoints, layers or examples that have nothing to do with each other.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from byrote.measures.catalog import find
from byrote.results import Curve, PerExample
from levels import DRAWS, as_promised, missed_by
from measures.evidence import half_subset_pairs

PAIRS, EXAMPLES = 8, 60
MODELS = 2 * PAIRS
PAIR = np.repeat(np.arange(PAIRS), 2)
NOISY = np.arange(EXAMPLES) < EXAMPLES // 2
EVERY = np.ones((MODELS, EXAMPLES), np.int8)
#: The expected value of whatever a model has at a checkpoint.
MEAN = 0.4

TRUE_GINI = (EXAMPLES - 1) / (2 * EXAMPLES)

#: Lines of figures that a model has at each checkpoint, by the parameters that they are taken from.
LINES = {
    "gradient_shares": ("share", "share_random"),
    "gradient_shares[norm]": ("norm_share",),
    "gradient_shares[cosine]": ("cosine",),
    "gradient_shares[coherence]": ("coherence", "coherence_others"),
    "gradient_shares[alike]": ("alike", "alike_others", "alike_any", "alike_others_any"),
    "first_layer_misalignment": ("misalignment", "rotated", "rotated_least"),
    "neural_collapse": ("within", "norms", "angles", "duality", "mean_rule"),
}
#: The same by layer.
BY_LAYER = {
    "intrinsic_dimension": ("dimension",),
    **{
        f"manifold_capacity{variant}": tuple(
            f"{figure}_{of}" for of in ("clean", "clean_shuffled", "true", "given", "shuffled")
        )
        for variant, figure in (("", "capacity"), ("[radius]", "radius"), ("[dimension]", "dimension"))
    },
}


def usual(rng: np.random.Generator, draws: int = DRAWS) -> np.ndarray:
    """`[model, draw]`: mates have a part in common, and the expected value is `MEAN`."""
    return MEAN + 0.04 * rng.normal(size=(PAIRS, draws))[PAIR] + 0.04 * rng.normal(size=(MODELS, draws))


def happens(rng: np.random.Generator, rate: np.ndarray) -> np.ndarray:
    """`[model, draw, example]`: coins with the rate of their model and draw."""
    return rng.random((*rate.shape, EXAMPLES)) < rate[..., None]


def curve(key: str, **evidence: np.ndarray) -> Curve:
    """The measure of this evidence and of what the design says."""
    known = {
        "epochs": np.arange(DRAWS),
        "layer": np.array(["0"]),
        "pair": PAIR,
        "member": EVERY,
        "label_noise": NOISY,
        **evidence,
    }
    measure = find(key)
    found = measure.function(**{name: known[name] for name in measure.parameters})
    assert isinstance(found, Curve)
    return found


def check(found: Curve, truth: float = MEAN) -> None:
    """Every line misses the truth as often as it may."""
    misses = [missed_by(low, high, truth) for low, high in zip(found.low, found.high, strict=True)]
    assert all(map(as_promised, misses)), misses


@pytest.mark.slow
@pytest.mark.parametrize("key", LINES)
def test_lines_of_figures_at_checkpoints(key):
    rng = np.random.default_rng(1)
    check(curve(key, **{name: usual(rng) for name in LINES[key]}))


@pytest.mark.slow
@pytest.mark.parametrize("key", BY_LAYER)
def test_lines_of_figures_by_layer(key):
    rng = np.random.default_rng(2)
    cells = {name: usual(rng)[:, :, None] for name in BY_LAYER[key]}
    points = np.full((MODELS, DRAWS, 1), 90) if key == "intrinsic_dimension" else np.full(MODELS, 12, np.int32)
    check(curve(key, points=points, **cells))


@pytest.mark.slow
def test_dilation():
    rng = np.random.default_rng(3)
    distance = usual(rng)[..., None] + 0.1 * rng.normal(size=(MODELS, DRAWS, EXAMPLES))
    check(curve("memorization_dilation", distance=distance, spread=usual(rng)))


@pytest.mark.slow
@pytest.mark.parametrize("key", ["layer_probe", "layer_probe[given]", "layer_probe[ridge]", "layer_probe[ridge_given]"])
def test_classifiers_by_layer(key):
    answers = happens(np.random.default_rng(4), usual(np.random.default_rng(5)))[:, :, None].astype(np.int64)
    ones = np.ones(EXAMPLES, np.int64)
    name = next(iter(find(key).parameters))
    check(curve(key, **{name: answers, "true_label": ones, "label": ones}))


@pytest.mark.slow
def test_readout_of_wrong_labels_and_of_members():
    rng, noisy = np.random.default_rng(6), np.ones(EXAMPLES, bool)
    given, true = (happens(rng, usual(rng))[:, None].astype(float) for _ in range(2))
    for key, truth in (("readout", 0.0), ("readout[members]", MEAN)):
        found = curve(key, given=given, true=true, label_noise=noisy)
        assert as_promised(missed_by(found.low[0], found.high[0], truth)), key


@pytest.mark.slow
@pytest.mark.parametrize("key", ["rewinding", "rewinding[members]"])
def test_rewinding_beyond_others_of_like_confidence(key):
    """The group loses a tenth more than the others; the last checkpoint is not rewound and left out."""
    rng = np.random.default_rng(7)
    rate = usual(rng, DRAWS + 1)[..., None] + np.where(NOISY, 0.1, 0.0)
    wrong = (rng.random(rate.shape) < rate).astype(np.int32)[:, None]
    found = curve(
        key,
        wrong=wrong,
        wrong_permuted=np.zeros(wrong.shape, np.float32),
        right=np.ones((MODELS, EXAMPLES), np.int32),
        confidence=rng.random((MODELS, EXAMPLES)),
        epochs=np.arange(DRAWS + 1),
        member=np.where(NOISY, 1, 1 if key == "rewinding" else 0).astype(np.int8) * EVERY,
    )
    check(found, 0.1)


@pytest.mark.slow
def test_share_of_critical_samples_at_a_radius():
    rng = np.random.default_rng(8)
    found = [
        curve(
            "critical_samples[ratio]",
            radius=np.where(happens(rng, one), 0.05, np.inf),
            heldout_share=held[:, None],
            radii=np.array([0.1]),
        )
        for one, held in zip(usual(rng).T, usual(rng).T, strict=True)
    ]
    for line in range(3):
        low, high = (np.array([getattr(one, end)[line, 0] for one in found]) for end in ("low", "high"))
        assert as_promised(missed_by(low, high, MEAN)), line


@pytest.mark.slow
def test_how_unequal_sensitivity_is():
    """The Gini coefficient of n exponential values is (n - 1) / 2n on average."""
    rng, gini = np.random.default_rng(9), find("loss_sensitivity[gini]").function
    found = [gini(rng.exponential(size=(MODELS, 1, EXAMPLES)), np.array([5]), EVERY, PAIR) for _ in range(DRAWS)]
    assert as_promised(
        missed_by(*(np.array([getattr(one, end) for one in found]) for end in ("low", "high")), TRUE_GINI)
    )


#: Scores by example, by the parameter that they are taken from; those of the second kind are differences.
SCORES = {
    "el2n": "error",
    "el2n[mean]": "error",
    "gradient_norm": "norm",
    "cumulative_sample_gradient": "norm",
    "cumulative_sample_gradient[norm]": "norm",
    "cumulative_sample_gradient[parameters]": "norm",
    "loss_sensitivity": "norm_1",
    "class_cosine": "cosine",
    "input_curvature": "trace",
    "input_curvature[frobenius]": "squared",
    "input_curvature[finite_difference]": "change",
    "critical_samples": "radius",
    "flip_radius": "radius",
    "flip_radius[beyond_margin]": "radius",
    "units_to_flip": "silenced",
    "units_to_flip[beyond_margin]": "silenced",
    "variance_of_gradients": "spread",
}
DIFFERENCES = {
    "el2n[counterfactual]": "error",
    "cumulative_sample_gradient[counterfactual]": "norm",
    "loss_sensitivity[counterfactual]": "norm_1",
    "input_curvature[counterfactual]": "trace",
    "memorization_dilation[example]": "distance",
}
SEEN = 32


def scored(key: str, examples: int, seed: int) -> PerExample:
    """The score of examples of which each has the same distribution in every model, in pairs of halves."""
    rng, measure = np.random.default_rng([10, seed]), find(key)
    member, pair = half_subset_pairs(rng, SEEN, examples)
    confidence = rng.normal(size=(SEEN, examples))
    noise = rng.gamma(6.0, 1 / 12, (SEEN, 1, examples))
    known: dict[str, Any] = {
        "epochs": np.array([0, 1, 2]),
        "label": np.zeros(examples, np.int64),
        "member": member,
        "pair": pair,
        "stratum": None,
        "confidence": confidence,
        "right": np.ones(member.shape, bool),
        "flipped": np.ones(member.shape, bool),
        "censored": np.zeros(member.shape, bool),
    }
    name = next(iter(measure.parameters))
    values = np.repeat(noise, 3, axis=1)
    if name == "silenced":
        values = np.ceil(20 * np.exp(0.3 * confidence)[:, None] * noise).astype(np.int32)
    elif name == "radius":
        values = (np.exp(0.3 * confidence) * noise[:, 0]).astype(np.float64)
    found = measure.function(**{**{one: known[one] for one in measure.parameters if one in known}, name: values})
    assert isinstance(found, PerExample)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("key", [*SCORES, *DIFFERENCES])
def test_scores_of_examples(key):
    """The truth is the mean over many examples, which differ by chance alone; of differences it is 0.

    Every score is as skewed as a gamma distribution of shape 6, or, where it sums squares, as the square of one, which
    is so skewed that Student's interval of 16 models would miss in 17 of 200.
    """
    assert next(iter(find(key).parameters)) == {**SCORES, **DIFFERENCES}[key]
    found = scored(key, DRAWS, 0)
    truth = 0.0 if key in DIFFERENCES else float(scored(key, 20_000, 1).values.mean())
    misses = missed_by(found.low, found.high, truth)
    assert as_promised(misses), misses
