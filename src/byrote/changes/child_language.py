"""A changed run of language models: the same documents, recipe and readings but for one change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from byrote.changes.change import Change, Context
from byrote.changes.common import finishing, parent_of
from byrote.changes.forget import FORGET_SHARE, Forget, named, share_of
from byrote.changes.names import names
from byrote.data.canaries import FILE as CANARIES
from byrote.data.canaries import read_canaries
from byrote.data.corpus import Corpus, held_out_twice
from byrote.data.problems import counted
from byrote.data.tokenizers import FILE as TOKENIZER
from byrote.data.tokenizers import read_tokenizer
from byrote.designs.design import Design
from byrote.engine.language import audit_language
from byrote.engine.progress import Progress
from byrote.errors import BadInput
from byrote.probes.decoding import Decoding
from byrote.recipes.algorithm import Algorithm, State
from byrote.recipes.recipe import Recipe
from byrote.runs.run import Run

#: Fewer documents are no training data.
FEWEST_DOCUMENTS = 2


def change_language(
    run: Run,
    changes: Sequence[Change],
    *,
    forget: Forget = FORGET_SHARE,
    seed: int | None = None,
    out: Path,
    workers: int | None = None,
    progress: Progress | bool = True,
) -> Run:
    """Train the run's language models again with something changed, and record the same evidence.

    Every model is trained on those of its documents that the changes leave. Tokenizer, seeds, context and held-out
    documents stay; a change that is `of_heldout` is made of these, too. Canaries are counted anew, as a
    deduplication leaves one of each.

    Raises:
        BadInput: the run has no corpus or recipe at hand, a change is not one for language models, or the documents to
            forget are not named.
    """
    corpus, heldout, recipe = parts_of(run)
    for one in changes:
        refuse_unfit(one)
    assert run.corpus is not None, "a run with parts has its corpus"
    rows = np.arange(len(run.corpus))
    ids = documents_to_forget(run, changes, forget, corpus)
    given = int(run.manifest.identity["seed"])
    seeds = [given if seed is None else seed, 2]
    for number, one in enumerate(changes):
        context = Context(
            dataset=corpus, rng=np.random.default_rng([*seeds, *([number] if number else [])]), parent=run
        )
        if one.stage == "dataset":
            corpus = one.apply(corpus, context)
            if getattr(one, "of_heldout", False) and len(heldout):
                heldout = one.apply(heldout, replace(context, dataset=heldout))
        elif one.stage == "recipe":
            recipe = one.apply(recipe, context)
    if not corpus.is_tokenized:  # its texts changed: all are cut anew, by the same tokenizer
        heldout = heldout.replace(texts=heldout.texts)
    heldout, notes = _apart(corpus, heldout)
    if len(corpus) < FEWEST_DOCUMENTS:
        raise BadInput(
            f"The change {' + '.join(one.name for one in changes)!r} leaves {len(corpus)} documents, too few to train "
            "on.",
            hint=f"use a weaker change; at least {FEWEST_DOCUMENTS} documents must stay.",
        )
    row_of = {name: row for row, name in enumerate(run.corpus.ids.tolist())}
    kept = np.array([row_of[name] for name in [*corpus.ids.tolist(), *heldout.ids.tolist()]], np.int64)
    identity = run.manifest.identity
    files = [run.folder / CANARIES, run.folder / TOKENIZER]
    canaries, tokenizer = (None if not path.exists() else path for path in files)
    idle = {name for one in changes for name in getattr(one, "leaves_nothing_for", ())}
    planted = None if canaries is None else read_canaries(canaries)
    whole = corpus if not len(heldout) else corpus.joined(heldout, corpus.name)
    design = run.design.restricted_to(kept) if len(kept) != len(rows) else run.design
    return audit_language(
        corpus,
        recipe,
        heldout=heldout if len(heldout) else None,
        canaries=None if planted is None else planted.recounted(whole, np.arange(len(whole)) < len(corpus)),
        design=design,
        tokenizer=None if tokenizer is None else read_tokenizer(tokenizer),
        length=identity["length"],
        generate=_pair(identity["generate"]),
        decoding=Decoding(**identity["decoding"]) if "decoding" in identity else None,
        out=out,
        seed=given if seed is None else seed,
        workers=workers,
        device=run.manifest.executor["device"],
        checkpoints=len(run.manifest.checkpoints),
        keep_weights=bool(identity.get("keep_weights", False)),
        keep_weights_at=identity.get("keep_weights_at"),
        probes=[name for name in identity.get("probes", ()) if name.partition(",")[0] not in idle],
        progress=progress,
        source=run.source or run.manifest.source,
        parent=parent_of(run, changes, forget, ids),
        notes=notes,
        finish=_finishing(changes, whole, len(corpus), ids, seeds, design),
        executor=run.manifest.executor if {one.stage for one in changes} == {"model"} and seed is None else None,
    )


def parts_of(run: Run) -> tuple[Corpus, Corpus, Recipe]:
    """The documents of a run that models train on, those held out, and the recipe.

    Raises:
        BadInput: they are not at hand.
    """
    if run.corpus is None or not isinstance(run.recipe, Recipe):
        raise BadInput(
            f"The run {str(run.folder)!r} was opened without its corpus and recipe.",
            hint="use the run that byrote.audit_language gave back, or `byrote change` and `byrote ask`.",
        )
    trained = np.arange(len(run.corpus)) < len(run.corpus) - int(run.manifest.dataset["heldout_documents"])
    return run.corpus.subset(trained), run.corpus.subset(~trained), run.recipe


def _apart(corpus: Corpus, heldout: Corpus) -> tuple[Corpus, list[str]]:
    """The held-out documents that, changed, are not the same as a training document; and how many others are."""
    same = held_out_twice(corpus, heldout)
    if not same.any():
        return heldout, []
    number = counted(int(same.sum()), "held-out document is", "held-out documents are")
    return heldout.subset(~same), [f"{number} left out: the change made the same text of a training document."]


def refuse_unfit(change: Change) -> None:
    """Refuse a change that is not for language models.

    Raises:
        BadInput: it is not.
    """
    if not getattr(change, "of_text", False):
        raise BadInput(
            f"The change {change.name!r} is not for language models.",
            hint=f"the changes for them are {', '.join(names(of_text=True))}; one of your own says `of_text = True`.",
        )


def documents_to_forget(run: Run, changes: Sequence[Change], forget: Forget, corpus: Corpus) -> np.ndarray:
    """Ids of documents that a change of models is about; they must be named, for no score chooses them.

    Raises:
        BadInput: they are not named, or one is none of those trained on.
    """
    share = share_of(forget)
    models = [one for one in changes if one.stage == "model" and getattr(one, "aimed", True)]
    if share is None:
        return np.asarray(corpus.ids[named(forget, corpus.ids, f"the training documents of {str(run.folder)!r}").rows])
    if models:
        raise BadInput(
            f"The change {models[0].name!r} of language models needs the documents that it is to forget.",
            hint="--forget FILE with one id per line, or forget=[…] from Python.",
        )
    return np.empty(0, np.str_)


def _finishing(
    changes: Sequence[Change], corpus: Corpus, trained: int, ids: np.ndarray, seeds: list[int], design: Design
) -> Callable[[Algorithm, State, int], State] | None:
    """What is done to each model once it is trained; None where no change is of models."""
    rows = np.arange(len(corpus))
    about = np.isin(corpus.ids, ids) & (rows < trained)
    context = Context(
        dataset=corpus,
        rng=np.random.default_rng(seeds),
        forget=rows[about],
        retain=rows[~about & (rows < trained)],
    )
    models = [(one, context) for one in changes if one.stage == "model"]
    return finishing(models, design) if models else None


def _pair(lengths: Any) -> tuple[int, int] | None:
    return None if lengths is None else (int(lengths[0]), int(lengths[1]))
