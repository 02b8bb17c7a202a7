"""Goldfish loss: some tokens are never learned, always the same ones in the same context."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from byrote.errors import BadInput
from byrote.recipes.batch import Batch
from byrote.recipes.objectives.next_token import IGNORED, by_token
from byrote.recipes.slots import Forward

_TOP = 2**63
#: The multiplier of Knuth's MMIX generator: odd, so that no bit of an earlier token is lost.
_BASE = 6364136223846793005


@dataclass(frozen=True, kw_only=True)
class Goldfish:
    r"""-log p of each next token, but for one in `one_in` that the tokens before it choose; the mean over the rest.

    A passage that is seen often is dropped at the same places every time, so that the model never sees them all and
    cannot recite it.

    Formula:
        loss = sum_t keep_t (-log p_t) / sum_t keep_t over all tokens of a batch; keep_t = 0 where
        mix(sum_j (x_{t-j} + 1) base^{j-1} + salt base^context mod 2^64) is divisible by `one_in`, j = 1 to `context`;
        keep_t = 1 where fewer than `context` tokens of the document stand before t, and where x_t is `exempt`

    Differs:
        The paper hashes the tokens before t, as this does; the authors' code hashes the last `context` tokens with
        x_t among them. Then of two tokens that may follow a context one can be dropped and the other kept, and the
        model learns the kept one as if it were certain; with the tokens before t alone a context is learned as it is
        or not at all. Their code multiplies token numbers, which forgets their order and drops every context with a
        token 0 or none of them, and looks up a table that is drawn anew on each kind of device; this is a polynomial
        in whole numbers, the same everywhere. Their static mask, every k-th position, is left out: it moves with the
        place of a passage in its row. `one_in` is k and `context` h of the paper, 4 and 13 there; 4 in the code.
        A context does not reach back over `begins`, the token before each document, where one is named; without it,
        the first tokens of a document that follows another in its row are dropped according to that one, too.

    Source: Hans et al. 2024, arXiv:2406.10209, sec. 3; github.com/ahans30/goldfish-loss, lit_gpt/utils.py.
    """

    one_in: int = 4
    context: int = 13
    salt: int = 0
    exempt: tuple[int, ...] = ()
    begins: int | None = None
    task: ClassVar[str] = "text"
    once: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for name, value, least in (("one_in", self.one_in, 2), ("context", self.context, 1)):
            if value < least:
                raise BadInput(
                    f"The {name!r} argument of Goldfish must be a whole number of at least {least}. Got {value}.",
                    hint="one_in=4 leaves every fourth token out of the loss; context=13 tokens decide which.",
                )

    def memory(self, examples: int, classes: int) -> None:
        """No memory."""
        return

    def loss(self, forward: Forward, batch: Batch, memory: Tensor | None) -> tuple[Tensor, Tensor, None]:
        """`logits[model, row, token, class]` and `targets[model, row, token]` give `loss[model, row]`."""
        logits = forward(batch.inputs, train=True)
        counted = self.kept(batch.targets) & (batch.targets != IGNORED)
        return logits, by_token(logits, batch, counted), None

    def kept(self, tokens: Int[Tensor, "*row token"]) -> Bool[Tensor, "*row token"]:
        """Which tokens are learned; a row's mask depends on that row alone.

        Example:
            >>> Goldfish(one_in=2, context=2).kept(torch.tensor([5, 7, 2, 9, 5, 7, 4, 9])).int().tolist()
            [1, 1, 0, 0, 0, 1, 0, 0]
        """
        size = tokens.shape[-1] - self.context
        kept = torch.ones_like(tokens, dtype=torch.bool)
        if size <= 0:
            return kept
        state = torch.full_like(tokens[..., :size], _signed(self.salt), dtype=torch.int64)
        whole = torch.ones_like(kept[..., :size])
        for step in range(self.context):
            before = tokens[..., step : step + size].to(torch.int64)
            state = state * _BASE + before + 1  # wraps around at 64 bits, on every device
            if self.begins is not None:
                whole &= before != self.begins
        kept[..., self.context :] = ~whole | ((_mix(state) & (_TOP - 1)) % self.one_in != 0)
        for token in self.exempt if self.begins is None else (*self.exempt, self.begins):
            kept |= tokens == token
        return kept


def _mix(x: Int[Tensor, "*shape"]) -> Int[Tensor, "*shape"]:
    """Scatter 64-bit integers: the finalizer of SplitMix64 (Steele et al. 2014), shifts taken as unsigned."""
    x = (x ^ _shifted(x, 30)) * _signed(0xBF58476D1CE4E5B9)
    x = (x ^ _shifted(x, 27)) * _signed(0x94D049BB133111EB)
    return x ^ _shifted(x, 31)


def _shifted(x: Int[Tensor, "*shape"], by: int) -> Int[Tensor, "*shape"]:
    return (x >> by) & ((1 << (64 - by)) - 1)


def _signed(value: int) -> int:
    """The same 64 bits as torch's signed integer."""
    return (value + _TOP) % (2 * _TOP) - _TOP
