from itertools import pairwise

import numpy as np
import pytest
from scipy.special import log_softmax

from byrote.errors import BadInput
from byrote.measures.text_attacks import (
    dc_pdd_attack,
    first_of_their_kind,
    frequencies,
    min_k_attack,
    min_k_plus_plus_attack,
    text_loss_attack,
)

RNG = np.random.default_rng(0)
LENGTHS = np.array([5, 11, 40])
OFFSETS = np.concatenate([[0], np.cumsum(LENGTHS)])
ALL = np.ones(OFFSETS[-1], bool)
TOKEN = RNG.integers(3, size=OFFSETS[-1])
#: Of a vocabulary of three tokens, what two models say in every place.
LOG_P = log_softmax(RNG.normal(0, 2, (2, OFFSETS[-1], 3)), -1)
OWN = np.take_along_axis(LOG_P, np.broadcast_to(TOKEN[:, None], (2, OFFSETS[-1], 1)), -1)[..., 0]
MEAN = (np.exp(LOG_P) * LOG_P).sum(-1)
VARIANCE = (np.exp(LOG_P) * LOG_P**2).sum(-1) - MEAN**2


def documents(values):
    return [values[:, a:b] for a, b in pairwise(OFFSETS)]


def theirs(model, document, share):
    """Min-K% and Min-K%++ as the authors' `run.py` has them, of the log-probabilities of three tokens."""
    log_probs, token = LOG_P[model, document], TOKEN[document]
    token_log_probs = log_probs[np.arange(len(token)), token]
    probs = np.exp(log_probs)
    mu = (probs * log_probs).sum(-1)
    sigma = (probs * np.square(log_probs)).sum(-1) - np.square(mu)
    plus = (token_log_probs - mu) / np.sqrt(sigma)
    k_length = int(len(token_log_probs) * share)
    return (np.mean(np.sort(each)[:k_length]) for each in (token_log_probs, plus))


def test_of_three_tokens_all_is_as_the_authors_code_has_it():
    for share in (0.2, 0.5):
        plain = min_k_attack(OWN, OFFSETS, ALL, share=share).values
        plus = min_k_plus_plus_attack(OWN, MEAN, VARIANCE, OFFSETS, ALL, share=share).values
        for model in range(2):
            for i, (a, b) in enumerate(pairwise(OFFSETS)):
                assert (plain[model, i], plus[model, i]) == pytest.approx(tuple(theirs(model, slice(a, b), share)))
    np.testing.assert_allclose(
        text_loss_attack(OWN, OFFSETS, ALL).values, np.stack([each.mean(1) for each in documents(OWN)], 1)
    )


def test_all_tokens_as_the_lowest_are_the_loss():
    loss = text_loss_attack(OWN, OFFSETS, ALL).values
    np.testing.assert_allclose(min_k_attack(OWN, OFFSETS, ALL, share=1.0).values, loss)


def test_a_uniform_model_tells_nothing():
    """Of a uniform distribution log p is its own mean, and its variance, 0, is floored."""
    flat = np.full((1, 4), np.log(1 / 3))
    found = min_k_plus_plus_attack(flat, flat, np.zeros((1, 4)), np.array([0, 2, 4]), np.ones(4, bool))
    assert found.values.tolist() == [[0.0, 0.0]]


def test_a_text_of_few_tokens_has_a_score_where_the_authors_code_has_nan():
    found = min_k_attack(np.array([[-1.0, -2.0, -3.0]]), np.array([0, 2, 3]), np.array([True, True, False]))
    assert found.values[0, 0] == -2.0
    assert np.isnan(found.values[0, 1])
    assert found.reasons[found.reason_code[0, 1]].startswith("no token of it is predicted")
    broken = text_loss_attack(np.array([[np.nan, -2.0]]), np.array([0, 1, 2]), np.ones(2, bool))
    assert broken.reasons[broken.reason_code[0, 0]] == "a model's answer is not finite"
    assert broken.values[0, 1] == -2.0


def test_dc_pdd_by_a_slow_loop_with_copies():
    token = np.array([0, 1, 0, 2, 2, 1, 0, 1, 0])
    offsets = np.array([0, 3, 6, 9])  # the last is a copy of the first
    p = np.linspace(0.1, 0.9, 9)
    expected = []
    for i in range(3):
        others = [j for j in range(9) if (j // 3 in (0, 2)) != (i in (0, 2))]
        terms, met = [], set()
        for j in range(3 * i, 3 * i + 3):
            if token[j] not in met:
                met.add(token[j])
                f = (1 + sum(token[o] == token[j] for o in others)) / (len(others) + 3)
                terms.append(min(0.5, p[j] * np.log(1 / f)))
        expected.append(sum(terms) / len(terms))
    found = dc_pdd_attack(np.log(p)[None], token, offsets, np.ones(9, bool), most=0.5)
    np.testing.assert_allclose(found.values[0], expected)
    assert first_of_their_kind(token, offsets).tolist() == [True, True, False, True, False, True, True, True, False]
    np.testing.assert_allclose(frequencies(token, offsets)[:3], frequencies(token, offsets)[6:])


def test_frequencies_of_all_tokens_add_up_to_one():
    """Of a document that has every token once, they are a distribution."""
    token, offsets = np.array([0, 1, 2, 1, 1, 0]), np.array([0, 3, 6])
    assert frequencies(token, offsets)[:3].sum() == pytest.approx(1.0)


@pytest.mark.parametrize("share", [0.0, 1.5])
def test_refuses_a_share_of_nothing_or_of_more_than_all(share):
    with pytest.raises(BadInput, match=r"'share' argument of min_k_attack must be in \(0, 1\]"):
        min_k_attack(OWN, OFFSETS, ALL, share=share)
    with pytest.raises(BadInput, match="min_k_plus_plus_attack"):
        min_k_plus_plus_attack(OWN, MEAN, VARIANCE, OFFSETS, ALL, share=share)


def test_refuses_a_bound_of_nothing():
    with pytest.raises(BadInput, match="'most' argument of dc_pdd_attack must be above 0"):
        dc_pdd_attack(OWN, TOKEN, OFFSETS, ALL, most=0.0)
