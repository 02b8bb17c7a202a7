import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.special import logsumexp

from byrote.errors import TooFewModels
from byrote.measures.lira import lira, lira_offline, lira_pooled
from byrote.measures.stolen_memories import stolen_memories, stolen_memories_linear, stolen_memories_log_odds
from measures.attacks import area, references_of, untidy
from measures.evidence import half_subset_pairs, make_evidence


@given(st.integers(3, 6), st.integers(1, 7), st.integers(2, 4), st.integers(0, 2**32 - 1))
def test_linear_agrees_with_the_slow_loop(pairs, examples, classes, seed):
    rng = np.random.default_rng(seed)
    member, pair = untidy(rng, pairs, examples)
    logits, label = rng.normal(0, 3, (*member.shape, classes)), rng.integers(classes, size=examples)
    found = stolen_memories_linear(logits, label, member, pair)
    for t in range(2 * pairs):
        others = references_of(t, pair)
        assert found.references[t] == len(others)
        for i, y in enumerate(label):
            own = [logits[k, i, y] - sum(logits[k, i]) / classes for k in range(2 * pairs)]
            usual = [own[k] for k in others if member[k, i] == 0]
            if usual:
                assert found.values[t, i] == pytest.approx(own[t] - sum(usual) / len(usual), rel=1e-9, abs=1e-9)
            else:
                assert found.reasons[found.reason_code[t, i]] == "every reference model was trained on it"


def gaussian_classifiers(rng, *, models, each, width, classes):
    """Logits of the classifiers that take the means of their own members for those of the classes, and the design.

    All examples are N(0, 1) in each of `width` dimensions, `each` of a class for every model: labels are by rote alone.
    """
    label = np.repeat(np.arange(classes), 2 * each)
    x = rng.normal(size=(len(label), width))
    parts, pair = zip(*(half_subset_pairs(rng, models, 2 * each) for _ in range(classes)), strict=True)
    member = np.concatenate(parts, axis=1)
    logits = np.empty((*member.shape, classes))
    for k, chosen in enumerate(member == 1):
        means = np.stack([x[chosen & (label == y)].mean(0) for y in range(classes)])
        logits[k] = x @ means.T - (means**2).sum(1) / 2
    return logits, label, member, pair[0]


def log_odds_of(logits, label):
    own = np.take_along_axis(logits, np.broadcast_to(label[:, None], (*logits.shape[:2], 1)), -1)[..., 0]
    return own - logsumexp(np.where(np.arange(logits.shape[2]) == label[:, None], -np.inf, logits), -1)


@pytest.mark.parametrize("classes", [2, 5])
def test_gaussian_classifiers_give_away_what_can_be_given_away(classes):
    """Whoever knows the pool of examples cannot do better than AUC Phi(sqrt((1 - 1 / c) d / n)).

    The mean of n of a class's 2 n examples lies N(0, 1 / (2 n)) around the pool's in each direction, so that x . mean
    is on average |x|^2 / n = d / n larger for the members x than for the others, with variance d / (2 n). What softmax
    leaves of it, the mean less that of all c classes, has 1 - 1 / c of the difference and of the variance.
    """
    each, width = 100, 200
    optimum = stats.norm.cdf(np.sqrt((1 - 1 / classes) * width / each))
    rng = np.random.default_rng(classes)
    logits, label, member, pair = gaussian_classifiers(rng, models=64, each=each, width=width, classes=classes)
    assert area(stolen_memories_linear(logits, label, member, pair).values, member) == pytest.approx(optimum, abs=0.01)


