import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from byrote.measures._groups import CONTROLS
from byrote.measures.first_split_learning_time import first_split_learning_time, first_split_survival
from measures.evidence import make_evidence

NAMES = [name.split(".")[1] for name in CONTROLS]
grids = st.lists(st.integers(1, 30), min_size=1, max_size=8, unique=True)


def slow_time(correct, epochs):
    """First epoch after 0 from which the example stays correct; None where it is wrong at the end."""
    for c in range(len(epochs)):
        if epochs[c] > 0 and all(correct[c:]):
            return int(epochs[c])
    return None


@given(grids, st.booleans(), st.integers(1, 6), st.integers(1, 6), st.integers(0, 999))
def test_agrees_with_the_slow_loop(later, start, models, examples, seed):
    rng = np.random.default_rng(seed)
    epochs = np.array([0] * start + sorted(later))
    correct = rng.random((models, len(epochs), examples)) < 0.7
    member = rng.integers(-1, 2, (models, examples)).astype(np.int8)
    found = first_split_learning_time(correct, epochs, member)
    for i in range(examples):
        times = [slow_time(correct[k, :, i], epochs) for k in range(models) if member[k, i] == 1]
        assert found.counts["never_learned"][i] == times.count(None)
        assert found.counts["members"][i] == len(times)
        if not times:
            assert found.reason(i) == "a member of no model"
            continue
        scores = [1.0 if t is None else 1 - 1 / t for t in times]
        assert found.values[i] == pytest.approx(np.mean(scores))
        if np.ptp(scores) > 1e-9:
            assert found.stderr[i] == pytest.approx(stats.sem(scores))


def test_by_hand():
    """Learned for good at epoch 5 after a relapse, and never: (1 - 1/5 + 1) / 2."""
    correct = np.array([[1, 1, 0, 1], [1, 1, 1, 0]], bool)[:, :, None]
    found = first_split_learning_time(correct, np.array([0, 1, 2, 5]), np.ones((2, 1), np.int8))
    assert found.values[0] == pytest.approx(0.9)
    assert found.counts["never_learned"][0] == 1


def test_a_lucky_start_is_learned_after_the_first_epoch():
    found = first_split_learning_time(np.ones((3, 3, 2), bool), np.array([0, 1, 2]), np.ones((3, 2), np.int8))
    np.testing.assert_array_equal(found.values, 0.0)
    assert (found.stderr > 0).all()


def test_longer_watching_changes_little():
    """A time beyond the last epoch T counts 0 instead of under 1 / T."""
    rng = np.random.default_rng(0)
    times = rng.geometric(0.1, (40, 60))
    scores = []
    for last in (20, 200):
        epochs = np.arange(last + 1)
        correct = epochs[:, None] >= times[:, None, :]
        scores.append(first_split_learning_time(correct, epochs, np.ones((40, 60), np.int8)).values)
    assert (scores[0] - scores[1]).min() >= 0
    assert (scores[0] - scores[1]).max() < 1 / 20 * 0.3


def test_covers_geometric_times():
    """t ~ Geometric(p): E 1/t = -p log(p) / (1 - p). 4,000 examples over 16 models; margin .014."""
    rng = np.random.default_rng(1)
    p = 0.2
    times = rng.geometric(p, (16, 4000))
    epochs = np.arange(200)
    correct = epochs[:, None] >= times[:, None, :]
    found = first_split_learning_time(correct, epochs, np.ones((16, 4000), np.int8))
    truth = 1 + p * np.log(p) / (1 - p)
    assert abs(found.values.mean() - truth) < 4 * found.values.std() / np.sqrt(4000)
    assert 0.92 <= np.mean((found.low <= truth) & (truth <= found.high)) <= 0.97


def test_survival_is_the_share_not_yet_learned():
    run = make_evidence(models=8, examples=40, seed=3)
    correct, epochs, member = (run[f"first_phase.{name}"] for name in ("correct", "epochs", "member"))
    found = first_split_survival(
        correct, epochs, member, run["design.pair"], **{name: run[f"controls.{name}"] for name in NAMES}
    )
    clean = ~np.any([run[f"controls.{name}"] for name in NAMES], axis=0)
    times = [slow_time(correct[k, :, i], epochs) for k in range(8) for i in range(40) if member[k, i] == 1 and clean[i]]
    np.testing.assert_array_equal(found.at, [1, 2, 4, 8])
    for column, epoch in enumerate(found.at):
        assert found.values[0, column] == pytest.approx(np.mean([t is None or t > epoch for t in times]))
    assert found.counts[0] == len(times)
    assert found.censored[0] == times.count(None)
    assert set(found.groups) <= {"clean", *NAMES}
