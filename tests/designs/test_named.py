import numpy as np
import pytest

from byrote.designs.design import ROLES
from byrote.designs.half_subset_pairs import half_subset_pairs
from byrote.designs.named import SIZES, named_design
from byrote.errors import BadInput
from small import blobs


@pytest.mark.parametrize("name", SIZES)
def test_each_has_its_usual_size_and_models_on_all_data_where_it_can(name):
    design = named_design(name, blobs(40), models=None, full=2, seed=0)
    beside = 2 if name in ("half-subset-pairs", "iid-subsets", "ratio-grid") else 0
    assert design.models == SIZES[name] + beside
    full = design.models_of("full")
    assert len(full) == (1 if name == "full-data" else beside)
    assert design.member[full].all()


def test_halves_are_those_of_the_default():
    expected = half_subset_pairs(30, 8, rng=np.random.default_rng([7, 1]))
    found = named_design("half-subset-pairs", blobs(30), models=8, full=0, seed=7)
    assert found.fingerprint() == expected.fingerprint()
    assert set(found.role) == {ROLES.index("reference")}


def test_a_grid_divides_its_models_among_the_ratios():
    design = named_design("ratio-grid", blobs(100), models=36, full=0, seed=0)
    assert sorted(set(design.member.sum(1))) == [10 * tenth for tenth in range(1, 10)]


@pytest.mark.parametrize(
    ("name", "models", "sentence", "hint"),
    [
        ("thirds", None, "There is no design 'thirds'", "half-subset-pairs, iid-subsets, ratio-grid, two-splits"),
        ("ratio-grid", 64, "a multiple of 9 models, at least 36. Got 64", "--models 72"),
        ("ratio-grid", 4, "Got 4", "--models 36"),
        ("two-splits", 5, "even number of models. Got 5", "--models 6"),
        ("half-subset-pairs", 7, "even number of models. Got 7", "--models 8"),
        ("iid-subsets", 2, "at least 4", "--models 64"),
        ("full-data", 0, "at least 1 model. Got 0", "--models 1"),
    ],
)
def test_sizes_that_do_not_suit(name, models, sentence, hint):
    with pytest.raises(BadInput) as caught:
        named_design(name, blobs(40), models=models, full=2, seed=0)
    assert sentence in caught.value.message
    assert hint in str(caught.value.hint)


def test_groups_stay_whole():
    grouped = blobs(40).replace(groups=np.arange(40) // 2)
    half = named_design("half-subset-pairs", grouped, models=4, full=0)
    np.testing.assert_array_equal(half.member[:, ::2], half.member[:, 1::2])
    for name, models in (("iid-subsets", 4), ("two-splits", 4), ("ratio-grid", 36)):
        member = named_design(name, grouped, models=models, full=0).member
        np.testing.assert_array_equal(member[:, ::2], member[:, 1::2])
