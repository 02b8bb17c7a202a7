"""Trained language models are asked again after their audit: the same numbers, and refusals where none are there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import nn

import byrote
from byrote.axes import EXAMPLE, MODEL
from byrote.engine.afterwards import probe
from byrote.engine.language import audit_model
from byrote.errors import BadInput, MissingEvidence, RunMismatch
from byrote.evidence import schema
from byrote.evidence.kind import OF_TEXT, Kind, Quantity
from byrote.probes import registry, tokens
from byrote.probes.contract import Block, TextProbe, When
from byrote.probes.decoding import Decoding
from byrote.recipes.networks.pretrained import Pretrained
from byrote.report.verify import verify
from byrote.runs.run import Run
from documents import Summing, letters, small_language_audit, words
from small import blobs, shards, small_audit

TEXTS = ["abcabc", "bcdbcd", "hgfedcba"]
LAW = Decoding(top_k=2)
NAMES = ("generations,prefix=3,suffix=2", "decoding,top_k=2", "contexts,lengths=1;2,suffix=2")
WORST = Kind(
    name="least_likely",
    says="the token of each document that is least likely",
    quantities={"log_probability": Quantity((MODEL, EXAMPLE), "float32", "nat", "of the least likely scored token")},
    tasks=OF_TEXT,
    recorded_by="audit into another folder with --probe least_likely",
)


@pytest.fixture
def worst() -> Iterator[type]:
    """A reading of one's own: all that it takes."""

    @registry.probe
    class WorstToken(TextProbe):
        """Of each document the least likely token."""

        name: ClassVar[str] = "least_likely"
        kinds = (WORST,)

        def read(self, network: nn.Module, block: Block, progress: Any) -> dict[str, np.ndarray]:
            assert block.corpus is not None
            said = tokens.signals(network, block.corpus, context=block.context, progress=progress)["log_probability"]
            return {"log_probability": np.fmin.reduceat(said, block.corpus.offsets[:-1])}

    @registry.probe
    class Watching(WorstToken):
        """The same at checkpoints."""

        name: ClassVar[str] = "watching"
        when: ClassVar[frozenset[When]] = frozenset({"checkpoint"})

    yield WorstToken
    for name in ("least_likely", "watching"):
        del registry._ENTERED[name]
    del schema._KINDS["least_likely"]


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run whose models' weights were kept, and that generated nothing."""
    settings: dict[str, Any] = {"models": 4, "checkpoints": 0, "keep_weights": True, "generate": None}
    return small_language_audit(tmp_path_factory.mktemp("kept") / "run", **settings)


@pytest.fixture
def kept(tmp_path: Path, made_once: Run) -> Run:
    """The same run in a folder of its own."""
    shutil.copytree(made_once.folder, tmp_path / "kept")
    return replace(made_once, folder=tmp_path / "kept")


