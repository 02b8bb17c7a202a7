"""Commands for language models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from byrote.cli.answers import print_table, say, say_file
from byrote.cli.config import NOT_REPEATED, spelled, write
from byrote.cli.consoles import err
from byrote.cli.listing import ListsControls
from byrote.cli.options import OwnData, Recorded, file_of, is_number
from byrote.errors import BadInput

if TYPE_CHECKING:
    from byrote.cli.language_sources import Documents, TinyGPTTraining
    from byrote.data.canaries import Canaries
    from byrote.data.corpus import Corpus
    from byrote.runs.run import Run

DOCS = "docs"
#: Epochs before and after paragraphs are shown that are to be forgotten.
BEFORE, AFTER, READINGS = 4, 6, 6
_PANEL = "Language models"
#: Parameters of `byrote audit` that an audit of the docs reads, one of a corpus, and one of somebody else's model.
READ_OF_DOCS = frozenset({"source", "model", "corpus", "context", "width", "epochs", "models", "probe"}) | {
    *("out_folder", "seed", "workers", "device", "redact", "keep_weights", "keep_weights_at"),
    *("executor", "address", "part"),
}
READ_OF_CORPUS = READ_OF_DOCS | {"heldout", "heldout_documents", "column", "canaries"}
READ_OF_MODEL = (READ_OF_CORPUS - {"models", "epochs", "width", "keep_weights", "keep_weights_at", "part"}) | {"bos"}
#: Those that name a file here and are a number in other audits, with the option that names that file.
FILES = {
    "heldout": ("of documents that it was not trained on", "--heldout-documents"),
    "canaries": ("that `byrote plant` wrote beside the documents", "--canaries"),
}

Column = Annotated[str, typer.Option(help="The column of --corpus that holds the texts.", rich_help_panel=_PANEL)]


@dataclass(frozen=True, kw_only=True)
class LanguageModel:
    """A language model, and the documents that it was or will be trained on."""

    model: Annotated[
        str | None,
        typer.Option(
            help="A causal model that somebody else trained: a folder of transformers, or a GGUF file.",
            rich_help_panel=_PANEL,
        ),
    ] = None
    corpus: Annotated[
        Path | None,
        typer.Option(
            help="Documents that --model was trained on: .jsonl, .parquet, .txt or a saved dataset, with a column of "
            "texts, chats (messages, conversations), or prompt and completion. Without --model a tiny GPT is trained "
            "on them.",
            rich_help_panel=_PANEL,
        ),
    ] = None
    column: Column = "text"
    heldout_documents: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Documents that it was not trained on.", rich_help_panel=_PANEL),
    ] = None
    canaries: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="What `byrote plant` wrote beside the documents.", rich_help_panel=_PANEL),
    ] = None
    context: Annotated[
        int | None, typer.Option(min=2, help="Tokens that the model sees at once.", rich_help_panel=_PANEL)
    ] = None
    bos: Annotated[
        bool | None,
        typer.Option(
            "--bos/--no-bos",
            help="Was --model trained with a BOS token before every document? (default: detected)",
            rich_help_panel=_PANEL,
            show_default=False,
        ),
    ] = None
    width: Annotated[
        int | None,
        typer.Option(min=8, help="Width of the tiny GPT, 128 unless given: how large it is.", rich_help_panel=_PANEL),
    ] = None


class Audits(ListsControls):
    """The command that audits; it knows which options were given and which have their default."""

    def invoke(self, ctx: Any) -> Any:
        """Audit, unless a language model is asked for with options that are for other networks."""
        values = ctx.params
        options = {parameter.name: parameter.opts[0] for parameter in self.params}
        sources = {name: ctx.get_parameter_source(name) for name in options}
        by_person = ("COMMANDLINE", "DEFAULT_MAP")
        given = {name: options[name] for name, by in sources.items() if by and by.name in by_person}
        if is_language(values["source"], values["model"], values["corpus"]):
            refuse_unread(given, values)
        folder = super().invoke(ctx)
        if folder is not None:
            spelled_out = {
                spelled(name, option): values[name] for name, option in given.items() if name not in NOT_REPEATED
            }
            write(folder, spelled_out)
        return folder


def is_language(source: str | None, model: str | None, corpus: Path | None) -> bool:
    """Whether an audit is one of a language model."""
    return source == DOCS or model is not None or corpus is not None


def audit_documents(
    source: str | None,
    asked: LanguageModel,
    *,
    own: OwnData,
    models: int | None,
    recorded: Recorded,
    out: Path | None,
    seed: int,
    workers: int | None,
    device: str | None,
    redact: bool = False,
) -> Path:
    """Audit a language model, write its report, and print what was found; the run's folder."""
    from byrote.cli.language_sources import TinyGPTTraining, docs, documents
    from byrote.engine.reading import Named

    _refuse_mixed(source, asked.model, asked.corpus)
    probes = tuple(recorded.probe or ())
    Named.of(probes)  # refuses what cannot be read before the documents are
    tiny = TinyGPTTraining(width=asked.width, epochs=own.epochs)
    if source == DOCS:
        found = docs(seed, tiny)
    else:
        assert asked.corpus is not None
        found = documents(
            asked.corpus,
            column=asked.column,
            seed=seed,
            tiny=tiny,
            template_of=asked.model,
            heldout=asked.heldout_documents or file_of(own.heldout),
            canaries=None if asked.canaries is None else Path(asked.canaries),
        )
    if asked.model is not None:
        run = _foreign(asked.model, found, context=asked.context, bos=asked.bos, probes=probes, out=out, device=device)
    else:
        run = _tiny(
            found,
            context=asked.context,
            models=models or 1,
            probes=probes,
            out=out or Path("runs") / _folder_name(found.training.name, tiny),
            seed=seed,
            workers=workers,
            device=device,
            keep_weights=recorded.keep_weights,
            keep_weights_at=recorded.keep_weights_at,
        )
    print_report(run, redact=redact)
    return run.folder


