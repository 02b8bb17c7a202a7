from typing import Any

import numpy as np
import pytest

from byrote.measures import _localization as module
from byrote.measures.rewinding import rewinding, rewinding_members

LAYERS, EPOCHS = np.array(["first", "second"]), np.array([0, 3, 9])


def made_up(seed: int = 0, *, models: int = 4, examples: int = 300, lost: float = 0.0) -> dict[str, Any]:
    """Mislabelled members have low margins, and what is near the boundary falls; `lost` of them more, in a cell."""
    rng = np.random.default_rng(seed)
    noisy = rng.random(examples) < 0.3
    right = (rng.random((models, examples)) < 0.9).astype(np.int32)
    margin = np.where(noisy, 1.0, 2.0) * rng.gamma(2.0, 1.0, (models, examples))
    falls = np.exp(-margin)[:, None, None] * np.array([1.0, 0.6, 0.0])[:, None]
    wrong, permuted = (rng.random((models, 2, 3, examples)) < falls for _ in range(2))
    wrong[:, 1, 0] |= noisy & (rng.random((models, examples)) < lost)
    return {
        "wrong": (wrong * right[:, None, None]).astype(np.int32),
        "wrong_permuted": (permuted * right[:, None, None]).astype(np.float32),
        "right": right,
        "confidence": np.where(right > 0, margin, np.nan).astype(np.float32),
        "epochs": EPOCHS,
        "layer": LAYERS,
        "member": np.ones((models, examples), np.int8),
        "pair": np.full(models, -1),
        "label_noise": noisy,
    }


def slowly(given: dict[str, Any], model: int) -> np.ndarray:
    """The map of one model, prediction by prediction."""
    right, margin, noisy = given["right"][model], given["confidence"][model], given["label_noise"]
    own = margin[noisy & (right > 0)]
    edges = np.quantile(own, [0.2, 0.4, 0.6, 0.8])
    found = np.zeros((2, 2))
    for layer in range(2):
        for at in range(2):
            lost = {True: [0.0] * 5, False: [0.0] * 5}
            count = {True: [0] * 5, False: [0] * 5}
            for example in np.flatnonzero((right > 0) & (margin >= own.min()) & (margin <= own.max())):
                part = int((margin[example] >= edges).sum())
                side = bool(noisy[example])
                lost[side][part] += float(given["wrong"][model, layer, at, example])
                lost[side][part] -= float(given["wrong_permuted"][model, layer, at, example])
                count[side][part] += 1
            both = [part for part in range(5) if count[True][part] and count[False][part]]
            weight = sum(count[True][part] for part in both)
            for part in both:
                apart = lost[True][part] / count[True][part] - lost[False][part] / count[False][part]
                found[layer, at] += count[True][part] / weight * apart
    return found


def test_against_a_slow_loop():
    given = made_up(lost=0.4)
    found = rewinding(**given)
    each = np.array([slowly(given, model) for model in range(4)])
    np.testing.assert_allclose(found.values, each.mean(0), atol=1e-12)
    np.testing.assert_allclose(found.stderr, each.std(0, ddof=1) / 2, atol=1e-12)
    assert found.groups == ("first", "second")
    assert found.at.tolist() == [0.0, 3.0]


def test_what_was_planted_in_one_cell_is_found_in_that_cell_alone():
    found = rewinding(**made_up(lost=0.5))
    beyond = float(found.note.split("±")[1].split(",")[0])
    assert found.values[1, 0] > 0.3 > beyond
    assert found.low[1, 0] > 0
    assert np.abs(np.delete(found.values.ravel(), 2)).max() < beyond


def test_pairs_are_the_unit_of_the_error():
    given = {**made_up(lost=0.4), "pair": np.array([0, 0, 1, 1])}
    each = np.array([slowly(given, model) for model in range(4)]).reshape(2, 2, 2, 2).mean(1)
    np.testing.assert_allclose(rewinding(**given).stderr, each.std(0, ddof=1) / np.sqrt(2), atol=1e-12)


@pytest.mark.slow
def test_groups_that_do_not_differ_stand_out_in_about_one_run_of_twenty():
    """Near the boundary everything falls, mislabelled or not: matched by margin nothing is left."""
    out = 0
    for seed in range(100):
        found = rewinding(**made_up(seed, examples=200))
        beyond = float(found.note.split("±")[1].split(",")[0])
        out += bool(np.abs(found.values).max() > beyond)
    assert out <= 11  # 5 % of 100, at a level of 1 % for this test


def test_too_few_predictions_give_no_map():
    given = made_up(examples=30)
    found = rewinding(**given)
    assert np.isnan(found.values).all()
    assert "fewer than 20 examples of a group with a prediction that is finally right in every model" in found.note


def test_a_single_model_has_no_error():
    found = rewinding(**made_up(models=1))
    assert np.isfinite(found.values).all()
    assert np.isnan(found.stderr).all()
    assert np.isnan(found.low).all()


def test_members_against_others():
    given = made_up(lost=0.5)
    given["member"] = np.tile(given.pop("label_noise").astype(np.int8), (4, 1))
    np.testing.assert_allclose(rewinding_members(**given).values, rewinding(**made_up(lost=0.5)).values)


@pytest.mark.parametrize("hidden", [-1, 0])
def test_mislabelled_examples_that_a_model_was_not_trained_on_are_left_out(hidden):
    given = made_up(lost=0.5, examples=600)
    gone = np.arange(600) >= 300
    given["member"] = np.where(gone, np.int8(hidden), np.int8(1)) * np.ones((4, 1), np.int8)
    kept = {
        name: array[..., ~gone]
        if name in ("wrong", "wrong_permuted", "right", "confidence", "member", "label_noise")
        else array
        for name, array in given.items()
    }
    np.testing.assert_allclose(rewinding(**given).values, rewinding(**kept).values)
    assert module.FEWEST == 20


def test_intervals_end_where_a_difference_of_shares_lost_can():
    given = made_up(lost=1.0) | {"pair": np.array([0, 0, 1, 1])}
    given["wrong"][2:, 1, 0] = 0  # in one pair of models all is lost, in the other nothing
    found = rewinding(**given)
    assert (found.low.min(), found.high.max()) == (-2.0, 2.0)
