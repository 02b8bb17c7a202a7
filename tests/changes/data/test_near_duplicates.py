from types import SimpleNamespace

import numpy as np
import pytest

from byrote.changes.data.near_duplicates import SHIFTS, NearDuplicates, shifted
from byrote.data import from_arrays


def context(seed=0):
    return SimpleNamespace(rng=np.random.default_rng(seed))


def images(channels=1):
    rng = np.random.default_rng(1)
    inputs = rng.random((60, channels, 8, 8), np.float32) * 5
    return from_arrays(inputs, np.arange(60) % 3, name="images", groups=np.arange(60) // 2)


def rows():
    rng = np.random.default_rng(1)
    inputs = rng.standard_normal((2_000, 3)) * [1, 10, 0]
    return from_arrays(inputs, np.arange(2_000) % 2, name="rows")


def pairs(after):
    copies = after.subset(after.controls.mask(after.ids, "near_duplicate"))
    return copies, after.subset(after.index_of(after.controls.original))


@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_moves_one_pixel_and_gets_noise(channels):
    after = NearDuplicates(0.5).apply(images(channels), context())
    copies, originals = pairs(after)
    assert len(copies) == 30
    scale = float(after.inputs[:60].max() - after.inputs[:60].min())
    for copy, original in zip(copies.inputs, originals.inputs, strict=True):
        errors = [np.sqrt(np.mean((copy - shifted(original, *shift)) ** 2)) / scale for shift in SHIFTS]
        assert min(errors) < 0.03  # 2 % of noise over 64 pixels: standard error .0018
        assert min(errors) > 0.012
        assert sorted(errors)[1] > 0.1
    assert copies.ids.tolist() == [f"near-copy-of-{original}" for original in originals.ids]
    assert np.array_equal(copies.targets, originals.targets)
    assert np.array_equal(copies.groups, originals.groups)
    assert after.inputs.dtype == np.float32


def test_a_row_gets_noise_by_feature():
    after = NearDuplicates(0.9).apply(rows(), context())
    copies, originals = pairs(after)
    noise = (copies.inputs - originals.inputs).std(axis=0) / rows().inputs.std(axis=0).clip(1e-9)
    # standard error of a standard deviation from 1,800 draws: .02 / sqrt(3600) = .00033
    np.testing.assert_allclose(noise, [0.02, 0.02, 0.0], atol=0.0015)


def test_an_edge_is_repeated():
    image = np.arange(12.0).reshape(1, 3, 4)
    assert shifted(image, 1, 0)[0].tolist() == [[0, 1, 2, 3], [0, 1, 2, 3], [4, 5, 6, 7]]
    assert shifted(image, 0, -1)[0].tolist() == [[1, 2, 3, 3], [5, 6, 7, 7], [9, 10, 11, 11]]


def test_without_the_copies_all_is_as_before():
    after = NearDuplicates(0.2).apply(images(), context())
    kept = after.subset(~after.controls.mask(after.ids, "near_duplicate"))
    assert kept.fingerprint() == images().fingerprint()


def test_the_same_generator_plants_the_same():
    first, second, other = (NearDuplicates(0.2).apply(images(), context(seed)) for seed in (3, 3, 4))
    assert first.fingerprint() == second.fingerprint() != other.fingerprint()
