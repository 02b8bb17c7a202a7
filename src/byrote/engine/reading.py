"""The probes of trained language models: signals of every token, generations and exposure of canaries."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from byrote.data.canary_tokens import CanaryTokens
from byrote.data.corpus import Corpus, Encode
from byrote.engine.token_parts import PART, TokenParts
from byrote.errors import BadInput
from byrote.evidence.store import Evidence
from byrote.probes import registry, tokens
from byrote.probes.canaries import CanariesProbe
from byrote.probes.contexts import ContextsProbe
from byrote.probes.contract import END, Block, Probe, TextProbe
from byrote.probes.decoding import Decoding, DecodingProbe
from byrote.probes.generations import GenerationsProbe
from byrote.probes.moment import Models, of_documents

OnProgress = Callable[[float], None]
#: Tokens that are read in one go.
PART_TOKENS = 2**18


def between(progress: OnProgress, low: float, high: float) -> OnProgress:
    """A listener whose 0 to 1 is `low` to `high` of another."""
    return lambda share: progress(low + share * (high - low))


def readings(
    corpus: Corpus,
    context: int,
    *,
    canaries: CanaryTokens | None = None,
    generate: tuple[int, int] | None = None,
    lengths: Sequence[int] = (),
    decoding: Decoding | None = None,
    named: Sequence[str] = (),
    encode: Callable[[], Encode | None] = lambda: None,
    heldout: Corpus | None = None,
) -> tuple[Probe, ...]:
    """The probes that read each trained network of a corpus, besides the token signals.

    `generate` is the number of tokens that are given and the number that are then generated, `lengths` the numbers of
    tokens given before the same suffix, `decoding` how answers are drawn. A `named` probe replaces a default one.
    `encode` gives the tokenizer for probes that ask for other texts, or None; `heldout` are the documents that no model
    trains on.

    Raises:
        BadInput: there is no probe of that name, or it has nothing to ask of this corpus.
    """
    asked: list[Probe] = []
    if generate is not None:
        asked.append(GenerationsProbe(*generate))
        if lengths:
            asked.append(ContextsProbe(";".join(map(str, lengths)), generate[1]))
    if canaries is not None:
        asked.append(CanariesProbe())
    if decoding is not None:
        asked.append(DecodingProbe(decoding))
    found = {probe.name: probe for probe in asked}
    for name in named:
        probe = registry.made(name)
        if isinstance(probe, TextProbe):
            probe.refuse_unfit(corpus, context, canaries)
            probe = probe.with_texts(corpus, encode, heldout)
        found[probe.name] = probe
    return tuple(found.values())


@dataclass(frozen=True, kw_only=True)
class Named:
    """The probes that a person named: those that run while models train, and those that read trained models.

    Generations and decoding are separate fields, because a run's identity has keys of their own for them.
    """

    looking: tuple[str, ...]
    reading: tuple[str, ...]
    generations: GenerationsProbe | None = None
    decoding: Decoding | None = None

    @classmethod
    def of(cls, names: Sequence[str]) -> Named:
        """The probes of these names.

        Raises:
            BadInput: there is no such probe, or it is not for language models.
        """
        made = {name: registry.made(name) for name in names}
        for probe in made.values():
            _refuse_other_tasks(probe)
        others = {name: one for name, one in made.items() if not isinstance(one, (GenerationsProbe, DecodingProbe))}
        return cls(
            looking=tuple(name for name, one in others.items() if one.when != END),
            reading=tuple(name for name, one in others.items() if one.when == END),
            generations=next((one for one in made.values() if isinstance(one, GenerationsProbe)), None),
            decoding=next((one.decoding for one in made.values() if isinstance(one, DecodingProbe)), None),
        )

    def lengths(self, usual: tuple[int, int] | None, corpus: Corpus, context: int) -> tuple[int, int] | None:
        """How many tokens to give and to generate: as named, else the default if documents and context allow it.

        Raises:
            BadInput: named lengths do not fit.
        """
        probe = self.generations or (None if usual is None else GenerationsProbe(*usual))
        if probe is None:
            return None
        try:
            probe.refuse_unfit(corpus, context, None)
        except BadInput:
            if self.generations is not None:
                raise
            return None
        return probe.prefix, probe.suffix

    @property
    def identity(self) -> dict[str, Any]:
        """The names that a run's identity keeps."""
        return {"probes": sorted((*self.looking, *self.reading))} if self.looking or self.reading else {}


