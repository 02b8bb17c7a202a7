"""How often the intervals of analyses and procedures miss the truth, where models differ as they may."""

from __future__ import annotations

import numpy as np
import pytest

from byrote.analyses import benign_memorization, feed_forward_units, knowledge_neurons, learning_order, similarity
from byrote.analyses.continued import over_seeds
from byrote.analyses.on_average_stability import _table
from byrote.analyses.where_groups import group_figure
from byrote.stats.intervals import UNBOUNDED
from levels import DRAWS, as_promised, missed

PAIRS, EXAMPLES, MEAN = 8, 40, 0.4
MODELS = 2 * PAIRS
PAIR = np.repeat(np.arange(PAIRS), 2)


def usual(rng: np.random.Generator) -> np.ndarray:
    """`[model]`: mates have a part in common, and the expected value is `MEAN`."""
    return MEAN + 0.04 * rng.normal(size=PAIRS)[PAIR] + 0.04 * rng.normal(size=MODELS)


def happens(rng: np.random.Generator) -> np.ndarray:
    """`[model, example]`: coins with the rate of their model."""
    return (rng.random((MODELS, EXAMPLES)) < usual(rng)[:, None]).astype(np.float64)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 8])
def test_means_over_seeds_of_procedures(seeds):
    """Transfer, retraining, random labels, critical periods, look-up tables and the gap of losses have these."""
    rng = np.random.default_rng(1)
    found = [over_seeds(MEAN + 0.05 * rng.normal(size=seeds), UNBOUNDED) for _ in range(DRAWS)]
    assert as_promised(missed(found, MEAN))


@pytest.mark.slow
def test_fit_and_gain_of_benign_memorization_and_figures_to_the_end():
    rng = np.random.default_rng(2)
    for mean in (
        lambda each: benign_memorization._mean(each, PAIR, (0.0, 1.0)),
        lambda each: similarity._mean(each, PAIR),
    ):
        assert as_promised(missed([mean(usual(rng)) for _ in range(DRAWS)], MEAN))


@pytest.mark.slow
def test_changes_without_knowledge_neurons():
    rng, found = np.random.default_rng(3), []
    for _ in range(DRAWS):
        facts = np.where(rng.random((MODELS, EXAMPLES)) < 0.5, np.nan, happens(rng))
        found.append(knowledge_neurons.mean_of(facts, PAIR))
    assert as_promised(missed(found, MEAN))


@pytest.mark.slow
def test_figures_of_groups_in_maps_stability_dissociation_and_tied_dropout():
    rng, rows = np.random.default_rng(4), np.ones((MODELS, EXAMPLES), bool)
    found = [group_figure(happens(rng), rows, PAIR) for _ in range(DRAWS)]
    assert as_promised(missed(found, MEAN))


@pytest.mark.slow
def test_shares_of_feed_forward_units():
    rng = np.random.default_rng(5)
    found = [feed_forward_units._figure(happens(rng).mean(1)[:, None], PAIR, EXAMPLES) for _ in range(DRAWS)]
    assert as_promised(missed(found, MEAN))


@pytest.mark.slow
def test_share_of_examples_that_are_never_learned():
    rng = np.random.default_rng(6)
    found = [learning_order._mean(happens(rng).mean(1), PAIR, EXAMPLES) for _ in range(DRAWS)]
    assert as_promised(missed(found, MEAN))


@pytest.mark.slow
def test_what_replacing_examples_does_to_their_own_loss_and_the_gap():
    """Losses of 3 models, of which replaced examples lose as much as examples that were set aside, .5."""
    rng, tables = np.random.default_rng(7), []
    shown, away = np.arange(80), np.arange(80, 120)
    out, into = shown[:24].reshape(4, 6), away[:24].reshape(4, 6)
    for _ in range(DRAWS):
        base = rng.exponential(0.5, (3, 120)) + np.where(np.arange(120) < 80, 0.0, 0.5)
        twins = [base + rng.normal(0, 0.1, base.shape) for _ in out]
        for twin, rows, others in zip(twins, out, into, strict=True):
            twin[:, rows] += 0.5
            twin[:, others] -= 0.5
        tables.append(_table(base, twins, out, into, shown, away))
    for row in (0, 1):
        assert as_promised(missed([table.figures["nat"][row] for table in tables], 0.5)), row
