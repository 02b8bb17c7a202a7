import numpy as np
import pytest

from byrote.measures.memorization_dilation import memorization_dilation, memorization_dilation_example

EPOCHS = np.array([0, 9])


def made_up(models: int = 6, examples: int = 40, seed: int = 0):
    """Members are moved by training, mislabelled ones far; two examples were not looked at."""
    rng = np.random.default_rng(seed)
    half = np.array([rng.permutation(examples) < examples // 2 for _ in range(models // 2)])
    member = np.stack([half, ~half], axis=1).reshape(models, examples).astype(np.int8)
    noisy = np.arange(examples) < 8
    distance = rng.gamma(9, 0.02, (models, 2, examples))
    distance[:, 1] += 0.3 * ((member == 1) & noisy)
    distance[:, :, [3, 30]] = np.nan
    return distance, rng.gamma(9, 0.02, (models, 2)), noisy, member, np.arange(models) // 2


def test_against_a_slow_loop():
    distance, spread, noisy, member, pair = made_up()
    found = memorization_dilation(distance, spread, EPOCHS, noisy, member, pair)
    for row, group in enumerate((noisy, ~noisy)):
        for at in range(2):
            of_models = []
            for model in range(6):
                some = [
                    distance[model, at, i]
                    for i in range(40)
                    if member[model, i] == 1 and group[i] and np.isfinite(distance[model, at, i])
                ]
                of_models.append(sum(some) / len(some))
            assert found.values[row, at] == pytest.approx(np.mean(of_models))
    np.testing.assert_allclose(found.values[2], spread.mean(0))


def test_what_training_moved_is_told_from_what_was_far_already():
    distance, _, noisy, member, pair = made_up(models=24)
    found = memorization_dilation_example(distance, member, pair)
    assert np.nanmean(found.values[noisy]) == pytest.approx(0.3, abs=0.05)
    assert np.nanmean(found.values[~noisy]) == pytest.approx(0.0, abs=0.02)
    assert np.flatnonzero(np.isnan(found.values)).tolist() == [3, 30]
    assert found.reason(3) == "a model's distance is not finite"


def test_a_run_without_planted_noise_has_no_line_of_it():
    distance, spread, noisy, member, pair = made_up()
    found = memorization_dilation(distance, spread, EPOCHS, np.zeros_like(noisy), member, pair)
    assert np.isnan(found.values[0]).all()
    assert np.isfinite(found.values[1:]).all()
    assert "planted label noise: no model was trained on an example of it" in found.note
