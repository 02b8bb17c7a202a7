import pytest
import torch

from byrote.engine.reading import between, check_causal
from byrote.errors import BadInput
from documents import Bigrams


def test_a_share_is_mapped_between_two_others():
    heard = []
    told = between(heard.append, 0.5, 0.75)
    told(0.0)
    told(1.0)
    assert heard == [0.5, 0.75]


def test_what_looks_ahead_is_refused():
    check_causal(Bigrams(9), 9, "cpu")

    class Ahead(Bigrams):
        def forward(self, inputs):
            return self.table[inputs.roll(-1, 1)]

    ahead = Ahead(9)
    torch.nn.init.normal_(ahead.table)
    with pytest.raises(BadInput, match="not causal"):
        check_causal(ahead, 9, "cpu")
