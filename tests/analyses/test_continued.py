"""Models that go on: from the weights that were kept, with layers held as they are."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

import byrote
from byrote.analyses.continued import Continued, hold, over_seeds, refuse_many
from byrote.errors import BadInput
from small import RECIPE, blobs


def normed() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))


GOING = Continued.on(blobs(), dataclasses.replace(RECIPE, network=byrote.Network(normed)))
EVERYONE = np.ones(60, bool)


def tensors(state) -> dict[str, np.ndarray]:
    return {n: t.detach().numpy().copy() for n, t in GOING.algorithm.network(state).state_dict().items()}


def test_layers_that_are_held_stay_with_their_statistics_and_the_rest_learns():
    state = GOING.train(GOING.model(0), EVERYONE, steps=9, seed=0)
    before, layers = tensors(state), GOING.layers(state)
    assert list(layers) == ["0", "1", "3"]
    hold(GOING.algorithm.network(state), ["0", "1"], [*layers["0"], *layers["1"]])
    after = tensors(GOING.train(state, EVERYONE, steps=9, seed=1))
    moved = {name for name, array in after.items() if not np.array_equal(array, before[name])}
    assert moved == {"3.weight", "3.bias"}


def test_what_is_not_held_moves_statistics_and_all():
    state = GOING.model(0)
    before = tensors(state)
    after = tensors(GOING.train(state, EVERYONE, steps=9, seed=1))
    still = {name for name, array in after.items() if np.array_equal(array, before[name])}
    assert still <= {"0.bias"}, "which the normalisation after it takes away"


def test_kept_weights_come_back_and_the_same_seed_goes_the_same_way():
    weights = tensors(GOING.train(GOING.model(0), EVERYONE, steps=5, seed=0))
    one, other = (GOING.train(GOING.model(7, weights), EVERYONE, steps=4, seed=3) for _ in range(2))
    np.testing.assert_array_equal(GOING.logits(one), GOING.logits(other))
    np.testing.assert_array_equal(GOING.logits(GOING.model(9, weights)), GOING.logits(GOING.model(5, weights)))


def test_only_what_is_shown_is_learned_and_no_random_number_of_others_is_used():
    shown = np.arange(60) % 3 == 0  # one class alone
    torch.manual_seed(5)
    before = torch.get_rng_state()
    state = GOING.train(GOING.model(0), shown, steps=60, seed=0)
    assert torch.equal(torch.get_rng_state(), before)
    assert GOING.right(state)[shown].all()
    assert not GOING.right(state)[~shown].any()


def test_a_network_that_is_held_whole_stays():
    state = GOING.model(0)
    layers = GOING.layers(state)
    hold(GOING.algorithm.network(state), layers, [name for names in layers.values() for name in names])
    before = tensors(state)
    after = tensors(GOING.train(state, EVERYONE, steps=3, seed=0))
    assert all(np.array_equal(array, before[name]) for name, array in after.items())


@pytest.mark.parametrize(("models", "instead"), [(2, 3), (9, 8)])
def test_few_and_many_models_are_refused(models, instead):
    with pytest.raises(BadInput, match=f"Got {models}") as told:
        refuse_many(models, "layer_retraining")
    assert told.value.hint == f"--set models={instead}"


def test_two_seeds_have_no_error():
    assert np.isnan(over_seeds(np.array([0.2, 0.4]), (0.0, 1.0)).stderr)
    assert over_seeds(np.array([0.2, 0.4, 0.6]), (0.0, 1.0)).value == pytest.approx(0.4)
