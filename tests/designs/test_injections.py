import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from byrote.designs.design import Design
from byrote.designs.injections import inject, poison
from byrote.errors import BadInput


def rng():
    return np.random.default_rng(0)


@given(st.integers(2, 8), st.integers(2, 20), st.integers(0, 99))
def test_mates_have_complementary_halves_of_the_canaries(pairs, canaries, seed):
    rows = np.random.default_rng(seed).choice(40, canaries, replace=False)
    for design in (
        inject(40, 2 * pairs, canaries=rows, rng=np.random.default_rng(seed)),
        poison(40, 2 * pairs, canaries=rows, rng=np.random.default_rng(seed)),
    ):
        shown = design.member[:, rows]
        np.testing.assert_array_equal(shown.sum(1), canaries // 2)
        assert (shown[0::2] + shown[1::2] <= 1).all()
        assert np.delete(design.member, rows, axis=1).all()
        np.testing.assert_array_equal(design.pair, np.repeat(np.arange(pairs), 2))


def test_phases_of_the_two_regimes():
    rows = np.array([1, 3])
    injected = inject(6, 4, canaries=rows, before=5, after=9, rng=rng())
    assert [(p.name, p.epochs) for p in injected.phases] == [("before", 5), ("injection", 1), ("after", 9)]
    poisoned = poison(6, 4, canaries=rows, prefix=5, after=9, rng=rng())
    assert [(p.name, p.epochs) for p in poisoned.phases] == [("prefix", 5), ("after", 9)]
    for design, at in ((injected, 1), (poisoned, 0)):
        for index, phase in enumerate(design.phases):
            expected = 1 if index == at else 0
            np.testing.assert_array_equal(phase.count[:, rows].sum(1), expected)
            assert (np.delete(phase.count, rows, axis=1) == 1).all()


def test_repetitions_are_dealt_evenly_and_halved_in_every_model():
    rows = np.arange(24)
    count = inject(40, 8, canaries=rows, repetitions=(1, 4, 16), rng=rng()).phases[1].count[:, rows]
    times = count.max(0)
    assert [int((times == n).sum()) for n in (1, 4, 16)] == [8, 8, 8]
    for n in (1, 4, 16):
        np.testing.assert_array_equal((count == n).sum(1), 4)
    np.testing.assert_array_equal(np.isin(count, [0, 1, 4, 16]), True)
    assert sorted(times.tolist()) != times.tolist()


def test_it_is_fixed_by_the_seed_and_survives_its_description():
    made = [inject(30, 6, canaries=np.arange(8), rng=np.random.default_rng(s)) for s in (1, 1, 2)]
    assert made[0].fingerprint() == made[1].fingerprint() != made[2].fingerprint()
    again = Design.from_tensors(made[0].tensors(), json.loads(json.dumps(made[0].describe())))
    assert again.fingerprint() == made[0].fingerprint()


def test_all_models_of_a_block_show_equally_many():
    design = poison(30, 6, canaries=np.arange(9), repetitions=(2,), rng=rng())
    for phase in design.phases:
        assert len(np.unique(phase.count.sum(1))) == 1


@pytest.mark.parametrize("design", [inject, poison])
def test_refusals(design):
    for rows in ([], [3], [0, 6], [-1, 2], [2, 2], [0, 1, 2, 3, 4, 5]):
        with pytest.raises(BadInput, match=rf"'canaries' argument of {design.__name__} must name 2 or more different"):
            design(6, 4, canaries=np.array(rows, np.int64), rng=rng())
    for repetitions in ((), (0,), (256,)):
        with pytest.raises(BadInput, match=r"'repetitions' argument of .* must name numbers in \[1, 255\]"):
            design(6, 4, canaries=np.array([1, 2]), repetitions=repetitions, rng=rng())
    with pytest.raises(BadInput, match="must name 4 or more different rows"):
        design(6, 4, canaries=np.array([1, 2]), repetitions=(1, 2), rng=rng())
    with pytest.raises(BadInput, match=r"even number of models\. Got 5\."):
        design(6, 5, canaries=np.array([1, 2]), rng=rng())
    with pytest.raises(BadInput, match=r"'models' argument of .* must be at least 4"):
        design(6, 2, canaries=np.array([1, 2]), rng=rng())
