import numpy as np
import pytest
from scipy.special import ndtr

from byrote.errors import TooFewModels
from byrote.measures._by_document import NOT_FINITE, UNSCORED
from byrote.measures.text_references import lira_text, reference_attack, rmia_text
from byrote.stats.ranking import auroc
from measures.evidence import half_subset_pairs

ATTACKS = (reference_attack, lira_text, rmia_text)


def texts(rng, models, documents, gap, tokens=3):
    """Documents whose mean log-probability is normal about a level of their own, and higher by `gap` of a member."""
    member, pair = half_subset_pairs(rng, models, documents)
    mean = rng.normal(-30.0, 3.0, documents) + rng.normal(size=member.shape) + gap * (member == 1)
    around = np.linspace(-0.5, 0.5, tokens)
    log_p = (mean[..., None] + around).reshape(models, -1)
    return log_p, np.arange(0, tokens * documents + 1, tokens), np.ones(tokens * documents, bool), member, pair


def slow_reference(mean, member, pair):
    found = np.full(mean.shape, np.nan)
    for t in range(len(mean)):
        for i in range(mean.shape[1]):
            sides = [[mean[k, i] for k in range(len(mean)) if pair[k] != pair[t] and member[k, i] == s] for s in (0, 1)]
            if all(sides):
                found[t, i] = mean[t, i] - sum(sum(side) / len(side) for side in sides) / 2
    return found


def test_agrees_with_the_slow_loop():
    log_p, offsets, scored, member, pair = texts(np.random.default_rng(0), 8, 12, 1.0)
    member[:, 0] = 0  # held out from all
    member[::2, 1] = 1
    mean = log_p.reshape(8, 12, 3).mean(2)
    found = reference_attack(log_p, offsets, scored, member, pair)
    np.testing.assert_allclose(found.values, slow_reference(mean, member, pair), rtol=1e-9)
    assert {found.reasons[code] for code in found.reason_code[:, 0]} == {"no reference model was trained on it"}


def test_complete_pairs_take_the_plain_mean_of_the_others():
    log_p, offsets, scored, member, pair = texts(np.random.default_rng(1), 10, 40, 1.0)
    mean = log_p.reshape(10, 40, 3).mean(2)
    plain = mean[0] - mean[2:].mean(0)
    np.testing.assert_allclose(reference_attack(log_p, offsets, scored, member, pair).values[0], plain, rtol=1e-9)


def test_gaussians_of_known_distance_have_the_area_that_theory_says():
    """The target against k references scatters with 1 + 1/k; LiRA knows level and gap with as many, and no better."""
    log_p, offsets, scored, member, pair = texts(np.random.default_rng(2), 64, 1500, 1.0)
    limit = ndtr(1.0 / np.sqrt(2))
    reference = reference_attack(log_p, offsets, scored, member, pair).values
    found = auroc(reference[:8].ravel(), member[:8].ravel() == 1)
    assert found == pytest.approx(ndtr(1.0 / np.sqrt(2 * (1 + 1 / 62))), abs=0.01)
    ratio = auroc(lira_text(log_p, offsets, scored, member, pair).values[:8].ravel(), member[:8].ravel() == 1)
    assert found - 0.02 < ratio < limit + 0.01


def test_nothing_is_told_where_nothing_is_there():
    log_p, offsets, scored, member, pair = texts(np.random.default_rng(3), 12, 400, 0.0)
    for attack in ATTACKS:
        assert auroc(attack(log_p, offsets, scored, member, pair).values.ravel(), member.ravel() == 1) == pytest.approx(
            0.5, abs=0.03
        )


def test_texts_without_a_prediction_say_so():
    log_p, offsets, scored, member, pair = texts(np.random.default_rng(4), 8, 30, 1.0)
    log_p[:, 3:6], scored[3:6] = np.nan, False
    log_p[0, 6] = np.nan
    for attack in ATTACKS:
        found = attack(log_p, offsets, scored, member, pair)
        why = [{found.reasons[code] for code in found.reason_code[:, i]} for i in range(3)]
        assert why[0] == {""}
        assert why[1:] == [{UNSCORED}, {NOT_FINITE}]


@pytest.mark.parametrize("attack", ATTACKS)
def test_refuses_few_references(attack):
    log_p, offsets, scored, member, pair = texts(np.random.default_rng(5), 4, 6, 1.0)
    with pytest.raises(TooFewModels, match="needs at least 4 reference models"):
        attack(log_p, offsets, scored, member, pair)