def test_with_two_classes_lira_has_the_same_optimum():
    """Log-odds of two classes are the difference of the logits, twice the centred one: nothing more to know."""
    each, width = 100, 200
    optimum = stats.norm.cdf(np.sqrt(width / (2 * each)))
    rng = np.random.default_rng(0)
    logits, label, member, pair = gaussian_classifiers(rng, models=128, each=each, width=width, classes=2)
    odds = log_odds_of(logits, label)
    white = area(stolen_memories_linear(logits, label, member, pair).values, member)
    online = [area(attack(odds, member, pair).values, member) for attack in (lira, lira_pooled)]
    offline = area(lira_offline(odds, member, pair).values, member)
    np.testing.assert_allclose([white, offline, *online], optimum, atol=0.012)
    assert max(white, offline, *online) < optimum + 0.005


def test_with_a_true_layer_to_compare_with_the_score_is_the_log_odds_of_membership():
    """Means known but for the members': a member is N(m, 1 - 1/n), others N(mu, 1); AUC Phi(sqrt(d / (4 n)))."""
    rng, each, width, models = np.random.default_rng(1), 150, 300, 30
    displacement, member = np.empty((models, 4 * each)), np.zeros((models, 4 * each), np.int8)
    label = np.repeat([0, 1], 2 * each)
    for k in range(models):
        x = rng.normal(size=(4 * each, width))
        member[k] = np.tile(np.repeat([1, 0], each), 2)
        means = np.stack([x[(member[k] == 1) & (label == y)].mean(0) for y in range(2)])
        z = x @ means.T - (means**2).sum(1) / 2
        displacement[k] = z[np.arange(4 * each), label] - z.mean(1)
    found = area(stolen_memories(displacement).values, member)
    assert found == pytest.approx(stats.norm.cdf(np.sqrt(width / (4 * each))), abs=0.01)


@pytest.mark.parametrize("models", [8, 16, 64])
def test_null_auc_is_a_half(models):
    rng = np.random.default_rng(models)
    examples = 240_000 // models
    member, pair = half_subset_pairs(rng, models, examples)
    logits = rng.normal(size=(models, examples, 3)) + rng.normal(0, 2, (examples, 3)) + rng.normal(size=(models, 1, 3))
    scores = stolen_memories_linear(logits, rng.integers(3, size=examples), member, pair).values
    assert area(scores, member) == pytest.approx(0.5, abs=0.01)


def test_a_logit_that_is_not_finite_has_its_reason():
    member, pair = half_subset_pairs(np.random.default_rng(0), 8, 3)
    logits = np.zeros((8, 3, 2))
    logits[2, 1, 0] = np.inf
    found = stolen_memories_linear(logits, np.zeros(3, np.int64), member, pair)
    assert found.reasons[found.reason_code[0, 1]] == "a model's answer is not finite"
    recorded = stolen_memories(np.array([[0.5, np.nan], [-np.inf, 1.0]], np.float32))
    np.testing.assert_array_equal(recorded.values, [[0.5, np.nan], [np.nan, 1.0]])
    assert recorded.reasons[recorded.reason_code[0, 1]] == "a model's answer is not finite"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "attack"),
    [
        ("last_layer.displacement", stolen_memories),
        ("last_layer.log_odds_displacement", stolen_memories_log_odds),
    ],
)
def test_members_of_larger_displacement_score_higher(name, attack):
    """Displacements are N(0, 1), one more for members: AUC Phi(1 / sqrt(2))."""
    evidence = make_evidence(models=16, examples=500)
    found = area(attack(evidence[name]).values, evidence["design.member"])
    assert found == pytest.approx(stats.norm.cdf(1 / np.sqrt(2)), abs=0.015)


def test_too_few_models_and_designs_that_leak_are_refused():
    rng = np.random.default_rng(0)
    member, pair = half_subset_pairs(rng, 4, 10)
    with pytest.raises(TooFewModels, match="The stolen-memories attack needs at least 4 reference models"):
        stolen_memories_linear(np.zeros((4, 10, 2)), np.zeros(10, np.int64), member, pair)
    balanced, _ = half_subset_pairs(rng, 8, 40)
    with pytest.raises(TooFewModels, match="would give away"):
        stolen_memories_linear(np.zeros((8, 40, 2)), np.zeros(40, np.int64), balanced, np.full(8, -1))
