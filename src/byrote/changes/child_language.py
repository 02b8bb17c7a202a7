"""A changed run of language models: the same documents, recipe and readings but for one change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from byrote.changes.change import Change, Context
from byrote.changes.registry import CONTROLS, OF_TEXT, REMEDIES
from byrote.data.canaries import FILE as CANARIES
from byrote.data.canaries import read_canaries
from byrote.data.tokenizers import read_tokenizer
from byrote.engine.language import TOKENIZER, audit_language
from byrote.engine.progress import Progress
from byrote.errors import BadInput
from byrote.probes.decoding import Decoding
from byrote.recipes.recipe import Recipe
from byrote.recipes.slots import described
from byrote.runs.run import Run

#: Fewer documents are no training data.
FEWEST_DOCUMENTS = 2


def change_language(
    run: Run, change: Change, *, out: Path, workers: int | None = None, progress: Progress | bool = True
) -> Run:
    """Train the run's language models again with one thing changed, and record the same evidence.

    Every model is trained on those of its documents that the change leaves. Tokenizer, seeds, context and held-out
    documents stay. Canaries are counted anew, as a deduplication leaves one of each.

    Raises:
        BadInput: the run has no corpus or recipe at hand, or the change is not one for language models.
    """
    if run.corpus is None or not isinstance(run.recipe, Recipe):
        raise BadInput(
            f"The run {str(run.folder)!r} was opened without its corpus and recipe.",
            hint="change the run that byrote.audit_language gave back, or use `byrote change`.",
        )
    if isinstance(change, (*CONTROLS, *REMEDIES)) and not isinstance(change, OF_TEXT):
        raise BadInput(
            f"The change {change.name!r} is not for language models.",
            hint=f"the changes for them are {', '.join(sorted(kind.name for kind in OF_TEXT))}.",
        )
    trained = len(run.corpus) - int(run.manifest.dataset["heldout_documents"])
    rows = np.arange(len(run.corpus))
    corpus, heldout, recipe = run.corpus.subset(rows < trained), run.corpus.subset(rows >= trained), run.recipe
    seed = int(run.manifest.identity["seed"])
    context = Context(dataset=corpus, rng=np.random.default_rng([seed, 2]), parent=run)
    if change.stage == "dataset":
        corpus = change.apply(corpus, context)
        if not corpus.is_tokenized:  # its texts changed: all are cut anew, by the same tokenizer
            heldout = heldout.replace(texts=heldout.texts)
    else:
        recipe = change.apply(recipe, context)
    if len(corpus) < FEWEST_DOCUMENTS:
        raise BadInput(
            f"The change {change.name!r} leaves {len(corpus)} documents, too few to train on.",
            hint=f"use a weaker change; at least {FEWEST_DOCUMENTS} documents must stay.",
        )
    row_of = {name: row for row, name in enumerate(run.corpus.ids.tolist())}
    kept = np.array([*(row_of[name] for name in corpus.ids.tolist()), *rows[trained:].tolist()], np.int64)
    identity = run.manifest.identity
    files = [run.folder / CANARIES, run.folder / TOKENIZER]
    canaries, tokenizer = (None if not path.exists() else path for path in files)
    planted = None if canaries is None else read_canaries(canaries)
    whole = corpus if not len(heldout) else corpus.joined(heldout, corpus.name)
    return audit_language(
        corpus,
        recipe,
        heldout=heldout if len(heldout) else None,
        canaries=None if planted is None else planted.recounted(whole, np.arange(len(whole)) < len(corpus)),
        design=run.design.restricted_to(kept) if len(corpus) != trained else run.design,
        tokenizer=None if tokenizer is None else read_tokenizer(tokenizer),
        length=identity["length"],
        generate=_pair(identity["generate"]),
        decoding=Decoding(**identity["decoding"]) if "decoding" in identity else None,
        out=out,
        seed=seed,
        workers=workers,
        device=run.manifest.executor["device"],
        checkpoints=len(run.manifest.checkpoints),
        keep_weights=bool(identity.get("keep_weights", False)),
        progress=progress,
        source=run.source or run.manifest.source,
        parent={
            "folder": str(run.folder.resolve()),
            "change": {"name": change.name, "stage": change.stage, **described(change)},
            "forget": [],
        },
    )


def _pair(lengths: Any) -> tuple[int, int] | None:
    return None if lengths is None else (int(lengths[0]), int(lengths[1]))
