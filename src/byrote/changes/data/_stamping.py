"""What all backdoors share: pixels, the target class, and how poisons take the place of clean examples."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from byrote.changes.data._planting import chosen, fresh_ids, names_of, planned_count, untouched
from byrote.data.blocks import deviation_of_rows, mean_of_rows, range_of
from byrote.data.controls import HasRng, planted
from byrote.data.dataset import Dataset
from byrote.data.mapped import copied
from byrote.data.trigger import Trigger
from byrote.errors import BadInput, meant

Shape = Literal["square", "cross", "checkers"]
Corner = Literal["bottom-right", "bottom-left", "top-right", "top-left"]
#: The group of poisons that are to be together.
GROUP: Final = "poisons"


def refuse_unfit(dataset: Dataset, *, caller: str) -> None:
    """Refuse data without pixels, and data that have a trigger.

    Raises:
        BadInput: they are such.
    """
    if not dataset.holds_images:
        raise BadInput(
            f"{caller} puts a pattern on pixels, and the examples of {dataset.name!r} are rows of numbers.",
            hint="give images [example, channel, height, width]; label-noise=0.05 poisons any classes.",
        )
    if dataset.trigger is not None:
        raise BadInput(
            f"{caller} cannot be planted: {dataset.name!r} has a backdoor, {dataset.trigger.says}.",
            hint="plant one backdoor per run.",
        )


def target_of(dataset: Dataset, name: str, *, caller: str) -> int:
    """The class of that name; the first one of no name.

    Raises:
        BadInput: no class has the name.
    """
    if not name:
        return 0
    if name not in dataset.class_names:
        raise BadInput(
            f"The target {name!r} of {caller} is not a class of {dataset.name!r}.",
            hint=f"{meant(name, dataset.class_names)}target={dataset.class_names[0]}",
        )
    return dataset.class_names.index(name)


def patch(dataset: Dataset, target: int, *, size: int, shape: Shape, corner: Corner, caller: str) -> Trigger:
    """A patch of the brightest value that occurs, in a corner of the picture.

    Raises:
        BadInput: it does not fit into the picture.
    """
    height, width = dataset.inputs.shape[-2:]
    if not 0 < size <= min(height, width):
        raise BadInput(
            f"A patch of {size} × {size} pixels does not fit into pictures of {height} × {width}.",
            hint=f"size={max(1, min(height, width) // 4)}",
        )
    rows = slice(height - size, None) if corner.startswith("bottom") else slice(0, size)
    columns = slice(width - size, None) if corner.endswith("right") else slice(0, size)
    opacity = np.zeros(dataset.inputs.shape[1:], np.float32)
    opacity[:, rows, columns] = _cells(size, shape)
    return Trigger(
        says=f"a {shape} of {size} × {size} pixels at the {corner.replace('-', ' ')}",
        target=target,
        pattern=np.full_like(opacity, range_of(dataset.inputs)[1]),
        opacity=opacity,
    )


def _cells(size: int, shape: Shape) -> Bool[np.ndarray, "size size"]:
    """Which pixels of the patch are covered."""
    row, column = np.indices((size, size))
    cells: dict[str, np.ndarray] = {
        "square": np.ones((size, size), bool),
        "cross": (row == column) | (row + column == size - 1),
        "checkers": (row + column) % 2 == 0,
    }
    return cells[shape]


def matched_noise(dataset: Dataset, count: int, rng: np.random.Generator) -> Float[np.ndarray, "count ..."]:
    """Gaussian noise with the mean and the standard deviation of each feature; of pictures, of all pixels."""
    inputs = dataset.inputs
    mean, deviation = mean_of_rows(inputs), deviation_of_rows(inputs)
    if dataset.holds_images:
        deviation, mean = np.sqrt(np.mean(deviation**2) + np.var(mean)), np.mean(mean)
    return np.asarray(mean + deviation * rng.standard_normal((count, *inputs.shape[1:])))


def candidates(dataset: Dataset, target: int, *, of_target: bool) -> Int[np.ndarray, " candidate"]:
    """Untouched examples of the target class, or of all others."""
    free = untouched(dataset)
    return np.asarray(free[(dataset.targets[free] == target) == of_target])


def poisoned(
    dataset: Dataset,
    trigger: Trigger,
    kind: str,
    amount: float,
    context: HasRng,
    *,
    caller: str,
    noise: float = 0.0,
    of_target: bool = False,
    together: bool = False,
) -> Dataset:
    """The dataset in which `amount` × n examples are stamped and labelled with the target class.

    Those of the target class keep their label, and are mixed with a share of noise before. `together` puts
    the poisons into one group, so that a model is trained on all of them or on none.

    Raises:
        BadInput: that is no example, or more than are candidates.
    """
    count = planned_count(dataset, amount, caller=caller)
    free = candidates(dataset, trigger.target, of_target=of_target)
    rows = chosen(free, count, caller=caller, rng=context.rng)
    inputs, targets = copied(dataset.inputs), np.array(dataset.targets)
    clean = inputs[rows]
    if noise:
        clean = (1 - noise) * clean + noise * matched_noise(dataset, count, context.rng)
    inputs[rows] = trigger.stamped(clean)
    targets[rows] = trigger.target
    controls = planted(kind, dataset.ids[rows], names_of(dataset, dataset.targets[rows]))
    return dataset.replace(
        inputs=inputs,
        targets=targets,
        groups=_together(dataset, rows) if together else dataset.groups,
        controls=dataset.controls.merged(controls),
        trigger=trigger,
    )


def _together(dataset: Dataset, rows: Int[np.ndarray, " poison"]) -> np.ndarray:
    """Groups in which these examples are one, and all others as they were, or each by itself."""
    groups = (dataset.ids if dataset.groups is None else dataset.groups).astype(object)
    groups[rows] = fresh_ids([GROUP], np.unique(groups.astype(np.str_)))[0]
    return groups.astype(np.str_)
