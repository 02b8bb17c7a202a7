"""Independent random subsets of a fixed ratio."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Shaped

from byrote.designs.design import Design, check_sizes, one_phase
from byrote.designs.whole_groups import units
from byrote.errors import BadInput


def iid_subsets(
    examples: int,
    models: int,
    *,
    ratio: float = 0.7,
    rng: np.random.Generator,
    groups: Shaped[np.ndarray, " member"] | None = None,
) -> Design:
    """Each model draws floor(ratio * examples) examples without replacement, independently of all others.

    With `groups[example]` it draws that share of the groups, whole: every group is in with the same probability, and
    models train on as many examples as their groups hold.

    Source: Feldman & Zhang 2020, arXiv:2008.03703, ratio .7.

    Example:
        >>> iid_subsets(10, 4, ratio=0.7, rng=np.random.default_rng(0)).member.sum(1)
        array([7, 7, 7, 7])
    """
    check_sizes("iid_subsets", examples, models, at_least=4)
    found = units(examples, groups, design="iid_subsets")
    size = subset_size(ratio, len(found), of="examples" if groups is None else "groups")
    chosen = np.zeros((models, len(found)), np.uint8)
    for row in chosen:
        row[rng.choice(len(found), size, replace=False)] = 1
    settings: dict[str, Any] = {"ratio": ratio, **({} if groups is None else {"groups": len(found)})}
    return one_phase("iid_subsets", chosen[:, found.of], **settings)


def subset_size(ratio: float, examples: int, *, of: str = "examples") -> int:
    """How many examples, or groups, a share of the data comes to: at least one, and never all."""
    # 0.29 * 100 is 28.999…: the nudge keeps floor() from taking that for 28
    size = int(ratio * examples + 1e-9) if 0 < ratio < 1 else 0
    if not 0 < size < examples:
        raise BadInput(
            f"The 'ratio' argument must leave at least one of {examples} {of} in and one out. Got {ratio}.",
            hint=f"ratio=0.5 serves; a smaller or larger one takes more {of}.",
        )
    return size
