from types import SimpleNamespace

import numpy as np
import pytest

from byrote.changes.data.ambiguous_examples import AmbiguousExamples
from byrote.changes.data.asymmetric_label_noise import AsymmetricLabelNoise
from byrote.changes.data.backdoor import Backdoor
from byrote.changes.data.blended_backdoor import BlendedBackdoor
from byrote.changes.data.clean_label_backdoor import CleanLabelBackdoor
from byrote.changes.data.conflicting_duplicates import ConflictingDuplicates
from byrote.changes.data.exact_duplicates import ExactDuplicates
from byrote.changes.data.input_noise import InputNoise
from byrote.changes.data.near_duplicates import NearDuplicates
from byrote.changes.data.out_of_distribution import OutOfDistribution
from byrote.changes.data.rare_subpopulation import RareSubpopulation
from byrote.changes.data.symmetric_label_noise import SymmetricLabelNoise
from byrote.data import KINDS, Controls, from_arrays
from byrote.data.controls import CLEAN_LABEL
from byrote.errors import BadInput
from over_all import over_all

PLANTINGS = {
    "label-noise": SymmetricLabelNoise,
    "asymmetric-label-noise": AsymmetricLabelNoise,
    "exact-duplicates": ExactDuplicates,
    "near-duplicates": NearDuplicates,
    "out-of-distribution": OutOfDistribution,
    "rare-subpopulation": RareSubpopulation,
    "conflicting-duplicates": ConflictingDuplicates,
    "ambiguous-examples": AmbiguousExamples,
    "backdoor": Backdoor,
    "blended-backdoor": BlendedBackdoor,
    "clean-label-backdoor": CleanLabelBackdoor,
    "input-noise": InputNoise,
}
#: A dataset has one trigger.
OTHER_BACKDOORS = ("blended-backdoor", "clean-label-backdoor")
every_planting = over_all("planting", PLANTINGS)


def plain(**facts):
    rng = np.random.default_rng(1)
    return from_arrays(rng.random((120, 6, 6), np.float32), np.arange(120) % 3, name="plain", **facts)


def context(seed=0):
    return SimpleNamespace(rng=np.random.default_rng(seed))


def test_every_planting_goes_by_its_name():
    assert {name: planting.name for name, planting in PLANTINGS.items()} == {name: name for name in PLANTINGS}


@every_planting
def test_every_planting_has_its_stage(planting):
    assert planting.stage == "dataset"
    assert planting(0.1) == planting(amount=0.1)
    assert hash(planting(0.1)) == hash(planting(0.1))


@every_planting
@pytest.mark.parametrize("amount", [0.0, 1.0, -0.1, 1.5, float("nan"), float("inf")])
def test_a_rate_lies_between_none_and_all(planting, amount):
    with pytest.raises(BadInput) as caught:
        planting(amount)
    assert str(caught.value).startswith(
        f"The 'amount' argument of {planting.name} must be a rate in (0, 1). Got {amount}."
    )


@every_planting
def test_a_rate_that_plants_nothing(planting):
    message = f"{planting.name} would plant 0 examples: 0.001 of the 120 examples of 'plain' rounds to 0"
    with pytest.raises(BadInput, match=message):
        planting(0.001).apply(plain(), context())


@every_planting
def test_the_dataset_before_is_left_alone(planting):
    before = plain(groups=np.arange(120) // 2)
    fingerprint = before.fingerprint()
    planting(0.1).apply(before, context())
    assert before.replace().fingerprint() == fingerprint
    assert len(before.controls) == 0


@every_planting
def test_groups_stay_absent_where_there_are_none(planting):
    assert planting(0.1).apply(plain(), context()).groups is None


def test_all_together_remember_all():
    dataset = plain(groups=np.arange(120) // 2)
    surroundings = context()
    for name, planting in PLANTINGS.items():
        if name not in OTHER_BACKDOORS:
            dataset = planting(0.05).apply(dataset, surroundings)
    assert dataset.controls.kinds() == tuple(kind for kind in KINDS if kind != CLEAN_LABEL)
    assert len(set(dataset.ids)) == len(dataset) == len(dataset.groups) == len(dataset.inputs)
    assert len(set(dataset.controls.example)) == len(dataset.controls)
    assert set(dataset.controls.example) <= set(dataset.ids)
    again = Controls.from_table(dataset.controls.to_table())
    assert again.mask(dataset.ids, "near_duplicate").sum() == dataset.controls.mask(dataset.ids, "near_duplicate").sum()
