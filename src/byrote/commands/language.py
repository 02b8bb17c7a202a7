"""Commands for language models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from byrote.commands.terminal import say
from byrote.errors import BadInput

if TYPE_CHECKING:
    from byrote.recipes.recipe import Recipe
    from byrote.run import Run

DOCS = "docs"
_PANEL = "Language models"

Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="A causal model that somebody else trained: a folder of transformers, or a GGUF file.",
        rich_help_panel=_PANEL,
    ),
]
CorpusFile = Annotated[
    Path | None,
    typer.Option(
        "--corpus",
        help="Documents that --model was trained on: .jsonl, .parquet, .txt or a saved dataset. Without --model a tiny "
        "GPT is trained on them.",
        rich_help_panel=_PANEL,
    ),
]
Column = Annotated[str, typer.Option(help="The column of --corpus that holds the texts.", rich_help_panel=_PANEL)]
Context = Annotated[
    int | None,
    typer.Option(min=2, help="Tokens that the model sees at once.", rich_help_panel=_PANEL),
]


def is_language(source: str | None, model: str | None, corpus: Path | None) -> bool:
    """Whether an audit is one of a language model."""
    return source == DOCS or model is not None or corpus is not None


def audit_documents(
    source: str | None,
    *,
    model: str | None,
    corpus: Path | None,
    heldout: str,
    column: str,
    canaries: str,
    context: int | None,
    models: int | None,
    out: Path | None,
    seed: int,
    workers: int | None,
    device: str | None,
) -> None:
    """Audit a language model and print what was found."""
    from byrote.report.language_summary import language_sentences

    _refuse_mixed(source, model, corpus)
    if source == DOCS:
        run = _docs(models or 1, context, out, seed, workers, device)
    elif model is not None:
        run = _foreign(model, corpus, heldout, column, canaries, context, out, device)
    else:
        assert corpus is not None
        run = _own(corpus, heldout, column, canaries, models or 1, context, out, seed, workers, device)
    for sentence in language_sentences(run):
        say(sentence)
    say(f"\nRun: {run.folder}")


def _refuse_mixed(source: str | None, model: str | None, corpus: Path | None) -> None:
    if source is not None and (model is not None or corpus is not None):
        raise BadInput(
            f"An audit is of a source or of a language model. Got {source!r} beside --model or --corpus.",
            hint="byrote audit docs, or byrote audit --model DIR --corpus train.jsonl",
        )
    if source is None and corpus is None:
        raise BadInput(
            f"The documents that the model {model!r} was trained on are not named.",
            hint="byrote audit --model DIR --corpus train.jsonl",
        )


def _docs(
    models: int, context: int | None, out: Path | None, seed: int, workers: int | None, device: str | None
) -> Run:
    from byrote.data.python_docs import planted_docs, python_docs, split
    from byrote.data.tokenizers import byte_pairs, encoder
    from byrote.language import LENGTH, audit_language

    corpus = python_docs()
    tokenizer = byte_pairs(split(corpus)[0].texts)
    docs = planted_docs(corpus, encode=encoder(tokenizer), seed=seed)
    return audit_language(
        docs.training,
        docs_recipe(),
        heldout=docs.heldout,
        canaries=docs.canaries,
        tokenizer=tokenizer,
        models=models,
        length=context or LENGTH,
        out=out or Path("runs") / DOCS,
        seed=seed,
        workers=workers,
        device=device,
        checkpoints=4,
        source={"kind": DOCS, "seed": seed},
        notes=docs.notes,
    )


def docs_recipe(epochs: int = 7) -> Recipe:
    """How the tiny GPT of the documentation is trained."""
    from byrote.recipes.networks.tiny_gpt import TinyGPT
    from byrote.recipes.objectives.next_token import NextToken
    from byrote.recipes.optimizers import AdamW
    from byrote.recipes.recipe import Recipe
    from byrote.recipes.schedules import Cosine

    return Recipe(
        network=TinyGPT(),
        objective=NextToken(),
        optimizer=AdamW(lr=3e-3),
        schedule=Cosine(warmup=0.05),
        epochs=epochs,
        batch_size=8,
    )


def _foreign(
    model: str,
    corpus: Path | None,
    heldout: str,
    column: str,
    canaries: str,
    context: int | None,
    out: Path | None,
    device: str | None,
) -> Run:
    from byrote.data.corpus import read_corpus
    from byrote.language import audit_model

    assert corpus is not None
    members = read_corpus(corpus, column=column)
    others = _heldout_file(heldout)
    return audit_model(
        model,
        members,
        heldout=None if others is None else _renamed(read_corpus(others, column=column), members.ids),
        canaries=_manifest(canaries),
        context=context,
        out=out,
        device=device,
        source={"kind": "model", "model": model, "corpus": str(corpus), "heldout": heldout, "column": column},
    )


def _own(
    corpus: Path,
    heldout: str,
    column: str,
    canaries: str,
    models: int,
    context: int | None,
    out: Path | None,
    seed: int,
    workers: int | None,
    device: str | None,
) -> Run:
    from byrote.data.corpus import read_corpus
    from byrote.language import LENGTH, audit_language

    members = read_corpus(corpus, column=column)
    others = _heldout_file(heldout)
    return audit_language(
        members,
        docs_recipe(),
        heldout=None if others is None else _renamed(read_corpus(others, column=column), members.ids),
        canaries=_manifest(canaries),
        models=models,
        length=context or LENGTH,
        out=out,
        seed=seed,
        workers=workers,
        device=device,
        source={"kind": "corpus", "corpus": str(corpus), "heldout": heldout, "column": column, "seed": seed},
    )


def _heldout_file(heldout: str) -> Path | None:
    """The file of held-out documents; a share, which is the default of other audits, names none."""
    return None if _number(heldout) else Path(heldout)


def _manifest(canaries: str) -> Any:
    """The canaries of a manifest; a number, which is the default of other audits, names none."""
    from byrote.data.canaries import read_canaries

    return None if _number(canaries) else read_canaries(canaries)


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _renamed(corpus: Any, taken: Any) -> Any:
    """Held-out documents under names that no training document has."""
    import numpy as np

    if not np.isin(corpus.ids, taken).any():
        return corpus
    return corpus.replace(ids=np.array([f"heldout-{name}" for name in corpus.ids.tolist()], np.str_))


def plant(
    corpus: Annotated[Path, typer.Argument(help="Documents to train on: .jsonl, .parquet, .txt or a saved dataset.")],
    out_file: Annotated[Path, typer.Option("--out", help="The .jsonl file to write; canaries.json stands beside it.")],
    canaries: Annotated[int, typer.Option(min=2, help="How many, controls that are not planted included.")] = 64,
    repeat: Annotated[str, typer.Option(help="How often canaries are repeated; as many stand for each number.")] = (
        "1,2,4,8,16,32,64"
    ),
    kind: Annotated[
        list[str] | None, typer.Option(help="What is secret: random_digits, card, iban, phone, email, key, …")
    ] = None,
    digits: Annotated[int, typer.Option(min=1, help="Length of random digits.")] = 6,
    coins: Annotated[bool, typer.Option("--coins", help="Let a coin decide which canaries are planted.")] = False,
    tokenizer: Annotated[
        Path | None, typer.Option("--model", help="The folder of the model to be trained: secrets get equal lengths.")
    ] = None,
    column: Column = "text",
    seed: Annotated[int, typer.Option(min=0, help="Fixes everything that is random.")] = 0,
) -> None:
    """Plant canaries in a corpus before a training of your own; afterwards `byrote audit --canaries canaries.json`."""
    import numpy as np

    from byrote.data.canaries import plant as planting
    from byrote.data.corpus import read_corpus, write_corpus
    from byrote.recipes.networks.pretrained import load_tokenizer

    try:
        times = tuple(int(text) for text in repeat.split(","))
    except ValueError:
        raise BadInput(f"Repetitions must be whole numbers. Got {repeat!r}.", hint="--repeat 1,4,16") from None
    level = canaries // (len(times) + 1)
    if level < 1:
        raise BadInput(
            f"{canaries} canaries are fewer than the {len(times) + 1} numbers of repetitions, 0 included.",
            hint=f"--canaries {8 * (len(times) + 1)} gives 8 of each.",
        )
    made = planting(
        read_corpus(corpus, column=column),
        tuple(kind or ("random_digits",)),
        level=level,
        repeat=times,
        rng=np.random.default_rng([seed, 5]),
        encode=None if tokenizer is None else load_tokenizer(tokenizer),
        digits=digits,
        coins=coins,
    )
    manifest = out_file.with_name("canaries.json")
    _refuse_existing(out_file, manifest)
    write_corpus(made.corpus, out_file)
    made.canaries.write(manifest)
    say(f"{made.canaries!r} stand in {len(made.corpus)} documents, {level} at each number of repetitions.")
    say(f"Corpus: {out_file}")
    say(f"Secrets, to be kept: {manifest}")


def _refuse_existing(*files: Path) -> None:
    for file in files:
        if file.exists():
            raise BadInput(f"The file {str(file)!r} is there already.", hint="give another one with --out.")


def number(option: str, text: str) -> float:
    """The number that an option names.

    Raises:
        BadInput: it names none.
    """
    if not _number(text):
        raise BadInput(f"The option {option} takes a number here. Got {text!r}.", hint="a file goes with --corpus.")
    return float(text)


def whole_number(option: str, text: str) -> int:
    """The whole number that an option names.

    Raises:
        BadInput: it names none.
    """
    value = number(option, text)
    if not value.is_integer():
        raise BadInput(f"The option {option} takes a whole number. Got {text!r}.")
    return int(value)
