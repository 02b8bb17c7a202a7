import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from byrote.data import Display, fashion_mnist
from byrote.errors import BadInput

REAL = Path("/usr/share/datasets/fashion-mnist")


def write(folder, name, array):
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    (folder / name).write_bytes(gzip.compress(header + array.astype(np.uint8).tobytes()))


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for prefix, count in (("train", 12), ("t10k", 10)):
        write(tmp_path, f"{prefix}-images-idx3-ubyte.gz", rng.integers(0, 256, (count, 28, 28)))
        write(tmp_path, f"{prefix}-labels-idx1-ubyte.gz", np.arange(count) % 10)
    return tmp_path


def test_four_files_become_two_datasets(folder):
    train, test = fashion_mnist(folder)
    assert (len(train), len(test)) == (12, 10)
    assert train.inputs.shape == (12, 1, 28, 28)
    assert train.display == Display("image", (28, 28))
    assert train.class_names[9] == "Ankle boot"
    assert train.ids[0] == "fashion-mnist-0000"
    assert test.ids[0] == "fashion-mnist-held-out-0000"
    assert 0 <= train.inputs.min() < train.inputs.max() <= 1


def test_a_missing_folder(tmp_path):
    with pytest.raises(BadInput, match=r"There is no folder '.*none' with Fashion-MNIST.*apt install"):
        fashion_mnist(tmp_path / "none")


def test_a_missing_file(folder):
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(BadInput, match=r"There is no file '.*t10k-labels-idx1-ubyte\.gz'"):
        fashion_mnist(folder)


def test_counts_that_do_not_match(folder):
    write(folder, "train-labels-idx1-ubyte.gz", np.arange(11) % 10)
    with pytest.raises(BadInput, match=r"'train-labels-idx1-ubyte\.gz' do not belong together: 12 images, 11 labels"):
        fashion_mnist(folder)


def test_files_that_were_exchanged(folder):
    write(folder, "train-labels-idx1-ubyte.gz", np.zeros((12, 2, 2)))
    with pytest.raises(BadInput, match=r"must have 1 axes of uint8\. It has 3 of uint8\."):
        fashion_mnist(folder)


def test_a_label_that_is_no_garment(folder):
    write(folder, "train-labels-idx1-ubyte.gz", np.arange(12))
    with pytest.raises(BadInput, match=r"2 labels are out of range 0 to 9 \(10, 11 at examples"):
        fashion_mnist(folder)


@pytest.mark.skipif(not REAL.is_dir(), reason=f"{REAL} is not installed (apt install dataset-fashion-mnist)")
def test_the_real_files():
    train, test = fashion_mnist(REAL)
    # sizes and balance: the authors' README, github.com/zalandoresearch/fashion-mnist
    assert (len(train), len(test)) == (60_000, 10_000)
    assert np.bincount(train.targets).tolist() == [6_000] * 10
    assert np.bincount(test.targets).tolist() == [1_000] * 10
    assert train.inputs.dtype == np.float32
    assert (train.inputs.min(), train.inputs.max()) == (0, 1)
