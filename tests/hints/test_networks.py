"""Hints about what trained language models are asked are followed: each mends the case that brought it."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import patch

import numpy as np
import torch
from torch import nn

from byrote.analyses.catalog import ask
from byrote.data.canaries import plant
from byrote.data.corpus import corpus_from_texts
from byrote.engine.afterwards import probe
from byrote.engine.language import audit_model
from byrote.engine.reading import Named
from byrote.evidence.kinds.documents import DECODING
from byrote.probes import registry
from byrote.probes.contract import Block, TextProbe, When
from byrote.recipes.networks.pretrained import Pretrained
from documents import Bigrams, letters, small_language_audit
from followed import Case, each, follow

TEXTS = ("abcabc", "bcdbcd")
PLAIN = corpus_from_texts(["one two three", "four five six", "seven eight nine"])
SECRET = plant(PLAIN, level=1, repeat=(2,), rng=np.random.default_rng(0))


def bytes_of(texts: list[str]) -> list[list[int]]:
    """A token for each byte."""
    return [[byte + 1 for byte in text.encode()] for text in texts]


def numbers_of(texts: list[str]) -> list[list[int]]:
    """A token for each letter."""
    return [[ord(letter) - 96 for letter in text] for text in texts]


FOUND = Pretrained(
    name="model", network=Bigrams(27), encode=numbers_of, bos=0, vocabulary=27, context=16, digest="of it"
)


class Watching(TextProbe):
    """Looks on at checkpoints."""

    name: ClassVar[str] = "watching"
    when: ClassVar[frozenset[When]] = frozenset({"checkpoint"})
    kinds = (DECODING,)

    def read(self, network: nn.Module, block: Block, progress: Any) -> dict[str, np.ndarray]:
        return {"log_probability": torch.zeros(1).numpy()}


def audited(*names: str, later: tuple[str, ...] = (), **settings: Any) -> Callable[[Path], Any]:
    """A model of a few letters is trained and read, and asked again."""

    def audit(folder: Path) -> Any:
        how = {"checkpoints": 0, "generate": None, "corpus": letters([*TEXTS]), "heldout": None, **settings}
        run = small_language_audit(folder / f"run-{len(list(folder.iterdir()))}", probes=names, **how)
        return probe(run, *later) if later else run

    return audit


def planted(*, known: bool) -> Callable[[Path], Any]:
    """An audit about canaries that are in the corpus, and are given or not."""

    def audit(folder: Path) -> Any:
        whole = SECRET.corpus.joined(SECRET.controls, "both")
        cut = whole.tokenized(bytes_of, vocabulary=257, bos=0)
        member = np.arange(len(cut)) < len(SECRET.corpus)
        found = replace(FOUND, network=Bigrams(257), encode=bytes_of, vocabulary=257, context=400)
        canaries = SECRET.canaries if known else None
        return audit_model(
            found, cut.subset(member), heldout=cut.subset(~member), canaries=canaries, probes=("canaries,nodes=8",),
            out=folder / str(known), progress=False, device="cpu",
        )  # fmt: skip

    return audit


def before(found: Pretrained = FOUND, seed: int = 1) -> Pretrained:
    """A model that it may have been fine-tuned from."""
    network = copy.deepcopy(found.network)
    for weights in network.parameters():
        torch.nn.init.normal_(weights, generator=torch.Generator().manual_seed(seed))
    return replace(found, name="base", network=network, digest=f"of base {seed}")


def read(
    *names: str, later: tuple[str, ...] = (), model: Pretrained | None = None, base: Pretrained | None = None
) -> Callable[[Path], Any]:
    """A model of somebody else is read, and asked again."""

    def audit(folder: Path) -> Any:
        corpus, out = letters([*TEXTS]).replace(texts=TEXTS), folder / f"read-{len(list(folder.iterdir()))}"
        registry.load()  # before the patch, which would take it back
        with patch.dict(registry._ENTERED, {"watching": Watching()}):
            run = audit_model(FOUND, corpus, out=out, probes=names, progress=False, device="cpu")
        return probe(run, *later, model=model, base=base) if later else run

    return audit


def asked_where(base: Pretrained | None) -> Callable[[Path], Any]:
    """It is asked where the fine-tune wrote, with the base read before or not."""
    return lambda folder: ask(read(later=("rewinding",) if base else (), model=FOUND, base=base)(folder), "where")


def read_twice(*, removed: bool) -> Callable[[Path], Any]:
    """It is compared with one base, and then with another."""

    def audit(folder: Path) -> Any:
        run = read(later=("rewinding",), model=FOUND, base=before())(folder)
        if removed:
            shutil.rmtree(run.folder / "evidence" / "rewinding")
        return probe(run, "rewinding", model=FOUND, base=before(seed=2))

    return audit


FINE_TUNES = (
    Case(
        name="only the end",
        wrong=read(later=("rewinding",), model=FOUND),
        says="--base DIR",
        right=read(later=("rewinding",), model=FOUND, base=before()),
    ),
    Case(name="not compared", wrong=asked_where(None), says="--base DIR", right=asked_where(before())),
    Case(
        name="of another base",
        wrong=read(later=("rewinding",), model=FOUND, base=replace(before(), network=nn.Linear(2, 2))),
        says="the model that its fine-tune began with",
        right=read(later=("rewinding",), model=FOUND, base=before()),
    ),
    Case(
        name="the model itself",
        wrong=read(later=("rewinding",), model=FOUND, base=FOUND),
        says="the model that its fine-tune began with",
        right=read(later=("rewinding",), model=FOUND, base=before()),
    ),
    Case(
        name="two bases",
        wrong=read_twice(removed=False),
        says="remove its folder evidence/rewinding first",
        right=read_twice(removed=True),
    ),
)


@each(*FINE_TUNES)
def test_hints_of_fine_tunes_are_followed(case: Case, tmp_path: Path) -> None:
    follow(case, tmp_path)


NETWORKS = (
    Case(
        name="a probe of the training",
        wrong=read("watching"),
        says="leave it out",
        right=read(),
    ),
    Case(
        name="a probe of classifiers",
        wrong=lambda _: Named.of(["gradient_norm"]),
        says="those for language models are canaries, compressed, contexts, decoding",
        right=lambda _: Named.of(["canaries", "contexts", "decoding", "generations"]),
    ),
    Case(
        name="weights that were not kept",
        wrong=audited(later=("decoding",)),
        says="--keep-weights",
        right=audited(later=("decoding",), keep_weights=True),
    ),
    Case(
        name="short documents",
        wrong=audited("generations,prefix=4,suffix=3"),
        says="generations,prefix=3,suffix=3",
        right=audited("generations,prefix=3,suffix=3"),
    ),
    Case(name="no canaries", wrong=planted(known=False), says="--canaries", right=planted(known=True)),
    Case(
        name="a model that is not at hand",
        wrong=read(later=("decoding",)),
        says="model=DIR",
        right=read(later=("decoding",), model=FOUND),
    ),
    Case(
        name="another model",
        wrong=read(later=("decoding",), model=replace(FOUND, digest="of another")),
        says="give the same weights",
        right=read(later=("decoding",), model=FOUND),
    ),
)


@each(*NETWORKS)
def test_hints_of_networks_are_followed(case: Case, tmp_path: Path) -> None:
    follow(case, tmp_path)
