from __future__ import annotations

import numpy as np
import pytest

from byrote.changes.planting import plant
from byrote.changes.registry import CONTROLS
from byrote.data.controls import AMBIGUOUS, CLEAN_LABEL, CONFLICTING_DUPLICATE, KINDS, LABEL_NOISE, RARE_SUBPOPULATION
from byrote.errors import BadInput
from changes.data.test__stamping import pictures
from small import blobs

EACH = tuple(f"{control.name}=0.05" for control in CONTROLS)
#: A dataset has one trigger.
ALL = tuple(text for text in EACH if not text.startswith(("blended-", "clean-label-")))


@pytest.mark.parametrize("plants", [*((text,) for text in EACH), ALL], ids=lambda plants: plants[-1])
def test_planting_twice_is_planting_the_same(plants: tuple[str, ...]) -> None:
    first, second, other = (plant(pictures(), *plants, seed=seed) for seed in (4, 4, 5))
    assert first.fingerprint() == second.fingerprint()
    np.testing.assert_array_equal(first.inputs, second.inputs)
    np.testing.assert_array_equal(first.ids, second.ids)
    assert first.fingerprint() != other.fingerprint()


def test_controls_are_planted_side_by_side() -> None:
    made = plant(pictures(), *ALL)
    assert made.controls.kinds() == tuple(kind for kind in KINDS if kind != CLEAN_LABEL)
    assert len(set(made.controls.example)) == len(made.controls.example)


def test_an_earlier_plant_does_not_hang_on_a_later_one() -> None:
    one, two = (plant(blobs(), "label-noise=0.1", *later) for later in ((), ("conflicting-duplicates=0.1",)))
    np.testing.assert_array_equal(two.targets[:60], one.targets)


def test_a_remedy_cannot_be_planted() -> None:
    with pytest.raises(BadInput, match=r"^'weight-decay=0\.1' cannot be planted\. Hint: plant ambiguous-examples, "):
        plant(blobs(), "weight-decay=0.1")


def test_triage_stands_for_every_kind_that_it_tells_apart() -> None:
    kinds = set(plant(blobs(300), "triage").controls.kinds())
    assert kinds == {LABEL_NOISE, CONFLICTING_DUPLICATE, AMBIGUOUS, RARE_SUBPOPULATION}
