"""Stability: twins differ in the replaced examples alone, and where nothing is learned nothing changes."""

import dataclasses

import numpy as np
import pytest

import byrote
from byrote.analyses import on_average_stability as module
from byrote.analyses.lab import Lab
from byrote.analyses.on_average_stability import on_average_stability
from byrote.errors import BadInput
from probes.layered import clouds
from small import RECIPE, small_audit

LAB = Lab(workers=1, progress=False)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> byrote.Run:
    recipe = dataclasses.replace(RECIPE, epochs=20, optimizer=byrote.SGD(lr=0.1))
    out, data = tmp_path_factory.mktemp("stable") / "run", clouds(60, seed=0)
    return small_audit(out, dataset=data, heldout=None, recipe=recipe, models=4, full=0, checkpoints=2)


def test_a_replaced_example_loses_and_others_hardly_change(run: byrote.Run) -> None:
    table = on_average_stability(LAB, run, models=3, draws=3, replaced=3)
    own, gap, others, largest = (one.value for one in table.figures["nat"])
    assert own > 0
    assert gap > 0
    assert others < own
    assert largest >= others
    assert np.isfinite([one.stderr for one in table.figures["nat"]]).all()


def test_examples_change_places_with_all_that_belongs_to_them() -> None:
    data = clouds(30, seed=0)
    out, into = np.array([2, 5]), np.array([20, 11])
    made = module._exchanged(data, out, into)
    np.testing.assert_array_equal(made.inputs[out], data.inputs[into])
    np.testing.assert_array_equal(made.targets[into], data.targets[out])
    assert made.ids[20] == data.ids[2]
    rest = np.setdiff1d(np.arange(30), [*out, *into])
    np.testing.assert_array_equal(made.inputs[rest], data.inputs[rest])
    assert module._exchanged(data, out[:0], into[:0]) is data


def test_too_few_draws_or_examples_are_refused(run: byrote.Run) -> None:
    for how in ({"draws": 2}, {"draws": 4, "replaced": 9}):
        with pytest.raises(BadInput, match="takes at least 3 draws") as told:
            on_average_stability(LAB, run, models=3, **how)
        assert "--set draws=4" in told.value.hint
