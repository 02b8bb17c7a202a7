import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset

from byrote.errors import BadInput
from byrote.recording.with_ids import WithIds


def test_positions_survive_shuffling_and_subsets():
    dataset = WithIds([(torch.tensor(float(10 * n)), n % 2) for n in range(10)])
    for inputs, targets, ids in DataLoader(torch.utils.data.Subset(dataset, [7, 2, 5]), batch_size=2, shuffle=True):
        assert torch.equal(inputs, 10.0 * ids)
        assert torch.equal(targets, ids % 2)


def test_items_of_other_kinds():
    assert WithIds(["a", "b"])[1] == ("b", 1)
    assert WithIds([["a", 0]])[0] == ("a", 0, 0)
    assert len(WithIds("abc")) == 3
    with pytest.raises(BadInput, match="have a key 'example_id' already"):
        WithIds([{"example_id": "x"}])[0]


class Stream(IterableDataset):
    def __iter__(self):
        return iter([(torch.zeros(2), 0)])


@pytest.mark.parametrize("dataset", [Stream(), DataLoader(Stream()), iter([1]), {1, 2}])
def test_what_has_no_positions_is_refused(dataset):
    with pytest.raises(BadInput, match=f"Got a '{type(dataset).__name__}'.*wrap the dataset before a DataLoader"):
        WithIds(dataset)


def test_a_hugging_face_dataset_is_fetched_in_batches():
    datasets = pytest.importorskip("datasets", reason="needs the extra huggingface")
    rows = datasets.Dataset.from_dict({"x": [[float(n)] for n in range(6)], "labels": [0, 1] * 3}).with_format("torch")
    seen = {}
    for batch in DataLoader(WithIds(rows), batch_size=4, shuffle=True):
        for example, x in zip(batch["example_id"].tolist(), batch["x"].flatten().tolist(), strict=True):
            seen[example] = x
    assert seen == {n: float(n) for n in range(6)}
