"""Hints of probes of layers are followed: each mends the case that brought it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import byrote
from byrote.analyses.benign_memorization import benign_memorization
from byrote.data.corpus import corpus_from_texts
from byrote.engine.afterwards import probe
from byrote.engine.reading import readings
from byrote.probes.found_data import FoundData
from byrote.probes.handed import part_of, read_of
from byrote.probes.intrinsic_dimension import IntrinsicDimensionProbe
from byrote.probes.layer_probes import LayerProbesProbe
from byrote.probes.lowercase import Lowercase
from byrote.probes.neural_collapse import NeuralCollapseProbe
from byrote.probes.similarity import SimilarityProbe
from documents import letters
from engine.toys import bound
from followed import Case, each, follow
from small import blobs, small_audit

ROWS, TARGETS = torch.arange(6.0).reshape(2, 3), torch.tensor([0, 1])


class Free(nn.Module):
    """A network without modules."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.ones(3, 2))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs @ self.table


def plain() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2))


def checked(probe: Any, network: nn.Module) -> Callable[[Path], Any]:
    """A probe looks at a network beforehand."""
    return lambda _: probe.check(bound("mlp"), network, ROWS, TARGETS)


def audited(probe: str, examples: int = 60, **settings: Any) -> Callable[[Path], Any]:
    """A small audit with a probe."""
    sizes = {} if "design" in settings else {"models": 4, "full": 0}
    how = {"heldout": None, "models": None, **sizes, "dataset": blobs(examples), **settings}
    return lambda folder: small_audit(folder / f"{probe}-{how['heldout'] is None}", probes=(probe,), **how)


HELD: dict[str, Any] = {"heldout": blobs(60, seed=1)}


def compared(name: str, **settings: Any) -> Callable[[Path], Any]:
    """Layers of a small audit are compared on its held-out examples."""
    how = {"keep_weights_at": "0,last", "models": 4, "full": 0, **settings}
    return lambda folder: probe(small_audit(folder / name, **how), "similarity")


def recalled(context: int, *, before: int, heldout: bool = True) -> Callable[[Path], Any]:
    """Documents are read after held-out ones."""
    named, held = (f"recall,before={before}",), TEXTS if heldout else None
    return lambda _: readings(TEXTS, context, named=named, heldout=held)


TEXTS = letters(["abcd", "efgh"])


def numbers_in(*texts: str) -> Callable[[Path], Any]:
    """Numbers of persons are looked for in texts."""

    def encode(some: Sequence[str]) -> list[list[int]]:
        return [list(text.encode()) for text in some]

    made = corpus_from_texts(texts).tokenized(encode, vocabulary=256)
    return lambda _: FoundData(others=2).with_texts(made, lambda: encode)


PROBES = (
    Case(
        name="no room for samples",
        wrong=lambda _: readings(TEXTS, 24, named=("samples",)),
        says="samples,number=64,length=13",
        right=lambda _: readings(TEXTS, 24, named=("samples,number=64,length=13",)),
    ),
    Case(
        name="nothing held out before others",
        wrong=recalled(8, before=2, heldout=False),
        says="--heldout-documents FILE",
        right=recalled(8, before=2),
    ),
    Case(
        name="no room after others",
        wrong=recalled(4, before=4),
        says="recall,before=1",
        right=recalled(4, before=1),
    ),
    Case(
        name="no numbers of persons",
        wrong=numbers_in("nothing stands here", "nor here"),
        says="`byrote plant` plants some",
        right=numbers_in("nothing stands here", "The card number of Ann is 4000 0012 3456 7899"),
    ),
    Case(
        name="numbers of persons without a tokenizer",
        wrong=lambda _: FoundData().with_texts(TEXTS, lambda: None),
        says="tokenizer=…",
        right=numbers_in("The card number of Ann is 4000 0012 3456 7899"),
    ),
    Case(
        name="small letters without a tokenizer",
        wrong=lambda _: Lowercase().with_texts(TEXTS, lambda: None),
        says="tokenizer=…",
        right=lambda _: Lowercase().with_texts(TEXTS, lambda: lambda texts: [[1] * len(text) for text in texts]),
    ),
    Case(
        name="no layers",
        wrong=lambda _: read_of(Free(), ROWS),
        says="nn.Linear",
        right=lambda _: read_of(plain(), ROWS),
    ),
    Case(
        name="no such part",
        wrong=lambda _: part_of(plain(), "head"),
        says="its layers are 0; 1; 2",
        right=lambda _: part_of(plain(), "2"),
    ),
    Case(
        name="no such layer",
        wrong=checked(IntrinsicDimensionProbe(layers="0;head"), plain()),
        says="its layers are inputs; 0; 2",
        right=checked(IntrinsicDimensionProbe(layers="0;2"), plain()),
    ),
    Case(
        name="the last layer within another",
        wrong=checked(NeuralCollapseProbe(), nn.Sequential(nn.Linear(3, 5), nn.Sequential(nn.ReLU(), nn.Linear(5, 2)))),
        says="at the top of the network",
        right=checked(NeuralCollapseProbe(), plain()),
    ),
    Case(
        name="no neighbours",
        wrong=lambda _: LayerProbesProbe(neighbours=0),
        says="neighbours=5",
        right=lambda _: LayerProbesProbe(neighbours=5),
    ),
    Case(
        name="few members",
        slow=True,
        wrong=audited("layer_probes", 12),
        says="layer_probes,neighbours=1",
        right=audited("layer_probes,neighbours=1", 12),
    ),
    Case(
        name="few inputs to compare on",
        wrong=lambda _: SimilarityProbe(most=9),
        says="similarity,most=2000",
        right=lambda _: SimilarityProbe(most=2000),
    ),
    Case(
        name="few held out",
        wrong=compared("few"),
        says="heldout=… or --heldout 0.2",
        right=compared("more", heldout=blobs(60, seed=1)),
        slow=True,
    ),
    Case(
        name="no untrained network",
        wrong=lambda folder: benign_memorization(
            audited("layer_probes", **HELD, design=byrote.two_splits(60, 4, rng=np.random.default_rng(0)))(folder)
        ),
        says="such as half-subset-pairs",
        right=lambda folder: benign_memorization(audited("layer_probes", **HELD)(folder / "again")),
        slow=True,
    ),
    Case(
        name="nothing held out",
        slow=True,
        wrong=audited("dilation"),
        says="heldout=…",
        right=audited("dilation", heldout=blobs(30, seed=1)),
    ),
)


@each(*PROBES)
def test_hints_of_probes_of_layers_are_followed(case: Case, tmp_path: Path) -> None:
    follow(case, tmp_path)
