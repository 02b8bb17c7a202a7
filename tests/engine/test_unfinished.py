import numpy as np
import pytest
import torch

from byrote.engine.language_job import batch_of
from byrote.engine.unfinished import Stand, keep, path_of, recall, restore
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
    readings = [{"hits": np.array([1, 2])}, {"hits": np.array([3, 4])}]
    keep(path, whole, Stand(1, 2, readings))
    for rows in ROWS[3:]:
        bound.step(whole, batch_of(rows))

    stand, kept = recall(path)
    assert (stand.phase, stand.epoch) == (1, 2)
    assert [reading["hits"].tolist() for reading in stand.readings] == [[1, 2], [3, 4]]
    again = bound.begin(bound.init(7), 6)
    restore(again, kept)
    for rows in ROWS[3:]:
        bound.step(again, batch_of(rows))
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(tensor, again.network.state_dict()[name]), name
    assert (again.step, again.total) == (6, 6)


def test_nothing_kept_and_damage_are_the_beginning(tmp_path):
    path = path_of(tmp_path, 0)
    assert recall(path)[0] == Stand()
    path.parent.mkdir(parents=True)
    path.write_bytes(b"cut")
    assert recall(path) == (Stand(), {})
    assert not path.exists()
