"""Hints of commands on language models and on what runs were made from are followed: each mends its case."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import byrote
from byrote.changes.child import change
from byrote.changes.registry import parse_change
from byrote.cli import language, language_sources
from byrote.cli.app import app
from byrote.cli.language_sources import _refuse_malformed, corpus_of, documents, with_documents
from byrote.cli.sources import experiment, rebuild
from byrote.data.corpus import corpus_from_texts
from byrote.data.source import Reading
from byrote.data.tokenizers import byte_pairs
from byrote.engine.language import audit_model
from byrote.report.redact import forget_contents
from byrote.runs.run import Run
from documents import SUMMING, small_language_audit
from followed import Case, each, follow
from foreign import small_gpt
from hints.test_files import four
from made_once import copied
from small import RECIPE, blobs, small_audit

pytest.importorskip("transformers", reason="the package transformers is not installed")
TEXTS = [f"the {animal} sat on the {place}" for animal in ("cat", "dog", "emu") for place in ("mat", "hat")]
SHORT = dataclasses.replace(SUMMING, epochs=1)


def new(folder: Path) -> Path:
    """A place in the folder where nothing is yet."""
    return folder / f"of-{len(list(folder.iterdir()))}"


@pytest.fixture(autouse=True)
def small_gpts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The tiny GPT of the command line is one that is trained at once, and Python's help is a few sentences."""
    monkeypatch.setattr(language_sources, "docs_recipe", lambda *_, **__: SHORT)
    few = [f"{text} and number {number} of all of them said so" for number in range(4) for text in TEXTS]
    monkeypatch.setattr("byrote.data.python_docs.python_docs", lambda: corpus_from_texts(few, name="docs"))
    monkeypatch.setattr(language_sources, "python_docs", lambda: corpus_from_texts(few, name="docs"))
    for name, value in {"BEFORE": 1, "AFTER": 1, "READINGS": 2}.items():
        monkeypatch.setattr(language, name, value)
    return


def lines(texts: list[str]) -> str:
    """Documents as a file has them."""
    return "".join(json.dumps({"text": text}) + "\n" for text in texts)


def command(*words: str) -> Callable[[Path], Any]:
    """A command that is called in the folder, where there is a corpus."""

    def call(folder: Path) -> Any:
        (folder / "train.jsonl").write_text(lines(TEXTS))
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            return app(list(words), standalone_mode=False)

    return call


@cache
def gpt() -> Path:
    """A GPT of somebody else."""
    folder = Path(mkdtemp(prefix="byrote-gpt-"))
    small_gpt(folder)
    return folder


def audit_of_model(*words: str) -> Callable[[Path], Any]:
    """An audit of that model."""
    return command("audit", "--model", str(gpt()), *words, "--device", "cpu", "--out", "of-a-model")


def built(folder: Path) -> Any:
    """The documents of a file in the folder."""
    path = folder / "train.jsonl"
    if not path.exists():
        path.write_text(lines(TEXTS))
    return documents(path, heldout=None, column="text", canaries=None)


def audited(folder: Path, **how: Any) -> Run:
    """An audit of the documents of a file, as the command line makes it."""
    found = built(folder)
    tokenizer = byte_pairs(TEXTS, vocabulary=280)
    corpus = corpus_of(found.training, None, tokenizer)
    told: dict[str, Any] = {"source": found.source, "recipe": found.recipe, "tokenizer": tokenizer}
    return small_language_audit(
        folder / "run", corpus=corpus, heldout=None, checkpoints=0, generate=None, length=64, **{**told, **how}
    )


def again(edit: Callable[[Path], Any] = lambda _: None, **how: Any) -> Callable[[Path], Any]:
    """A run whose documents and recipe are built again from its source."""

    def call(folder: Path) -> Any:
        if not (folder / "run").exists():
            audited(folder, **how)
        edit(folder)
        return with_documents(Run.open(folder / "run"), folder / "train.jsonl")

    return call


def edited(texts: list[str]) -> Callable[[Path], Any]:
    """The file of documents holds these."""
    return lambda folder: (folder / "train.jsonl").write_text(lines(texts))


