import numpy as np
import pytest

from byrote.measures.catalog import find
from byrote.stats.attack_figures import exchange
from measures.attacks import untidy


def world(seed, *, mates=True, examples=40):
    """Answers of pairs in any order, some of whose membership nobody knows."""
    rng = np.random.default_rng(seed)
    member, pair = untidy(rng, 6, examples)
    pair = pair if mates else np.where(pair < 2, pair, -1)
    x = (rng.normal(0, 2, member.shape) + 3 * (member == 1)).astype(np.float32)
    x[:, 5] = 1.25  # all alike
    return x, member, pair, rng


@pytest.mark.parametrize("key", ["lira", "lira[residual]", "rmia"])
@pytest.mark.parametrize("mates", [True, False], ids=["pairs", "some without a mate"])
@pytest.mark.parametrize("seed", range(4))
def test_scores_from_sums_are_those_of_the_attack_on_what_is_left(key, mates, seed):
    x, member, pair, rng = world(seed, mates=mates)
    entry = find(key)
    answers = next(iter(entry.parameters))
    stratum = np.zeros(member.shape, np.int16)
    again = entry.again({answers: x, "member": member, "pair": pair, "stratum": stratum})
    truth = np.arange(len(pair))
    part = np.where(pair < 0, 6 + truth, pair) % 5
    for left_out, given in [(-1, truth), (0, truth), (3, truth), (-1, exchange(pair, rng)), (2, exchange(pair, rng))]:
        kept = part != left_out
        told = {answers: x[kept], "member": member[given][kept], "pair": pair[kept], "stratum": stratum[kept]}
        expected = entry.function(**told).values
        np.testing.assert_allclose(again(kept, given), expected, rtol=1e-8, atol=1e-9)


def test_models_of_several_strata_and_answers_that_do_not_add_up_have_no_sums():
    x, member, pair, _ = world(0)
    evidence = {"log_odds": x, "member": member, "pair": pair, "stratum": np.zeros(member.shape, np.int16)}
    several = evidence | {"stratum": np.tile(pair % 2, (member.shape[1], 1)).T.astype(np.int16)}
    assert find("lira").again(several) is None
    assert find("rmia").again(several) is None
    assert find("rmia").again(evidence) is not None
    x[0, 0] = -2000.0
    assert find("rmia").again(evidence) is None
    x[0, 0] = np.inf
    assert find("lira").again(evidence) is find("rmia").again(evidence) is None
