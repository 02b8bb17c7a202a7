import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from byrote.measures import membership_baselines
from byrote.measures.membership_baselines import (
    entropy_attack,
    entropy_attack_modified,
    loss_attack,
    margin_attack,
)
from measures.attacks import area
from measures.evidence import make_evidence

EVIDENCE = make_evidence(models=16, examples=500)
ATTACKS = {
    "outputs.loss": loss_attack,
    "outputs.entropy": entropy_attack,
    "outputs.logit_margin": margin_attack,
}


def slow_modified(logits, label):
    """-(1 - p_y) log p_y - sum over k != y of p_k log(1 - p_k), negated."""
    p, score = softmax(logits, -1), np.empty(logits.shape[:2])
    for t in range(logits.shape[0]):
        for i in range(logits.shape[1]):
            y = label[i]
            terms = [p[t, i, k] * np.log(1 - p[t, i, k]) for k in range(logits.shape[2]) if k != y]
            score[t, i] = (1 - p[t, i, y]) * np.log(p[t, i, y]) + sum(terms)
    return score


@given(st.integers(1, 5), st.integers(1, 6), st.integers(2, 5), st.integers(0, 2**32 - 1))
def test_modified_entropy_agrees_with_the_slow_loop(models, examples, classes, seed):
    rng = np.random.default_rng(seed)
    logits, label = rng.normal(0, 3, (models, examples, classes)), rng.integers(classes, size=examples)
    found = entropy_attack_modified(logits, label)
    np.testing.assert_allclose(found.values, slow_modified(logits, label), rtol=1e-9, atol=1e-15)


def test_blocks_of_models_give_the_same(monkeypatch):
    rng = np.random.default_rng(0)
    logits, label = rng.normal(0, 3, (7, 5, 3)), rng.integers(3, size=5)
    whole = entropy_attack_modified(logits, label).values
    monkeypatch.setattr(membership_baselines, "BLOCK_CELLS", 2 * 5 * 3)
    np.testing.assert_array_equal(entropy_attack_modified(logits, label).values, whole)


def test_modified_entropy_tells_a_sure_error_from_a_sure_success():
    """Logits 0 and 1000: log p and log(1 - p) are -1000, where p itself rounds to 0 and 1."""
    logits = np.array([[[1000.0, 0.0], [0.0, 1000.0], [0.0, 0.0]]], np.float32)
    found = entropy_attack_modified(logits, np.zeros(3, np.int64)).values[0]
    assert found[0] == 0.0
    assert found[1] < -1000.0
    assert found[2] == pytest.approx(-np.log(2))
    np.testing.assert_array_equal(entropy_attack(np.zeros((1, 2), np.float32)).values, 0.0)


@pytest.mark.parametrize("name", ATTACKS)
def test_members_score_higher(name):
    found = ATTACKS[name](EVIDENCE[name])
    assert area(found.values, EVIDENCE["design.member"]) > 0.6
    np.testing.assert_array_equal(found.references, 0)


def test_modified_members_score_higher_than_by_plain_entropy():
    member = EVIDENCE["design.member"]
    plain = entropy_attack(EVIDENCE["outputs.entropy"]).values
    modified = entropy_attack_modified(EVIDENCE["outputs.logits"], EVIDENCE["data.label"]).values
    assert area(modified, member) > area(plain, member) + 0.05


@pytest.mark.parametrize("name", ATTACKS)
def test_scores_are_the_evidence(name):
    values = np.array([[0.5, 2.0], [0.25, np.inf]], np.float32)
    found = ATTACKS[name](values)
    sign = 1 if name == "outputs.logit_margin" else -1
    np.testing.assert_array_equal(found.values[:, 0], sign * values[:, 0])
    assert np.isnan(found.values[1, 1])
    assert found.reasons[found.reason_code[1, 1]] == "the model's answer is not finite"


def test_a_logit_that_is_not_finite_has_its_reason():
    logits = np.zeros((2, 2, 3))
    logits[0, 1, 2] = np.nan
    logits[1, 0, 0] = np.inf
    found = entropy_attack_modified(logits, np.array([0, 1]))
    np.testing.assert_array_equal(found.reason_code, [[0, 1], [1, 0]])