def asked_before(identity: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `readings` with which a run's models were read."""
    generate, decoding = identity.get("generate"), identity.get("decoding")
    return {
        "generate": None if generate is None else (int(generate[0]), int(generate[1])),
        "lengths": tuple(identity.get("contexts") or ()),
        "decoding": None if decoding is None else Decoding(**decoding),
        "named": Named.of(identity.get("probes") or ()).reading,
    }


def _refuse_other_tasks(probe: Probe) -> None:
    if not all("text" in kind.tasks for kind in probe.kinds):
        known = [one.name for one in registry.probes().values() if all("text" in kind.tasks for kind in one.kinds)]
        raise BadInput(
            f"The probe {probe.name!r} is not for language models.",
            hint=f"audit without it; those for language models are {', '.join(known)}.",
        )


def read_network(
    network: nn.Module,
    block: Block,
    asked: Sequence[Probe],
    evidence: Evidence,
    *,
    header: dict[str, str],
    progress: OnProgress,
) -> None:
    """Write the missing readings of the one model of a block; a diverged network has only its token signals."""
    model, phase, corpus = block.models[0], block.phase, block.corpus
    assert corpus is not None, "documents are read of language models"
    todo = [probe for probe in asked if not all(evidence.has(kind.name, model, phase) for kind in probe.kinds)]
    first = not evidence.has(tokens.KIND, model, phase)
    count = max(1, len(todo) + first)
    if first:
        on_progress = between(progress, 0.0, 1 / count)
        record_tokens(network, corpus, evidence, model, phase, block.device, block.context, header, on_progress)
    if evidence.header(tokens.KIND, model, phase)["diverged"] == "false":
        for done, probe in enumerate(todo, start=int(first)):
            on_progress = between(progress, done / count, (done + 1) / count)
            look_at_end(network, block, probe, evidence, header=header, progress=on_progress)
    progress(1.0)


def look_at_end(
    network: nn.Module,
    block: Block,
    probe: Probe,
    evidence: Evidence,
    *,
    header: dict[str, str],
    progress: OnProgress = tokens.silent,
) -> None:
    """Let a probe read one trained language model, and write what it found."""
    reader = copy.copy(probe)
    reader.begin(block)
    models = Models(lambda: [network], stacked=False)
    reader.look(of_documents("end", models, block, progress=progress))
    models.leave()
    for shard in reader.shards():
        evidence.write(shard.kind.name, shard.model, block.phase, shard.columns, header, shard.coordinates)


def record_tokens(
    network: nn.Module,
    corpus: Corpus,
    evidence: Evidence,
    model: int,
    phase: int,
    device: str,
    context: int,
    header: dict[str, str],
    progress: OnProgress = tokens.silent,
) -> None:
    """Write the token signals where they are missing; their header says whether the model diverged."""
    if evidence.has(tokens.KIND, model, phase):
        return
    columns = _read_tokens(network, corpus, evidence, model, phase, device, context, progress)
    evidence.write(tokens.KIND, model, phase, columns, {**header, **tokens.judged(columns, corpus).words()})
    for part in evidence.folder.glob(f"{PART}*/m{model:05d}.p{phase}.safetensors"):
        part.unlink()


def _read_tokens(
    network: nn.Module,
    corpus: Corpus,
    evidence: Evidence,
    model: int,
    phase: int,
    device: str,
    context: int,
    progress: OnProgress,
) -> dict[str, np.ndarray]:
    """The token signals, read part by part; a part that was read before a stop is not read again."""
    if len(corpus.tokens) <= PART_TOKENS:
        return tokens.signals(network, corpus, device=device, context=context, progress=progress)
    original = tokens.originals(corpus)
    unique = np.unique(original)
    part_of = np.full(len(corpus), -1)
    part_of[unique] = np.cumsum(corpus.lengths[unique]) // PART_TOKENS
    parts = TokenParts(
        network=network,
        corpus=corpus,
        part_of=part_of,
        folder=evidence.folder,
        model=model,
        phase=phase,
        context=context,
        device=device,
    )
    parts.completed(progress)
    columns: dict[str, np.ndarray] = {}
    for part in parts.parts:
        documents, read = np.flatnonzero(part_of == part), evidence.block(*parts.place(part))
        columns = columns or {name: np.zeros(len(corpus.tokens), array.dtype) for name, array in read.items()}
        place = np.concatenate([np.arange(corpus.offsets[row], corpus.offsets[row + 1]) for row in documents.tolist()])
        for name, array in read.items():
            columns[name][place] = array
    tokens.copy_to_copies(columns, corpus.offsets, original)
    return columns


def parameters_of(network: nn.Module) -> int:
    """How many weights a network has, shared ones once."""
    return sum(weights.numel() for weights in network.parameters())


def check_causal(network: nn.Module, vocabulary: int, device: str) -> None:
    """Refuse a network whose answers have another shape, or depend on later tokens.

    Raises:
        BadInput: one of them.
    """
    network.eval()
    rows = np.arange(16, dtype=np.int64).reshape(2, 8) % vocabulary
    rows[1] = rows[0]
    rows[1, 4:] = (rows[0, 4:] + 1) % vocabulary
    with torch.inference_mode():
        logits = network(torch.from_numpy(rows).to(device))
    if not isinstance(logits, Tensor) or tuple(logits.shape) != (*rows.shape, vocabulary):
        got = tuple(logits.shape[2:]) if isinstance(logits, Tensor) else type(logits).__name__
        raise BadInput(
            f"The network must give {vocabulary} logits per token, one for each token of the vocabulary. Got {got}.",
            hint="let forward(tokens[row, position]) give logits[row, position, vocabulary].",
        )
    one, other = logits.float()
    rounding = torch.finfo(logits.dtype).eps * (64 if logits.dtype == torch.float32 else 4)
    apart = float((one[:4] - other[:4]).abs().max())
    if bool(torch.isfinite(logits).all()) and apart > rounding * float(logits.abs().max()):
        raise BadInput(
            "The network is not causal: what it says of a token depends on later ones.",
            hint="give a model that was trained to predict the next token, such as a GPT or a Llama.",
        )
