"""Four sets of models, of which one unlearns, on a run's data or documents; `unlearning` evaluates them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import torch
from jaxtyping import Bool, Int

from byrote.analyses.catalog import keep, procedure
from byrote.analyses.lab import Lab, data_of
from byrote.analyses.unlearning import ARMS, LEAST_MODELS, refuse_unpredicted, unlearning
from byrote.changes.change import Change, Context, TrainedModel
from byrote.changes.child_language import documents_to_forget, parts_of, refuse_unfit
from byrote.changes.common import finishing, parent_of
from byrote.changes.forget import FORGET_SHARE, Forget, named, share_of
from byrote.changes.model.training import batches
from byrote.changes.registry import parse_change
from byrote.data.corpus import Corpus
from byrote.data.dataset import Dataset
from byrote.data.task import refuse_other_tasks
from byrote.data.tokenizers import FILE as TOKENIZER
from byrote.data.tokenizers import read_tokenizer
from byrote.designs.design import Design, one_phase
from byrote.engine.job import Job, Labelled
from byrote.errors import BadInput, TooFewModels
from byrote.recipes.algorithm import Algorithm, Batch, Seen, Shape, State, TrainingRecipe
from byrote.recipes.slots import described
from byrote.results import PerExample, Table
from byrote.runs.run import Run


@procedure(
    asks="Does this way of unlearning leave models as if they had never been trained on the examples?",
    needs=("outputs.log_odds", "tokens.log_probability"),
    section="5.6",
)
def unlearn(
    lab: Lab,
    run: Run,
    *,
    method: str | Change,
    forget: Forget = FORGET_SHARE,
    models: int = 16,
    seed: int = 1,
    out: str | Path | None = None,
) -> Table:
    """Train four sets of models on the data of a run, unlearn in the first, and compare it with the others.

    Args:
        lab: where to train.
        run: its data and recipe are used. If `forget` is a share, its label memorization selects the examples; for
            language models the documents must be named.
        method: a change of models, or its name and settings, e.g. "gradient-ascent=5,rate=0.1".
        forget: ids, a file of ids, or the share of the examples with the highest label memorization.
        models: of each set.
        seed: of all sets; no two models share one.
        out: folder of the four runs; default: `<run>-unlearn-<method>-<digest of the settings>`.

    Raises:
        BadInput: the run has no data, or targets other than classes or next tokens; the change is not one of
            models; or no training data would be left.
        TooFewModels: fewer than 5 models.
    """
    data, change, folder = data_to_forget(run, method, forget, models, seed, out, "unlearn")
    runs = dict(trained(lab, run, data, forget, method=change, models=models, folder=folder, seed=seed))
    found = unlearning(*(runs[name] for name in ARMS))
    keep(runs["unlearned"], "unlearning", found, *(runs[name] for name in ARMS[1:]))
    return found


def data_to_forget(
    run: Run, method: str | Change, forget: Forget, models: int, seed: int, out: str | Path | None, name: str
) -> tuple[DataToForget, Change, Path]:
    """The data of a procedure of that name, the change that unlearns, and the folder of its runs, one for each setting.

    Raises:
        BadInput: the change is not one of models, or the data do not fit.
        TooFewModels: fewer than 5 models.
    """
    change = method if isinstance(method, Change) else parse_change(method)
    if change.stage != "model":
        raise BadInput(
            f"Unlearning takes a change of trained models, and {change.name!r} is a change of the {change.stage}.",
            hint="--set method=gradient-ascent=5 or --set method=fine-tune-on-rest=10",
        )
    data = _documents(run, change, forget) if run.of_text else _examples(run, forget)
    if models < LEAST_MODELS:
        raise TooFewModels(
            f"An evaluation of unlearning needs at least {LEAST_MODELS} models in each set. Got {models}.",
            hint="--set models=16.",
        )
    settings = json.dumps([described(change), run.ids[data.forget].tolist(), models, seed])
    told = f"{run.folder.name}-{name}-{change.name}-{hashlib.sha256(settings.encode()).hexdigest()[:8]}"
    return data, change, Path(out) if out is not None else run.folder.with_name(told)


@dataclass(frozen=True, kw_only=True, eq=False)
class DataToForget:
    """The data and settings of all four sets: `whole` with the rows to `forget` and to `retain`.

    The other rows are held out. `part` and `settings` are the arguments of an audit. `length` is the number of tokens
    in a row of documents.
    """

    whole: Dataset | Corpus
    part: Dataset | Corpus
    recipe: TrainingRecipe
    forget: Int[np.ndarray, " forgotten"]
    retain: Int[np.ndarray, " retained"]
    settings: dict[str, Any]
    length: int = 0

    def __post_init__(self) -> None:
        if not len(self.retain):
            raise BadInput(
                f"All {len(self.forget)} examples are to be forgotten, so no training data is left.",
                hint="name some of them, or a share as --set forget=0.05 where labels are learned.",
            )

    def member(self, models: int, *, with_forget: bool) -> Bool[np.ndarray, "model example"]:
        """Which model is trained on which example: all on those to retain."""
        found = np.zeros((models, len(self.whole)), bool)
        found[:, self.retain] = True
        found[:, self.forget] = with_forget
        return found

    def algorithm(self) -> Algorithm:
        """The recipe bound to these data."""
        if isinstance(self.whole, Corpus):
            shape = Shape(inputs=(self.length,), classes=self.whole.vocabulary, examples=len(self.whole))
            return self.recipe.bind(shape, torch.device("cpu"))
        job = Job(
            recipe=self.recipe,
            data=Labelled.of(self.whole),
            heldout=None,
            classes=self.whole.outputs,
            design=one_phase("counting", np.ones((1, len(self.whole)), np.uint8)),
            seeds=(0,),
            checkpoints=(),
            folder=Path(),
            keep_logits=False,
            keep_weights=False,
            device="cpu",
        )
        return job.algorithm()


def _examples(run: Run, forget: Forget) -> DataToForget:
    """The examples of a run, and those to forget."""
    dataset, recipe = data_of(run, "ask")
    refuse_other_tasks(run.task, run.folder.name, "An audit of unlearning")
    rows = _chosen(run, forget)
    return DataToForget(
        whole=dataset,
        part=dataset,
        recipe=recipe,
        forget=rows,
        retain=np.setdiff1d(np.arange(len(dataset)), rows),
        settings={"heldout": run.heldout, "checkpoints": 2},
    )


def _documents(run: Run, change: Change, forget: Forget) -> DataToForget:
    """The documents of a run of language models, and those to forget."""
    corpus, heldout, recipe = parts_of(run)
    refuse_unfit(change)
    whole = run.corpus
    assert whole is not None, "a run with parts has its corpus"
    trained = np.arange(len(whole)) < len(corpus)
    about = np.isin(whole.ids, documents_to_forget(run, [change], forget, corpus)) & trained
    rows = np.flatnonzero(about)
    refuse_unpredicted(whole.ids[rows], whole.offsets, whole.scored, rows)
    tokenizer, length = run.folder / TOKENIZER, int(run.manifest.identity["length"])
    settings: dict[str, Any] = {
        "heldout": heldout if len(heldout) else None,
        "tokenizer": read_tokenizer(tokenizer) if tokenizer.exists() else None,
        "length": length,
        "generate": None,
        "checkpoints": 0,
    }
    return DataToForget(
        whole=whole,
        part=corpus,
        recipe=recipe,
        forget=rows,
        retain=np.flatnonzero(trained & ~about),
        settings=settings,
        length=length,
    )


def _chosen(run: Run, forget: Forget) -> Int[np.ndarray, " forgotten"]:
    share = share_of(forget)
    if share is None:
        return named(forget, run.ids, f"the run {str(run.folder)!r}").rows
    result = run.measure("label_memorization")
    assert isinstance(result, PerExample)
    ranked = np.argsort(-np.nan_to_num(result.values, nan=-np.inf), kind="stable")
    return np.sort(ranked[: max(1, round(share * len(ranked)))]).astype(np.int64)


def trained(
    lab: Lab,
    run: Run,
    data: DataToForget,
    forget: Forget,
    *,
    method: Change,
    models: int,
    folder: Path,
    seed: int,
    keep_weights: bool = False,
) -> Iterator[tuple[str, Run]]:
    """The four sets, each a run of its own; where weights are kept, the first two."""
    parent = parent_of(run, [method], forget, run.ids[data.forget])
    context = Context(dataset=data.whole, rng=np.random.default_rng([seed, 2]), forget=data.forget, retain=data.retain)
    steps = steps_of(method, data.algorithm(), context)
    everyone, without = (data.member(models, with_forget=seen) for seen in (True, False))
    made: tuple[tuple[str, Design, Change | None], ...] = (
        ("unlearned", one_phase("unlearned", everyone), method),
        ("retrained", one_phase("retrained", without), None),
        ("again", one_phase("retrained", without), None),
        ("longer", one_phase("retrained", without), _Longer(steps, getattr(method, "rate", 1.0))),
    )
    for number, (name, design, change) in enumerate(made[:2] if keep_weights else made, start=1):
        about = {"steps": steps, "set": name, "forget": len(data.forget)}
        child = {**parent, "change": {**parent["change"], **about}}
        yield (
            name,
            lab.audit(
                data.part,
                data.recipe,
                design=design,
                out=folder / name,
                seed=1_000 * seed + number,
                finish=None if change is None else finishing([(change, context)], design),
                parent=None if change is None else child,
                keep_weights=keep_weights,
                **data.settings,
            ),
        )


def steps_of(method: Change, algorithm: Algorithm, context: Context) -> int:
    """How many steps a change of a model takes, counted on a fresh one."""
    counting = _Counting(algorithm)
    fresh = replace(context, rng=np.random.default_rng(0))
    method.apply(TrainedModel(algorithm=cast(Algorithm, counting), state=algorithm.init(0)), fresh)
    return counting.taken


class _Counting:
    """An algorithm that counts its steps; all else is that of the algorithm."""

    def __init__(self, algorithm: Algorithm) -> None:
        self.algorithm = algorithm
        self.taken = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.algorithm, name)

    def step(self, state: State, batch: Batch) -> tuple[State, Seen]:
        self.taken += 1
        return self.algorithm.step(state, batch)


@dataclass(frozen=True)
class _Longer:
    """More training on the same data for so many steps, at a share of the recipe's learning rate."""

    steps: int
    rate: float = 1.0
    stage: ClassVar[str] = "model"
    name: ClassVar[str] = "longer"

    def apply(self, stage: TrainedModel, context: Context) -> TrainedModel:
        """The model after that many more steps."""
        if not self.steps:
            return stage
        algorithm, state = stage.algorithm, stage.state
        device = next(algorithm.network(state).parameters()).device
        state = algorithm.begin(state, self.steps, rate=self.rate)
        for batch in islice(self._batches(stage, context, device), self.steps):
            state, _ = algorithm.step(state, batch)
        return TrainedModel(algorithm=algorithm, state=state)

    def _batches(self, stage: TrainedModel, context: Context, device: torch.device) -> Iterator[Batch]:
        while True:
            yield from batches(stage.algorithm, context, context.rng.permutation(context.retain), device)
