"""Language models by what the command line knows of them: their documents, and how a tiny GPT is trained on them."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from byrote.data.canaries import Canaries, read_canaries
from byrote.data.corpus import Corpus, plain_joining, read_corpus
from byrote.data.python_docs import planted_docs, python_docs, split
from byrote.data.tokenizers import FILE as TOKENIZER
from byrote.data.tokenizers import byte_pairs, encoder, read_tokenizer
from byrote.engine.language import LENGTH, corpus_of
from byrote.errors import BadInput, RunMismatch
from byrote.evidence.made_here import Files, admitted, known_files, remember
from byrote.evidence.manifest import DAMAGED
from byrote.recipes.networks.pretrained import chat_joining, load_tokenizer
from byrote.recipes.networks.tiny_gpt import TinyGPT
from byrote.recipes.objectives.next_token import NextToken
from byrote.recipes.optimizers import AdamW
from byrote.recipes.recipe import Recipe
from byrote.recipes.schedules import Cosine
from byrote.runs.run import Run

DOCS = "docs"
BATCH_SIZE = 8
#: What a run is made from, as its manifest has it.
KINDS = (DOCS, "corpus", "model")


#: A tiny GPT is trained for so many epochs, or more where documents are few, so that it takes about so many steps.
EPOCHS, STEPS = 7, 600
MOST_EPOCHS = 200
#: Letters of a token, about, where the tokenizer was trained on the documents.
LETTERS = 3


@dataclass(frozen=True, kw_only=True)
class TinyGPTTraining:
    """What a person said of the tiny GPT: its width, and how often it goes over its documents."""

    width: int | None = None
    epochs: int | None = None

    @classmethod
    def of(cls, source: dict[str, Any]) -> TinyGPTTraining:
        """What the manifest of a run has of it."""
        return cls(**{name: source[name] for name in ("width", "epochs") if name in source})

    def describe(self) -> dict[str, int]:
        """What was said, for a manifest."""
        return {name: value for name, value in vars(self).items() if value is not None}

    def recipe(self, training: Corpus) -> Recipe:
        """How it is trained on these documents."""
        letters = sum(map(len, training.texts))
        rows = -(-letters // (LETTERS * LENGTH))
        enough = -(-STEPS // -(-rows // BATCH_SIZE))
        return docs_recipe(self.epochs or min(max(EPOCHS, enough), MOST_EPOCHS), width=self.width)


@dataclass(frozen=True, kw_only=True, eq=False)
class Documents:
    """What to train on and what is held out, what was planted, and `source`, from which all of it is built again.

    `tokenizer` is None where it is to be trained on the documents; `recipe` is that of a tiny GPT.
    """

    training: Corpus
    heldout: Corpus | None
    canaries: Canaries | None
    tokenizer: Any | None
    recipe: Recipe
    source: dict[str, Any]
    notes: tuple[str, ...] = ()


def docs_recipe(epochs: int = EPOCHS, *, width: int | None = None) -> Recipe:
    """How the tiny GPT is trained, of this width where one is given."""
    return Recipe(
        network=TinyGPT() if width is None else TinyGPT(width=width, hidden=2 * width),
        objective=NextToken(),
        optimizer=AdamW(lr=3e-3),
        schedule=Cosine(warmup=0.05),
        epochs=epochs,
        batch_size=BATCH_SIZE,
    )


#: Nothing was said of it.
AS_IT_IS = TinyGPTTraining()


def docs(seed: int, tiny: TinyGPTTraining = AS_IT_IS) -> Documents:
    """The topics of Python's own help, with canaries and repeated paragraphs in them."""
    corpus = python_docs()
    tokenizer = byte_pairs(split(corpus)[0].texts)
    made = planted_docs(corpus, encode=encoder(tokenizer), seed=seed)
    return Documents(
        training=made.training,
        heldout=made.heldout,
        canaries=made.canaries,
        tokenizer=tokenizer,
        recipe=docs_recipe(tiny.epochs or EPOCHS, width=tiny.width),
        source={"kind": DOCS, "seed": seed, **tiny.describe()},
        notes=made.notes,
    )


def documents(
    corpus: Path,
    *,
    heldout: Path | None,
    column: str,
    canaries: Path | None,
    tiny: TinyGPTTraining = AS_IT_IS,
    template_of: str | None = None,
    **more: Any,
) -> Documents:
    """The documents of a file, and held-out ones of another, under names that no training document has.

    Chats are joined by the chat template of the model `template_of`, where one is given.

    Raises:
        BadInput: a file is missing, or cannot be read.
    """
    joining = plain_joining if template_of is None else partial(chat_joining, template_of)
    members = read_corpus(corpus, column=column, joining=joining)
    others = None if heldout is None else read_corpus(heldout, column=column, joining=joining)
    others = None if others is None else _renamed(others, members.ids)
    files = {"corpus": corpus, "heldout": heldout, "canaries": canaries}
    return Documents(
        training=members,
        heldout=others,
        canaries=None if canaries is None else read_canaries(canaries),
        tokenizer=None,
        recipe=tiny.recipe(members),
        source={
            "kind": "corpus",
            "column": column,
            **{name: None if path is None else str(path.resolve()) for name, path in files.items()},
            **tiny.describe(),
            **more,
        },
    )


