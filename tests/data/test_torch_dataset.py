import numpy as np
import pytest
import torch
from PIL import Image

from byrote.data import Display, from_torch
from byrote.errors import BadInput


class Pairs:
    """The least that is map-style."""

    def __init__(self, *pairs):
        self.pairs = pairs

    def __len__(self):
        return len(self.pairs)

    def __getitem__(self, position):
        return self.pairs[position]


def refusal(dataset, **keywords):
    with pytest.raises(BadInput) as caught:
        from_torch(dataset, **keywords)
    return str(caught.value)


def test_a_tensor_dataset():
    inputs, targets = (
        torch.randn(6, 3, generator=torch.Generator().manual_seed(0)),
        torch.tensor([0, 1, 2, 0, 1, 2]),
    )
    dataset = from_torch(torch.utils.data.TensorDataset(inputs, targets), name="tensors")
    assert np.array_equal(dataset.inputs, inputs.numpy())
    assert dataset.targets.tolist() == targets.tolist()
    assert dataset.ids[5] == "tensors-0005"


def test_tensors_of_other_kinds():
    pairs = Pairs((torch.ones(3, dtype=torch.bfloat16, requires_grad=True), 0), (torch.zeros(3, dtype=torch.int64), 1))
    assert from_torch(pairs).inputs.tolist() == [[1, 1, 1], [0, 0, 0]]


def test_class_names_of_the_dataset():
    pairs = Pairs((np.zeros(2), 1), (np.ones(2), 0))
    pairs.classes = ["cat", "dog"]
    assert from_torch(pairs).class_names == ("cat", "dog")
    assert from_torch(pairs, class_names=("a", "b")).class_names == ("a", "b")
    pairs.classes = 2  # a count, as some datasets have it
    assert from_torch(pairs).class_names == ("0", "1")


@pytest.mark.parametrize(
    ("mode", "channels"), [("L", 1), ("RGB", 3), ("1", 1), ("P", 3), ("RGBA", 3), ("LA", 1), ("I;16", 1)]
)
def test_pictures(mode, channels):
    white = 65535 if mode == "I;16" else "white"
    picture = Image.new(mode, (5, 4), white) if mode == "I;16" else Image.new("RGB", (5, 4), white).convert(mode)
    dataset = from_torch(Pairs((picture, 0), (picture, 1)))
    assert dataset.inputs.shape == (2, channels, 4, 5)
    assert dataset.display == Display("image", (4, 5, 3) if channels == 3 else (4, 5))
    assert np.all(dataset.inputs == 1)


def test_a_picture_keeps_its_place():
    pixels = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    dataset = from_torch(Pairs((Image.fromarray(pixels), 0), (Image.fromarray(pixels), 1)))
    np.testing.assert_array_equal(
        dataset.display.picture(dataset.inputs[0]), pixels.astype(np.float32) / np.float32(255)
    )


def test_uint8_tensors_are_scaled():
    image = torch.full((3, 4, 4), 255, dtype=torch.uint8)
    assert from_torch(Pairs((image, 0), (image, 1))).inputs.max() == 1


def test_text_targets_and_missing_ones():
    assert from_torch(Pairs((np.zeros(2), "dog"), (np.ones(2), "cat"))).class_names == ("cat", "dog")
    assert "1 label is missing" in refusal(Pairs((np.zeros(2), 0), (np.ones(2), None), (np.ones(2), 1)))


def test_unequal_shapes():
    said = refusal(Pairs((np.zeros(2), 0), (np.zeros(2), 1), (np.zeros(3), 1)), name="mine")
    assert "All examples of 'mine' must have one shape. Example 0 has (2,) and example 2 has (3,). Hint: " in said


class Stream(torch.utils.data.IterableDataset):
    def __iter__(self):
        yield torch.zeros(2), 0


class LongStream(Stream):
    def __len__(self):
        return 1


@pytest.mark.parametrize("stream", [Stream(), LongStream(), iter([(0, 0)])])
def test_iterable_datasets_are_refused(stream):
    said = refusal(stream, name="mine")
    assert said.startswith("The dataset 'mine' must be map-style, with a length and items by position. Got a '")
    assert said.endswith("Hint: collect an iterable dataset first, as list(dataset).")


def test_a_list_of_pairs_will_do():
    assert len(from_torch([(np.zeros(2), 0), (np.ones(2), 1)])) == 2


def test_items_that_are_no_pairs():
    assert "Items of 'torch' must be pairs (input, target). Item 0 is 3 values." in refusal([(1, 2, 3)])
    assert "Item 0 is a 'dict'." in refusal([{"x": 1}])


def test_inputs_that_are_no_numbers():
    assert "Inputs must be arrays of numbers. Example 1 of 'torch' is a 'str'." in refusal([(np.zeros(1), 0), ("a", 1)])
    assert "Example 0 of 'torch' is a 'list'." in refusal([([[1], [1, 2]], 0)])


def test_an_empty_dataset():
    assert refusal([]).startswith("The dataset 'torch' cannot be used: it is empty.")
