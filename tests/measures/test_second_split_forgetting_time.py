import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from byrote.errors import BadInput
from byrote.measures._groups import CONTROLS
from byrote.measures.second_split_forgetting_time import second_split_forgetting_time, second_split_survival
from byrote.stats.ranking import auroc
from measures.evidence import half_subset_pairs, make_evidence

NAMES = [name.split(".")[1] for name in CONTROLS]
grids = st.lists(st.integers(1, 30), min_size=1, max_size=8, unique=True)


def slow_time(correct, epochs):
    """First epoch after 0 from which the example stays wrong; None where it is right at the end."""
    for c in range(1, len(epochs)):
        if not any(correct[c:]):
            return int(epochs[c])
    return None


@given(grids, st.integers(1, 6), st.integers(1, 6), st.integers(0, 999))
def test_agrees_with_the_slow_loop(later, models, examples, seed):
    rng = np.random.default_rng(seed)
    epochs = np.array([0, *sorted(later)])
    correct = rng.random((models, len(epochs), examples)) < 0.5
    withdrawn = rng.random((models, examples)) < 0.8
    found = second_split_forgetting_time(correct, epochs, withdrawn)
    for i in range(examples):
        learned = [k for k in range(models) if withdrawn[k, i] and correct[k, 0, i]]
        times = [slow_time(correct[k, :, i], epochs) for k in learned]
        assert found.counts["withdrawn"][i] == withdrawn[:, i].sum()
        assert found.counts["learned"][i] == len(times)
        assert found.counts["never_forgotten"][i] == times.count(None)
        if not withdrawn[:, i].any():
            assert found.reason(i) == "withdrawn from no model"
        elif not times:
            assert found.reason(i) == "learned by no model that it was withdrawn from"
        else:
            rates = [0.0 if t is None else 1 / t for t in times]
            assert found.values[i] == pytest.approx(np.mean(rates))
            if len(times) == 1:
                assert np.isnan(found.stderr[i])
            elif np.ptp(rates) > 1e-9:
                assert found.stderr[i] == pytest.approx(stats.sem(rates))


def test_by_hand():
    """Lost for good at epoch 5 after coming back once, at epoch 1, and never; the last model had not learned it."""
    correct = np.array([[1, 0, 1, 0], [1, 0, 0, 0], [1, 1, 0, 1], [0, 0, 0, 0]], bool)[:, :, None]
    found = second_split_forgetting_time(correct, np.array([0, 1, 2, 5]), np.ones((4, 1), bool))
    assert found.values[0] == pytest.approx((1 / 5 + 1 + 0) / 3)
    assert {name: int(count[0]) for name, count in found.counts.items()} == {
        "withdrawn": 4,
        "learned": 3,
        "never_forgotten": 1,
    }


def test_what_was_never_learned_is_undefined_and_not_forgotten():
    found = second_split_forgetting_time(np.zeros((4, 3, 1), bool), np.array([0, 1, 2]), np.ones((4, 1), bool))
    assert np.isnan([found.values[0], found.stderr[0], found.low[0], found.high[0]]).all()
    assert found.reason(0) == "learned by no model that it was withdrawn from"


@pytest.mark.parametrize("epochs", [[1, 2], [0]])
def test_the_state_at_the_start_is_needed(epochs):
    with pytest.raises(BadInput, match=r"must begin with 0.*and go on\. Got \["):
        second_split_forgetting_time(np.ones((2, len(epochs), 1), bool), np.array(epochs), np.ones((2, 1), bool))


def test_a_lookup_table_forgets_at_once_and_a_rule_never():
    withdrawn, _ = half_subset_pairs(np.random.default_rng(0), 8, 20)
    epochs = np.arange(4)
    for after, expected in ((False, 1.0), (True, 0.0)):
        correct = np.full((8, 4, 20), after)
        correct[:, 0] = True
        found = second_split_forgetting_time(correct, epochs, withdrawn == 1)
        np.testing.assert_array_equal(found.values, expected)
        assert (found.stderr > 0).all()
        assert (found.low <= expected).all()
        assert (expected <= found.high).all()


