"""A kind of evidence as data: what its arrays are, of whom, for which tasks, who records them and what they take."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Final, Literal

import numpy as np

from byrote.axes import MODEL

#: What models can learn; "text" stands for language models.
CLASSES, LABELS, REGRESSION, TEXT = "classes", "labels", "regression", "text"
EVERY_TASK: Final = frozenset({CLASSES, LABELS, REGRESSION, TEXT})
#: Tasks of which an example has a few targets, and those of them whose answers are probabilities.
OF_EXAMPLES: Final = frozenset({CLASSES, LABELS, REGRESSION})
OF_PROBABILITIES: Final = frozenset({CLASSES, LABELS})
OF_CLASSES: Final = frozenset({CLASSES})
OF_TEXT: Final = frozenset({TEXT})

Columns = dict[str, np.ndarray]


@dataclass(frozen=True)
class Quantity:
    """What a named array holds.

    `derived` computes it from another array of the same model where it was not stored. `tasks` are those that record
    it, where they are fewer than those of its kind. A `fact` is known of the run's design and data without any
    evidence. `text` says that it holds somebody's texts as tokens.
    """

    dims: tuple[str, ...]
    dtype: str
    unit: str
    meaning: str
    derived: tuple[str, Callable[[np.ndarray], np.ndarray]] | None = None
    tasks: frozenset[str] = EVERY_TASK
    fact: bool = False
    text: bool = False


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of evidence: its name is that of the folder of its shards, and comes before the dot in every need.

    Args:
        name: one word, of lower-case letters, digits and underscores.
        says: what it is, in one sentence.
        quantities: the arrays, by name.
        coordinates: axes whose places have names, such as those of layers, with their meaning. The names stand in the
            header of each shard, and are read as a quantity that is called after the axis.
        lengths: lengths of axes that the kind itself fixes, for the estimate of its size.
        per: whether each model has a shard, each block of models that trained together, or the run.
        tasks: what models of such runs can learn.
        sampled: whether only some of a run's models have it, and no model lacks it.
        phases: of which phases of a design there are shards.
        of: the kind whose shards it is read from, where it has none of its own.
        recorded_by: what records it, as the hint of an error says it; empty where nothing is to be done.
        recorder: how a `Recorder` takes it from somebody's own training.
        in_training: whether it is taken while models train, so that no later change of the models reaches it.
        answers: whether it consists of a model's answers, which can be had of a model that was brought trained.
        judges: whether its shards say on which examples a model's answers are not finite.
        imports: whether arrays of somebody's own can bring it.
        contents: what it holds of somebody's data; empty for nothing.
        forget: what is left of a shard whose contents are to be forgotten.
        weights: what there is to say of weights, which may know contents by rote; empty where there are none.
        size: bytes of a shard from the lengths of the axes, where they do not follow from the quantities.
    """

    name: str
    says: str
    quantities: Mapping[str, Quantity] = field(default_factory=dict)
    coordinates: Mapping[str, str] = field(default_factory=dict)
    lengths: Mapping[str, int] = field(default_factory=dict)
    per: Literal["model", "block", "run"] = "model"
    tasks: frozenset[str] = OF_EXAMPLES
    sampled: bool = False
    phases: Literal["every", "first", "last"] = "last"
    of: str = ""
    recorded_by: str = ""
    recorder: str = ""
    in_training: bool = False
    answers: bool = False
    judges: bool = False
    imports: bool = False
    contents: str = ""
    forget: Callable[[Columns], Columns] | None = None
    weights: str = ""
    size: Callable[[Mapping[str, int]], int] | None = None

    @property
    def shards(self) -> str:
        """The folder of the shards that it is read from; empty where it consists of facts."""
        return self.of or ("" if self.is_fact else self.name)

    @property
    def probe(self) -> str:
        """The probe that records it during an audit; empty if it is not recorded by a named probe.

        Example:
            >>> Kind(name="toy", says="", recorded_by="audit into another folder with --probe toy,of=margin").probe
            'toy'
        """
        return self.recorded_by.partition("--probe ")[2].partition(" ")[0].partition(",")[0]

    @property
    def probed_later(self) -> str:
        """The probe that records it after the training; empty if it is not recorded in that way.

        Example:
            >>> Kind(name="toy", says="", recorded_by="audit, then `byrote probe RUN toy`").probed_later
            'toy'
        """
        return self.recorded_by.partition("byrote probe RUN ")[2].partition("`")[0].partition(" ")[0].partition(",")[0]

    @property
    def is_fact(self) -> bool:
        """Whether all of it is known without evidence."""
        return bool(self.quantities) and all(one.fact for one in self.quantities.values())

    @property
    def of_text(self) -> bool:
        """Whether language models alone have it."""
        return self.tasks == OF_TEXT

    def tasks_of(self, column: str) -> frozenset[str]:
        """The tasks that record a quantity, or the names of an axis."""
        entry = self.quantities.get(column)
        return self.tasks if entry is None else self.tasks & entry.tasks

    def stored(self, task: str) -> dict[str, Quantity]:
        """The quantities that a shard of a run of that task holds; the others follow from them."""
        there = {n: one for n, one in self.quantities.items() if task in self.tasks_of(n) and not one.fact}
        return {n: one for n, one in there.items() if one.derived is None or one.derived[0] not in there}

    def bytes(self, lengths: Mapping[str, int], task: str, without: Collection[str] = ()) -> int:
        """What a shard takes, its header left out, where axes have these lengths and quantities are left out.

        Example:
            >>> Kind(name="toy", says="", quantities={"x": Quantity(("model", "example"), "float32", "", "")}).bytes(
            ...     {"example": 10}, "classes")
            40
        """
        known = {**lengths, **self.lengths}
        if self.size is not None:
            return self.size(known)
        sizes = [
            np.dtype(one.dtype).itemsize * prod(known.get(dim, 1) for dim in one.dims if dim != MODEL)
            for name, one in self.stored(task).items()
            if name not in without
        ]
        return sum(sizes)
