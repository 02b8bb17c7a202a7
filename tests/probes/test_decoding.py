import itertools

import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from byrote.errors import BadInput
from byrote.probes import decoding, tokens
from documents import Bigrams, numbers

CORPUS = numbers([[1, 2, 3, 0], [4, 4, 1]], 5)


def table():
    network = Bigrams(5)
    with torch.no_grad():
        network.table.copy_(torch.from_numpy(np.random.default_rng(0).normal(0, 1.5, (5, 5))))
    return network


def slow(temperature: float, top_k: int, top_p: float) -> np.ndarray:
    """Token by token, cutting a sorted list."""
    found = []
    for index in range(len(CORPUS)):
        document = CORPUS.document(index).tolist()
        found.append(np.nan)
        for before, token in itertools.pairwise(document):
            logits = table().table[before].detach().numpy() / temperature
            order = np.argsort(-logits)[:top_k]
            p = np.exp(log_softmax(logits[order]))
            size = next((n for n in range(1, len(p) + 1) if p[:n].sum() >= top_p), len(p))
            order = order[:size]
            log_p = log_softmax(logits[order])
            found.append(log_p[order.tolist().index(token)] if token in order else -np.inf)
    return np.array(found)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
@pytest.mark.parametrize(("top_k", "top_p"), [(5, 1.0), (2, 1.0), (1, 1.0), (5, 0.6), (3, 0.8)])
def test_equals_a_slow_loop(temperature, top_k, top_p):
    read = decoding.signals(
        table(), CORPUS, context=8, temperature=temperature, top_k=top_k, top_p=None if top_p == 1 else top_p
    )
    np.testing.assert_allclose(read["log_probability"], slow(temperature, top_k, top_p), rtol=1e-5, atol=1e-6)


def test_the_plain_distribution_is_that_of_the_token_record():
    plain = tokens.signals(table(), CORPUS, context=8)
    read = decoding.signals(table(), CORPUS, context=8)["log_probability"]
    np.testing.assert_array_equal(read, plain["log_probability"])
    cut = decoding.signals(table(), CORPUS, context=8, top_k=2)["log_probability"]
    # what the token record alone can say of a cut: which tokens go, and a lower bound for those that stay
    np.testing.assert_array_equal(np.isfinite(cut), (plain["rank"] > 0) & (plain["rank"] <= 2))
    assert (cut[np.isfinite(cut)] >= plain["log_probability"][np.isfinite(cut)]).all()


@pytest.mark.parametrize("setting", [{"temperature": 0.0}, {"top_k": 0}, {"top_p": 0.0}, {"top_p": 1.5}])
def test_impossible_settings_are_refused(setting):
    with pytest.raises(BadInput, match=f"{next(iter(setting))!r}.*Got"):
        decoding.signals(table(), CORPUS, context=8, **setting)
