"""What trained language models are asked: what they say of every token, and what they generate and give away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from byrote.data.canary_tokens import CanaryTokens
from byrote.data.corpus import Corpus
from byrote.errors import BadInput
from byrote.evidence.store import Evidence
from byrote.probes import contexts, generations, tokens
from byrote.probes.canaries import signals as canary_signals
from byrote.probes.decoding import KIND as DECODING
from byrote.probes.decoding import Decoding
from byrote.probes.decoding import signals as decoding_signals

Told = Callable[[float], None]
#: Tokens that are read in one go, and the kinds of evidence that the parts of an unfinished reading are kept as.
PART_TOKENS = 2**18
PART = "tokens_part_"
#: What is asked of a network: it and `progress` are handed over, and columns come back.
Reading = Callable[..., dict[str, np.ndarray]]


def between(progress: Told, low: float, high: float) -> Told:
    """A listener whose 0 to 1 is `low` to `high` of another."""
    return lambda share: progress(low + share * (high - low))


def readings(
    corpus: Corpus,
    context: int,
    device: str,
    *,
    canaries: CanaryTokens | None = None,
    generate: tuple[int, int] | None = None,
    lengths: Sequence[int] = (),
    decoding: Decoding | None = None,
    cores: int = 1,
) -> dict[str, Reading]:
    """What a network is asked of a corpus beside the tokens, by the kind of evidence that it gives.

    `generate` is how many tokens of a document are given and how many are then generated, `lengths` how many are given
    before one and the same suffix, `decoding` how answers would be drawn.
    """
    asked: dict[str, Reading] = {}
    if generate is not None:
        asked["generations"] = partial(
            generations.signals, corpus=corpus, device=device, context=context, prefix=generate[0], suffix=generate[1]
        )
        if lengths:
            asked[contexts.KIND] = partial(
                contexts.signals, corpus=corpus, device=device, context=context, lengths=lengths, suffix=generate[1]
            )
    if canaries is not None:
        asked["canaries"] = partial(
            canary_signals, corpus=corpus, canaries=canaries, device=device, context=context, cores=cores
        )
    if decoding is not None:
        asked[DECODING] = partial(decoding_signals, corpus=corpus, device=device, context=context, **vars(decoding))
    return asked


def read_network(
    network: nn.Module,
    corpus: Corpus,
    asked: dict[str, Reading],
    evidence: Evidence,
    model: int,
    phase: int,
    *,
    device: str,
    context: int,
    header: dict[str, str],
    progress: Told,
) -> None:
    """Write what is missing of the readings; of a network that diverged, no others."""
    todo = [kind for kind in (tokens.KIND, *asked) if not evidence.has(kind, model, phase)]
    for done, kind in enumerate(todo):
        told = between(progress, done / len(todo), (done + 1) / len(todo))
        if kind == tokens.KIND:
            record_tokens(network, corpus, evidence, model, phase, device, context, header, told)
        elif evidence.header(tokens.KIND, model, phase)["diverged"] == "false":
            evidence.write(kind, model, phase, asked[kind](network, progress=told), header)
    progress(1.0)


def record_tokens(
    network: nn.Module,
    corpus: Corpus,
    evidence: Evidence,
    model: int,
    phase: int,
    device: str,
    context: int,
    header: dict[str, str],
    progress: Told = tokens.silent,
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
    progress: Told,
) -> dict[str, np.ndarray]:
    """The token signals, read part by part; a part that was read before a stop is not read again."""
    if len(corpus.tokens) <= PART_TOKENS:
        return tokens.signals(network, corpus, device=device, context=context, progress=progress)
    original = tokens.originals(corpus)
    unique = np.unique(original)
    part_of = np.cumsum(corpus.lengths[unique]) // PART_TOKENS
    columns: dict[str, np.ndarray] = {}
    for part in np.unique(part_of).tolist():
        documents, kind = unique[part_of == part], f"{PART}{part:05d}"
        share = [float((part_of < edge).mean()) for edge in (part, part + 1)]
        evidence.sweep(kind, model, phase)
        if not evidence.has(kind, model, phase):
            told = between(progress, *share)
            some = corpus.subset(documents)
            read = tokens.signals(network, some, device=device, context=context, progress=told)
            evidence.write(kind, model, phase, read, {})
        read = evidence.block(kind, model, phase)
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
            f"The network must give {vocabulary} logits a token, one of each token. Got {got}.",
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
