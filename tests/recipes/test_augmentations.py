import numpy as np
import pytest
import torch

from byrote.errors import BadInput
from byrote.recipes import noise
from byrote.recipes.augmentations import Cutout, FeatureMask, HorizontalFlip, InTurn, RandomShift

RNG = np.random.default_rng(0)
IMAGES = torch.tensor(RNG.normal(size=(12, 2, 5, 7)), dtype=torch.float32)


@pytest.mark.parametrize("pixels", [0, 1, 3])
def test_random_shift_against_a_slow_loop(pixels):
    uniform = torch.tensor(RNG.random((12, 2)), dtype=torch.float32)
    found = RandomShift(pixels).apply(IMAGES, uniform).numpy()
    moves = np.floor(uniform.numpy() * (2 * pixels + 1)).astype(int) - pixels
    expected = np.zeros_like(found)
    for n, (down, right) in enumerate(moves):
        for row in range(5):
            for column in range(7):
                if 0 <= row + down < 5 and 0 <= column + right < 7:
                    expected[n, :, row, column] = IMAGES[n, :, row + down, column + right].numpy()
    np.testing.assert_array_equal(found, expected)


def test_random_shift_makes_every_move():
    corners = (torch.arange(5) + 0.5) / 5
    uniform = torch.cartesian_prod(corners, corners)
    image = torch.zeros(25, 1, 5, 5)
    image[:, 0, 2, 2] = 1
    assert len({one.numpy().tobytes() for one in RandomShift(2).apply(image, uniform)}) == 25
    assert (RandomShift(2).apply(image, uniform).sum((1, 2, 3)) == 1).all()


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_horizontal_flip_against_a_slow_loop(p):
    uniform = torch.tensor(RNG.random((12, 1)), dtype=torch.float32)
    found = HorizontalFlip(p).apply(IMAGES, uniform).numpy()
    for n in range(12):
        expected = IMAGES[n].numpy()[:, :, ::-1] if uniform[n, 0] < p else IMAGES[n].numpy()
        np.testing.assert_array_equal(found[n], expected)


@pytest.mark.parametrize("shape", [(6,), (2, 5, 7)])
def test_feature_mask_against_a_slow_loop(shape):
    inputs = torch.tensor(RNG.normal(size=(9, *shape)), dtype=torch.float32)
    uniform = torch.tensor(RNG.random((9, 1)), dtype=torch.float32)
    found = FeatureMask(0.4).apply(inputs, uniform)
    for n in range(9):
        drawn = noise.uniform((uniform[n] * 2.0**24).long(), inputs[n].numel(), salt=1)[0].numpy()
        expected = np.where(drawn.reshape(shape) < 0.4, 0, inputs[n].numpy())
        np.testing.assert_array_equal(found[n].numpy(), expected)


def test_feature_mask_drops_a_share_p_of_the_numbers():
    """4 sd of 200,000 coins of .1 are .0027."""
    uniform = noise.uniform(noise.keys(torch.tensor([1]), 0, torch.arange(2000)[None])[0], 1, salt=0)
    found = FeatureMask(0.1).apply(torch.ones(2000, 100), uniform)
    assert abs(float((found == 0).float().mean()) - 0.1) < 0.0027
    assert len({row.numpy().tobytes() for row in found}) == 2000


@pytest.mark.parametrize("augmentation", [RandomShift(1), HorizontalFlip(0.5), Cutout(2)])
def test_rows_are_no_images(augmentation):
    with pytest.raises(BadInput, match=rf"{type(augmentation).__name__} .*Got inputs of shape \(5,\)\."):
        augmentation.apply(torch.zeros(2, 5), torch.zeros(2, augmentation.draws))


@pytest.mark.parametrize("augmentation", [RandomShift(1), HorizontalFlip(0.5), FeatureMask(0.3), Cutout(3)])
def test_each_input_changes_by_its_own_numbers(augmentation):
    uniform = torch.tensor(RNG.random((12, augmentation.draws)), dtype=torch.float32)
    together = augmentation.apply(IMAGES, uniform)
    for n in range(12):
        assert torch.equal(augmentation.apply(IMAGES[n : n + 1], uniform[n : n + 1])[0], together[n])


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_cutout_against_a_slow_loop(size):
    uniform = torch.tensor(RNG.random((12, 2)), dtype=torch.float32)
    found = Cutout(size, fill=9.0).apply(IMAGES, uniform).numpy()
    for n, (down, right) in enumerate(uniform.double().numpy()):
        expected = IMAGES[n].numpy().copy()
        for row in range(5):
            for column in range(7):
                if max(abs(row + 0.5 - 5 * down), abs(column + 0.5 - 7 * right)) < size / 2:
                    expected[:, row, column] = 9
        np.testing.assert_array_equal(found[n], expected)


def test_cutout_of_no_size_paints_nothing_and_inside_an_image_a_whole_square():
    uniform = torch.tensor(RNG.random((12, 2)), dtype=torch.float32)
    assert torch.equal(Cutout(0, fill=9.0).apply(IMAGES, uniform), IMAGES)
    middle = 0.5 + (uniform - 0.5) / 5
    assert ((Cutout(3, fill=9.0).apply(IMAGES, middle) == 9).sum((1, 2, 3)) == 2 * 9).all()
    with pytest.raises(BadInput, match=r"^The 'size' argument of Cutout must be at least 0\. Got -1\."):
        Cutout(-1)


def test_augmentations_in_turn_draw_by_themselves():
    uniform = torch.tensor(RNG.random((12, 3)), dtype=torch.float32)
    both = InTurn((HorizontalFlip(), Cutout(2)))
    assert both.draws == 3
    expected = Cutout(2).apply(HorizontalFlip().apply(IMAGES, uniform[:, :1]), uniform[:, 1:])
    assert torch.equal(both.apply(IMAGES, uniform), expected)