def print_report(run: Run, *, show_secrets: bool = False, redact: bool = False, figures: Path | None = None) -> None:
    """Write the report of a language model's run and print what was found."""
    from byrote.engine.progress import measuring
    from byrote.report.language_report import write_language_report
    from byrote.report.language_summary import language_sentences

    if show_secrets and run.forgotten:
        raise BadInput(
            f"The texts and secrets of the run {str(run.folder)!r} were removed from it, so that none can be shown.",
            hint=f"byrote report {run.folder} writes the page without them.",
        )
    with measuring(err) as on_progress:
        page, found = write_language_report(run, on_progress, show_secrets=show_secrets, redact=redact, figures=figures)
    for sentence in language_sentences(run, found):
        say(sentence)
    say_file("Report", page)


def _refuse_mixed(source: str | None, model: str | None, corpus: Path | None) -> None:
    if source is not None and (model is not None or corpus is not None):
        raise BadInput(
            f"An audit takes either a source or a language model. Got {source!r} together with --model or --corpus.",
            hint="byrote audit docs, or byrote audit --model DIR --corpus train.jsonl",
        )
    if source is None and corpus is None:
        raise BadInput(
            f"--corpus is missing: byrote needs the documents that model {model!r} was trained on.",
            hint="byrote audit --model DIR --corpus train.jsonl",
        )


def _foreign(model: str, found: Documents, **asked: Any) -> Run:
    from byrote.engine.language import audit_model

    return audit_model(
        model,
        found.training,
        heldout=found.heldout,
        canaries=found.canaries,
        source={**found.source, "kind": "model", "model": model},
        notes=found.notes,
        **asked,
    )


def _folder_name(corpus: str, tiny: TinyGPTTraining) -> str:
    """What the run of a tiny GPT is called: by what makes it another one."""
    words = {"width": "wide", "epochs": "epochs"}
    return "-".join([corpus, *(f"{value}-{words[name]}" for name, value in tiny.describe().items())])


def _tiny(found: Documents, *, context: int | None, **asked: Any) -> Run:
    from byrote.engine.language import LENGTH, audit_language

    return audit_language(
        found.training,
        found.recipe,
        heldout=found.heldout,
        canaries=found.canaries,
        tokenizer=found.tokenizer,
        length=context or LENGTH,
        checkpoints=4,
        source=found.source,
        notes=found.notes,
        **asked,
    )


