import numpy as np
import pytest
import torch

from byrote.engine.packing import batch_of
from byrote.engine.unfinished import Stand, found_by, keep, path_of, recall, restore
from byrote.recipes.algorithm import Shape
from byrote.recipes.optimizers import SGD, AdamW
from documents import SUMMING

ROWS = torch.from_numpy(np.random.default_rng(0).integers(0, 9, (6, 2, 6)))


def algorithm(optimizer):
    import dataclasses

    recipe = dataclasses.replace(SUMMING, optimizer=optimizer)
    return recipe.bind(Shape(inputs=(5,), classes=9, examples=3), torch.device("cpu"))


@pytest.mark.parametrize("optimizer", [AdamW(lr=0.1), SGD(lr=0.1)], ids=["adamw", "sgd"])
def test_what_goes_on_is_what_never_stopped(optimizer, tmp_path):
    path, bound = path_of(tmp_path, 3), algorithm(optimizer)
    whole = bound.begin(bound.init(7), 6)
    for rows in ROWS[:3]:
        bound.step(whole, batch_of(rows))
    found = {"one": {"0.hits": np.array([1, 2])}, "one.more": {"hits": np.array([3, 4])}, "none": {}}
    keep(path, (3,), whole, Stand(1, 2), found)
    for rows in ROWS[3:]:
        bound.step(whole, batch_of(rows))

    stand, kept = recall(path, (3,))
    assert (stand.phase, stand.epoch) == (1, 2)
    assert {name: array.tolist() for name, array in found_by("one.more", kept).items()} == {"hits": [3, 4]}
    assert found_by("none", kept) == {}
    again = bound.begin(bound.init(7), 6)
    restore(again, kept)
    for rows in ROWS[3:]:
        bound.step(again, batch_of(rows))
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(tensor, again.network.state_dict()[name]), name
    assert (again.step, again.total) == (6, 6)


def test_nothing_kept_and_damage_are_the_beginning(tmp_path):
    path = path_of(tmp_path, 0)
    assert recall(path, (0,))[0] == Stand()
    path.parent.mkdir(parents=True)
    path.write_bytes(b"cut")
    assert recall(path, (0,)) == (Stand(), {})
    assert not path.exists()
