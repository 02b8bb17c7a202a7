"""Hints of changed runs and of the words that name a change are followed: each mends the case that brought it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, ClassVar, get_type_hints

import numpy as np
import pytest
import torch

import byrote
from byrote.analyses.card import card
from byrote.analyses.forgetting import forgetting
from byrote.analyses.guard import guard
from byrote.changes.change import Context
from byrote.changes.child import change, refuse_others
from byrote.changes.child_decoder import _read_again, _refuse_unread
from byrote.changes.data.ambiguous_examples import AmbiguousExamples
from byrote.changes.data.mask_personal_data import MaskPersonalData
from byrote.changes.data.redraw_secrets import RedrawSecrets
from byrote.changes.decoder.ngram_guard import TokenBans
from byrote.changes.registry import changes, parse_change
from byrote.changes.settings import typed
from byrote.data.canaries import FILE, plant
from byrote.data.corpus import corpus_from_texts
from byrote.data.tokenizers import byte_pairs
from byrote.engine.language import audit_model
from byrote.recipes.networks.pretrained import Pretrained
from byrote.report.passages import tokenizer_of
from byrote.report.redact import forget_contents
from byrote.runs.run import Run
from documents import Bigrams, letters, small_language_audit, words
from followed import Case, each, follow
from made_once import opened
from small import RECIPE, blobs

TEXTS = ["abcdefgh", "hgfedcba", "abcdabcd"]


def new(folder: Path) -> Path:
    """A place in the folder where nothing is yet."""
    return folder / f"of-{len(list(folder.iterdir()))}"


@cache
def audited() -> Run:
    """Language models of some letters, whose weights are kept, as their audit handed them back."""
    return small_language_audit(
        Path(mkdtemp(prefix="byrote-once-")) / "run", keep_weights=True, generate=(2, 1), checkpoints=0
    )


@cache
def guarded() -> Run:
    """The same behind a decoder."""
    return change(audited(), parse_change("ngram-guard=3"), progress=False)


def changed(*texts: str, run: Callable[[Path], Run] = lambda _: audited(), **how: Any) -> Callable[[Path], Any]:
    """A run that is changed."""
    return lambda folder: change(
        run(folder), [parse_change(text) for text in texts], out=new(folder), progress=False, workers=1, **how
    )


def forgotten(folder: Path) -> Run:
    """A run whose texts were taken out, with its corpus at hand all the same."""
    run = opened("documents", folder, f"forgotten-{len(list(folder.iterdir()))}")
    return dataclasses.replace(forget_contents(run), corpus=audited().corpus)


def again(folder: Path) -> Run:
    """The audit once more, into another folder."""
    return small_language_audit(new(folder), keep_weights=True, generate=(2, 1), checkpoints=0)


def of_other_texts(folder: Path) -> Run:
    """An audit of other documents, held-out ones included."""
    return small_language_audit(new(folder), corpus=words(12, seed=7), heldout=words(6, seed=8, name="more"))


def with_tokenizer(folder: Path) -> Run:
    """An audit that is given the tokenizer of its texts."""
    texts = [f"the {animal} sat on the mat" for animal in ("cat", "dog", "emu", "fox")]
    how: dict[str, Any] = {"corpus": corpus_from_texts(texts), "heldout": None, "length": 64}
    return small_language_audit(new(folder), tokenizer=byte_pairs(texts, vocabulary=280), **how)


def observed(first: float = 0.0) -> Pretrained:
    """A model that somebody else trained."""
    network = Bigrams(27)
    with torch.no_grad():
        network.table += torch.randn(27, 27, generator=torch.Generator().manual_seed(0)) + first
    return Pretrained(
        name="model", network=network, encode=lambda texts: [[ord(c) - 96 for c in text] for text in texts], bos=0,
        vocabulary=27, context=128, digest=f"of {first}",
    )  # fmt: skip


def of_another(folder: Path) -> Run:
    """A run of that model, whose source is not written down."""
    return audit_model(
        observed(), corpus_from_texts(TEXTS), out=new(folder), progress=False, device="cpu", generate=(2, 2)
    )


def made_of(recipe: byrote.Recipe) -> Callable[[Path], Any]:
    """A run of classes is compared with the data and the recipe at hand."""

    def compare(folder: Path) -> None:
        run = opened("classes", new(folder))
        refuse_others(run, blobs(noise=0.1), recipe, blobs(30, seed=1))

    return compare


def banned(n: int, *, bos: int | None = None) -> Callable[[Path], Any]:
    """The answers of a guard after which, with n = 2, anything was read once."""
    documents = [np.array([1, 1, 2, 2, 1]), np.array([2, 0, 0, 1, 0, 2])]
    guard = TokenBans.of(documents, n, end=bos)
    return lambda _: guard(torch.tensor([[2, 2]]), torch.zeros(1, 3))


def ambiguous(*classes: int) -> Callable[[Path], Any]:
    """Examples of these classes are mixed."""
    data = blobs().subset(np.flatnonzero(np.isin(blobs().targets, classes)))
    context = Context(dataset=data, rng=np.random.default_rng(0))
    return lambda _: AmbiguousExamples(0.1).apply(data, context)


def secrets(*, planted: bool) -> Callable[[Path], Any]:
    """Secrets of a corpus are drawn anew."""

    def draw(folder: Path) -> Any:
        rng = np.random.default_rng(0)
        made = plant(corpus_from_texts(["to be", "or not"]), level=1, repeat=(2,), rng=rng)
        run = opened("documents", folder, f"of-{planted}")
        if planted:
            made.canaries.write(run.folder / FILE)
        return RedrawSecrets().apply(made.corpus, Context(dataset=made.corpus, rng=rng, parent=run))

    return draw


SHORT = letters(["abcd", "abcd", "abcd"])


def masks(data: Any) -> Callable[[Path], Any]:
    """Personal data are masked."""
    return lambda _: MaskPersonalData().apply(data, Context(dataset=data, rng=np.random.default_rng(0)))


CHILDREN = (
    Case(
        name="a mask of what is not looked for",
        wrong=lambda _: parse_change("mask-personal-data=name"),
        says="mask-personal-data=card;iban;email;phone",
        right=lambda _: parse_change("mask-personal-data=card;iban;email;phone"),
    ),
    Case(
        name="a mask of no texts",
        wrong=masks(blobs()),
        says="language models",
        right=masks(corpus_from_texts(["to be", "or not"])),
    ),
    Case(
        name="a change of a guarded run",
        wrong=changed("ngram-guard=4", run=lambda _: guarded()),
        says="--with may be repeated",
        right=changed("ngram-guard=3", "ngram-guard=4"),
    ),
    Case(
        name="another recipe",
        wrong=made_of(dataclasses.replace(RECIPE, epochs=1)),
        says="take the edit back",
        right=made_of(RECIPE),
    ),
    Case(
        name="a decoder that changes tokens",
        wrong=lambda _: _refuse_unread([parse_change("ngram-guard=3")], frozenset({"tokens"})),
        says="'reads' names some of canaries, compressed",
        right=lambda _: _refuse_unread([parse_change("ngram-guard=3")], _read_again()),
    ),
    Case(
        name="a model that is not at hand",
        wrong=changed("ngram-guard=3", run=of_another),
        says="model=DIR",
        right=changed("ngram-guard=3", run=of_another, model=observed()),
    ),
    Case(
        name="another model",
        wrong=changed("ngram-guard=3", run=of_another, model=observed(1.0)),
        says="give the same weights",
        right=changed("ngram-guard=3", run=of_another, model=observed()),
    ),
    Case(
        name="a decoder of forgotten texts",
        wrong=changed("ngram-guard=3", run=forgotten),
        says="--keep-weights",
        right=changed("ngram-guard=3", run=again),
    ),
    Case(
        name="a change of classes for documents",
        wrong=changed("label-noise=0.1"),
        says="weight-decay",
        right=changed("weight-decay=0.01"),
    ),
    Case(
        name="a change that leaves one document",
        wrong=changed("remove-exact-duplicates=1", run=lambda folder: small_language_audit(new(folder), corpus=SHORT)),
        says="at least 2 documents must stay",
        right=changed("remove-exact-duplicates=2", run=lambda folder: small_language_audit(new(folder), corpus=SHORT)),
    ),
    Case(name="mixtures of one class", wrong=ambiguous(1), says="at least two classes", right=ambiguous(0, 1)),
    Case(
        name="no secrets", wrong=secrets(planted=False), says="`byrote plant` plants them", right=secrets(planted=True)
    ),
    Case(
        name="a guard without a tokenizer",
        wrong=changed("ngram-guard=3,normalised=yes"),
        says="ngram-guard=3 guards tokens",
        right=changed("ngram-guard=3"),
    ),
    Case(name="everything is banned", wrong=banned(2), says="a larger n", right=banned(3)),
    Case(name="everything but the first is banned", wrong=banned(2), says="a BOS token", right=banned(2, bos=0)),
    Case(
        name="a run without a decoder",
        wrong=lambda _: guard(audited()),
        says="ngram-guard=8",
        right=lambda folder: guard(changed("ngram-guard=8")(folder)),
    ),
    Case(
        name="a measure of forgotten texts",
        wrong=lambda folder: forgotten(folder).measure("k_eidetic_memorization"),
        says="audit again into another folder",
        right=lambda folder: again(folder).measure("k_eidetic_memorization"),
    ),
    Case(
        name="an audit that goes on without its texts",
        wrong=lambda folder: small_language_audit(forget_contents(opened("documents", folder)).folder),
        says="give another folder",
        right=lambda folder: small_language_audit(folder / "another"),
    ),
    Case(
        name="what the weights hold behind a decoder",
        wrong=lambda _: guarded().measure("discoverable_extraction"),
        says="discoverable_extraction[generated], approximate_extraction and probabilistic_extraction[decoding]",
        right=lambda _: [
            guarded().measure("discoverable_extraction[generated]"),
            guarded().measure("approximate_extraction"),
            guarded().measured_on("probabilistic_extraction[decoding]", guarded().models(), prefix=2, suffix=1),
            audited().measure("discoverable_extraction"),
        ],
    ),
    Case(
        name="no tokenizer to write tokens with",
        wrong=lambda _: tokenizer_of(audited()),
        says="audit again with tokenizer=…",
        right=lambda folder: tokenizer_of(with_tokenizer(folder)),
    ),
    Case(
        name="a card of forgotten texts",
        wrong=lambda folder: card(forgotten(folder), forgotten(folder)),
        says="before `byrote forget-contents`",
        right=lambda folder: card(opened("documents", new(folder)), opened("documents", new(folder))),
    ),
    Case(
        name="a card of other texts",
        wrong=lambda folder: card(audited(), of_other_texts(folder)),
        says="what `byrote change` made of it",
        right=lambda folder: card(audited(), changed("weight-decay=0.01")(folder)),
    ),
)


@each(*CHILDREN)
def test_hints_of_changed_runs_are_followed(case: Case, tmp_path: Path) -> None:
    follow(case, tmp_path)


def told(text: str) -> Callable[[Path], Any]:
    """What the hint of a change that cannot be read says is read."""

    def read(_: Path) -> Any:
        try:
            return parse_change(text)
        except byrote.ByroteError as error:
            return parse_change(error.hint.removeprefix("--with "))

    return read


def amounts(word: str) -> list[Case]:
    """Every change whose amount is this word; the hint names one that is read."""
    numbers = {name: first(kind) for name, kind in changes().items() if dataclasses.fields(kind)}
    wrong = [name for name, kind in numbers.items() if kind in ("int", "float")]
    return [
        Case(
            name=f"{name}={word}",
            wrong=lambda _, name=name: parse_change(f"{name}={word}"),
            says=f"{name}=",
            right=told(f"{name}={word}"),
        )
        for name in wrong
    ]


def first(kind: Any) -> str:
    """The type of a change's first setting."""
    return str(dataclasses.fields(kind)[0].type)


