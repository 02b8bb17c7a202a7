"""A change of the decoder: strings that never come out of a language model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from byrote.changes.change import Context
from byrote.data.corpus import Corpus
from byrote.errors import BadInput
from byrote.probes.decoder import Decoder


@dataclass(frozen=True)
class BanStrings:
    """Ban every token that would complete one of these strings, in capitals or not; on the command line `one;another`.

    A letter that takes several tokens is not seen, and what is spelled or spaced otherwise passes. The token that
    begins a document is never banned.

    Source: none; `ngram-guard` bans what stands in the training documents, this one what a person names.
    """

    strings: tuple[str, ...]
    stage: ClassVar[str] = "decoder"
    name: ClassVar[str] = "ban-strings"
    of_text: ClassVar[bool] = True
    #: The kinds of evidence that it can change; all others stay those of the run before.
    reads: ClassVar[frozenset[str]] = frozenset({"generations", "contexts", "decoding"})

    def __post_init__(self) -> None:
        if not self.strings or not all(self.strings):
            raise BadInput(
                f"The 'strings' argument of {self.name} must name strings of at least one letter. Got {self.strings}.",
                hint=f"{self.name}=secret;password bans two.",
            )

    def apply(self, stage: Decoder | None, context: Context) -> Decoder:
        """The decoder that bans them, after `stage`.

        Raises:
            BadInput: the texts of tokens are not known.
        """
        corpus = context.dataset
        assert isinstance(corpus, Corpus), "a decoder is of language models"
        if context.decode is None:
            raise BadInput(
                f"The change {self.name!r} needs the texts of tokens, and the run holds no tokenizer.",
                hint="use a model with a tokenizer; ngram-guard=8 guards the tokens of training documents.",
            )
        pieces = tuple(context.decode(token) for token in range(corpus.vocabulary))
        return StringBans(self.strings, pieces, end=corpus.bos, before=stage)


class StringBans:
    """The decoder: what it bans follows from the texts of the tokens, `pieces`.

    Example:
        >>> bans = StringBans(("abc",), ("", "a", "b", "Cd", "xabcx"))
        >>> bans(torch.tensor([[1, 2]]), torch.zeros(1, 5))
        tensor([[0., 0., 0., -inf, -inf]])
    """

    def __init__(
        self,
        strings: tuple[str, ...],
        pieces: tuple[str, ...],
        *,
        end: int | None = None,
        before: Decoder | None = None,
    ) -> None:
        self.pieces = tuple(piece.casefold() for piece in pieces)
        self.end, self.before = end, before
        folded = [string.casefold() for string in strings]
        self.length = max(map(len, folded))
        self.always = self.tokens_with(folded)
        #: What has come so far, and the tokens that would complete a string after it.
        self.after = {
            string[:cut]: self.tokens_after(string[:cut], folded) for string in folded for cut in range(1, len(string))
        }

    def tokens_with(self, strings: list[str]) -> Int64[Tensor, " token"]:
        """The tokens that hold a whole string."""
        found = [at for at, piece in enumerate(self.pieces) if any(string in piece for string in strings)]
        return torch.tensor(found, dtype=torch.int64)

    def tokens_after(self, begun: str, strings: list[str]) -> Int64[Tensor, " token"]:
        """The tokens that complete a string of which `begun` has come."""
        rests = tuple(string[len(begun) :] for string in strings if string.startswith(begun) and string != begun)
        found = [at for at, piece in enumerate(self.pieces) if piece.startswith(rests)]
        return torch.tensor(found, dtype=torch.int64)

    def __call__(
        self, prefix: Int64[Tensor, "row token"], logits: Float[Tensor, "row vocabulary"]
    ) -> Float[Tensor, "row vocabulary"]:
        """Minus infinity for every token that would complete a string.

        Raises:
            BadInput: no token is left.
        """
        if self.before is not None:
            logits = self.before(prefix, logits)
        banned = torch.zeros(logits.shape, dtype=torch.bool)
        banned[:, self.always] = True
        for row, tokens in enumerate(prefix.tolist()):
            tail = self.tail(tokens)
            for cut in range(len(tail)):
                banned[row, self.after.get(tail[cut:], self.always)] = True
        if self.end is not None:
            banned[:, self.end] = False
        left = logits.masked_fill(banned.to(logits.device), -torch.inf)
        if bool((left == -torch.inf).all(1).any()):
            raise BadInput("Every token that could follow is banned.", hint="name fewer strings, or longer ones.")
        return left

    def tail(self, tokens: list[int]) -> str:
        """The last letters of these tokens, one fewer than the longest string has."""
        text = ""
        for token in reversed(tokens):
            if len(text) >= self.length - 1:
                break
            text = self.pieces[token] + text
        return text[max(0, len(text) - self.length + 1) :]
