"""A run behind a changed decoder: the models and their weights stay, and what they generate is recorded again.

Evidence that no decoder can change is linked from the run before, each file by its digest. It works on any run of
language models whose network is at hand: of models that somebody else trained, or of those whose weights were kept.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import nn

from byrote.changes.change import Change, Context
from byrote.changes.common import parent_of
from byrote.changes.forget import Forget, named, share_of
from byrote.data.canaries import FILE as CANARIES
from byrote.data.canaries import read_canaries
from byrote.data.canary_tokens import CanaryTokens, tokenize_canaries
from byrote.data.corpus import Corpus
from byrote.data.tokenizers import encoder, read_tokenizer
from byrote.engine.language import TOKENIZER
from byrote.engine.language_setting import WEIGHTS
from byrote.engine.progress import Progress, Silent, Terminal
from byrote.engine.reading import Reading, readings
from byrote.errors import BadInput, RunMismatch
from byrote.evidence.store import Evidence
from byrote.probes.decoder import Decoder, Guided
from byrote.probes.decoding import KIND as DECODING
from byrote.probes.decoding import Decoding
from byrote.probes.generations import KIND as GENERATIONS
from byrote.recipes.algorithm import Shape
from byrote.recipes.networks.pretrained import Pretrained, load_pretrained
from byrote.recipes.recipe import Recipe
from byrote.runs.opening import Tables, described, opened
from byrote.runs.run import Run

#: What readers record that search or generate, and a decoder can therefore change.
READ: Final = frozenset(("generations", "contexts", "decoding", "canaries"))
#: The law that answers are drawn by where the run before recorded none: that of the model's own softmax.
PLAIN: Final = Decoding(temperature=1.0, top_k=None)


def change_decoder(
    run: Run,
    changes: Sequence[Change],
    *,
    forget: Forget,
    model: str | Path | Pretrained | None = None,
    out: Path,
    progress: Progress | bool = True,
) -> Run:
    """Put a changed decoder behind the run's models, and record again what they generate.

    Args:
        run: a run of language models with its corpus at hand.
        changes: of the decoder, one after another.
        forget: the documents that the decoder is about; all that were trained on where a share is given.
        model: the network, or the folder of one, of a model that somebody else trained; unless given, where the run's
            source says.
        out: the new run's folder.
        progress: False for silence.

    Raises:
        BadInput: the run is of other models, its corpus, texts or networks are not at hand, or a change is of another
            stage.
        RunMismatch: the model is another one, or `out` holds another run.
    """
    corpus = _corpus(run, changes)
    networks = _Networks.of(run, corpus, model)
    decoder, reads = _decoder(run, changes, forget, corpus)
    _refuse_unread(changes, reads)
    asked = {kind: read for kind, read in networks.readings(run, corpus).items() if kind in reads}
    listener: Progress = Terminal(doing="reading") if progress is True else Silent() if progress is False else progress
    kinds = tuple(
        kind for kind in dict.fromkeys((*run.manifest.evidence, *asked)) if kind not in reads or kind in asked
    )
    files = _shared(run, asked)
    ids = _named_ids(run, forget, corpus)
    parent = {**parent_of(run, changes, forget, ids), "linked": files, "reads": sorted(asked)}
    identity = {**run.manifest.identity, **({"decoding": vars(networks.decoding)} if DECODING in asked else {})}
    manifest = described(
        run.design,
        origin=run.manifest.origin,
        dataset=run.manifest.dataset,
        seeds=[int(one.seed or 0) for one in run.manifest.models] if run.manifest.origin == "trained" else None,
        identity={**identity, "change": parent["change"], "linked": _together(files)},
        executor=run.manifest.executor,
        checkpoints=run.manifest.checkpoints,
        parameters=run.manifest.parameters,
        evidence=kinds,
        source=run.source or run.manifest.source,
        parent=parent,
        notes=run.manifest.notes,
    )
    with opened(out, run.design, _tables(run), lambda: manifest, identity=manifest.identity, say=listener.say):
        for name in files:
            _link(run.folder / "evidence" / name, out / "evidence" / name)
        _read(run, networks, decoder, asked, Evidence(out / "evidence"), listener)
    return replace(Run.open(out), corpus=corpus, recipe=run.recipe, source=run.source)


def _corpus(run: Run, changes: Sequence[Change]) -> Corpus:
    other = next((one for one in changes if one.stage != "decoder"), None)
    if other is not None:
        raise BadInput(
            f"A change of the decoder leaves the models as they are. Got {other.name!r} beside it.",
            hint="make the other change first, and then change the decoder of the run that it gives.",
        )
    if not run.of_text:
        raise BadInput(
            f"The change {changes[0].name!r} is of what language models generate, and the run {str(run.folder)!r} "
            "is of other networks.",
            hint="byrote audit docs, or byrote audit --model DIR --corpus train.jsonl",
        )
    if run.forgotten:
        raise BadInput(
            f"The texts of the run {str(run.folder)!r} were forgotten, so that nothing can be generated from them.",
            hint="audit again into another folder, with --keep-weights where byrote trains the models.",
        )
    if run.corpus is None:
        raise BadInput(
            f"The run {str(run.folder)!r} was opened without its corpus.",
            hint="change the run that byrote.audit_model or byrote.audit_language gave back, or use `byrote change`.",
        )
    return run.corpus


def _decoder(run: Run, changes: Sequence[Change], forget: Forget, corpus: Corpus) -> tuple[Decoder, frozenset[str]]:
    """The decoder of all changes, and the kinds of evidence that it can change."""
    trained = len(corpus) - int(run.manifest.dataset["heldout_documents"])
    path = run.folder / TOKENIZER
    tokenizer = read_tokenizer(path) if path.exists() else None
    about = np.flatnonzero(np.isin(corpus.ids, _named_ids(run, forget, corpus)))
    context = Context(
        dataset=corpus,
        rng=np.random.default_rng(0),
        forget=about,
        retain=np.setdiff1d(np.arange(trained), about),
        parent=run,
        decode=None if tokenizer is None else lambda token: str(tokenizer.decode([token], skip_special_tokens=True)),
    )
    decoder: Any = None
    reads: frozenset[str] = frozenset()
    for one in changes:
        decoder = one.apply(decoder, context)
        reads |= getattr(one, "reads", frozenset())
    return decoder, reads


def _refuse_unread(changes: Sequence[Change], reads: frozenset[str]) -> None:
    """Refuse a decoder that says it changes what no reader of generated tokens records, or that it changes nothing."""
    unread = sorted(reads - READ)
    if unread or not reads:
        name = " + ".join(one.name for one in changes)
        what = f"evidence that no decoder can change: {', '.join(unread)}" if unread else "no evidence"
        raise BadInput(
            f"The change {name!r} says that it changes {what}.",
            hint=f"'reads' names some of {', '.join(sorted(READ))}.",
        )


def _named_ids(run: Run, forget: Forget, corpus: Corpus) -> np.ndarray:
    """Ids of the documents that a person named; none where a share was given."""
    if share_of(forget) is not None:
        return np.empty(0, np.str_)
    trained = corpus.ids[: len(corpus) - int(run.manifest.dataset["heldout_documents"])]
    return np.asarray(trained[named(forget, trained, f"the training documents of {str(run.folder)!r}").rows])


class _Networks:
    """The networks of a run, its context, and what they are asked."""

    def __init__(self, run: Run, context: int, found: Pretrained | None) -> None:
        identity = run.manifest.identity
        self.run, self.context, self.found = run, context, found
        self.device = str(run.manifest.executor["device"])
        self.decoding = Decoding(**identity["decoding"]) if "decoding" in identity else PLAIN

    @classmethod
    def of(cls, run: Run, corpus: Corpus, model: str | Path | Pretrained | None) -> _Networks:
        identity = run.manifest.identity
        if run.manifest.origin == "trained":
            _refuse_without_weights(run)
            return cls(run, int(identity["length"]), None)
        model = model if model is not None else (run.source or {}).get("model")
        if model is None:
            raise BadInput(
                f"The model of the run {str(run.folder)!r} is not at hand.",
                hint="byrote.change(run, …, model=DIR); on the command line --source names its corpus.",
            )
        found = model
        if not isinstance(found, Pretrained):
            found = load_pretrained(found, device=run.manifest.executor["device"], context=int(identity["context"]))
        if found.digest != identity["model"]:
            raise RunMismatch(
                f"The model {found.name!r} is not the one that the run {str(run.folder)!r} was read from.",
                hint="give the same weights, or audit this model into a run of its own.",
            )
        return cls(run, int(identity["context"]), found)

    def readings(self, run: Run, corpus: Corpus) -> dict[str, Reading]:
        """What the run before asked, and how answers are drawn."""
        identity = run.manifest.identity
        generate = identity["generate"]
        return readings(
            corpus,
            self.context,
            self.device,
            generate=None if generate is None else (int(generate[0]), int(generate[1])),
            lengths=tuple(identity.get("contexts") or ()),
            decoding=self.decoding,
            canaries=self._canaries(run, corpus),
        )

    def _canaries(self, run: Run, corpus: Corpus) -> CanaryTokens | None:
        """The planted canaries by their tokens, where the run before was asked about them."""
        path = run.folder / CANARIES
        if not path.exists():
            return None
        encode = self.found.encode if self.found is not None else encoder(read_tokenizer(run.folder / TOKENIZER))
        return tokenize_canaries(read_canaries(path), corpus, encode, context=self.context)

    def __iter__(self) -> Iterator[tuple[int, nn.Module]]:
        """Each model's number and network, in evaluation mode."""
        run = self.run
        for model in run.models().tolist():
            if self.found is not None:
                yield model, self.found.network.eval()
                continue
            assert isinstance(run.recipe, Recipe)
            assert run.corpus is not None
            shape = Shape(inputs=(self.context,), classes=run.corpus.vocabulary, examples=len(run.corpus))
            algorithm = run.recipe.bind(shape, torch.device(self.device))
            network = algorithm.network(algorithm.init(0))
            kept = run.evidence.block(WEIGHTS, model, run.last_phase)
            network.load_state_dict({name: torch.from_numpy(array) for name, array in kept.items()})
            yield model, network.eval()


