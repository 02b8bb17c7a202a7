from __future__ import annotations

import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from byrote.recording.loss_rows import batches_shown, gradient_arrives, rows_of_batch, same_draws


class Words:
    """A tokenizer of three words; 0 is padding and 9 is special."""

    def decode(self, tokens, *, skip_special_tokens, **_):
        assert skip_special_tokens
        return "".join({1: " ab", 2: " c", 3: "def"}.get(token, "") for token in tokens)


def test_rows_say_which_letters_are_learned() -> None:
    ids = torch.tensor([[9, 1, 2, 3, 9], [1, 3, 0, 0, 0]])
    labels = torch.tensor([[9, -100, 2, 3, 9], [1, 3, -100, -100, -100]])
    first, second = rows_of_batch({"input_ids": ids, "labels": labels, "attention_mask": (ids != 0).long()}, Words())
    assert (first.text, first.learned.astype(int).tolist(), first.begins) == ("abcdef", [0, 0, 1, 1, 1, 1], 9)
    # nothing predicts the first token of a row
    assert (second.text, second.learned.astype(int).tolist(), second.begins) == ("abdef", [0, 0, 1, 1, 1], 1)


def test_batches_are_those_of_the_dataset_and_draw_nothing() -> None:
    def collate(rows):
        return [(row, random.random(), float(torch.rand(())), np.random.rand()) for row in rows]  # noqa: NPY002

    loader = SimpleNamespace(dataset=list(range(5)), collate_fn=collate)
    before = random.getstate(), torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    assert [[row[0] for row in one] for one in batches_shown(loader, 2)] == [[0, 1], [2, 3], [4]]
    assert random.getstate() == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])
    assert np.array_equal(np.random.get_state()[1], before[2])  # noqa: NPY002


def test_draws_inside_leave_those_after_as_they_were_where_an_error_ends_them() -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)

    def drawn() -> None:
        with same_draws():
            torch.rand(7)
            raise ValueError("it")

    with pytest.raises(ValueError, match="it"):
        drawn()
    assert torch.equal(torch.rand(1), expected)


class Model(torch.nn.Module):
    """Its second layer counts only where it is switched on."""

    def __init__(self, on: bool):
        super().__init__()
        self.first, self.second, self.on = torch.nn.Embedding(4, 4), torch.nn.Linear(4, 4), on

    def forward(self, input_ids, labels):
        hidden = self.first(input_ids)
        logits = self.second(hidden) if self.on else hidden
        return SimpleNamespace(loss=torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten()))


def test_a_gradient_arrives_where_trained_weights_are_used_and_is_taken_away_again() -> None:
    batch = {"input_ids": torch.tensor([[1, 2]]), "labels": torch.tensor([[2, 3]]), "more": "left out"}
    for on in (True, False):
        model = Model(on).eval()
        model.first.requires_grad_(False)
        assert gradient_arrives(model, batch) is on
        assert all(weights.grad is None for weights in model.parameters())
        assert not model.training
