import numpy as np
import pytest

from byrote.data.arrays import from_arrays
from byrote.data.heldout import refuse_unfit, shared_with
from byrote.data.torch_dataset import from_torch
from byrote.errors import BadInput
from small import blobs


def test_what_does_not_fit_is_named():
    dataset = blobs()
    with pytest.raises(BadInput, match=r"held-out dataset has the classes \('x', 'y', 'z'\)"):
        refuse_unfit(blobs(30, seed=1).replace(class_names=("x", "y", "z")), dataset)
    wide = blobs(30, seed=1).replace(inputs=np.zeros((30, 5), np.float32))
    with pytest.raises(
        BadInput, match=r"held-out dataset has inputs of shape \(5,\), the training data of shape \(2,\)"
    ):
        refuse_unfit(wide, dataset)
    refuse_unfit(blobs(30, seed=1), dataset)


def test_held_out_images_of_another_range_are_refused():
    images = np.random.default_rng(0).random((20, 6, 6))
    dataset, labels = from_arrays(images, np.arange(20) % 2), np.arange(20) % 2
    refuse_unfit(from_arrays(images / 2, labels), dataset)
    with pytest.raises(BadInput, match=r"held-out images hold numbers up to 2.*, the training images up to 0\.9"):
        refuse_unfit(from_arrays(images * 255, labels), dataset)


def test_held_out_images_that_were_divided_by_another_number_are_refused():
    rng, labels = np.random.default_rng(0), np.arange(20) % 2
    images, darker = rng.integers(0, 251, (20, 6, 6)), rng.integers(0, 101, (20, 6, 6))
    images[0, 0, 0], darker[0, 0, 0] = 250, 100
    dataset = from_arrays(images, labels)
    with pytest.raises(BadInput, match="held-out images were divided by 127, the training images by 255") as refused:
        refuse_unfit(from_arrays(darker, labels), dataset)
    assert "astype(np.uint8)" in refused.value.hint
    with pytest.raises(BadInput, match="divided by 127"):
        refuse_unfit(from_torch([*zip(darker, labels, strict=True)]), from_torch([*zip(images, labels, strict=True)]))
    one_type = from_arrays(darker.astype(np.uint8), labels)
    refuse_unfit(one_type, dataset)
    assert one_type.inputs.max() == np.float32(100 / 255)
    refuse_unfit(from_arrays(darker / 255, labels), dataset)


def test_training_data_are_not_held_out_under_whatever_ids_and_labels():
    dataset = blobs(noise=0.2)
    same = blobs().replace(ids=np.array([f"h{i}" for i in range(60)]))
    with pytest.raises(BadInput, match="All 60 examples of the held-out dataset are also training data"):
        refuse_unfit(same, dataset)


def test_some_shared_examples_are_noted():
    dataset, heldout = blobs(), blobs(30, seed=1)
    assert shared_with(heldout, dataset) == ()
    inputs = np.array(heldout.inputs)
    inputs[:4] = dataset.inputs[10:14]
    (note,) = shared_with(heldout.replace(inputs=inputs), dataset)
    assert note.startswith("4 of the 30 held-out examples are also training data")


def test_held_out_targets_of_another_kind() -> None:
    inputs = np.arange(8.0).reshape(4, 2)
    numbers = from_arrays(inputs, np.arange(4.0), task="regression")
    with pytest.raises(BadInput, match="held-out dataset has one number per example, the training data one class"):
        refuse_unfit(numbers, from_arrays(inputs, np.arange(4) % 2))
