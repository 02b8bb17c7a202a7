import json
from dataclasses import replace

import numpy as np
import pytest

from byrote.designs.design import Design, Phase, _levels, observed
from byrote.designs.full_data import full_data
from byrote.designs.half_subset_pairs import half_subset_pairs
from byrote.designs.two_splits import two_splits
from byrote.errors import BadInput


def small(seed=0):
    return half_subset_pairs(9, 6, rng=np.random.default_rng(seed))


def relabelled():
    base = small()
    labels = np.full(9, -1)
    labels[2] = 1
    return replace(base, phases=(replace(base.phases[0], labels=labels, epochs=3),))


def test_joined_keeps_pairs_apart_and_roles():
    whole = small().joined(full_data(9, 2)).joined(small(1))
    np.testing.assert_array_equal(whole.pair, [0, 0, 1, 1, 2, 2, -1, -1, 3, 3, 4, 4, 5, 5])
    np.testing.assert_array_equal(whole.models_of("full"), [6, 7])
    np.testing.assert_array_equal(whole.models_of("reference"), [*range(6), *range(8, 14)])
    np.testing.assert_array_equal(whole.member[:6], small().member)
    np.testing.assert_array_equal(whole.member[8:], small(1).member)
    assert whole.name == "half_subset_pairs+full_data+half_subset_pairs"
    assert whole.parameters["full"] == 2


def test_joined_onto_models_without_pairs():
    whole = full_data(9, 2).joined(small())
    np.testing.assert_array_equal(whole.pair, [-1, -1, 0, 0, 1, 1, 2, 2])


def test_designs_of_different_phases_are_not_joined():
    with pytest.raises(BadInput, match=r"Designs of phases of \[None\] and \[None, None\] epochs cannot be joined"):
        small().joined(two_splits(9, 4, rng=np.random.default_rng(0)))
    longer = full_data(9, 1)
    longer = replace(longer, phases=(replace(longer.phases[0], epochs=7),))
    with pytest.raises(BadInput, match=r"of \[None\] and \[7\] epochs"):
        small().joined(longer)
    relabelled = replace(longer, phases=(replace(longer.phases[0], epochs=None, labels=np.zeros(9, np.int64)),))
    with pytest.raises(BadInput, match="different label overrides"):
        small().joined(relabelled)


def other_count(design):
    count = design.phases[0].count.copy()
    count[0, 0] += 1
    return replace(design, phases=(replace(design.phases[0], count=count),))


@pytest.mark.parametrize(
    "change",
    [
        other_count,
        lambda d: replace(d, pair=d.pair[::-1].copy()),
        lambda d: replace(d, role=np.ones_like(d.role)),
        lambda d: replace(d, phases=(replace(d.phases[0], epochs=4),)),
        lambda d: replace(d, phases=(replace(d.phases[0], name="again"),)),
        lambda d: replace(d, phases=(replace(d.phases[0], labels=np.arange(9)),)),
        lambda d: replace(d, phases=d.phases * 2),
    ],
    ids=["count", "pair", "role", "epochs", "name", "labels", "phases"],
)
def test_fingerprint_changes_with_anything(change):
    design = relabelled()
    assert change(design).fingerprint() != design.fingerprint()
    assert relabelled().fingerprint() == design.fingerprint()


@pytest.mark.parametrize(
    "design",
    [small(), relabelled(), two_splits(9, 4, epochs=2, rng=np.random.default_rng(0)), small().joined(full_data(9, 1))],
    ids=["pairs", "labels", "two_splits", "joined"],
)
def test_tensors_and_description_make_the_design_again(design):
    described = json.loads(json.dumps(design.describe()))
    again = Design.from_tensors({name: array.copy() for name, array in design.tensors().items()}, described)
    assert again.fingerprint() == design.fingerprint() == described["fingerprint"]
    assert again.name == design.name
    assert again.known == design.known
    assert [phase.epochs for phase in again.phases] == [phase.epochs for phase in design.phases]
    np.testing.assert_array_equal(again.member, design.member)
    assert again.describe() == design.describe()


def test_observed_membership_may_be_unknown():
    member = np.array([[1, 0, -1], [-1, 1, 0]])
    design = observed(member, np.array([0, 0]))
    np.testing.assert_array_equal(design.member, member)
    assert not design.known
    again = Design.from_tensors(design.tensors(), json.loads(json.dumps(design.describe())))
    np.testing.assert_array_equal(again.member, member)


def test_a_member_is_shown_in_any_phase():
    phases = tuple(
        Phase(name=name, count=np.array([count], np.uint8)) for name, count in [("a", [2, 0]), ("b", [0, 0])]
    )
    design = Design(name="x", phases=phases, pair=np.array([-1]), role=np.zeros(1, np.int8))
    np.testing.assert_array_equal(design.member, [[1, 0]])
    assert (design.models, design.examples) == (1, 2)


def test_a_count_of_255_is_a_member_where_all_is_known():
    phase = Phase(name="train", count=np.array([[255, 0]], np.uint8))
    design = Design(name="x", phases=(phase,), pair=np.array([-1]), role=np.zeros(1, np.int8))
    np.testing.assert_array_equal(design.member, [[1, 0]])


def test_three_models_make_a_level_and_fewer_scatter():
    three, two = np.repeat([0.5, 0.56], 3), np.repeat([0.5, 0.56], 2)
    np.testing.assert_array_equal(_levels(three, 100), three)
    np.testing.assert_allclose(_levels(two, 100), 0.53)  # three standard deviations of 100 draws are 0.15
