import pytest
import torch

from byrote.errors import BadInput
from byrote.recipes.dropout import Dropout
from byrote.recipes.networks.bag_of_embeddings import BagOfEmbeddings, MeanOfEmbeddings


def test_the_mean_over_words_by_a_slow_loop():
    torch.manual_seed(0)
    layer = MeanOfEmbeddings(5, 3)
    inputs = torch.tensor([[2.0, 4.0, 2.0, 0.0], [0.0, 0.0, 0.0, 0.0], [1.0, 0.0, 3.0, 0.0]])
    slow = []
    for row in inputs.tolist():
        words = [layer.embedding.weight[int(word)] for word in row if word != 0]
        slow.append(sum(words) / len(words) if words else torch.zeros(3))
    torch.testing.assert_close(layer(inputs), torch.stack(slow))


def test_order_and_padding_do_not_matter():
    network = BagOfEmbeddings(words=9).build((4,), 2).eval()
    torch.testing.assert_close(network(torch.tensor([[3.0, 5, 0, 0]])), network(torch.tensor([[0.0, 5, 0, 3]])))


def test_noise_stays_in_the_vocabulary():
    network = BagOfEmbeddings(words=4).build((2,), 3)
    assert network(torch.tensor([[-7.3, 99.6]])).isfinite().all()


def test_layers():
    assert [type(one).__name__ for one in BagOfEmbeddings(words=9).build((4,), 2)] == ["MeanOfEmbeddings", "Linear"]
    assert isinstance(BagOfEmbeddings(words=9, dropout=0.2).build((4,), 2)[1], Dropout)


def test_what_is_refused():
    with pytest.raises(BadInput, match="'words' argument of BagOfEmbeddings"):
        BagOfEmbeddings(words=0)
    with pytest.raises(BadInput, match=r"rows of word numbers\. Got inputs of shape \(1, 8, 8\)"):
        BagOfEmbeddings(words=3).build((1, 8, 8), 2)
