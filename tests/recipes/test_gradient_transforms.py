import numpy as np
import torch

from byrote.recipes.batch import Batch
from byrote.recipes.gradient_transforms import ClipNorm

BATCH = Batch(inputs=torch.zeros(3, 1, 1), targets=torch.zeros(3, 1), ids=torch.zeros(3, 1))


def named(tensors):
    return {str(index): tensor for index, tensor in enumerate(tensors)}


def test_each_model_is_clipped_by_its_own_norm():
    rng = np.random.default_rng(0)
    scale = np.array([0.01, 1.0, 50.0])
    arrays = [rng.normal(size=(3, 4, 2)) * scale[:, None, None], rng.normal(size=(3, 5)) * scale[:, None]]
    found = [torch.tensor(array) for array in arrays]
    ClipNorm(2.0).apply(named(found), BATCH)
    for model in range(3):
        norm = np.sqrt(sum((array[model] ** 2).sum() for array in arrays))
        factor = min(1.0, 2.0 / norm)
        for tensor, array in zip(found, arrays, strict=True):
            np.testing.assert_allclose(tensor[model].numpy(), array[model] * factor, rtol=1e-12)


def test_a_zero_gradient_stays_zero():
    zero = [torch.zeros(2, 3)]
    ClipNorm(1.0).apply(named(zero), BATCH)
    assert not zero[0].any()


def test_vectors_without_further_axes():
    biases = [torch.tensor([[3.0], [0.5]]), torch.tensor([[4.0], [0.0]])]
    ClipNorm(1.0).apply(named(biases), BATCH)
    torch.testing.assert_close(biases[0], torch.tensor([[0.6], [0.5]]))
    torch.testing.assert_close(biases[1], torch.tensor([[0.8], [0.0]]))
