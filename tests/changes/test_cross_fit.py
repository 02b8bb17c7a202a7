import numpy as np
import pytest

from byrote.changes.cross_fit import CrossFit, cross_fit
from byrote.stats.jackknife import difference
from byrote.stats.rates import Rates

PAIRS, EXAMPLES, CHOSEN = 8, 300, 15


def answers(rng: np.random.Generator, rate_in: np.ndarray, rate_out: np.ndarray) -> Rates:
    """Of each of `PAIRS` pairs one model was trained on an example and its mate was not."""
    right = rng.random((PAIRS, 2, EXAMPLES)) < np.stack([rate_out, rate_in])
    return Rates(right=right[:, None].astype(np.int32), models=np.ones((PAIRS, 1, 2, EXAMPLES), np.int32))


def compared(before: Rates, after: Rates, planted: np.ndarray | None = None) -> CrossFit:
    rows = np.arange(before.right.shape[3])
    found = cross_fit(
        before,
        after,
        rows_before=rows,
        rows_after=rows,
        count=CHOSEN,
        planted=np.zeros(len(rows), bool) if planted is None else planted,
        models=2 * len(before.right),
    )
    assert found is not None
    return found


def memorization(rates: Rates, parts: list[int]) -> np.ndarray:
    """[example], from the parts named."""
    right, models = rates.right[parts, 0].sum(0), rates.models[parts, 0].sum(0)
    return np.asarray(right[1] / models[1] - right[0] / models[0])


def test_agrees_with_the_slow_loop():
    rng = np.random.default_rng(0)
    rate = rng.beta(4, 1, EXAMPLES)
    before, after = answers(rng, rate, rate**2), answers(rng, rate, rate**3)
    planted = np.arange(EXAMPLES) < 40
    found = compared(before, after, planted)

    def slow(left_out: int) -> np.ndarray:
        turns = []
        for turn in (0, 1):
            choosing = [part for part in range(PAIRS) if part % 2 == turn and part != left_out]
            measuring = [part for part in range(PAIRS) if part % 2 != turn and part != left_out]
            scores = memorization(before, choosing)
            top = sorted(range(EXAMPLES), key=lambda i: (-scores[i], i))[:CHOSEN]
            rest = [i for i in range(40, EXAMPLES) if i not in top]
            turns.append(
                [[memorization(run, measuring)[group].mean() for run in (before, after)] for group in (top, rest)]
            )
        return np.mean(turns, axis=0)

    replicates = np.array([slow(part) for part in range(PAIRS)])
    for group, (was, now) in enumerate((found.chosen, found.rest)):
        np.testing.assert_allclose([was.value, now.value], slow(-1)[group])
        np.testing.assert_allclose(was.replicates, replicates[:, group, 0])
        np.testing.assert_allclose(now.replicates, replicates[:, group, 1])
    assert 0 < found.shared <= 1


@pytest.mark.slow
def test_is_free_of_the_chance_that_the_choice_by_all_pairs_carries():
    """120 pairs of runs between which nothing changed: the choice by all pairs falls by a tenth all the same."""
    rng = np.random.default_rng(1)
    wrong = regressed = 0
    chosen, rest = [], []
    for _ in range(120):
        rate_in, rate_out = np.full(EXAMPLES, 0.97), rng.beta(8, 1, EXAMPLES)
        before, after = answers(rng, rate_in, rate_out), answers(rng, rate_in, rate_out)
        found = compared(before, after)
        changes = [difference(now, was, paired=True) for was, now in (found.chosen, found.rest)]
        wrong += not changes[0].low <= 0 <= changes[0].high
        chosen.append(changes[0].value)
        rest.append(changes[1].value)
        every = list(range(PAIRS))
        top = np.argsort(-memorization(before, every), kind="stable")[:CHOSEN]
        regressed += (memorization(after, every)[top] - memorization(before, every)[top]).mean() < -0.1
    assert regressed > 110
    for values in (chosen, rest):
        assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(120)
    assert wrong / 120 < 0.1


def test_shows_what_a_change_did_to_the_chosen():
    rng = np.random.default_rng(2)
    rate_out = np.where(np.arange(EXAMPLES) < CHOSEN, 0.02, 0.98)
    before = answers(rng, np.full(EXAMPLES, 0.98), rate_out)
    found = compared(before, answers(rng, np.where(np.arange(EXAMPLES) < CHOSEN, 0.02, 0.98), rate_out))
    assert found.shared > 0.9
    assert difference(found.chosen[1], found.chosen[0], paired=True).high < -0.5


def test_three_pairs_cannot_choose_and_measure():
    rates = Rates(right=np.ones((3, 1, 2, 9), np.int32), models=np.ones((3, 1, 2, 9), np.int32))
    rows = np.arange(9)
    given = {"rows_before": rows, "rows_after": rows, "count": 2, "planted": np.zeros(9, bool), "models": 6}
    assert cross_fit(rates, rates, **given) is None