def of_model(edit: Callable[[Path], Any] = lambda _: None, **source: Any) -> Callable[[Path], Any]:
    """The documents of a run of somebody else's model are built again."""

    def call(folder: Path) -> Any:
        if not (folder / "foreign").exists():
            found = built(folder)
            told = {**found.source, "kind": "model", "model": str(gpt())}
            how: dict[str, Any] = {"progress": False, "device": "cpu", "generate": None, "contexts": ()}
            audit_model(gpt(), found.training, out=folder / "foreign", source=told, **how)
        run = Run.open(folder / "foreign")
        manifest = dataclasses.replace(run.manifest, source={**(run.manifest.source or {}), **source})
        edit(folder)
        known = {str(gpt()): None}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(language_sources, "known_files", lambda _: known)
            run = dataclasses.replace(run, manifest=manifest)
            return with_documents(run, folder / "train.jsonl", trained_again=False)

    return call


def trained_again(folder: Path) -> Any:
    """A run of somebody else's model is to be trained again."""
    of_model()(folder)
    return with_documents(Run.open(folder / "foreign"))


def another_model(folder: Path) -> Any:
    """It is trained again elsewhere, and that model audited."""
    place = folder / "other"
    small_gpt(place)
    how: dict[str, Any] = {"progress": False, "device": "cpu", "generate": None, "contexts": ()}
    return audit_model(place, built(folder).training, out=folder / "another", **how)


def child(folder: Path) -> Any:
    """A run that was made by a change is to be changed once more."""
    run = audited(folder)
    made = change(run, parse_change("weight-decay=0.01"), out=folder / "child", workers=1, progress=False)
    return with_documents(Run.open(made.folder))


def both(folder: Path) -> Any:
    """The run before it is changed in both ways."""
    run = with_documents(Run.open(folder / "run"), folder / "train.jsonl")
    changes = [parse_change("weight-decay=0.01"), parse_change("goldfish=4")]
    return change(run, changes, out=folder / "both", workers=1, progress=False)


def by_python(folder: Path) -> Any:
    """The same audit once more, and the change in Python."""
    run = audited(folder, source=None)
    return change(run, parse_change("weight-decay=0.01"), out=folder / "child", workers=1, progress=False)


def shown(*words: str) -> Callable[[Path], Any]:
    """A report of a run whose texts were forgotten."""

    def call(folder: Path) -> Any:
        if not (folder / "run").exists():
            forget_contents(Run.open(copied("documents", folder)))
        return command("report", "run", *words)(folder)

    return call


def malformed(**source: Any) -> Callable[[Path], Any]:
    """The source of a manifest."""
    told = {"kind": "corpus", "corpus": "c.jsonl", "column": "text", "heldout": None, "canaries": None} | source
    return lambda _: _refuse_malformed(told)


def of_classes(source: dict[str, Any] | None, given: str | None = None) -> Callable[[Path], Any]:
    """The experiment of a run of classes is built again."""
    return lambda _: rebuild(source, {}, given)


def from_python(folder: Path) -> Any:
    """Data and recipe are given to the run in Python, and it is changed."""
    run = Run.open(copied("classes", folder)).attach(blobs(noise=0.1), RECIPE, blobs(30, seed=1))
    return change(run, parse_change("weight-decay=0.01"), out=folder / "child", workers=1, progress=False)


def fashion(data_dir: Callable[[Path], str | None]) -> Callable[[Path], Any]:
    """Fashion-MNIST of four small files, or of none."""
    return lambda folder: experiment("fashion-mnist", data_dir=data_dir(folder), plants=[], seed=0, reading=Reading())


def four_files(folder: Path) -> str:
    """A folder of the four files."""
    four()(folder)
    return str(folder)


def measure(*words: str) -> Callable[[Path], Any]:
    """A measure of a run of numbers, by the command line."""

    def call(folder: Path) -> Any:
        if not (folder / "run").exists():
            numbers(folder / "run")
        return command("measure", "run", *words)(folder)

    return call


