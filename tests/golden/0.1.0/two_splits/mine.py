"""Two noisy blobs a class, and a network that fits them."""

import numpy as np

import byrote


def blobs(examples, seed):
    rng = np.random.default_rng(seed)
    targets = np.arange(examples) % 3
    inputs = rng.normal(size=(examples, 2)) + 3 * np.array([[0, 0], [1, 0], [0, 1]])[targets]
    return byrote.from_arrays(inputs.astype(np.float32), targets, name="blobs", class_names=("a", "b", "c"))


def dataset():
    return blobs(60, 0)


def heldout():
    return blobs(20, 1)


def recipe():
    return byrote.Recipe(network=byrote.MLP(hidden=(8,)), epochs=6, batch_size=8, optimizer=byrote.SGD(lr=0.1))
