"""What all plantings share: how many, which ones, and how copies are appended."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int, Shaped

from byrote.data.controls import DUPLICATES, Controls
from byrote.data.dataset import Dataset
from byrote.data.mapped import joined
from byrote.errors import BadInput


def check_rate(amount: float, *, caller: str) -> None:
    """A rate of the examples: more than none, fewer than all."""
    if not 0 < amount < 1:
        raise BadInput(
            f"The 'amount' argument of {caller} must be a rate in (0, 1). Got {amount}.",
            hint="0.05 is 5 % of the examples.",
        )


def planned_count(dataset: Dataset, amount: float, *, caller: str) -> int:
    """The number of examples that the rate means; at least one."""
    count = round(amount * len(dataset))
    if not count:
        raise BadInput(
            f"{caller} would plant 0 examples: {amount} of the {len(dataset)} examples of {dataset.name!r} "
            f"rounds to 0.",
            hint=f"use an amount of at least {1 / len(dataset):.2g}.",
        )
    return count


def untouched(dataset: Dataset) -> Int[np.ndarray, " candidate"]:
    """Positions of the examples that are neither a control nor the original of a planted copy."""
    controls = dataset.controls
    copied = controls.original[np.isin(controls.kind, DUPLICATES)]
    return np.flatnonzero(~np.isin(dataset.ids, np.concatenate([controls.example, copied])))


def chosen(
    candidates: Int[np.ndarray, " candidate"], count: int, *, caller: str, rng: np.random.Generator
) -> Int[np.ndarray, " chosen"]:
    """That many of the candidates, each at most once, in ascending order."""
    if count > len(candidates):
        raise BadInput(
            f"{caller} needs {count} examples to choose, and only {len(candidates)} are candidates.",
            hint="use a smaller amount, or plant fewer other controls.",
        )
    return np.sort(rng.choice(candidates, size=count, replace=False))


def fresh_ids(wanted: Sequence[str], taken: Shaped[np.ndarray, " example"]) -> Shaped[np.ndarray, " new"]:
    """The wanted ids, with a number at the end where one exists already.

    Example:
        >>> fresh_ids(["copy-of-a", "copy-of-b"], np.array(["a", "copy-of-a"])).tolist()
        ['copy-of-a-2', 'copy-of-b']
    """
    used = set(taken.tolist())
    fresh = []
    for name in wanted:
        candidate, number = name, 2
        while candidate in used:
            candidate, number = f"{name}-{number}", number + 1
        used.add(candidate)
        fresh.append(candidate)
    return np.array(fresh, np.str_)


def appended(
    dataset: Dataset,
    *,
    inputs: Float[np.ndarray, "new ..."],
    targets: Shaped[np.ndarray, "new *label"],
    ids: Shaped[np.ndarray, " new"],
    groups: Shaped[np.ndarray, " new"] | None,
    controls: Controls,
) -> Dataset:
    """The dataset with new examples at its end; its inputs are copied into memory, as they must be."""
    return dataset.replace(
        inputs=joined(dataset.inputs, inputs),
        targets=np.concatenate([dataset.targets, targets]),
        ids=np.concatenate([dataset.ids, ids]),
        groups=None if dataset.groups is None or groups is None else np.concatenate([dataset.groups, groups]),
        controls=dataset.controls.merged(controls),
    )


def relabelled(
    dataset: Dataset,
    positions: Int[np.ndarray, " chosen"],
    labels: Int[np.ndarray, " chosen"],
    controls: Controls,
) -> Dataset:
    """The dataset with other labels at these positions."""
    targets = dataset.targets.copy()
    targets[positions] = labels
    return dataset.replace(targets=targets, controls=dataset.controls.merged(controls))


def names_of(dataset: Dataset, labels: Int[np.ndarray, " chosen"]) -> list[str]:
    """The class names of labels."""
    return [dataset.class_names[label] for label in labels]
