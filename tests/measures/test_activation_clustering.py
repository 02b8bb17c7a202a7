from __future__ import annotations

import numpy as np

from byrote.measures.activation_clustering import activation_clustering
from measures.evidence import make_evidence, slow_member_mean


def test_agrees_with_the_slow_loop() -> None:
    run = make_evidence(unknown=0.2)
    each, member = run["poison_signatures.cluster"], run["design.member"]
    expected = slow_member_mean(lambda k, i: each[k, i], member)
    np.testing.assert_allclose(activation_clustering(each, member).values, expected, rtol=1e-6)


def test_a_class_too_small_in_one_model_is_undefined() -> None:
    each = np.array([[0.5, np.nan], [0.7, 0.25]])
    found = activation_clustering(each, np.ones((2, 2), np.int8))
    assert found.values[0] == 0.6
    assert np.isnan(found.values[1])
    assert found.reason(1)
