import numpy as np

from byrote.measures.gradient_norm import gradient_norm
from measures.evidence import make_evidence, slow_member_mean


def test_agrees_with_the_slow_loop():
    run = make_evidence(epochs=(0, 1, 2, 4, 40), unknown=0.2)
    norm, epochs, member = run["weight_gradients.norm"], run["weight_gradients.epochs"], run["design.member"]
    found = gradient_norm(norm, epochs, member)
    np.testing.assert_allclose(found.values, slow_member_mean(lambda k, i: norm[k, 3, i], member), rtol=1e-6)
    late = gradient_norm(norm, epochs, member, share=1.0)
    np.testing.assert_allclose(late.values, slow_member_mean(lambda k, i: norm[k, 4, i], member), rtol=1e-6)
