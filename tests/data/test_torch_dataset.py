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


def test_images_whose_type_says_no_range_are_scaled_together():
    items = Pairs(*((torch.full((3, 4, 4), value), value % 2) for value in (250, 7)), (np.ones((3, 4, 4), np.uint8), 0))
    assert from_torch(items).inputs[:, 0, 0, 0].tolist() == [
        float(np.float32(value) / np.float32(255)) for value in (250, 7, 1)
    ]
    pictures = Pairs(*((Image.fromarray(np.full((4, 5), value, np.float32)), value % 2) for value in (254, 3)))
    assert from_torch(pictures).inputs[:, 0, 0, 0].tolist() == [
        float(np.float32(value) / np.float32(255)) for value in (254, 3)
    ]


def test_a_picture_whose_content_is_its_transparency():
    pixels = np.zeros((4, 5, 4), np.uint8)
    pixels[1:, :, 3] = 255
    said = refusal(Pairs((Image.fromarray(pixels), 0), (Image.fromarray(pixels), 1)))
    assert "Example 0 of 'torch' cannot be read: it is of one colour without its transparency" in said
    image = Image.fromarray(pixels)
    mended = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    assert from_torch(Pairs((mended, 0), (mended, 1))).inputs[0, 0, :2, 0].tolist() == [1, 0]


def test_grey_pictures_among_coloured_ones():
    grey = Image.new("L", (5, 4))
    said = refusal(Pairs((grey, 0), (grey.convert("RGB"), 1)))
    assert "some are grey and some have colours: bring all to colours, as image.convert('RGB')" in said


def test_a_loader_and_its_batches_are_no_dataset():
    inputs = torch.arange(40.0).reshape(20, 2)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(inputs, torch.arange(20) % 2), batch_size=5)
    said = refusal(loader)
    assert "is a 'DataLoader', which gives batches" in said
    assert "loader.dataset" in said
    assert len(from_torch(loader.dataset)) == 20
    assert "as a batch of 5 examples has" in refusal(list(loader))
    assert "as a batch of 5 examples has" in refusal(list(loader), task="regression")


def test_as_many_labels_as_inputs_where_that_is_said():
    several = Pairs(*((torch.rand(3, 4), torch.tensor(labels)) for labels in ([0, 1, 1], [1, 0, 1], [0, 0, 0])))
    assert "say task='labels'" in refusal(several)
    assert from_torch(several, task="labels").classes == 3
    one = Pairs(*((torch.rand(1, 4, 4), torch.tensor([label])) for label in (0, 1)))
    assert from_torch(one).targets.tolist() == [0, 1]


def test_an_item_that_raises_is_named():
    class Broken(Pairs):
        def __getitem__(self, position):
            if position == 1:
                raise OSError("truncated file")
            return super().__getitem__(position)

    said = refusal(Broken((np.zeros(2), 0), (np.zeros(2), 1)), name="mine")
    assert said.startswith("Item 1 of 'mine', counted from 0, cannot be read: OSError: truncated file.")


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