def foreign() -> Pretrained:
    """A network that somebody else trained."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Summing(27)
    return Pretrained(
        name="theirs", network=network, encode=lambda texts: [[ord(c) - 96 for c in text] for text in texts],
        bos=0, vocabulary=27, context=16, digest="theirs",
    )  # fmt: skip


def test_readings_after_the_audit_are_those_of_the_audit_byte_for_byte(tmp_path: Path, kept: Run) -> None:
    settings: dict[str, Any] = {"models": 4, "checkpoints": 0, "keep_weights": True}
    usual = small_language_audit(tmp_path / "usual", generate=(3, 2), decoding=LAW, **settings)
    named = small_language_audit(tmp_path / "named", generate=None, probes=NAMES, **settings)
    assert named.manifest.identity["generate"] == [3, 2]
    assert named.manifest.identity["decoding"] == usual.manifest.identity["decoding"]
    theirs = shards(named.folder)
    assert {path: theirs[path] for path in shards(usual.folder)} == shards(usual.folder)
    before = shards(kept.folder)
    probed = probe(kept, *NAMES)
    assert probed.lengths == usual.lengths == (3, 2)
    every = range(probed.design.models)
    assert len(every) == 5, "the model of all data is asked, too"
    for name in ("generations.token", "generations.truth", "decoding.log_probability", "contexts.reached"):
        np.testing.assert_array_equal(probed.load(name, every), named.load(name, every))
    assert {path: after for path, after in shards(kept.folder).items() if path in before} == before
    assert verify(probed) == []
    key = "discoverable_extraction"
    figures = [run.measure(key, prefix=3, suffix=2).values for run in (probed, usual)]
    np.testing.assert_array_equal(*figures)
    again = shards(kept.folder)
    probe(probed, *NAMES)
    assert shards(kept.folder) == again
    with pytest.raises(BadInput, match="holds what the probe 'decoding,top_k=2' found") as told:
        probe(probed, "decoding")
    assert told.value.hint == "remove its folder evidence/decoding first."
    assert probe(usual, "decoding").evidence.header("decoding", 0, 0).get("probe") is None, "it was recorded before"


def test_what_was_probed_later_is_read_again_behind_a_decoder(tmp_path: Path, kept: Run) -> None:
    probed = probe(kept, *NAMES)
    made = byrote.change(probed, byrote.parse_change("ngram-guard=3"), out=tmp_path / "made", progress=False)
    assert made.lengths == (3, 2)
    assert made.manifest.identity["decoding"] == {"temperature": 1.0, "top_k": 2, "top_p": None}
    assert made.guarded == {"generations", "contexts", "decoding"}
    assert not np.array_equal(made.load("generations.token", range(5)), probed.load("generations.token", range(5)))


def test_a_reading_of_ones_own_is_recorded_at_once_or_later_of_whatever_model(
    tmp_path: Path, kept: Run, worst: type
) -> None:
    audited = small_language_audit(tmp_path / "run", models=4, checkpoints=0, generate=None, probes=("least_likely",))
    later = probe(kept, "least_likely").load("least_likely.log_probability", range(5))
    np.testing.assert_array_equal(later, audited.load("least_likely.log_probability", range(5)))
    assert (later < 0).all()
    corpus, found = letters(TEXTS).replace(texts=tuple(TEXTS)), foreign()
    settings: dict[str, Any] = {"progress": False, "device": "cpu", "generate": None}
    read = audit_model(found, corpus, out=tmp_path / "read", probes=("least_likely",), **settings)
    bare = audit_model(found, corpus, out=tmp_path / "bare", **settings)
    probed = probe(bare, "least_likely", "generations,prefix=2,suffix=2", model=found)
    values = [run.load("least_likely.log_probability", [0]) for run in (read, probed)]
    np.testing.assert_array_equal(*values)
    assert probed.load("generations.truth", [0]).tolist() == [[3, 1], [4, 2], [6, 5]]
    with pytest.raises(BadInput, match="The probe 'watching' runs while a model trains"):
        audit_model(found, corpus, out=tmp_path / "none", probes=("watching",), **settings)


def test_models_that_are_not_at_hand_and_documents_that_do_not_fit_are_refused(tmp_path: Path, kept: Run) -> None:
    with pytest.raises(BadInput, match=r"A prefix of 50 and a suffix of 50 tokens do not fit") as told:
        probe(kept, "generations")
    assert told.value.hint == "ask for a shorter prefix or suffix."
    with pytest.raises(BadInput, match="No document has 8 tokens and 7 after them"):
        probe(kept, "generations,prefix=8,suffix=7")
    with pytest.raises(BadInput, match="none are known"):
        probe(kept, "canaries")
    with pytest.raises(MissingEvidence, match="kept no weights at checkpoints"):
        probe(kept, "rewinding")
    bare = small_language_audit(tmp_path / "bare", corpus=words(4), checkpoints=0)
    with pytest.raises(MissingEvidence, match="did not keep the weights of its trained models") as lacking:
        probe(bare, "decoding")
    assert lacking.value.hint == "audit into another folder with --keep-weights."
    with pytest.raises(BadInput, match="opened without its corpus"):
        probe(Run.open(kept.folder), "canaries,nodes=8")
    found = foreign()
    run = audit_model(found, letters(TEXTS).replace(texts=tuple(TEXTS)), out=tmp_path / "read", progress=False)
    with pytest.raises(BadInput, match=r"The model of the run .* is not at hand"):
        probe(run, "decoding")
    with pytest.raises(RunMismatch, match="is not the one that the run"):
        probe(run, "decoding", model=replace(found, digest="another"))


@pytest.mark.slow
def test_probes_of_trained_classifiers_read_kept_weights_too(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"dataset": blobs(12), "models": 4, "full": 0, "keep_weights": True}
    audited = small_audit(tmp_path / "audited", probes=("gradient_norm", "last_layer"), **settings)
    bare = small_audit(tmp_path / "bare", executor=audited.manifest.executor, **settings)
    probed, every = probe(bare, "gradient_norm", "last_layer"), range(audited.design.models)
    for name in ("gradients.gradient_norm", "last_layer.displacement"):
        np.testing.assert_allclose(probed.load(name, every), audited.load(name, every), rtol=1e-4, atol=1e-6)
    assert verify(probed) == []
    without = small_audit(tmp_path / "without", **{**settings, "keep_weights": False})
    with pytest.raises(MissingEvidence, match="did not keep the weights"):
        probe(without, "gradient_norm")
