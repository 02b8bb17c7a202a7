import numpy as np
import pytest
from scipy.stats import binom

from byrote.errors import BadInput
from byrote.measures.secret_inference import (
    _around_median,
    secret_inference,
    secret_inference_heldout,
    secret_inference_median,
    secret_reconstruction,
    sides,
)


def secrets(rng, models=8, canaries=40, references=49, gain=0.0, noise=1.0):
    """Every canary stands in a document of its own, in half of the models; a model knows it by `gain` bits."""
    member = np.stack([rng.permutation(canaries) < canaries // 2 for _ in range(models // 2)])
    member = np.stack([member, ~member], axis=1).reshape(models, canaries).astype(np.int8)
    level = rng.normal(27, 4, (canaries, references + 1))  # some secrets are likelier than others to all models
    said = level + noise * rng.normal(size=(models, canaries, references + 1))
    own = said[..., 0] - gain * member
    pair = np.repeat(np.arange(models // 2), 2)
    return own, said[..., 1:], np.ones(canaries, np.int64), np.arange(canaries), member, pair


def slow(own, others, repetitions, document, member, pair):
    """The share of first places of models trained on a secret, one game after another."""
    won = []
    for c in range(own.shape[1]):
        for k in np.flatnonzero(member[:, c] == 1):
            without = [j for j in range(len(own)) if member[j, c] == 0 and pair[j] != pair[k]]
            asked = [own[:, c], *others[:, c].T]
            score = [np.mean([one[j] for j in without]) - one[k] for one in asked]
            won.append((max(score) == score[0]) / score.count(max(score)))
    return np.mean(won)


def test_agrees_with_the_slow_loop():
    given = secrets(np.random.default_rng(0), canaries=12, references=9, gain=1.5)
    found = secret_inference(*given, candidates=10)
    assert found.value == pytest.approx(slow(*given))
    assert 0 < found.low < found.value < found.high < 1
    assert found.varies_over == "models and examples"
    assert "among 10 candidates; of models that never saw it" in found.note


def test_a_uniform_network_is_first_as_often_as_chance_has_it():
    own, others, *rest = secrets(np.random.default_rng(1))
    flat = (np.full_like(own, 26.6), np.full_like(others, 26.6))
    for measure in (secret_inference, secret_inference_heldout):
        assert measure(*flat, *rest).value == pytest.approx(1 / 50)
    assert secret_inference_median(*flat, *rest).value == 0.5


def test_models_without_a_secret_win_one_of_as_many_games_as_there_are_candidates():
    given = secrets(np.random.default_rng(2), canaries=200, references=4, gain=3.0)
    null = secret_inference_heldout(*given, candidates=5)
    assert null.low < 1 / 5 < null.high
    assert null.value == pytest.approx(1 / 5, abs=0.04)


def test_what_all_models_find_likely_is_taken_off():
    """Levels of the candidates scatter four times as much as models do, and gains of 12 are told nevertheless."""
    given = secrets(np.random.default_rng(3), gain=12.0)
    assert secret_inference(*given).value > 0.95
    median = secret_inference_median(*given)
    assert median.value == 1.0
    assert median.note == "a median rank of 1.0 of 50"


def test_a_secret_is_reconstructed_where_it_is_surely_first_of_its_space():
    rank = np.array([[1.0, 1.0, 2.0], [5.0, 1.0, 3.0], [1.0, 4.0, np.nan], [6.0, 7.0, 8.0]])
    member, pair = np.array([[1, 1, 1], [0, 0, 0], [1, 1, 1], [0, 0, 0]], np.int8), np.array([0, 0, 1, 1])
    found = secret_reconstruction(rank, np.ones(3, np.int64), np.arange(3), member, pair)
    assert found.value == pytest.approx(3 / 5)
    assert found.note.startswith("of models that never saw it 0.167")
    nothing = secret_reconstruction(np.full((4, 3), np.nan), np.ones(3, np.int64), np.arange(3), member, pair)
    assert nothing.reason == "no model was trained on a secret that was searched for"


def test_sides_leave_out_what_nobody_knows():
    repetitions, document = np.array([1, 0, 2]), np.array([0, 2, 2])
    member = np.array([[1, 0, 1], [0, -1, 0], [-1, 0, 0]], np.int8)
    trained, without = sides(repetitions, document, member)
    assert trained.tolist() == [[True, False, True], [False, False, False], [False, False, False]]
    assert without.tolist() == [[False, True, False], [True, True, False], [False, True, True]]


def test_without_models_to_compare_with_nothing_is_said():
    own, others, repetitions, document, member, pair = secrets(np.random.default_rng(4))
    found = secret_inference(own, others, repetitions, document, np.ones_like(member), pair)
    assert np.isnan(found.value)
    assert found.reason.startswith("no model was trained on a secret with other candidates while two others")
    assert np.isnan(secret_inference_median(own, others, repetitions, document, np.ones_like(member), pair).value)


def test_the_median_lies_between_order_statistics_that_cover():
    """Of 20 values those from the sixth to the fifteenth: 95.9 %."""
    assert _around_median(np.arange(20.0)) == (5.0, 14.0)
    assert 1 - 2 * binom.cdf(5, 20, 0.5) == pytest.approx(0.9586, abs=1e-4)
    assert np.isnan(_around_median(np.arange(5.0))).all()


def test_candidates_of_one_are_refused():
    with pytest.raises(BadInput, match="'candidates' argument of secret_inference must be at least 2"):
        secret_inference(*secrets(np.random.default_rng(5)), candidates=1)


def test_chance_counts_the_candidates_that_there_are():
    """Spaces of 10 in an array that is 50 wide: of models that know nothing one in 10 is first."""
    own, others, *rest = secrets(np.random.default_rng(7))
    others[:, :, 9:] = np.nan
    found = secret_inference(own, others, *rest)
    assert found.note.startswith("among 10 candidates; of models that never saw it 0.")
    assert found.note.endswith(", where 1 in 10 is chance")
    assert secret_inference_heldout(own, others, *rest).note == "among 10 candidates, where 1 in 10 is chance"
    others[:, :20, 4:] = np.nan
    found = secret_inference_heldout(own, others, *rest)
    assert found.note == "among 5 to 10 candidates, where 0.150 is chance"  # half of them 1 in 5, half 1 in 10
    assert found.low < 0.15 < found.high
    assert secret_inference_median(own, others, *rest).note == "among 5 to 10 candidates"


def test_a_secret_without_other_candidates_is_first_of_nothing():
    own, others, *rest = secrets(np.random.default_rng(8), gain=12.0)
    others[:, :10] = np.nan
    assert secret_inference(own, others, *rest).examples == 30
    for measure in (secret_inference, secret_inference_heldout, secret_inference_median):
        nothing = measure(own, np.full_like(others, np.nan), *rest)
        assert np.isnan(nothing.value)
        assert "with other candidates" in nothing.reason


@pytest.mark.slow
def test_the_interval_of_the_null_leaves_chance_out_as_seldom_as_it_says():
    out = 0
    for seed in range(200):
        null = secret_inference_heldout(
            *secrets(np.random.default_rng([6, seed]), references=3, gain=2.0), candidates=4
        )
        out += not null.low <= 1 / 4 <= null.high
    assert 4 <= out <= 16
