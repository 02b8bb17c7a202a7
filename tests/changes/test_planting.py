from __future__ import annotations

import numpy as np
import pytest

from byrote.changes.planting import plant
from byrote.changes.registry import CONTROLS
from byrote.data.controls import AMBIGUOUS, CONFLICTING_DUPLICATE, KINDS, LABEL_NOISE, RARE_SUBPOPULATION
from byrote.errors import BadInput
from small import blobs

ALL = tuple(f"{control.name}=0.1" for control in CONTROLS)


@pytest.mark.parametrize("plants", [*((text,) for text in ALL), ALL], ids=lambda plants: plants[-1])
def test_planting_twice_is_planting_the_same(plants: tuple[str, ...]) -> None:
    first, second, other = (plant(blobs(), *plants, seed=seed) for seed in (4, 4, 5))
    assert first.fingerprint() == second.fingerprint()
    np.testing.assert_array_equal(first.inputs, second.inputs)
    np.testing.assert_array_equal(first.ids, second.ids)
    assert first.fingerprint() != other.fingerprint()


def test_controls_are_planted_side_by_side() -> None:
    made = plant(blobs(), *ALL)
    assert made.controls.kinds() == KINDS
    assert len(set(made.controls.example)) == len(made.controls.example)


def test_an_earlier_plant_does_not_hang_on_a_later_one() -> None:
    one, two = (plant(blobs(), *plants) for plants in (ALL[:1], (ALL[0], ALL[2])))
    np.testing.assert_array_equal(two.targets[:60], one.targets)


def test_a_remedy_cannot_be_planted() -> None:
    with pytest.raises(BadInput, match=r"^'weight-decay=0\.1' cannot be planted\. Hint: plant ambiguous-examples, "):
        plant(blobs(), "weight-decay=0.1")


def test_triage_stands_for_every_kind_that_it_tells_apart() -> None:
    kinds = set(plant(blobs(300), "triage").controls.kinds())
    assert kinds == {LABEL_NOISE, CONFLICTING_DUPLICATE, AMBIGUOUS, RARE_SUBPOPULATION}