def _refuse_without_weights(run: Run) -> None:
    kept = all(run.evidence.has(WEIGHTS, model, run.last_phase) for model in run.models().tolist())
    if not kept or not isinstance(run.recipe, Recipe):
        raise BadInput(
            f"The run {str(run.folder)!r} did not keep the weights of its models, so that they cannot generate again.",
            hint="audit with --keep-weights --out ANOTHER_FOLDER, and change the decoder of that run.",
        )


def _read(
    run: Run,
    networks: _Networks,
    decoder: Decoder,
    asked: Mapping[str, Reading],
    evidence: Evidence,
    listener: Progress,
) -> None:
    """Write what the models generate behind the decoder, where it is missing."""
    phase, models = run.last_phase, len(run.models())
    listener.start(models, 0, None)
    try:
        for done, (model, network) in enumerate(networks):
            for kind, read in asked.items():
                evidence.sweep(kind, model, phase)
                if evidence.has(kind, model, phase):
                    continue
                how = {"decoder": decoder} if kind == GENERATIONS else {}
                columns = read(network if how else Guided(network, decoder), **how)
                evidence.write(kind, model, phase, columns, _header(run, kind, model, phase))
            listener.advance(float(done + 1), None)
    finally:
        listener.stop()


def _header(run: Run, kind: str, model: int, phase: int) -> dict[str, str]:
    """What the run before says of a shard, the checksum and the schema aside."""
    if not run.evidence.has(kind, model, phase):
        return {}
    own = ("checksum", "schema", "kind", "model", "phase", "columns")
    words = run.evidence.header(kind, model, phase).items()
    return {name: word for name, word in words if name not in own and not name.startswith("dims.")}


def _shared(run: Run, asked: Mapping[str, Reading]) -> dict[str, str]:
    """SHA-256 by name of the shards that the decoder leaves as they are."""
    folder = run.folder / "evidence"
    kept = [path for path in sorted(folder.glob("*/*.safetensors")) if path.parent.name not in asked]
    return {path.relative_to(folder).as_posix(): _digest(path) for path in kept}


def _together(files: Mapping[str, str]) -> str:
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(files.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _link(source: Path, target: Path) -> None:
    """The same file at another place; a copy where the system cannot link there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        return
    with suppress(OSError):
        os.link(source, target)
        return
    part = target.with_name(f"{target.name}.part")
    shutil.copyfile(source, part)
    part.replace(target)


def _tables(run: Run) -> Tables:
    paths = [run.folder / name for name in (TOKENIZER, CANARIES)]
    return Tables(
        ids=run.ids,
        labels=run.labels,
        controls=run.controls,
        files={path.name: path.read_bytes() for path in paths if path.exists()},
        of_text=True,
    )
