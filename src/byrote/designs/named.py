"""Designs by the names that the command line has for them, with the sizes that go without saying."""

from __future__ import annotations

import numpy as np

from byrote.data.dataset import Dataset
from byrote.designs.design import Design
from byrote.designs.full_data import full_data
from byrote.designs.half_subset_pairs import half_subset_pairs
from byrote.designs.iid_subsets import iid_subsets
from byrote.designs.ratio_grid import TENTHS, ratio_grid
from byrote.designs.two_splits import two_splits
from byrote.errors import BadInput

#: Each with the size of its ensemble unless another is asked for: 10 models a ratio have a held-out answer for every
#: example at .9.
SIZES = {"full-data": 1, "half-subset-pairs": 64, "iid-subsets": 64, "ratio-grid": 10 * len(TENTHS), "two-splits": 64}


def named_design(
    name: str,
    dataset: Dataset,
    *,
    models: int | None = None,
    full: int = 2,
    seed: int = 0,
    large_first: bool = True,
) -> Design:
    """The design of that name with so many models, and `full` on all data beside them where its phases allow it.

    Where the dataset has groups, a model trains on whole groups; `large_first` is as for `half_subset_pairs`.

    Example:
        >>> from byrote.data.arrays import from_arrays
        >>> named_design("full-data", from_arrays(np.ones((5, 2)), np.arange(5) % 2)).member.tolist()
        [[1, 1, 1, 1, 1]]

    Raises:
        BadInput: there is none of that name, or the number of models or the dataset's groups do not suit it.
    """
    if name not in SIZES:
        raise BadInput(f"There is no design {name!r}.", hint=f"the designs are {', '.join(sorted(SIZES))}.")
    models, examples = SIZES[name] if models is None else models, len(dataset)
    rng = np.random.default_rng([seed, 1])
    if name == "full-data":
        if models < 1:
            raise BadInput(f"A design of full data takes at least 1 model. Got {models}.", hint="--models 1")
        return full_data(examples, models)
    if name == "two-splits":
        if models % 2:
            raise BadInput(
                f"Two splits take an even number of models. Got {models}.", hint=f"--models {max(4, models + 1)}"
            )
        return two_splits(examples, models, rng=rng, groups=dataset.groups, large_first=large_first)
    if name == "ratio-grid":
        design = ratio_grid(examples, _a_ratio(models), rng=rng, groups=dataset.groups)
    elif name == "iid-subsets":
        design = iid_subsets(examples, models, rng=rng, groups=dataset.groups)
    else:
        design = half_subset_pairs(examples, models, rng=rng, groups=dataset.groups, large_first=large_first)
    return design.joined(full_data(examples, full)) if full else design


def _a_ratio(models: int) -> int:
    least = 4 * len(TENTHS)
    if models < least or models % len(TENTHS):
        fitting = max(least, -(-models // len(TENTHS)) * len(TENTHS))
        raise BadInput(
            f"A grid of {len(TENTHS)} ratios takes a multiple of {len(TENTHS)} models, at least {least}. Got {models}.",
            hint=f"--models {fitting}",
        )
    return models // len(TENTHS)
