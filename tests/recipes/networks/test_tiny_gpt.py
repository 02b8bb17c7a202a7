import pytest
import torch

from byrote.engine.reading import check_causal
from byrote.errors import BadInput
from byrote.recipes.networks.tiny_gpt import TinyGPT

pytest.importorskip("transformers", reason="the package transformers is not installed")


def test_it_gives_float_logits_and_is_causal():
    torch.manual_seed(0)
    network = TinyGPT(layers=1, width=16, heads=2, hidden=16).build((12,), 30)
    check_causal(network, 30, "cpu")
    assert network(torch.zeros(2, 12, dtype=torch.int64)).dtype == torch.float32


def test_half_a_million_weights():
    network = TinyGPT().build((256,), 1024)
    assert 0.4e6 < sum({id(w): w.numel() for w in network.parameters()}.values()) < 0.6e6


def test_widths_that_do_not_divide_are_refused():
    with pytest.raises(BadInput, match=r"'width' argument of TinyGPT must be a multiple of 2 \* heads = 8. Got 20"):
        TinyGPT(width=20)
