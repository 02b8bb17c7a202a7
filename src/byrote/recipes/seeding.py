"""Seeds of torch's generators."""

from __future__ import annotations

import torch


def seed_generators(seed: int) -> None:
    """Seed torch's generators, those of devices only where there is one.

    `torch.manual_seed` does so too, but without a device it formats the stack of calls for three kinds of them, which
    takes longer than a small network does to build, and keeps it until the process ends.

    Example:
        >>> seed_generators(3)
        >>> first = torch.rand(2)
        >>> _ = torch.manual_seed(3)
        >>> torch.equal(first, torch.rand(2))
        True
    """
    if torch.cuda.is_available() or torch.backends.mps.is_available():
        torch.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)
