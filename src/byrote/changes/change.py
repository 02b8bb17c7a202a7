"""Change: whatever a person does about memorization, at one of three stages, through the same door."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int

from byrote.changes.names import names
from byrote.data.corpus import Corpus
from byrote.data.dataset import Dataset
from byrote.data.task import refuse_other_tasks
from byrote.recipes.algorithm import Algorithm, State
from byrote.runs.run import Run


@dataclass(frozen=True, kw_only=True, eq=False)
class Context:
    """What a change may look at.

    `forget` and `retain` are rows of the dataset, or documents of the corpus: what the change is about, and the rest.
    For a change of models they hold members of the model at hand only. `parent` is the run whose results chose them,
    where one did; `decode` gives the text of a token, where the models are language models.
    """

    dataset: Dataset | Corpus
    rng: np.random.Generator
    forget: Int[np.ndarray, " forgotten"] = field(default_factory=lambda: np.empty(0, np.int64))
    retain: Int[np.ndarray, " retained"] = field(default_factory=lambda: np.empty(0, np.int64))
    parent: Run | None = None
    decode: Callable[[int], str] | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedModel:
    """One trained model: the algorithm that trained it and its state."""

    algorithm: Algorithm
    state: State


#: What a change may be of, in the order in which changes are made.
STAGES = ("dataset", "recipe", "model", "decoder")


@runtime_checkable
class Change(Protocol):
    """A frozen dataclass with a stage, a name for the command line, and `apply`.

    `apply` takes what its stage names (a `Dataset` or `Corpus`, a recipe, a `TrainedModel`, a `Decoder` or None) and
    returns the changed one. One of a decoder also says in `reads` which kinds of evidence it can change.
    Its first field is what stands after `=` on the command line.

    Facts that it may state: `plants` (it plants controls), `aimed = False` (it does not look at the examples to
    forget), `of_text` (language models can be changed by it), `any_target` (it takes targets as they are, whatever they
    say; other changes of data are about classes), `of_classes` (of models: examples must have one class each, or be
    documents), `usual` (what hints name as the first field, if its default is no such amount), `leaves_nothing_for`
    (probes that find nothing to read in the changed documents), `of_heldout` (it rewrites texts by rules of their own,
    so that it is made of the held-out documents, too: members would be told by the change otherwise).
    """

    stage: ClassVar[str]
    name: ClassVar[str]

    def apply(self, stage: Any, context: Context) -> Any: ...


def refuse_unfit(change: Change, dataset: Dataset) -> None:
    """Refuse a change that is about classes for data whose examples have several labels, or a number.

    Raises:
        BadInput: it is such.
    """
    if change.stage == "dataset" and not getattr(change, "any_target", False):
        hint = f"{', '.join(names(any_target=True))} take any targets."
        refuse_other_tasks(dataset.task, dataset.name, f"The change {change.name!r}", hint)
    if getattr(change, "of_classes", False):
        hint = "gradient-difference, gradient-ascent and fine-tune-on-rest take any targets."
        refuse_other_tasks(dataset.task, dataset.name, f"The change {change.name!r}", hint)
