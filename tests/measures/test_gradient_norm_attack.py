import numpy as np
import pytest

from byrote.measures.gradient_norm_attack import gradient_norm_attack, gradient_norm_attack_last_layer
from measures.attacks import area
from measures.evidence import make_evidence

EVIDENCE = make_evidence(models=16, examples=500)
ATTACKS = {
    "gradients.gradient_norm": gradient_norm_attack,
    "last_layer.gradient_norm": gradient_norm_attack_last_layer,
}
every_attack = pytest.mark.parametrize("name", ATTACKS)


@every_attack
def test_scores_are_the_norms_negated(name):
    found = ATTACKS[name](np.array([[0.5, 2.0], [0.25, np.inf]], np.float32))
    np.testing.assert_array_equal(found.values, [[-0.5, -2.0], [-0.25, np.nan]])
    assert found.reasons[found.reason_code[1, 1]] == "the norm is not finite"
    np.testing.assert_array_equal(found.references, 0)


@every_attack
def test_members_of_smaller_norm_score_higher(name):
    """Norms are exponential, of mean .4 for members and 1 for others: AUC 1 / (1 + .4)."""
    found = area(ATTACKS[name](EVIDENCE[name]).values, EVIDENCE["design.member"])
    assert found == pytest.approx(1 / 1.4, abs=0.015)
