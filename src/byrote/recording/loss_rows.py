"""What a training of Trainer shows its loss: the rows of its batches as text, and which letters of them are learned."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Bool
from torch import nn

#: The label of a token that does not enter the loss.
IGNORED: Final = -100
#: What a causal model of transformers takes of a batch; more is for the Trainer that made it.
TAKEN: Final = ("input_ids", "attention_mask", "position_ids", "labels")


@dataclass(frozen=True, kw_only=True, eq=False)
class LossRow:
    """A row as text without white space and special tokens, and which of its letters the loss learns.

    `begins` is the first token of the row.
    """

    text: str
    learned: Bool[np.ndarray, " letter"]
    begins: int


def plain_text(tokenizer: Any, tokens: list[int]) -> str:
    """The text of tokens, without white space and special tokens."""
    text: str = tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return "".join(text.split())


def read_again(tokenizer: Any, text: str) -> str:
    """A text as a row shows it: cut into tokens, and put together again without white space and special tokens."""
    return plain_text(tokenizer, tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])


def batches_shown(loader: Any, size: int) -> Iterator[Any]:
    """The batches of one pass over a loader's dataset, in its order; the loader itself draws nothing for them."""
    with same_draws():
        for start in range(0, len(loader.dataset), size):
            stop = min(start + size, len(loader.dataset))
            yield loader.collate_fn([loader.dataset[row] for row in range(start, stop)])


def rows_of_batch(batch: Any, tokenizer: Any) -> Iterator[LossRow]:
    """The rows of a batch with `input_ids` and `labels`; padding does not count."""
    for place, ids in enumerate(batch["input_ids"].tolist()):
        labels = batch["labels"][place].tolist()
        kept = batch["attention_mask"][place].tolist() if batch.get("attention_mask") is not None else [1] * len(ids)
        row = [
            (token, bool(number) and label != IGNORED)
            for number, (token, label) in enumerate(
                (t, m) for t, m, keep in zip(ids, labels, kept, strict=True) if keep
            )
        ]
        if row:
            yield _row(row, tokenizer)


def _row(row: list[tuple[int, bool]], tokenizer: Any) -> LossRow:
    """Tokens that are learned or not are decoded run by run, so that each letter is of one kind."""
    texts, marks = list[str](), list[np.ndarray]()
    for learned, run in itertools.groupby(row, key=lambda each: each[1]):
        texts.append(plain_text(tokenizer, [token for token, _ in run]))
        marks.append(np.full(len(texts[-1]), learned))
    return LossRow(text="".join(texts), learned=np.concatenate(marks), begins=row[0][0])


def gradient_arrives(model: nn.Module, batch: Any, half: torch.dtype | None = None) -> bool:
    """Whether the loss of a batch has a gradient in any weight that is trained; gradients are taken away again.

    `half` is the type of numbers that the training computes in, None where it is that of the weights.
    """
    place = next(model.parameters()).device
    given = {name: batch[name].to(place) for name in TAKEN if batch.get(name) is not None}
    training = model.training
    try:
        with same_draws():
            with torch.autocast(place.type, half, enabled=half is not None):
                loss = model.train()(**given).loss
            if loss.requires_grad:
                loss.backward()
        trained = [weights for weights in model.parameters() if weights.requires_grad]
        return any(weights.grad is not None and bool(weights.grad.any()) for weights in trained)
    finally:
        model.zero_grad(set_to_none=True)
        model.train(training)


@contextmanager
def same_draws() -> Iterator[None]:
    """What is drawn at random inside leaves what is drawn afterwards as it would have been."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002  the state that collators draw from
    with torch.random.fork_rng():
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002