def forgotten_at(times, last):
    """Trajectories of examples that are right before `times` and wrong from then on."""
    epochs = np.arange(last + 1)
    return epochs[:, None] < times[:, None, :], epochs


def test_watching_longer_keeps_the_ranking_that_caps_would_change():
    """Mislabelled t ~ Geometric(.3), clean .005: AUROC hardly moves from 20 to 200 epochs."""
    rng = np.random.default_rng(0)
    noisy = np.arange(200) < 40
    times = rng.geometric(np.where(noisy, 0.3, 0.005), (8, 200))
    found = [second_split_forgetting_time(*forgotten_at(times, last), np.ones((8, 200), bool)) for last in (20, 200)]
    assert [auroc(r.values, noisy) > 0.99 for r in found] == [True, True]
    assert np.abs(found[0].values - found[1].values).max() < 1 / 20
    assert (found[0].counts["never_forgotten"] >= found[1].counts["never_forgotten"]).all()


def test_covers_geometric_times():
    """t ~ Geometric(p): E 1/t = -p log(p) / (1 - p). 4,000 examples over 16 models; margin .014."""
    rng = np.random.default_rng(1)
    p = 0.3
    times = rng.geometric(p, (16, 4000))
    found = second_split_forgetting_time(*forgotten_at(times, 100), np.ones((16, 4000), bool))
    truth = -p * np.log(p) / (1 - p)
    assert abs(found.values.mean() - truth) < 4 * found.values.std() / np.sqrt(4000)
    assert 0.92 <= np.mean((found.low <= truth) & (truth <= found.high)) <= 0.97


def test_survival_of_geometric_times_has_its_closed_form():
    """S(t) = (1 - p)^t, of clean p = .05 and of planted noise .5; medians 14 and 1."""
    rng = np.random.default_rng(2)
    noisy, none = np.arange(1000) < 500, np.zeros(1000, bool)
    correct, epochs = forgotten_at(rng.geometric(np.where(noisy, 0.5, 0.05), (8, 1000)), 30)
    others = {name: none for name in NAMES if name != "label_noise"}
    found = second_split_survival(
        correct, epochs, np.ones((8, 1000), bool), np.arange(8) // 2, label_noise=noisy, **others
    )
    assert found.groups == ("clean", "label_noise")
    np.testing.assert_allclose(found.values[0], 0.95**found.at, atol=4 * 0.5 / np.sqrt(4000))
    np.testing.assert_allclose(found.values[1], 0.5**found.at, atol=4 * 0.5 / np.sqrt(4000))
    np.testing.assert_array_equal(found.median, [14, 1])
    np.testing.assert_array_equal(found.counts, [4000, 4000])
    assert found.censored[0] == pytest.approx(4000 * 0.95**30, abs=4 * np.sqrt(4000 * 0.25))


def test_survival_leaves_out_what_was_never_learned():
    run = make_evidence(models=8, examples=40, seed=5)
    correct, epochs, withdrawn = run["trajectory.correct"], run["trajectory.epochs"], run["design.withdrawn"]
    controls = {name: run[f"controls.{name}"] for name in NAMES}
    found = second_split_survival(correct, epochs, withdrawn, run["design.pair"], **controls)
    masks = {"clean": ~np.any(list(controls.values()), axis=0), **controls}
    for row, group in enumerate(found.groups):
        times = [
            slow_time(correct[k, :, i], epochs)
            for k in range(8)
            for i in np.flatnonzero(masks[group])
            if withdrawn[k, i] and correct[k, 0, i]
        ]
        assert (found.counts[row], found.censored[row]) == (len(times), times.count(None))
        for column, epoch in enumerate(found.at):
            expected = np.mean([t is None or t > epoch for t in times]) if times else np.nan
            assert found.values[row, column] == pytest.approx(expected, nan_ok=True)
