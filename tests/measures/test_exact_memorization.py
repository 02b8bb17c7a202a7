import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from byrote.errors import BadInput
from byrote.measures.exact_memorization import (
    exact_memorization,
    exact_memorization_epochs,
    exact_memorization_heldout,
    exact_memorization_trajectory,
)

ALONE = np.array([-1])


def made(seed, models=3, documents=6):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, 5, documents)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    size = int(offsets[-1])
    member = rng.integers(-1, 2, (models, documents)).astype(np.int8)
    return rng.random((models, size)) < 0.5, rng.integers(3, size=size), offsets, rng.random(size) < 0.8, member


def slow(hit, offsets, scored, member, side):
    """The mean over models of the hits among the scored tokens of their documents on that side."""
    shares = []
    for row, membership in zip(hit, member, strict=True):
        right = total = 0
        for i, of in enumerate(membership):
            for t in range(offsets[i], offsets[i + 1]):
                if of == side and scored[t]:
                    right, total = right + bool(row[t]), total + 1
        if total:
            shares.append(right / total)
    return sum(shares) / len(shares) if shares else np.nan


@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_agrees_with_the_slow_loop(seed, models):
    hit, token, offsets, scored, member = made(seed, models)
    pair = np.full(models, -1)
    for function, side in ((exact_memorization, 1), (exact_memorization_heldout, 0)):
        found = function(hit, token, offsets, scored, member, pair)
        expected = slow(hit, offsets, scored, member, side)
        assert found.value == pytest.approx(expected, nan_ok=True)
        assert bool(found.reason) == np.isnan(expected)
        assert found.stderr != 0


def test_by_hand_with_the_held_out_share_beside_it():
    hit = np.array([[True, False, True, True, True, False]])
    offsets, member = np.array([0, 4, 6]), np.array([[1, 0]], np.int8)
    found = exact_memorization(hit, np.arange(6), offsets, np.ones(6, bool), member, ALONE)
    assert found.value == 3 / 4
    assert found.note.startswith("on documents that the models never saw it is 0.5000")


def test_a_table_of_all_it_was_shown_has_one_and_its_error_is_unknown():
    member = np.array([[1, 0], [0, 1], [1, 0], [0, 1]], np.int8)
    hit = np.repeat(member == 1, 3, axis=1)
    arguments = (hit, np.arange(6), np.array([0, 3, 6]), np.ones(6, bool), member, np.array([0, 0, 1, 1]))
    assert exact_memorization(*arguments).value == 1.0
    assert exact_memorization_heldout(*arguments).value == 0.0
    assert np.isnan(exact_memorization(*arguments).stderr)


@pytest.mark.slow
def test_the_error_of_one_model_covers_what_documents_do():
    """Documents of 20 tokens with a hit rate of their own, uniform in 0 to 1: the mean is 1/2."""
    rng, covered = np.random.default_rng(0), 0
    for _ in range(200):
        rate = rng.random(60)
        hit = rng.random((1, 1200)) < np.repeat(rate, 20)
        found = exact_memorization(
            hit, np.arange(1200), np.arange(0, 1201, 20), np.ones(1200, bool), np.ones((1, 60), np.int8), ALONE
        )
        covered += found.low <= 0.5 <= found.high
    assert 0.90 <= covered / 200 <= 0.99


def test_undefined_has_its_reason():
    nothing = exact_memorization(
        np.ones((1, 2), bool), np.arange(2), np.array([0, 2]), np.ones(2, bool), np.zeros((1, 1), np.int8), ALONE
    )
    assert np.isnan(nothing.value)
    assert nothing.reason == "no model has such a document with a prediction"


def test_the_trajectory_ends_where_the_reading_does():
    hit, token, offsets, scored, member = made(7, models=4, documents=9)
    member[:] = [1, 0] * 4 + [1]
    before = np.concatenate([[0], np.cumsum(scored)])
    hits = np.array([[np.diff(np.concatenate([[0], np.cumsum(row & scored)])[offsets])] for row in hit])
    hits = np.concatenate([np.zeros_like(hits), hits], axis=1)
    pair = np.full(4, -1)
    curve = exact_memorization_trajectory(hits, np.array([0, 5]), token, offsets, scored, member, pair)
    assert curve.values[0, 0] == 0
    assert before[-1] == scored.sum()
    assert curve.values[:, 1] == pytest.approx(
        [
            exact_memorization(hit, token, offsets, scored, member, pair).value,
            exact_memorization_heldout(hit, token, offsets, scored, member, pair).value,
        ]
    )
    assert ((curve.low <= curve.values) & (curve.values <= curve.high)).all()


def test_the_epochs_by_hand():
    """Of 4 tokens 1, 3, 4 are hit after 1, 2, 3 epochs, and by the other model 0, 4, 4."""
    hits = np.array([[[0], [1], [3], [4]], [[0], [0], [4], [4]]])
    arguments = (hits, np.array([0, 1, 2, 3]), np.array([0, 4]), np.ones(4, bool), np.ones((2, 1), np.int8))
    assert exact_memorization_epochs(*arguments, tau=0.75).value == 2.0
    assert exact_memorization_epochs(*arguments, tau=0.9).value == 2.5
    never = exact_memorization_epochs(hits[:, :2], np.array([0, 1]), *arguments[2:])
    assert never.reason == "a model never predicts 0.9 of the tokens: the most is 0.0000"
    with pytest.raises(BadInput, match=r"'tau' argument of exact_memorization must lie in \(0, 1\]. Got 2"):
        exact_memorization_epochs(*arguments, tau=2.0)
