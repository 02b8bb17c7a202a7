"""A bag of embeddings for texts."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from byrote.data.vocabulary import PADDING
from byrote.errors import BadInput
from byrote.recipes.dropout import Dropout


@dataclass(frozen=True, kw_only=True)
class BagOfEmbeddings:
    """The mean of the embeddings of a text's words, whatever their order, then one linear layer.

    `words` is how many word numbers there are: `Vocabulary.size` of the texts.

    Source: Joulin, Grave, Bojanowski and Mikolov 2017, arXiv:1607.01759, without n-grams.

    Example:
        >>> import torch
        >>> BagOfEmbeddings(words=9, width=4).build((5,), 3)(torch.zeros(2, 5)).shape
        torch.Size([2, 3])
    """

    words: int
    width: int = 64
    dropout: float = 0.0

    def __post_init__(self) -> None:
        for name in ("words", "width"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise BadInput(
                    f"The {name!r} argument of BagOfEmbeddings must be a whole number > 0. Got {value!r}.",
                    hint="words is the size of the vocabulary, width that of an embedding; width=64.",
                )

    def build(self, inputs: tuple[int, ...], classes: int) -> nn.Module:
        """A freshly initialised network for rows of `inputs[0]` word numbers."""
        if len(inputs) != 1:
            raise BadInput(
                f"BagOfEmbeddings takes rows of word numbers. Got inputs of shape {inputs}.",
                hint="use MLP or SmallCNN, or read texts with byrote.from_text_table.",
            )
        layers: list[nn.Module] = [MeanOfEmbeddings(self.words, self.width)]
        layers += [Dropout(self.dropout)] if self.dropout else []
        return nn.Sequential(*layers, nn.Linear(self.width, classes))


class MeanOfEmbeddings(nn.Module):
    """Word numbers, held as floats, to the mean of their embeddings; padding does not count, an empty text gives 0."""

    def __init__(self, words: int, width: int) -> None:
        super().__init__()
        self.words = words
        self.embedding = nn.Embedding(words, width)

    def forward(self, inputs: Tensor) -> Tensor:
        """`inputs[text, word]` give `mean[text, feature]`."""
        numbers = inputs.round().clamp(0, self.words - 1).long()  # noise on inputs may leave the vocabulary
        counts = (numbers != PADDING).to(self.embedding.weight.dtype).unsqueeze(-1)
        total: Tensor = (self.embedding(numbers) * counts).sum(-2)
        return total / torch.clamp(counts.sum(-2), min=1.0)
