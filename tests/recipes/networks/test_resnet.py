import pytest
import torch
from torch import nn

from byrote.errors import BadInput
from byrote.recipes.networks.resnet import ResNet


@pytest.mark.parametrize("depth", [8, 14, 20])
def test_depth_counts_the_layers_with_weights(depth):
    """As in section 4.2 of arXiv:1512.03385: 3x3 convolutions and the last linear layer; projections do not count."""
    network = ResNet(depth=depth, width=4).build((3, 8, 8), 10)
    main = [m for m in network.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
    assert len(main) + 1 == depth
    assert network(torch.zeros(2, 3, 8, 8)).shape == (2, 10)


def test_resnet_20_has_the_parameters_of_the_paper():
    """Table 6 of arXiv:1512.03385 says 0.27M with parameter-free shortcuts; the two projections add 2,752."""
    network = ResNet(depth=20).build((3, 32, 32), 10)
    projections = sum(w.numel() for name, w in network.named_parameters() if "shortcut" in name)
    assert projections == 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64
    assert round((sum(w.numel() for w in network.parameters()) - projections) / 1e6, 2) == 0.27


def test_three_stages_halve_the_image_and_double_the_width():
    shapes = []
    network = ResNet(depth=8, width=4).build((1, 8, 8), 2)
    for module in network:
        module.register_forward_hook(lambda _m, _i, out: shapes.append(tuple(out.shape[1:])))
    network(torch.zeros(2, 1, 8, 8))
    assert shapes[3:6] == [(4, 8, 8), (8, 4, 4), (16, 2, 2)]


@pytest.mark.parametrize("norm", ["batch", "group"])
def test_norm(norm):
    network = ResNet(depth=8, width=4, norm=norm).build((1, 8, 8), 2)
    assert any(isinstance(m, nn.BatchNorm2d) for m in network.modules()) == (norm == "batch")
    images = torch.randn(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    together, alone = network.train()(images)[:1], network(images[:1])
    assert torch.allclose(together, alone, atol=1e-5) == (norm == "group")


@pytest.mark.parametrize("depth", [2, 7, 9, 18, 52])
def test_other_depths_are_refused(depth):
    with pytest.raises(BadInput, match=rf"'depth' argument of ResNet must be 6k \+ 2 with k >= 1\. Got {depth}\."):
        ResNet(depth=depth)


def test_rows_are_refused():
    with pytest.raises(BadInput, match=r"ResNet takes images .* Got inputs of shape \(64,\)"):
        ResNet(depth=8).build((64,), 2)
