import numpy as np
import pytest
import torch
import torch.nn.functional as F

from byrote.errors import BadInput
from byrote.recipes import noise
from byrote.recipes.input_perturbations import ProjectedGradient

GENERATOR = torch.Generator().manual_seed(0)
INPUTS = torch.randn(3, 6, 4, generator=GENERATOR)
WEIGHTS = torch.randn(3, 4, 5, generator=GENERATOR, requires_grad=True)
TARGETS = torch.randint(0, 5, (3, 6), generator=GENERATOR)
KEYS = noise.keys(torch.tensor([1, 2, 3]), 4, torch.arange(6).expand(3, 6))
EXTENT = (INPUTS.amin((0, 1)), INPUTS.amax((0, 1)))


def loss(inputs):
    return F.cross_entropy((inputs @ WEIGHTS).movedim(-1, 1), TARGETS, reduction="none")


def attack(extent=EXTENT, keys=KEYS, **settings):
    return ProjectedGradient(**settings).apply(INPUTS, loss, keys=keys, extent=extent)


def test_against_a_slow_loop():
    found = attack(radius=0.1, steps=4, step_size=0.04)
    weights, drawn = WEIGHTS.detach().double().numpy(), noise.uniform(KEYS, 4, salt=2**16).double().numpy()
    low, high = (end.double().numpy() for end in EXTENT)
    for model in range(3):
        for n in range(6):
            start = INPUTS[model, n].double().numpy()
            moved = np.clip(start + 0.1 * (2 * drawn[model, n] - 1), low, high)
            for _ in range(4):
                z = moved @ weights[model]
                p = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
                p[TARGETS[model, n]] -= 1
                moved = moved + 0.04 * np.sign(weights[model] @ p)
                moved = np.clip(np.clip(moved, start - 0.1, start + 0.1), low, high)
            np.testing.assert_allclose(found[model, n].numpy(), moved, atol=1e-6)


def test_the_exact_worst_case_of_a_linear_model_of_two_classes():
    """Its margin falls by radius * ||w||_1, wherever the attack starts."""
    w, inputs = torch.tensor([0.5, -2.0, 1.0, 0.25]), INPUTS[:1]
    margin = lambda x: x @ w  # noqa: E731
    wide = (torch.tensor(-9.0), torch.tensor(9.0))
    moved = ProjectedGradient(radius=0.2, steps=5).apply(
        inputs, lambda x: F.softplus(-margin(x)), keys=KEYS[:1], extent=wide
    )
    torch.testing.assert_close(margin(moved), margin(inputs) - 0.2 * 3.75)


@pytest.mark.parametrize("random_start", [True, False])
def test_raises_the_loss_more_than_noise_of_the_same_norm(random_start):
    found = attack(radius=0.1, steps=5, random_start=random_start)
    moved = (found - INPUTS).norm(dim=-1, keepdim=True)
    directions = torch.randn(200, *INPUTS.shape, generator=torch.Generator().manual_seed(3))
    random = loss_of_each(INPUTS + moved * directions / directions.norm(dim=-1, keepdim=True))
    assert (loss(found) > random.mean(0)).all(), "norm by norm"
    corners = loss_of_each((INPUTS + 0.1 * directions.sign()).clamp(*EXTENT))
    assert (loss(found) > corners.mean(0)).all(), "and than corners of the box, whose largest step is the same"
    assert not found.requires_grad


def loss_of_each(inputs):
    return torch.stack([loss(one) for one in inputs])


def test_stays_in_the_box_and_in_the_range_of_the_data():
    found = attack(radius=0.5, steps=5, step_size=0.3)
    assert float((found - INPUTS).abs().max()) <= 0.5 + 1e-6
    assert (found >= EXTENT[0]).all()
    assert (found <= EXTENT[1]).all()
    held = attack(radius=0.5, steps=5, low=-0.2, high=0.2)
    inside = INPUTS.abs() <= 0.2
    assert float(held[inside].abs().max()) == pytest.approx(0.2)
    assert (held.abs()[~inside] <= INPUTS.abs()[~inside] + 1e-6).all(), "no farther out than an input is already"


def test_the_start_is_uniform_in_the_box_and_a_matter_of_the_keys():
    wide = (torch.tensor(-9.0), torch.tensor(9.0))
    many = torch.zeros(1, 500, 4)
    keys = noise.keys(torch.tensor([7]), 0, torch.arange(500)[None])
    start = ProjectedGradient(radius=0.4, steps=1, step_size=0.0).apply(
        many, lambda x: x.sum(-1), keys=keys, extent=wide
    )
    assert float(start.min()) == pytest.approx(-0.4, abs=0.01)
    assert float(start.max()) == pytest.approx(0.4, abs=0.01)
    # uniform on (-r, r) has the deviation r / sqrt(3); five of its standard errors at 2,000 draws
    assert float(start.std()) == pytest.approx(0.4 / 3**0.5, abs=0.012)
    assert not torch.equal(attack(steps=1, step_size=0.0), attack(steps=1, step_size=0.0, keys=KEYS + 1))
    assert torch.equal(attack(steps=1, step_size=0.0, random_start=False), INPUTS)


def test_leaves_no_gradient_behind():
    WEIGHTS.grad = None
    before = INPUTS.clone()
    attack()
    assert WEIGHTS.grad is None
    assert torch.equal(INPUTS, before)


def test_no_steps_no_change():
    assert torch.equal(attack(steps=0), INPUTS)


def test_a_range_that_nobody_knows():
    with pytest.raises(BadInput, match=r"not given the range of the data"):
        attack(extent=None, low=0.0)
    assert attack(extent=None, low=-9.0, high=9.0).isfinite().all()


@pytest.mark.parametrize("wrong", [{"radius": -0.1}, {"steps": -1}, {"low": 1.0, "high": 1.0}])
def test_settings_that_cannot_be(wrong):
    with pytest.raises(BadInput, match=r"ProjectedGradient .*Got"):
        ProjectedGradient(**wrong)
