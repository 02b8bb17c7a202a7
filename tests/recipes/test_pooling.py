import pytest
import torch
from torch import nn
from torch.func import grad, vmap

from byrote.recipes.algorithm import Shape
from byrote.recipes.networks.small_cnn import SmallCNN
from byrote.recipes.pooling import _ChannelsLast, pool_channels_last
from byrote.recipes.recipe import Recipe

#: Many values are 0, so that there are ties.
IMAGES = torch.randn(5, 3, 9, 7, generator=torch.Generator().manual_seed(0)).relu()
SETTINGS = [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": 2, "dilation": 2, "ceil_mode": True},
]


def gradient(layer, inputs):
    inputs = inputs.clone().requires_grad_()
    return torch.autograd.grad(layer(inputs).square().sum(), inputs)[0]


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize(
    "inputs",
    [IMAGES, IMAGES[0], IMAGES.contiguous(memory_format=torch.channels_last), IMAGES.mT, IMAGES[:, :1]],
    ids=["images", "one image", "channels last", "turned", "one channel"],
)
def test_numbers_and_gradients_are_those_of_torch(settings, inputs):
    plain, network = nn.MaxPool2d(**settings), nn.Sequential(nn.MaxPool2d(**settings))
    pool_channels_last(network)
    assert type(network[0]) is _ChannelsLast
    assert torch.equal(network(inputs), plain(inputs))
    assert torch.equal(gradient(network, inputs), gradient(plain, inputs))


def test_images_are_as_they_were_for_the_next_layer():
    network = nn.Sequential(nn.MaxPool2d(2))
    pool_channels_last(network)
    assert network(IMAGES).is_contiguous()


def test_a_stack_of_images():
    network = nn.Sequential(nn.MaxPool2d(2))
    pool_channels_last(network)
    stack = torch.stack([IMAGES, IMAGES + 1])
    assert torch.equal(vmap(network)(stack), torch.stack([network(each) for each in stack]))
    found = vmap(grad(lambda inputs: network(inputs).square().sum()))(stack)
    assert torch.equal(found, torch.stack([gradient(network, each) for each in stack]))


def test_a_layer_that_gives_places_too_stays():
    network = nn.Sequential(nn.MaxPool2d(2, return_indices=True))
    pool_channels_last(network)
    assert type(network[0]) is nn.MaxPool2d


def test_models_of_the_loop_pool_so():
    bound = Recipe(network=SmallCNN(width=4)).bind(Shape(inputs=(1, 8, 8), classes=3, examples=4), torch.device("cpu"))
    assert any(type(layer) is _ChannelsLast for layer in bound.init(0).network)
