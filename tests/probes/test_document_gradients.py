from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from byrote.probes.document_gradients import DocumentGradients
from documents import Bigrams, numbers


def test_of_a_table_of_bigrams_the_norm_has_a_closed_form() -> None:
    """The gradient in the row of a token is the mean of softmax less the one-hot of what follows it."""
    corpus = numbers([[1, 2, 1, 0], [2, 2], [0], [1, 2, 1, 0]], 3)
    network = Bigrams(3)
    with torch.no_grad():
        network.table.copy_(torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, -1.0], [0.0, 2.0, 0.0]]))
    network.table.requires_grad_(False)  # as models of others may come
    shares = list[float]()
    block = SimpleNamespace(corpus=corpus, device="cpu", context=8)
    found = DocumentGradients().read(network, block, shares.append)["document_gradient_norm"]
    p = network.table.detach().softmax(-1).numpy().astype(np.float64)
    first = np.zeros((3, 3))
    for before, after in ((1, 2), (2, 1), (1, 0)):
        first[before] += (p[before] - np.eye(3)[after]) / 3
    assert found[0] == pytest.approx(np.linalg.norm(first), rel=1e-5)
    assert found[1] == pytest.approx(np.linalg.norm(p[2] - np.eye(3)[2]), rel=1e-5)
    assert np.isnan(found[2])  # of one token nothing is predicted
    assert found[3] == found[0]
    assert network.table.grad is None
    assert not network.table.requires_grad
    assert shares == sorted(shares)
