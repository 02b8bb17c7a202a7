import numpy as np
import pytest
import torch
from scipy.stats import binomtest
from torch import nn

from byrote.errors import BadInput
from byrote.recipes import noise
from byrote.recipes.dropout import Dropout, ExampleTiedDropout, salt_all


def layer(p=0.3, *, salt=1, ids=range(400), seed=2, step=7):
    dropout = Dropout(p)
    dropout.salt = salt
    dropout.keys = noise.keys(torch.tensor([seed]), step, torch.tensor([list(ids)]))[0]
    return dropout


def test_keeps_a_share_of_1_minus_p_and_the_mean():
    out = layer()(torch.ones(400, 5, 5))
    kept = int((out != 0).sum())
    assert binomtest(kept, out.numel(), 0.7).pvalue > 1e-3
    assert torch.equal(out[out != 0], torch.full((kept,), 1 / 0.7))


def test_the_mask_depends_on_seed_step_id_and_salt_alone():
    inputs = torch.randn(400, 12, generator=torch.Generator().manual_seed(0)).abs() + 1
    mask = layer()(inputs) == 0
    torch.manual_seed(99)
    assert torch.equal(layer()(inputs * 5) == 0, mask)
    order = torch.randperm(400, generator=torch.Generator().manual_seed(1))
    assert torch.equal(layer(ids=order.tolist())(inputs) == 0, mask[order])
    assert torch.equal(layer(ids=[31])(inputs[:1]) == 0, mask[31:32])
    for other in ({"seed": 3}, {"step": 8}, {"salt": 2}):
        agreement = float(((layer(**other)(inputs) == 0) == mask).float().mean())
        assert abs(agreement - (0.3**2 + 0.7**2)) < 0.035  # 4 sd of 4,800 coins of .58, and a little


def test_evaluation_is_the_identity():
    inputs = torch.randn(3, 4)
    for dropout in (Dropout(0.5).eval(), layer().eval(), Dropout(0.0)):
        assert dropout(inputs) is inputs


def test_training_outside_a_recipe_is_refused():
    with pytest.raises(BadInput, match=r"outside a byrote recipe\. Hint: call \.eval\(\) first"):
        Dropout(0.5)(torch.zeros(2, 3))


@pytest.mark.parametrize("p", [-0.1, 1.0, float("nan")])
def test_probability_out_of_range(p):
    with pytest.raises(BadInput, match=rf"'p' argument of Dropout must lie in \[0, 1\)\. Got {p}\."):
        Dropout(p)


def test_every_layer_has_a_stream_of_its_own():
    network = nn.Sequential(Dropout(), nn.Sequential(nn.ReLU(), Dropout()), Dropout())
    layers = salt_all(network)
    assert [one.salt for one in layers] == [1, 2, 3]
    np.testing.assert_array_equal(
        [one is module for one, module in zip(layers, [network[0], network[1][1], network[2]], strict=True)], True
    )


def tied(fixed=0.2, memory=0.1, *, salt=1, ids=range(400)):
    dropout = ExampleTiedDropout(fixed, memory)
    dropout.salt = salt
    dropout.keys = noise.tied_keys(torch.tensor([*ids]))
    return dropout


def test_an_example_has_the_same_units_whenever_it_is_shown():
    inputs = torch.rand(400, 50) + 1
    mask = tied()(inputs) != 0
    assert mask[:, :10].all()
    assert binomtest(int(mask[:, 10:].sum()), 16_000, 0.1).pvalue > 1e-3
    assert torch.equal(tied(ids=[31, 7])(inputs[:2]) != 0, mask[[31, 7]])
    assert torch.equal(tied()(inputs)[mask], inputs[mask])
    agreement = float(((tied(salt=2)(inputs) != 0) == mask)[:, 10:].float().mean())
    assert abs(agreement - (0.1**2 + 0.9**2)) < 0.02
    stream = noise.Stream(torch.tensor([3, 4]), 5, torch.arange(400).expand(2, -1))
    assert torch.equal(stream.tied, tied().keys.expand(2, -1))


def test_units_of_images_are_channels():
    mask = tied(ids=range(6))(torch.ones(6, 10, 3, 3)) != 0
    assert torch.equal(mask, mask[:, :, :1, :1].expand(-1, -1, 3, 3))


def test_evaluation_keeps_what_is_on_in_training_on_average():
    layer, ones = tied(memory=0.25), torch.ones(4000, 50)
    layer.keys = noise.tied_keys(torch.arange(4000))
    shown = layer(ones).sum(1).mean()
    layer.eval()
    assert float(layer(ones)[0].sum()) == 10 + 0.25 * 40
    assert abs(float(shown) - 20) < 0.2
    layer.drop(0.4)
    torch.testing.assert_close(layer(ones)[0].sum(), torch.tensor(20.0))
    torch.testing.assert_close(layer(ones)[0, 10:], torch.full((40,), 0.15))
    layer.drop()
    assert torch.equal(layer(ones)[0, 10:], torch.zeros(40))
    torch.testing.assert_close(layer(ones)[0].sum(), torch.tensor(20.0))


def test_shares_that_are_none_and_training_outside_a_recipe_are_refused():
    with pytest.raises(BadInput, match=r"'memory' argument of ExampleTiedDropout must be in \(0, 1\)"):
        ExampleTiedDropout(0.2, 0.0)
    with pytest.raises(BadInput, match="outside a byrote recipe"):
        ExampleTiedDropout()(torch.zeros(2, 3))
