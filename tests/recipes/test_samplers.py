import numpy as np
from scipy.stats import chisquare

from byrote.recipes.samplers import Shuffle

COUNT = np.array([1, 0, 3, 1, 2, 0], np.uint8)


def test_counts_are_kept():
    for epoch in range(5):
        np.testing.assert_array_equal(np.bincount(Shuffle().order(3, epoch, COUNT), minlength=6), COUNT)


def test_a_function_of_seed_and_epoch():
    count = np.ones(50, np.uint8)
    orders = {(seed, epoch): Shuffle().order(seed, epoch, count) for seed in range(4) for epoch in range(4)}
    assert len({order.tobytes() for order in orders.values()}) == 16
    np.testing.assert_array_equal(Shuffle().order(2, 1, count), orders[2, 1])


def test_every_order_is_as_likely():
    orders = [tuple(Shuffle().order(7, epoch, np.ones(3, np.uint8))) for epoch in range(1200)]
    _, counts = np.unique(orders, axis=0, return_counts=True)
    assert len(counts) == 6
    assert chisquare(counts).pvalue > 1e-3


def test_nothing_to_show():
    assert len(Shuffle().order(0, 0, np.zeros(4, np.uint8))) == 0