@dataclasses.dataclass(frozen=True)
class Nothing:
    """A change of one's own without settings."""

    stage: ClassVar[str] = "recipe"
    name: ClassVar[str] = "nothing"


def own(text: str) -> Callable[[Path], Any]:
    """A change of one's own by its name."""

    def read(_: Path) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("byrote.changes.registry.changes", lambda: {"nothing": Nothing})
            return parse_change(text)

    return read


def regime(text: str) -> Callable[[Path], Any]:
    """A setting of an analysis that is one of a few words."""
    kinds = get_type_hints(forgetting)
    return lambda _: typed({"regime": kinds["regime"]}, {"regime": text}, "the analysis 'forgetting'")


WORDS = (
    Case(name="an amount of nothing", wrong=own("nothing=1"), says="--with nothing", right=own("nothing")),
    Case(name="a setting of words", wrong=regime("plant"), says="regime=inject", right=regime("inject")),
    *amounts("much"),
    *amounts("-1"),
    Case(
        name="no amount",
        wrong=lambda _: parse_change("label-noise"),
        says="label-noise=0.05",
        right=lambda _: parse_change("label-noise=0.05"),
    ),
    Case(
        name="a setting of numbers",
        wrong=lambda _: parse_change("gradient-ascent=5,rate=fast"),
        says="rate=0.2",
        right=lambda _: parse_change("gradient-ascent=5,rate=1"),
    ),
    Case(
        name="a setting of yes or no",
        wrong=lambda _: parse_change("ngram-guard=8,normalised=perhaps"),
        says="normalised=yes",
        right=lambda _: parse_change("ngram-guard=8,normalised=yes"),
    ),
    Case(
        name="a setting of Python",
        wrong=lambda _: parse_change("asymmetric-label-noise=0.1,mapping=a:b"),
        says="leave it out",
        right=lambda _: parse_change("asymmetric-label-noise=0.1"),
    ),
)


@each(*WORDS)
def test_hints_of_words_for_changes_are_followed(case: Case, tmp_path: Path) -> None:
    follow(case, tmp_path)
