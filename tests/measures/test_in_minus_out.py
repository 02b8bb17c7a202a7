import numpy as np

from byrote.measures.in_minus_out import differences_without, in_minus_out
from byrote.measures.label_memorization import label_memorization
from byrote.stats.jackknife import parts
from measures.evidence import half_subset_pairs


def test_of_zeros_and_ones_in_strata_it_is_the_difference_of_rates():
    """Of models without mates; the counts of both sides are those of all strata."""
    rng = np.random.default_rng(3)
    member = (rng.random((24, 9)) < 0.5).astype(np.int8)
    correct, stratum = rng.random(member.shape) < 0.6, np.zeros(member.shape, np.int16)
    stratum[8:, :-1] = 1
    found = in_minus_out(
        correct.astype(np.float64), member, np.full(24, -1), stratum, bounds=(0.0, 1.0), what="share of right labels"
    )
    expected = label_memorization(correct, member, stratum)
    assert np.isfinite(expected.values).sum() >= 7
    for of in ("values", "stderr", "low", "high"):
        np.testing.assert_allclose(getattr(found, of), getattr(expected, of), rtol=1e-12)
    np.testing.assert_array_equal(found.counts["members"], (member == 1).sum(0))
    np.testing.assert_array_equal(found.counts["nonmembers"], (member == 0).sum(0))


def test_pairs_in_one_stratum_are_left_out_from_sums():
    member, pair = half_subset_pairs(np.random.default_rng(0), 8, 5)
    values = np.random.default_rng(1).random(member.shape)
    found = differences_without(values, member, pair, None, parts(pair, groups=4))
    left = np.arange(2, 8)
    alone = in_minus_out(values[left], member[left], pair[left], bounds=(0.0, 1.0), what="probability")
    np.testing.assert_allclose(found[0], alone.values)
