"""Random numbers by counter: a hash of (seed, step, example), the same in every executor and block.

The mixing function is the 32-bit "lowbias32" of Chris Wellons (hash-prospector, 2018), which is in the public domain.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

_LOW = 0xFFFFFFFF


def mix(x: Tensor) -> Tensor:
    """Scatter 32-bit integers (kept in int64) over [0, 2^32).

    Example:
        >>> mix(torch.tensor([0, 1, 2])).tolist()
        [0, 1753845952, 3507691905]
    """
    x = x & _LOW
    x = x ^ (x >> 16)
    x = (x * 0x7FEB352D) & _LOW
    x = x ^ (x >> 15)
    x = (x * 0x846CA68B) & _LOW
    return x ^ (x >> 16)


def keys(seeds: Tensor, step: int | Tensor, ids: Tensor) -> Tensor:
    """One key an example: `seeds[model]`, `ids[model, batch]` and `step` or `step[model]` give `keys[model, batch]`."""
    per_model = mix(mix(seeds + 0x9E3779B9) + step)
    return mix(per_model[:, None] + mix(ids + 0x7F4A7C15))


def tied_keys(ids: Tensor) -> Tensor:
    """One key an example, whatever the seed and the step."""
    return mix(mix(ids + 0x7F4A7C15) + 0x51ED270B)


def uniform(keys: Tensor, draws: int, *, salt: int) -> Tensor:
    """Numbers in [0, 1) of shape `[*keys.shape, draws]`; another salt gives another stream."""
    counter = torch.arange(draws, device=keys.device, dtype=torch.int64) + salt * 0x01000193
    # 24 bits, which float32 holds exactly: 32 would round up to 1 now and then
    return (mix(keys[..., None] ^ mix(counter)) >> 8).to(torch.float32) * 2.0**-24


def normal(keys: Tensor, draws: int, *, salt: int) -> Tensor:
    """Normal numbers of shape `[*keys.shape, draws]`, none farther out than 5.8; another salt gives another stream.

    Formula: z = sqrt(-2 log(1 - u)) cos(2 pi v) for uniform u and v (Box and Muller 1958)
    """
    u, v = uniform(keys, 2 * draws, salt=salt).chunk(2, -1)
    return (-2 * torch.log1p(-u)).sqrt() * torch.cos(2 * torch.pi * v)


def coins(seed: int, steps: np.ndarray, mixed: np.ndarray, *, salt: int) -> np.ndarray:
    """`keys[step, example]` in numpy, 32 bits each, of the ids that were mixed, for a seed with its salt."""
    of_model = np.uint32(_mixed(int(seed) + salt * 0x01000193 + 0x9E3779B9))
    drawn: np.ndarray = _mixed(_mixed(of_model + steps.astype(np.uint32))[:, None] + mixed)
    return drawn


def mixed_ids(ids: np.ndarray) -> np.ndarray:
    """What `coins` makes of ids whatever the seed and the step, so that it need not be done at each."""
    mixed: np.ndarray = _mixed(ids.astype(np.uint32) + np.uint32(0x7F4A7C15))
    return mixed


def _mixed(x: Any) -> Any:
    """`mix` of one integer, or of an array of numpy's integers of 32 bits, in a fraction of the time."""
    if isinstance(x, int):
        x &= _LOW
        x = ((x ^ (x >> 16)) * 0x7FEB352D) & _LOW
        x = ((x ^ (x >> 15)) * 0x846CA68B) & _LOW
        return x ^ (x >> 16)
    x = (x ^ (x >> 16)) * np.uint32(0x7FEB352D)  # which overflows as it is to
    x ^= x >> 15
    x *= np.uint32(0x846CA68B)
    x ^= x >> 16
    return x


def seed_of_step(seed: int, step: int, salt: int) -> int:
    """32 bits for a generator of one model's own for one step; no two of its steps have the same.

    Example:
        >>> len({seed_of_step(7, step, 1) for step in range(1000)})
        1000
    """
    start, stride = (_mixed(seed ^ (seed >> 32) ^ salt ^ other) for other in (0, 0x5BD1E995))
    return int((start + step * (stride | 1)) & _LOW)


@dataclass(frozen=True, eq=False)
class Stream:
    """The random numbers of one step of many models: `seeds[model]`, and `ids[model, batch]` of the examples.

    `step` counts from the beginning of training, for all models or `[model]`.

    `keys[model, batch]` are computed when a slot first asks for them.
    """

    seeds: Tensor
    step: int | Tensor
    ids: Tensor

    @cached_property
    def keys(self) -> Tensor:
        """One key an example."""
        return keys(self.seeds, self.step, self.ids)

    @cached_property
    def tied(self) -> Tensor:
        """One key an example, the same at every step and in every model."""
        return tied_keys(self.ids)

    def normals(self, count: int, *, salt: int) -> Tensor:
        """`[model, count]` normal numbers of each model's own for this step: the same, however models are stacked."""
        steps = [self.step] * len(self.seeds) if isinstance(self.step, int) else self.step.tolist()
        drawn, source = torch.empty(len(self.seeds), count), torch.Generator()
        for row, seed, step in zip(drawn, self.seeds.tolist(), steps, strict=True):
            row.normal_(generator=source.manual_seed(seed_of_step(seed, step, salt)))
        return drawn.to(self.seeds.device)
