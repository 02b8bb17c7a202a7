import numpy as np
import pytest
import torch
from scipy.stats import binomtest
from torch import nn

from byrote.errors import BadInput
from byrote.recipes import noise
from byrote.recipes.dropout import Dropout, salt_all


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