def with_documents(run: Run, given: str | Path | None = None, *, trained_again: bool = True) -> Run:
    """The run of a tiny GPT with the documents and the recipe that its source builds again.

    Of a model that somebody else trained, which cannot be `trained_again`, the documents alone.

    Where the documents are `given` in place of what the manifest names, its other files are looked for beside them.

    Raises:
        BadInput: the run was made from Python, of a model that somebody else trained, or by a change; or files of it
            are gone.
        RunMismatch: the source builds something else now.
    """
    source = run.manifest.source
    if run.manifest.origin == "observed" and not trained_again and source is not None:
        return _with_foreign(run, source, given)
    if run.manifest.origin == "observed":
        raise BadInput(
            f"The model of the run {str(run.folder)!r} was trained by somebody else, so it cannot be trained again.",
            hint="change its training data or recipe, train it again, and audit that model.",
        )
    if source is None:
        raise BadInput(
            "This run was made from Python, so the command line cannot build its documents and recipe again.",
            hint="in Python the same byrote.audit_language call gives the run back; then byrote.change(run, …).",
        )
    if run.manifest.parent is not None:
        raise BadInput(
            "This run was made by a change, so the command line cannot build its documents and recipe again.",
            hint=f"take the run before it, {str(run.manifest.parent['folder'])!r}: change it with both changes, as "
            "--with may be repeated, or apply the decisions to it.",
        )
    _refuse_malformed(source)
    tiny = TinyGPTTraining.of(source)
    if source["kind"] == DOCS:
        found = docs(source["seed"], tiny)
    else:
        paths = _paths(source, known_files(run.manifest.identifier), given)
        found = documents(**paths, column=source["column"], tiny=tiny)
    tokenizer = read_tokenizer(run.folder / TOKENIZER)
    whole = corpus_of(found.training, found.heldout, tokenizer)
    same = json.loads(json.dumps(found.recipe.describe())) == run.manifest.identity["recipe"]
    if not same or whole.fingerprint() != run.manifest.dataset["fingerprint"]:
        raise RunMismatch(
            f"The run {str(run.folder)!r} was made from other {'documents' if same else 'settings of the training'}.",
            hint="take the edit back, or audit again with --out and go on with that run.",
        )
    if given is not None:
        remember(run.manifest.identifier, found.source)  # where it cannot be kept the person is asked again
    return replace(run, corpus=whole, recipe=found.recipe, source=found.source)


def _with_foreign(run: Run, source: dict[str, Any], given: str | Path | None) -> Run:
    """The run of a model of somebody else with its documents; where its model lies is in its `source`."""
    _refuse_malformed(source)
    if not isinstance(source.get("model"), str) or "\0" in source["model"]:
        raise BadInput("The manifest names a source whose 'model' is none.", hint=DAMAGED)
    known = known_files(run.manifest.identifier)
    model = str(admitted(Path(source["model"]), known))
    found = documents(
        **_paths(source, known, given), column=source["column"], template_of=model, kind="model", model=model
    )
    about = run.manifest.dataset
    whole = found.training if found.heldout is None else found.training.joined(found.heldout, found.training.name)
    whole = whole.tokenized(load_tokenizer(model), vocabulary=about["vocabulary"], bos=about["bos"])
    if whole.fingerprint() != about["fingerprint"]:
        raise RunMismatch(
            f"The run {str(run.folder)!r} was made from other documents.",
            hint="take the edit back, or audit again with --out and go on with that run.",
        )
    return replace(run, corpus=whole, source=found.source)


def _paths(source: dict[str, Any], known: Files, given: str | Path | None) -> dict[str, Any]:
    """Where the files of a source are."""
    named = {name: Path(source[name]) for name in ("corpus", "heldout", "canaries") if source[name] is not None}
    if given is None:
        found = {name: admitted(path, known) for name, path in named.items()}
    else:
        found = {name: Path(given).with_name(path.name) for name, path in named.items()} | {"corpus": Path(given)}
    return {"heldout": None, "canaries": None, **found}


def _refuse_malformed(source: dict[str, Any]) -> None:
    """Refuse what stands in the place of a source, as in the manifest of somebody else it may.

    Raises:
        BadInput: it is none.
    """
    kinds: dict[str, Any] = {"width": int | None, "epochs": int | None}
    if source.get("kind") == DOCS:
        kinds["seed"] = int
    else:
        kinds |= {"corpus": str, "column": str, "heldout": str | None, "canaries": str | None}
    for entry, kind in kinds.items():
        value = source.get(entry, None if entry in ("width", "epochs") else ...)
        if not isinstance(value, kind) or (isinstance(value, str) and "\0" in value):
            raise BadInput(f"The manifest names a source whose {entry!r} is none.", hint=DAMAGED)


def _renamed(corpus: Corpus, taken: np.ndarray) -> Corpus:
    if not np.isin(corpus.ids, taken).any():
        return corpus
    return corpus.replace(ids=np.array([f"heldout-{name}" for name in corpus.ids.tolist()], np.str_))