def refuse_unread(given: Mapping[str, str], values: Mapping[str, Any]) -> None:
    """Refuse options of an audit of a language model that it would not read, or that would have to name a file.

    `given` are the options that stand in the command, as they are written there, and `values` those of all.

    Raises:
        BadInput: there is one.
    """
    read = READ_OF_DOCS if values["source"] == DOCS else READ_OF_CORPUS if values["model"] is None else READ_OF_MODEL
    unread = [option for name, option in given.items() if name not in read]
    if unread:
        raise BadInput(
            f"{' and '.join(unread)} {'is' if len(unread) == 1 else 'are'} not for this audit of a language model.",
            hint=f"leave {'it' if len(unread) == 1 else 'them'} out.",
        )
    for name, (what, option) in FILES.items():
        if name in given and is_number(values[name]):
            raise BadInput(
                f"For a language model, {given[name]} must be a file {what}. Got {values[name]!r}.",
                hint=f"{option} FILE, or leave it out.",
            )


def refuse_language(run: Run, command: str) -> None:
    """Refuse a command on a run of language models that is for other networks.

    Raises:
        BadInput: the run is one of language models.
    """
    if run.of_text:
        measure = "exposure" if "canaries" in run.manifest.evidence else "discoverable_extraction"
        raise BadInput(
            f"The run {str(run.folder)!r} is one of a language model, and `byrote {command}` is for other networks.",
            hint=f"`byrote measure {run.folder} {measure}` and `byrote report {run.folder}` tell what it memorized.",
        )


def plant(
    corpus: Annotated[Path, typer.Argument(help="Documents to train on: .jsonl, .parquet, .txt or a saved dataset.")],
    out_file: Annotated[Path, typer.Option("--out", help="The .jsonl file to write; canaries.json stands beside it.")],
    canaries: Annotated[int, typer.Option(min=2, help="How many, controls that are not planted included.")] = 64,
    repeat: Annotated[str, typer.Option(help="Repetition counts; each count gets the same number of canaries.")] = (
        "1,2,4,8,16,32,64"
    ),
    kind: Annotated[
        list[str] | None,
        typer.Option(
            help="What is secret: random_digits, random_tokens, card, iban, phone, email, key, sentence_typical or "
            "sentence_atypical; may be given again."
        ),
    ] = None,
    digits: Annotated[int, typer.Option(min=1, help="Length of random digits.")] = 6,
    coins: Annotated[bool, typer.Option("--coins", help="Let a coin decide which canaries are planted.")] = False,
    tokenizer: Annotated[
        Path | None, typer.Option("--model", help="The folder of the model to be trained: secrets get equal lengths.")
    ] = None,
    column: Column = "text",
    seed: Annotated[int, typer.Option(min=0, help="Integer that fixes all randomness.")] = 0,
) -> None:
    """Plant canaries in a corpus before a training of your own; afterwards `byrote audit --canaries canaries.json`."""
    import numpy as np

    from byrote.data.canaries import FILE
    from byrote.data.canaries import plant as planting
    from byrote.data.corpus import plain_joining, read_corpus, write_corpus
    from byrote.recipes.networks.pretrained import chat_joining, load_tokenizer

    if out_file.suffix.lower() != ".jsonl":
        raise BadInput(
            f"--out must be a .jsonl file (one document per line). Got {str(out_file)!r}.",
            hint=f"--out {out_file.with_suffix('.jsonl')}",
        )
    manifest = out_file.with_name(FILE)
    _refuse_existing(out_file, "give another file with --out.")
    _refuse_existing(manifest, f"give a file in another folder, as --out planted/{out_file.name}.")
    times = whole_numbers(repeat, hint="--repeat 1,4,16")
    level = _level(canaries, len(times) + 1)
    made = planting(
        read_corpus(
            corpus, column=column, joining=plain_joining if tokenizer is None else partial(chat_joining, tokenizer)
        ),
        tuple(kind or ("random_digits",)),
        level=level,
        repeat=times,
        rng=np.random.default_rng([seed, 5]),
        encode=None if tokenizer is None else load_tokenizer(tokenizer),
        digits=digits,
        coins=coins,
    )
    out_file.parent.mkdir(parents=True, exist_ok=True)
    write_corpus(made.corpus, out_file)
    made.canaries.write(manifest)
    _say_planted(made.corpus, made.canaries, canaries, len(times) + 1)
    say_file("Corpus", out_file, apart=False)
    say(f"Secrets, to be kept: {manifest}")


