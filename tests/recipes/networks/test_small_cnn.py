import pytest
import torch

from byrote.errors import BadInput
from byrote.recipes.networks.small_cnn import SmallCNN


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 9, 6), (1, 4, 4), (1, 28, 28)])
def test_one_logit_a_class(shape):
    network = SmallCNN(width=4, dropout=0.1).build(shape, 3).eval()
    assert network(torch.zeros(5, *shape)).shape == (5, 3)


@pytest.mark.parametrize("shape", [(64,), (8, 8), (1, 3, 8), (1, 8, 3), (1, 2, 8, 8)])
def test_what_is_no_image_is_refused(shape):
    with pytest.raises(BadInput, match=r"SmallCNN takes images of shape \(channel, height, width\).*Hint: use MLP"):
        SmallCNN().build(shape, 3)


def test_an_output_hangs_on_its_own_input_alone():
    images = torch.randn(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    network = SmallCNN(width=4).build((1, 8, 8), 3)
    torch.testing.assert_close(network(images)[:1], network(images[:1]))
