import numpy as np
import pytest
import torch
from scipy.stats import chisquare, kstest, pearsonr

from byrote.recipes import noise

IDS = torch.arange(4000)


def slow_mix(x):
    """lowbias32 in uint32 arithmetic, as published in hash-prospector's README."""
    with np.errstate(over="ignore"):
        x = np.uint32(x & 0xFFFFFFFF)
        x = np.uint32(x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D)
        x = np.uint32(x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B)
        return int(x ^ (x >> np.uint32(16)))


def drawn(*, seed=3, step=5, salt=0, draws=1, ids=IDS):
    return noise.uniform(noise.keys(torch.tensor([seed]), step, ids[None])[0], draws, salt=salt).double().numpy()


def of_many(*, seeds=torch.full((1000,), 3), steps=torch.full((1000,), 5)):  # noqa: B008 - nobody changes them
    """One number of each of many seeds or steps."""
    return noise.uniform(noise.keys(seeds, steps, IDS[:1].expand(1000, 1)), 1, salt=0).double().numpy()


def test_mix_agrees_with_32_bit_arithmetic():
    values = [0, 1, 2**31, 2**32 - 1, *np.random.default_rng(0).integers(0, 2**32, 500).tolist()]
    assert noise.mix(torch.tensor(values)).tolist() == [slow_mix(value) for value in values]


@pytest.mark.parametrize(
    "draw",
    [
        drawn,
        lambda: drawn(draws=50, ids=IDS[:80]),
        lambda: drawn(seed=0, step=0, draws=4000, ids=IDS[:1]),
        lambda: of_many(steps=torch.arange(1000)),
        lambda: of_many(seeds=torch.arange(1000)),
        lambda: np.concatenate([drawn(salt=salt, ids=IDS[:1]) for salt in range(500)]),
    ],
    ids=["ids", "ids and draws", "draws", "steps", "seeds", "salts"],
)
def test_uniform(draw):
    values = draw().ravel()
    assert values.min() >= 0
    assert values.max() < 1
    assert kstest(values, "uniform").pvalue > 1e-3
    assert chisquare(np.histogram(values, 64, (0, 1))[0]).pvalue > 1e-3
    low_bits = (values * 2.0**16 % 1 * 16).astype(int)
    assert chisquare(np.bincount(low_bits, minlength=16)).pvalue > 1e-3


@pytest.mark.parametrize(
    "other", [{"salt": 1}, {"step": 6}, {"seed": 4}, {"ids": IDS + 1}, {"ids": IDS + 2**20}], ids=str
)
def test_streams_are_independent(other):
    """Neither correlated nor aligned: each pair of values falls into an 8 x 8 grid evenly."""
    a, b = drawn().ravel(), drawn(**other).ravel()
    assert pearsonr(a, b).pvalue > 1e-3
    cells = (a * 8).astype(int) * 8 + (b * 8).astype(int)
    assert chisquare(np.bincount(cells, minlength=64)).pvalue > 1e-3
    assert not np.intersect1d(a[:100], b[:100]).size or "ids" in other


def test_neighbouring_draws_are_independent():
    values = drawn(draws=2)
    cells = (values[:, 0] * 8).astype(int) * 8 + (values[:, 1] * 8).astype(int)
    assert chisquare(np.bincount(cells, minlength=64)).pvalue > 1e-3


def test_an_example_draws_the_same_in_any_batch_and_block():
    seeds = torch.tensor([9, 4])
    ids = torch.tensor([[5, 8, 1], [1, 5, 2**31 + 7]])
    together = noise.uniform(noise.keys(seeds, 12, ids), 6, salt=2)
    for model, seed in enumerate(seeds):
        for column, one in enumerate(ids[model]):
            alone = noise.uniform(noise.keys(seed[None], 12, one[None, None]), 6, salt=2)[0, 0]
            assert torch.equal(together[model, column], alone)
    assert torch.equal(noise.uniform(noise.keys(seeds, 12, ids), 3, salt=2), together[..., :3])


def test_large_seeds_and_steps():
    keys = noise.keys(torch.tensor([2**32 - 1]), 10**7, torch.tensor([[2**31]]))
    assert 0 <= int(keys) < 2**32


def unmixed(mixed):
    """The inverse of noise.mix."""
    size = 2**32
    mixed ^= mixed >> 16
    mixed = mixed * pow(0x846CA68B, -1, size) % size
    mixed ^= (mixed >> 15) ^ (mixed >> 30)
    mixed = mixed * pow(0x7FEB352D, -1, size) % size
    return mixed ^ (mixed >> 16)


def test_the_largest_draw_stays_below_1():
    key = unmixed(2**32 - 1) ^ int(noise.mix(torch.tensor([0])))
    drawn = noise.uniform(torch.tensor([key]), 1, salt=0)
    assert 0.99 < float(drawn) < 1


def test_coins_are_the_keys_and_no_two_steps_of_a_model_have_one_seed():
    ids, seed = np.array([0, 5, 3, 2**20]), 2**40 + 7
    drawn = noise.coins(seed, np.array([11, 12]), noise.mixed_ids(ids), salt=5)[1]
    salted = torch.tensor([seed + 5 * 0x01000193])
    assert drawn.tolist() == noise.keys(salted, 12, torch.from_numpy(ids)[None])[0].tolist()
    seeds = {noise.seed_of_step(seed, step, 3) for step in range(5000)}
    assert len(seeds) == 5000
    assert not seeds & {noise.seed_of_step(seed, step, 4) for step in range(500)}


def test_normals_are_each_models_own_however_models_stand_together():
    seeds = torch.tensor([7, 2**45 + 1, 8])
    together = noise.Stream(seeds, torch.tensor([4, 4, 5]), torch.zeros(3, 1)).normals(50, salt=1)
    alone = noise.Stream(seeds[1:2], 4, torch.zeros(1, 1)).normals(50, salt=1)
    torch.testing.assert_close(together[1:2], alone, rtol=0, atol=0)
    assert len({tuple(row.tolist()) for row in together}) == 3
