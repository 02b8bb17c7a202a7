"""The lab: how procedures, and studies, come by further runs: audits, changes, and the workers that both share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from byrote.changes.change import Change
from byrote.changes.child import change as change_run
from byrote.data.corpus import Corpus
from byrote.data.dataset import Dataset
from byrote.engine.afterwards import probe as probe_run
from byrote.engine.audit import audit as audit_dataset
from byrote.engine.language import audit_language
from byrote.engine.progress import Progress
from byrote.errors import BadInput
from byrote.recipes.algorithm import TrainingRecipe
from byrote.recipes.recipe import Recipe
from byrote.runs.run import Run


@dataclass(frozen=True, kw_only=True)
class Lab:
    """Trains for a procedure, with the same workers, device and listener for all that it trains.

    Example:
        >>> Lab(workers=1).workers
        1
    """

    workers: int | None = None
    device: str | None = None
    progress: Progress | bool = True

    @property
    def settings(self) -> dict[str, Any]:
        """Workers, device and listener, as every verb that trains takes them."""
        return {"workers": self.workers, "device": self.device, "progress": self.progress}

    def audit(self, data: Dataset | Corpus, recipe: TrainingRecipe, *, out: str | Path, **settings: Any) -> Run:
        """As `byrote.audit`, or of documents `byrote.audit_language`, with the lab's workers, device and listener."""
        asked = {**self.settings, **settings}
        if isinstance(data, Dataset):
            return audit_dataset(data, recipe, out=out, **asked)
        return audit_language(data, cast(Recipe, recipe), out=out, **asked)

    def change(self, run: Run, change: Change | Sequence[Change], **settings: Any) -> Run:
        """As `byrote.change`, with the lab's workers and listener."""
        return change_run(run, change, **{"workers": self.workers, "progress": self.progress, **settings})

    def probe(self, run: Run, *names: str) -> Run:
        """As `byrote probe`: what these probes read off the weights that the run kept, as further evidence of it."""
        return probe_run(run, *names)


def data_of(run: Run, what: str) -> tuple[Dataset, TrainingRecipe]:
    """The dataset and the recipe of a run, for a procedure that trains on them.

    Raises:
        BadInput: they are not at hand.
    """
    if run.dataset is None or run.recipe is None:
        raise BadInput(
            f"The run {str(run.folder)!r} was opened without its data and recipe.",
            hint=f"run.attach(dataset, recipe, heldout), or use `byrote {what}` on a run of the command line.",
        )
    return run.dataset, run.recipe
