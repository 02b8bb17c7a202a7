"""Transfer by layer: with nothing copied all arms are one, and held layers are those of the source."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import byrote
from byrote.analyses import transfer_by_layer as module
from byrote.analyses.lab import Lab
from byrote.analyses.transfer_by_layer import ARMS, transfer_by_layer
from byrote.data.dataset import Dataset
from byrote.errors import BadInput
from small import RECIPE, blobs, small_audit

LAB = Lab(workers=1, progress=False)


def four(examples: int) -> Dataset:
    """Four classes in eight dimensions."""
    rng, targets = np.random.default_rng(0), np.arange(examples) % 4
    inputs = rng.normal(size=(examples, 8)) + 2.5 * np.eye(4, 8)[targets]
    return byrote.from_arrays(inputs.astype(np.float32), targets, name="four", class_names=tuple("abcd"))


@pytest.mark.slow
def test_with_no_layer_copied_all_arms_are_the_same_training(tmp_path: Path) -> None:
    recipe = dataclasses.replace(RECIPE, epochs=4)
    run = small_audit(tmp_path / "run", dataset=four(80), heldout=None, recipe=recipe, models=4, full=0, checkpoints=2)
    table = transfer_by_layer(LAB, run, models=3, examples=12)
    assert table.rows["layers copied"] == ("0", "1")
    assert tuple(table.figures) == ARMS
    nothing = {column[0].value for column in table.figures.values()}
    assert len(nothing) == 1
    assert min(nothing) > 0.5
    with pytest.raises(BadInput, match="must leave some of each class to judge by") as told:
        transfer_by_layer(LAB, run, models=3, examples=40)
    assert "--set examples=20" in told.value.hint


def test_halves_have_other_classes_numbered_anew_and_true_labels_alone() -> None:
    first, second = module._halves(four(80), np.random.default_rng(0))
    assert {*first.class_names} | {*second.class_names} == {*"abcd"}
    assert first.classes == second.classes == 2
    assert np.unique(second.targets).tolist() == [0, 1]
    shown = module._few(second, 12, np.random.default_rng(1))
    assert np.bincount(second.targets[shown]).tolist() == [6, 6]


def test_too_few_classes_are_refused() -> None:
    with pytest.raises(BadInput, match=r"Transfer takes 4 classes of at least 4 examples each\. Got 3") as told:
        module._halves(blobs(), np.random.default_rng(0))
    assert "more classes" in told.value.hint