def numbers(out: Path) -> None:
    """A run of a regression."""
    x = np.random.default_rng(0).normal(size=(24, 2)).astype(np.float32)
    data = byrote.from_arrays(x, x.sum(1), task="regression")
    recipe = dataclasses.replace(RECIPE, epochs=1, objective=byrote.SquaredError())
    small_audit(out, dataset=data, recipe=recipe, heldout=None, models=4, full=0, checkpoints=2)


def lacking(folder: Path) -> Any:
    """A table under results/ lacks a column that is asked for."""
    run = Run.open(copied("classes", folder))
    run.keep_table("label_memorization", pa.table({"value": [0.0]}))
    return run.kept_table("label_memorization.parquet", "example")


def measured_again(folder: Path) -> Any:
    """It is removed, and the command that wrote it writes it again."""
    (folder / "run" / "results" / "label_memorization.parquet").unlink()
    command("measure", "run", "label_memorization")(folder)
    return Run.open(folder / "run").kept_table("label_memorization.parquet", "example")


FORGETTING = ("forgetting", "docs", "--models", "6", "--workers", "1", "--out", "forgotten")
DIGITS = {"name": "digits", "data_dir": None, "plants": [], "seed": 0}

COMMANDS = (
    Case(
        name="a model without its corpus",
        wrong=audit_of_model(),
        says="--corpus train.jsonl",
        right=audit_of_model("--corpus", "train.jsonl"),
        slow=True,
    ),
    Case(name="secrets that are gone", wrong=shown("--show-secrets"), says="byrote report run", right=shown()),
    Case(
        name="more paragraphs than half",
        wrong=command(*FORGETTING, "--canaries", "900"),
        says="--canaries 9 or fewer",
        right=command(*FORGETTING, "--canaries", "9"),
        slow=True,
    ),
    Case(
        name="repetitions of documents",
        wrong=command(*FORGETTING, "--canaries", "6", "--repetitions", "often"),
        says="--repetitions 1,4,16",
        right=command(*FORGETTING, "--canaries", "6", "--repetitions", "1,4,16"),
        slow=True,
    ),
    Case(
        name="a plan of documents",
        wrong=command("plan", "docs"),
        says="`byrote audit docs`",
        right=command("audit", "docs", "--workers", "1", "--device", "cpu", "--out", "docs"),
        slow=True,
    ),
    Case(
        name="other documents",
        wrong=again(edited([*TEXTS, "one more"])),
        says="take the edit back",
        right=again(edited(TEXTS)),
    ),
    Case(name="a run of documents from Python", wrong=again(source=None), says="audit_language", right=by_python),
    Case(name="a run of documents by a change", wrong=child, says="--with may be repeated", right=both),
    Case(name="a model to train again", wrong=trained_again, says="audit that model", right=another_model),
    Case(
        name="other documents of a model",
        wrong=of_model(edited([*TEXTS, "one more"])),
        says="take the edit back",
        right=of_model(edited(TEXTS)),
    ),
    Case(name="no model of a manifest", wrong=of_model(model=None), says="restore the file", right=of_model()),
    Case(name="no column of a manifest", wrong=malformed(column=3), says="restore the file", right=malformed()),
    Case(
        name="digits from elsewhere",
        wrong=of_classes(DIGITS, "digits.csv"),
        says="leave out --source",
        right=of_classes(DIGITS),
    ),
    Case(
        name="a run of classes from Python",
        wrong=of_classes(None),
        says="run.attach(dataset, recipe)",
        right=from_python,
        slow=True,
    ),
    Case(name="no folder of images", wrong=fashion(lambda _: None), says="--data-dir", right=fashion(four_files)),
    Case(
        name="a performance of another measure",
        wrong=measure("cumulative_sample_loss", "--performance", "absolute-error"),
        says="byrote measure run counterfactual_memorization --performance absolute-error",
        right=measure("counterfactual_memorization", "--performance", "absolute-error"),
        slow=True,
    ),
    Case(name="a column that is gone", wrong=lacking, says="remove it", right=measured_again),
)


@each(*COMMANDS)
def test_hints_of_documents_and_sources_are_followed(case: Case, tmp_path: Path) -> None:
    follow(case, tmp_path)