def _say_planted(corpus: Corpus, canaries: Canaries, asked: int, numbers: int) -> None:
    """What stands where; why these are fewer than were asked for; and how chats are written."""
    say(f"{canaries!r} stand in {len(corpus)} documents, {_by_times(canaries)}.")
    if len(canaries) < asked:
        say(f"These are {len(canaries)} and not {asked}, so that each of {numbers} numbers has as many.")
    if corpus.answers is not None:
        say(f"Chats and pairs are written as texts, the messages of a chat joined by {corpus.answers.joining}.")


def _level(canaries: int, numbers: int) -> int:
    """How many canaries stand for each of so many numbers of repetitions.

    Raises:
        BadInput: not one.
    """
    if canaries < numbers:
        raise BadInput(
            f"{canaries} canaries are fewer than the {numbers} numbers of repetitions, 0 included.",
            hint=f"--canaries {8 * numbers} gives 8 of each.",
        )
    return canaries // numbers


def _by_times(canaries: Canaries) -> str:
    """How many canaries stand how often."""
    times = Counter(canary.planted for canary in canaries)
    every = sorted({canary.repetitions for canary in canaries} - {0})
    if len({times[each] for each in every}) == 1:
        return f"{times[every[0]]} at each number of repetitions"
    return ", ".join(f"{times[each]} at {each}" for each in every) + " times"


def forget_documents(
    special: int, repetitions: str, models: int, out: Path | None, seed: int, workers: int | None
) -> None:
    """Show tiny GPTs some paragraphs for an epoch, train on without them, and print what they never forget."""
    from dataclasses import replace

    import numpy as np

    from byrote.cli.language_sources import docs_recipe
    from byrote.data.python_docs import python_docs, split
    from byrote.engine.language import audit_forgetting
    from byrote.recipes.schedules import Constant
    from byrote.results import Curve, Scalar, decimal

    times = whole_numbers(repetitions, hint="--repetitions 1,4,16")
    training, heldout = split(python_docs())
    if special > len(training) // 2:
        raise BadInput(
            f"At most half of the {len(training)} paragraphs can be injected. Got {special}.",
            hint=f"--canaries {len(training) // 2} or fewer.",
        )
    chosen = np.isin(np.arange(len(training)), np.random.default_rng([seed, 7]).permutation(len(training))[:special])
    run = audit_forgetting(
        training.subset(~chosen),
        replace(docs_recipe(), schedule=Constant()),
        training.subset(chosen),
        heldout=heldout,
        models=models,
        repetitions=times,
        before=BEFORE,
        after=AFTER,
        out=out or Path("runs") / f"{DOCS}-forgetting",
        seed=seed,
        workers=workers,
        checkpoints=READINGS,
    )
    forms = ("", "[above_before]", "[curve]")
    level, above, curve = (run.measure(f"forgetting_baseline{form}") for form in forms)
    assert isinstance(level, Scalar)
    assert isinstance(above, Scalar)
    assert isinstance(curve, Curve)
    print_table(
        ["epochs since", *curve.groups],
        [
            [float(at), *(f"{v:.3f} ± {e:.3f}" for v, e in zip(values, errors, strict=True))]
            for at, values, errors in zip(curve.at, curve.values.T, curve.stderr.T, strict=True)
        ],
    )
    say(f"Share of tokens of them that is predicted in the end: {decimal(level)}; {level.note}.")
    say(f"More than before they were shown: {decimal(above)}; part of that is language learned since.")
    say(
        f"{curve.at[-1]:g} epochs after they were last shown, {curve.values[0, -1] - curve.values[-1, -1]:+.3f} more "
        f"of them is predicted than of paragraphs never shown; right after, it was "
        f"{curve.values[0, 0] - curve.values[-1, 0]:+.3f}."
    )
    say_file("Run", run.folder, apart=False)


def whole_numbers(text: str, *, hint: str) -> tuple[int, ...]:
    """The numbers of a list.

    Raises:
        BadInput: one is no whole number.
    """
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise BadInput(f"Repetitions must be whole numbers. Got {text!r}.", hint=hint) from None


def _refuse_existing(file: Path, hint: str) -> None:
    if file.exists():
        raise BadInput(f"The file {str(file)!r} is there already.", hint=hint)
