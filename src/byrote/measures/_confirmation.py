"""Confirmation: what was read off token signals as extracted, held against what models said when they generated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Int32

from byrote.errors import BadInput
from byrote.measures._windows import Windows, windows_of


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """How far reading and generating agree, over all models and documents long enough.

    Exactly they cannot differ; rounding can part them where two logits all but tie. `disputed_margin` is the largest
    distance from a tie among the disputed, `confirmed_margin` the smallest margin among the confirmed (both in
    logits, NaN where there are none): a dispute far from a tie is a fault, not rounding.
    """

    confirmed: int
    read_only: int
    generated_only: int
    neither: int
    confirmed_margin: float
    disputed_margin: float

    def __repr__(self) -> str:
        disputed = self.read_only + self.generated_only
        disputes = (
            f", {disputed} disputed within {self.disputed_margin:.2g} of a tie" if disputed else ", none disputed"
        )
        least = f" (smallest margin {self.confirmed_margin:.2g})" if self.confirmed else ""
        return f"Confirmation({self.confirmed} confirmed{least}{disputes})"


def confirmation(
    hit: Bool[np.ndarray, "model token"],
    margin: Float[np.ndarray, "model token"],
    token: Int32[np.ndarray, "model example position"],
    truth: Int32[np.ndarray, "example position"],
    offsets: Int[np.ndarray, " boundary"],
    scored: Bool[np.ndarray, " token"],
    *,
    prefix: int,
) -> Confirmation:
    """Hits by reading against hits by generation, which was given `prefix` tokens of each document.

    Raises:
        BadInput: the continuations are of other prefixes.
    """
    suffix = truth.shape[1]
    windows = windows_of(offsets, scored, prefix=prefix, suffix=suffix, stride=0)
    asked = windows.example[(truth[windows.example] >= 0).all(1)]
    if len(asked) != len(windows.example) or (np.delete(truth, asked, axis=0) >= 0).any():
        raise BadInput(
            f"The continuations were not generated after {prefix} tokens.",
            hint="give the prefix that they were generated with.",
        )
    read, generated = read_and_said(hit, token, truth, windows)
    least = np.stack([windows.smallest(row) for row in margin])
    disputed = read != generated
    return Confirmation(
        confirmed=int((read & generated).sum()),
        read_only=int((read & ~generated).sum()),
        generated_only=int((~read & generated).sum()),
        neither=int((~read & ~generated).sum()),
        confirmed_margin=float(np.min(least[read & generated], initial=np.inf))
        if (read & generated).any()
        else float("nan"),
        disputed_margin=float(np.abs(least[disputed]).max()) if disputed.any() else float("nan"),
    )


def read_and_said(
    hit: Bool[np.ndarray, "model token"],
    token: Int32[np.ndarray, "model example position"],
    truth: Int32[np.ndarray, "example position"],
    windows: Windows,
) -> tuple[Bool[np.ndarray, "model window"], Bool[np.ndarray, "model window"]]:
    """Whether each window's suffix was right token by token, and whether the model generated it."""
    read = np.array([windows.every(row) for row in hit], bool).reshape(len(hit), len(windows.start))
    return read, (token == truth).all(2)[:, windows.example]
