"""A run behind a changed decoder: the models and their weights stay, and what they generate is recorded again.

Evidence that no decoder can change is linked from the run before, each file by its digest. It works on any run of
language models whose network is at hand: of models that somebody else trained, or of those whose weights were kept.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from byrote.changes.change import Change, Context
from byrote.changes.common import parent_of
from byrote.changes.forget import Forget, named, share_of
from byrote.data.canaries import FILE as CANARIES
from byrote.data.corpus import Corpus
from byrote.data.tokenizers import FILE as TOKENIZER
from byrote.data.tokenizers import read_tokenizer
from byrote.engine.networks import Networks
from byrote.engine.progress import Progress, listening
from byrote.engine.reading import look_at_end
from byrote.errors import BadInput
from byrote.evidence.store import Evidence
from byrote.probes import registry
from byrote.probes.contract import Probe, TextProbe
from byrote.probes.decoder import Decoder, Guided
from byrote.probes.decoding import Decoding, DecodingProbe
from byrote.recipes.networks.pretrained import Pretrained
from byrote.runs.opening import Tables, described, opened
from byrote.runs.run import Run

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
    _refuse_others(run, changes)
    networks = Networks.of(run, model)
    corpus = networks.corpus
    decoder, reads = _decoder(run, changes, forget, corpus)
    _refuse_unread(changes, reads)
    read = {kind.name: one for one in networks.readings(decoding=PLAIN) for kind in one.kinds}
    asked = {kind: one for kind, one in read.items() if kind in reads}
    listener = listening(progress, doing="reading")
    kinds = tuple(
        kind for kind in dict.fromkeys((*run.manifest.evidence, *asked)) if kind not in reads or kind in asked
    )
    files = _shared(run, asked)
    ids = _named_ids(run, forget, corpus)
    parent = {**parent_of(run, changes, forget, ids), "linked": files, "reads": sorted(asked)}
    law = [one.decoding for one in asked.values() if isinstance(one, DecodingProbe)]
    identity = {**run.manifest.identity, **({"decoding": vars(law[0])} if law else {})}
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
        _read(networks, decoder, asked, Evidence(out / "evidence"), listener)
    return replace(Run.open(out), corpus=corpus, recipe=run.recipe, source=run.source)


def _refuse_others(run: Run, changes: Sequence[Change]) -> None:
    other = next((one for one in changes if one.stage != "decoder"), None)
    if other is not None:
        raise BadInput(
            f"A change of the decoder cannot be combined with other changes. Got {other.name!r} as well.",
            hint="make the other change first, and then change the decoder of the run that it gives.",
        )
    if not run.of_text:
        raise BadInput(
            f"The change {changes[0].name!r} is of what language models generate, and the run {str(run.folder)!r} "
            "is of other networks.",
            hint="byrote audit docs, or byrote audit --model DIR --corpus train.jsonl",
        )


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
    known = _read_again()
    unread = sorted(reads - known)
    if unread or not reads:
        name = " + ".join(one.name for one in changes)
        what = f"evidence that no decoder can change: {', '.join(unread)}" if unread else "no evidence"
        raise BadInput(
            f"The change {name!r} says that it changes {what}.",
            hint=f"'reads' names some of {', '.join(sorted(known))}.",
        )


def _read_again() -> frozenset[str]:
    """What readers of trained models record, which search or generate, and a decoder can therefore change."""
    readers = [one for one in registry.probes().values() if isinstance(one, TextProbe)]
    return frozenset(kind.name for one in readers for kind in one.kinds)


def _named_ids(run: Run, forget: Forget, corpus: Corpus) -> np.ndarray:
    """Ids of the documents that a person named; none where a share was given."""
    if share_of(forget) is not None:
        return np.empty(0, np.str_)
    trained = corpus.ids[: len(corpus) - int(run.manifest.dataset["heldout_documents"])]
    return np.asarray(trained[named(forget, trained, f"the training documents of {str(run.folder)!r}").rows])


def _read(
    networks: Networks, decoder: Decoder, asked: Mapping[str, Probe], evidence: Evidence, listener: Progress
) -> None:
    """Write what the models generate behind the decoder, where it is missing."""
    run, phase = networks.run, networks.run.last_phase
    listener.start(len(networks.models), 0, None)
    try:
        for done, (model, network) in enumerate(networks):
            for kind, probe in asked.items():
                evidence.sweep(kind, model, phase)
                if not evidence.has(kind, model, phase):
                    header = _header(run, kind, model, phase)
                    look_at_end(Guided(network, decoder), networks.block(model), probe, evidence, header=header)
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


def _shared(run: Run, asked: Mapping[str, Probe]) -> dict[str, str]:
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
        groups=run.groups,
        files={path.name: path.read_bytes() for path in paths if path.exists()},
        of_text=True,
    )
