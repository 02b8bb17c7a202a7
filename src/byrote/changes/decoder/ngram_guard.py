"""An n-gram guard: no token may complete a run of n tokens, or of letters, of a text that the model was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Int64, UInt64
from torch import Tensor

from byrote.changes.change import Context
from byrote.data.corpus import Corpus
from byrote.data.index.normal import folded
from byrote.errors import BadInput
from byrote.probes.decoder import Decoder

#: Odd factors of the hashes, and the multiplier that spreads them: splitmix64's (Steele et al. 2014).
BASE: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX: Final = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
#: Letters that stand for a token in the normalised form, in the mean of English byte pairs.
LETTERS_PER_TOKEN: Final = 4


@dataclass(frozen=True)
class NgramGuard:
    """Ban every token that would complete n tokens in a row of a training document; nothing shorter is ever banned.

    With `normalised`, runs of 4 n letters are banned as well, whatever their case, spacing and punctuation; a letter
    that takes several tokens is not seen there.

    Source: Ippolito et al. 2023, arXiv:2210.17546, section 4 (MemFree decoding).
    Differs: an exact sorted index in place of a Bloom filter, so that no token is banned by mistake of the filter.
    """

    n: int = 8
    normalised: bool = False
    stage: ClassVar[str] = "decoder"
    name: ClassVar[str] = "ngram-guard"
    of_text: ClassVar[bool] = True
    #: The kinds of evidence that it can change; all others stay those of the run before.
    reads: ClassVar[frozenset[str]] = frozenset(("generations", "contexts", "decoding"))

    def __post_init__(self) -> None:
        if self.n < 2:
            raise BadInput(
                f"The 'n' argument of {self.name} must be at least 2. Got {self.n}.",
                hint=f"{self.name}=8 bans what would complete 8 tokens of a training document.",
            )

    def apply(self, stage: Decoder | None, context: Context) -> Decoder:
        """The guard of the documents to forget, or of all training documents where none are named; after `stage`."""
        corpus = context.dataset
        assert isinstance(corpus, Corpus), "a decoder is of language models"
        rows = context.forget if len(context.forget) else context.retain
        guards: list[Any] = [] if stage is None else [stage]
        guards.append(TokenBans.of([corpus.document(row) for row in rows.tolist()], self.n, end=corpus.bos))
        if self.normalised:
            if context.decode is None:
                raise BadInput(
                    "A normalised guard needs the texts of tokens, and the run holds no tokenizer.",
                    hint=f"{self.name}={self.n} guards tokens as they are.",
                )
            pieces = [context.decode(token) for token in range(corpus.vocabulary)]
            texts = [corpus.texts[row] for row in rows.tolist()]
            guards.append(LetterBans.of(texts, pieces, LETTERS_PER_TOKEN * self.n, end=corpus.bos))
        return Chain(tuple(guards))


@dataclass(frozen=True)
class Chain:
    """Decoders one after another."""

    decoders: tuple[Any, ...]

    def __call__(
        self, prefix: Int64[Tensor, "row token"], logits: Float[Tensor, "row vocabulary"]
    ) -> Float[Tensor, "row vocabulary"]:
        """The logits after all of them."""
        for decoder in self.decoders:
            logits = decoder(prefix, logits)
        return logits


@dataclass(frozen=True, kw_only=True, eq=False)
class TokenBans:
    """The n-grams of documents as pairs: the hash of the first n - 1 tokens, and the token that follows them.

    The pairs are sorted by hash; 12 bytes each. `end` is never banned, so that something can always come.
    """

    n: int
    context: UInt64[np.ndarray, " gram"]
    following: Int[np.ndarray, " gram"]
    end: int | None

    @classmethod
    def of(cls, documents: Sequence[np.ndarray], n: int, *, end: int | None = None) -> TokenBans:
        """All n-grams that stand within a document.

        Example:
            >>> bans = TokenBans.of([np.array([5, 6, 7, 8])], 3)
            >>> bans(torch.tensor([[1, 5, 6]]), torch.zeros(1, 9)).isinf().nonzero().tolist()
            [[0, 7]]
        """
        long = [np.asarray(document, np.int64) for document in documents if len(document) >= n]
        pairs = np.concatenate(
            [np.empty((0, n), np.int64), *(np.lib.stride_tricks.sliding_window_view(one, n) for one in long)]
        )
        hashes, following = hashed(pairs[:, :-1]), pairs[:, -1]
        _, kept = np.unique(np.stack([hashes, following.astype(np.uint64)], 1), axis=0, return_index=True)
        kept = kept[np.argsort(hashes[kept], kind="stable")]
        return cls(n=n, context=hashes[kept], following=following[kept].astype(np.int32), end=end)

    def __call__(
        self, prefix: Int64[Tensor, "row token"], logits: Float[Tensor, "row vocabulary"]
    ) -> Float[Tensor, "row vocabulary"]:
        """Minus infinity for every token that would complete an n-gram."""
        if prefix.shape[1] < self.n - 1:
            return logits
        asked = hashed(prefix[:, prefix.shape[1] - self.n + 1 :].cpu().numpy())
        edges = [np.searchsorted(self.context, asked, side=side) for side in ("left", "right")]
        banned = np.zeros(tuple(logits.shape), bool)
        for row, (low, high) in enumerate(zip(*edges, strict=True)):
            banned[row, self.following[low:high]] = True
        return without(logits, banned, self.end)


@dataclass(frozen=True, kw_only=True, eq=False)
class LetterBans:
    """Runs of letters of texts, folded: without case, spacing and punctuation.

    `grams` are sorted hashes of all runs of `length` letters; `pieces` the folded letters of every token, as codes.
    """

    length: int
    grams: UInt64[np.ndarray, " gram"]
    pieces: tuple[np.ndarray, ...]
    end: int | None

    @classmethod
    def of(cls, texts: Sequence[str], pieces: Sequence[str], length: int, *, end: int | None = None) -> LetterBans:
        """All runs of so many letters that stand within a text.

        Example:
            >>> bans = LetterBans.of(["Ab-c D"], ["x", "A", "B", " C", "dx"], 4)
            >>> bans(torch.tensor([[1, 2, 3]]), torch.zeros(1, 5)).isinf().nonzero().tolist()
            [[0, 4]]
        """
        runs = [codes(text) for text in texts]
        windows = [np.lib.stride_tricks.sliding_window_view(run, length) for run in runs if len(run) >= length]
        grams = np.unique(hashed(np.concatenate([np.empty((0, length), np.int64), *windows])))
        return cls(length=length, grams=grams, pieces=tuple(codes(piece) for piece in pieces), end=end)

    @cached_property
    def _within(self) -> Bool[np.ndarray, " token"]:
        """Tokens that hold a whole run by themselves."""
        return np.array([self._holds(piece) for piece in self.pieces], bool)

    def _holds(self, letters: np.ndarray) -> bool:
        if len(letters) < self.length:
            return False
        return bool(self._known(hashed(np.lib.stride_tricks.sliding_window_view(letters, self.length))).any())

    @cached_property
    def _heads(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """For each number of letters, the tokens that begin with so many, and these letters; shorter than a run."""
        longest = min(self.length - 1, max(map(len, self.pieces), default=0))
        found = []
        for count in range(1, longest + 1):
            tokens = np.array([at for at, piece in enumerate(self.pieces) if len(piece) >= count], np.int64)
            found.append((tokens, np.array([self.pieces[at][:count] for at in tokens], np.int64).reshape(-1, count)))
        return found

    def __call__(
        self, prefix: Int64[Tensor, "row token"], logits: Float[Tensor, "row vocabulary"]
    ) -> Float[Tensor, "row vocabulary"]:
        """Minus infinity for every token with which a run of letters would be complete."""
        banned = np.tile(self._within, (len(prefix), 1))
        for row, tokens in enumerate(prefix.cpu().numpy()):
            tail = self._tail(tokens)
            for tokens_of, heads in self._heads:
                rest = self.length - heads.shape[1]
                if len(tail) < rest:
                    continue
                runs = np.concatenate([np.tile(tail[len(tail) - rest :], (len(heads), 1)), heads], axis=1)
                banned[row, tokens_of[self._known(hashed(runs))]] = True
        return without(logits, banned, self.end)

    def _tail(self, tokens: Int[np.ndarray, " token"]) -> Int[np.ndarray, " letter"]:
        """The last letters of the tokens, one fewer than a run has."""
        taken: list[np.ndarray] = []
        count = 0
        for token in reversed(tokens.tolist()):
            if count >= self.length - 1:
                break
            taken.append(self.pieces[token])
            count += len(self.pieces[token])
        whole = np.concatenate([np.empty(0, np.int64), *reversed(taken)])
        return whole[max(0, len(whole) - self.length + 1) :]

    def _known(self, asked: UInt64[np.ndarray, " gram"]) -> Bool[np.ndarray, " gram"]:
        if not len(self.grams):
            return np.zeros(len(asked), bool)
        place = np.minimum(np.searchsorted(self.grams, asked), len(self.grams) - 1)
        return np.asarray(self.grams[place] == asked)


def without(
    logits: Float[Tensor, "row vocabulary"], banned: Bool[np.ndarray, "row vocabulary"], end: int | None
) -> Float[Tensor, "row vocabulary"]:
    """The logits with minus infinity for what is banned; the token `end` stays.

    Raises:
        BadInput: nothing is left.
    """
    if end is not None:
        banned[:, end] = False
    left = logits.masked_fill(torch.from_numpy(banned).to(logits.device), -torch.inf)
    if bool((left == -torch.inf).all(1).any()):
        raise BadInput(
            "The guard bans every token that could follow.",
            hint="give it a larger n, or a model whose documents begin with a BOS token, which is never banned.",
        )
    return left


def hashed(rows: Int[np.ndarray, "row item"]) -> UInt64[np.ndarray, " row"]:
    """A hash of 64 bits of each row of numbers: a polynomial in an odd base, mixed after every step."""
    found = np.full(len(rows), BASE, np.uint64)
    for column in range(rows.shape[1]):
        found = found * BASE + rows[:, column].astype(np.uint64) + np.uint64(1)
        for shift, factor in zip((30, 27), _MIX, strict=True):
            found = (found ^ (found >> np.uint64(shift))) * factor
        found = found ^ (found >> np.uint64(31))
    return found


def codes(text: str) -> Int64[np.ndarray, " letter"]:
    """The letters of a text as numbers, folded.

    Example:
        >>> codes("A-b").tolist()
        [97, 98]
    """
    return np.array([ord(letter) for letter in folded(text)], np.int64)
