"""The training of language models: documents are packed into rows of one length, anew in every epoch.

The recipe, its slots and its steps are those of the classifiers. Their loop is not used, since it shows rows of the
dataset whole and asks for one label each: here a row holds several documents, and each model its own.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from byrote.axes import CHECKPOINT
from byrote.data.canary_tokens import CanaryTokens
from byrote.data.corpus import Corpus
from byrote.designs.design import Design, Phase
from byrote.engine.job import Block, Finish
from byrote.engine.unfinished import Stand, keep, path_of, recall, restore
from byrote.errors import BadInput
from byrote.evidence.kinds.weights import WEIGHTS_AT
from byrote.evidence.store import Evidence
from byrote.probes import contexts, generations, tokens
from byrote.probes.aside import aside
from byrote.probes.canaries import signals as canary_signals
from byrote.probes.decoding import KIND as DECODING
from byrote.probes.decoding import Decoding
from byrote.probes.decoding import signals as decoding_signals
from byrote.probes.kept_weights import Keeping, keeping, stacked, tensors_of
from byrote.recipes.algorithm import Batch, Shape, State
from byrote.recipes.objectives.next_token import IGNORED
from byrote.recipes.recipe import BoundRecipe, Recipe

#: Rows that still have room for another document, at most; fewer leave more padding.
OPEN_ROWS = 32
#: The share of a model's time that its training takes; the rest is reading.
TRAINING = 0.9

Told = Callable[[float], None]
#: An unfinished training is kept so often.
KEEP_SECONDS = 15.0
#: Tokens that are read in one go, and the kinds of evidence that the parts of an unfinished reading are kept as.
PART_TOKENS = 2**18
PART = "tokens_part_"
WEIGHTS = "weights"
#: How the names of weights begin that stand beside a reading, which have no dots in them there.
TENSOR = "weights|"
#: What is asked of a network: it and `progress` are handed over, and columns come back.
Reading = Callable[..., dict[str, np.ndarray]]


@dataclass(frozen=True, kw_only=True, eq=False)
class LanguageJob:
    """The training of one run's language models, the same in every process that takes part.

    `length` is the context of the networks; `checkpoints` are the epochs at which the whole corpus is read. A model
    trains on one of its `cores` and is read on the others. Its weights are written once it is trained, so that a
    reading that was stopped goes on with them, and deleted once it is read unless they are to be kept. `finish` is
    done to each model once it is trained, before it is read.
    """

    recipe: Recipe
    corpus: Corpus
    design: Design
    seeds: Sequence[int]
    length: int
    folder: Path
    device: str
    checkpoints: tuple[int, ...] = ()
    canaries: CanaryTokens | None = None
    generate: tuple[int, int] | None = None
    decoding: Decoding | None = None
    keep_weights: bool = False
    keep_weights_at: str | None = None
    cores: int = 1
    finish: Finish | None = None

    def algorithm(self) -> BoundRecipe:
        """The recipe bound to rows of this length."""
        shape = Shape(inputs=(self.length,), classes=self.corpus.vocabulary, examples=len(self.corpus))
        return self.recipe.bind(shape, torch.device(self.device))

    @cached_property
    def keeping(self) -> Keeping | None:
        """Of which models weights are kept at which checkpoints of the last phase; None for none.

        Raises:
            BadInput, NotEnoughRoom: as `keeping`.
        """
        if self.keep_weights_at is None:
            return None
        algorithm, phase = self.algorithm(), self.design.phases[-1]
        with torch.random.fork_rng(devices=[]):  # `init` seeds torch's generator
            tensors = algorithm.network(algorithm.init(0)).state_dict().values()
        epochs = phase.length(self.recipe.epochs)
        points = sorted({*(epoch for epoch in self.checkpoints if epoch < epochs), epochs})
        numbers = sum(tensor.numel() for tensor in tensors)
        return keeping(self.keep_weights_at, points, numbers, self.design.pair, heldout=False)

    def keeps(self, model: int) -> bool:
        """Whether weights of a model are kept at checkpoints."""
        return self.keeping is not None and model in self.keeping.models

    def keeps_at(self, model: int, epoch: int) -> bool:
        """Whether weights of a model are kept after that epoch of the last phase."""
        return self.keeping is not None and model in self.keeping.models and epoch in self.keeping.epochs

    def readings(self) -> dict[str, Reading]:
        """What every trained network is asked beside the tokens."""
        return readings(
            self.corpus,
            self.length,
            self.device,
            canaries=self.canaries,
            generate=self.generate,
            decoding=self.decoding,
            cores=self.cores,
        )

    def kinds(self, phase: int) -> tuple[str, ...]:
        """The evidence that every model has of a phase once it is complete."""
        last = len(self.design.phases) - 1
        trajectory = ("document_trajectory",) if self.checkpoints and phase in (0, last) else ()
        weights = (WEIGHTS,) if self.keep_weights else ()
        return (*trajectory, *weights, tokens.KIND, *self.readings()) if phase == last else trajectory

    def may_have(self, phase: int) -> tuple[str, ...]:
        """The evidence that models may have of a phase, weights from which a reading goes on included."""
        return tuple(dict.fromkeys((*self.kinds(phase), WEIGHTS, WEIGHTS_AT.name)))

    def missing(self, evidence: Evidence, models: Sequence[int]) -> bool:
        """Whether any shard of these models is not there."""
        return any(self._lacks(evidence, model) for model in models)

    def _lacks(self, evidence: Evidence, model: int) -> bool:
        phases = range(len(self.design.phases))
        last = phases[-1]
        if evidence.has(tokens.KIND, model, last) and evidence.header(tokens.KIND, model, last)["diverged"] == "true":
            return False
        if self.keeps(model) and not evidence.has(WEIGHTS_AT.name, model, last):
            return True
        return any(not evidence.has(kind, model, phase) for phase in phases for kind in self.kinds(phase))

    def train(self, block: Block, progress: Told) -> list[int]:
        """Train the models of a block one after another and read them; returns those that diverged."""
        evidence, last = Evidence(self.folder), len(self.design.phases) - 1
        diverged = []
        for done, model in enumerate(block.models):
            told = between(progress, done / len(block.models), (done + 1) / len(block.models))
            network = self._network(evidence, model, between(told, 0.0, TRAINING))
            read_network(
                network,
                self.corpus,
                self.readings(),
                evidence,
                model,
                last,
                device=self.device,
                context=self.length,
                header={"seed": str(self.seeds[model])},
                progress=between(told, TRAINING, 1.0),
            )
            self.drop_weights(evidence, model)
            if evidence.header(tokens.KIND, model, last)["diverged"] == "true":
                diverged.append(model)
        return diverged

    def drop_weights(self, evidence: Evidence, model: int) -> None:
        """Delete the weights of a model that is read, unless they are to be kept."""
        if not self.keep_weights and not self._lacks(evidence, model):
            evidence.path(WEIGHTS, model, len(self.design.phases) - 1).unlink(missing_ok=True)

    def _network(self, evidence: Evidence, model: int, progress: Told) -> nn.Module:
        """The trained network, from its weights where they are there."""
        phases = range(len(self.design.phases))
        last = phases[-1]
        trajectories = [phase for phase in phases if "document_trajectory" in self.kinds(phase)]
        needed = [(WEIGHTS, last), *(("document_trajectory", phase) for phase in trajectories)]
        needed += [(WEIGHTS_AT.name, last)] if self.keeps(model) else []
        if all(evidence.has(kind, model, phase) for kind, phase in needed):
            algorithm = self.algorithm()
            network = algorithm.network(algorithm.init(self.seeds[model]))
            kept = evidence.block(WEIGHTS, model, last)
            network.load_state_dict({name: torch.from_numpy(array) for name, array in kept.items()})
            return network
        network = train_language_model(self, model, progress)
        weights = {name: tensor.cpu().numpy() for name, tensor in network.state_dict().items()}
        evidence.write(WEIGHTS, model, last, weights, {"seed": str(self.seeds[model])})
        path_of(self.folder, model).unlink(missing_ok=True)
        return network


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


def train_language_model(job: LanguageJob, model: int, progress: Told) -> nn.Module:
    """One network, trained through all phases of the design on the documents that they show it.

    Now and then it is kept as far as it has come, and goes on from there after a stop.
    """
    algorithm = job.algorithm()
    state = algorithm.init(job.seeds[model])
    stand, kept = recall(path_of(job.folder, model))
    first_epoch, phases = 0, job.design.phases
    for index, phase in enumerate(phases):
        told = between(progress, index / len(phases), (index + 1) / len(phases))
        if index >= stand.phase:
            here = (stand, kept) if index == stand.phase else (Stand(index), {})
            state = _train_phase(job, algorithm, state, model, phase, first_epoch, *here, told)
        first_epoch += phase.length(algorithm.epochs)
    if job.finish is not None:
        state = job.finish(algorithm, state, model)
    return algorithm.network(state)


def _train_phase(
    job: LanguageJob,
    algorithm: BoundRecipe,
    state: State,
    model: int,
    phase: Phase,
    first_epoch: int,
    stand: Stand,
    kept: dict[str, np.ndarray],
    progress: Told,
) -> State:
    epochs, seed = phase.length(algorithm.epochs), job.seeds[model]
    rows_an_epoch = [
        packed(job.corpus, algorithm.order(seed, first_epoch + epoch, phase.count[model]), job.length)
        for epoch in range(epochs)
    ]
    steps = sum(-(-len(rows) // algorithm.batch_size) for rows in rows_an_epoch)
    state = algorithm.begin(state, max(1, steps))
    if kept:
        restore(state, kept)
    last = stand.phase == len(job.design.phases) - 1
    checkpoints: list[int] = []
    if "document_trajectory" in job.kinds(stand.phase):  # of an earlier phase only its end is ever asked
        checkpoints = sorted({*(epoch for epoch in job.checkpoints if epoch < epochs and last), epochs})
    written = time.monotonic()
    pending: list[Callable[[], dict[str, np.ndarray]]] = []
    with aside(job.cores) as reader:
        while stand.epoch < epochs or len(stand.readings) + len(pending) < len(checkpoints):
            if stand.epoch in checkpoints[len(stand.readings) + len(pending) :]:
                network = copy.deepcopy(algorithm.network(state))
                kept_for = model if last and stand.epoch == epochs and job.finish is None else None
                kept_now = last and job.keeps_at(model, stand.epoch)
                pending.append(reader.begin(partial(_by_document_now, job, network, kept_for, kept_now)))
                continue
            rows = rows_an_epoch[stand.epoch]
            for start in range(0, len(rows), algorithm.batch_size):
                chosen = torch.from_numpy(rows[start : start + algorithm.batch_size].astype(np.int64)).to(job.device)
                state, _ = algorithm.step(state, batch_of(chosen))
                progress((stand.epoch + start / max(1, len(rows))) / epochs)
            stand.epoch += 1
            if time.monotonic() - written > KEEP_SECONDS:
                stand.readings += [result() for result in pending]
                pending.clear()
                keep(path_of(job.folder, model), state, stand)
                written = time.monotonic()
        stand.readings += [result() for result in pending]
    if checkpoints:
        if last and job.keeps(model):
            _write_kept(job, model, stand, checkpoints)
        names = [name for name in stand.readings[-1] if not name.startswith(TENSOR)]
        trajectory = {name: np.stack([columns[name] for columns in stand.readings]) for name in names}
        trajectory["epochs"] = np.array(checkpoints, np.int64)
        Evidence(job.folder).write("document_trajectory", model, stand.phase, trajectory, {"seed": str(seed)})
    progress(1.0)
    return state


def _write_kept(job: LanguageJob, model: int, stand: Stand, checkpoints: Sequence[int]) -> None:
    """The weights that stand beside the readings, in a shard of their own."""
    kept = {
        epoch: {name[len(TENSOR) :].replace("|", "."): tensor for name, tensor in columns.items() if TENSOR in name}
        for epoch, columns in zip(checkpoints, stand.readings, strict=True)
    }
    kept = {epoch: tensors for epoch, tensors in kept.items() if tensors}
    Evidence(job.folder).write(
        WEIGHTS_AT.name,
        model,
        stand.phase,
        stacked([*kept.values()]),
        {"seed": str(job.seeds[model])},
        {CHECKPOINT: [str(epoch) for epoch in kept]},
    )


def _by_document_now(
    job: LanguageJob, network: nn.Module, model: int | None, keep_weights: bool
) -> dict[str, np.ndarray]:
    """A reading of the whole corpus by document; that of a model at the end of its training is kept by token, too.

    Weights that are to be kept stand beside it, so that a stop loses none.
    """
    kept = {f"{TENSOR}{name.replace('.', '|')}": one for name, one in tensors_of(network).items() if keep_weights}
    return {**_read_now(job, network, model), **kept}


def _read_now(job: LanguageJob, network: nn.Module, model: int | None) -> dict[str, np.ndarray]:
    if model is None:
        return by_document(tokens.signals(network, job.corpus, device=job.device, context=job.length), job.corpus)
    evidence, phase = Evidence(job.folder), len(job.design.phases) - 1
    header = {"seed": str(job.seeds[model])}
    record_tokens(network, job.corpus, evidence, model, phase, job.device, job.length, header)
    return by_document(evidence.block(tokens.KIND, model, phase), job.corpus)


def check_network(job: LanguageJob) -> int:
    """Send two tokens more or less through a fresh network before anything trains, and count its weights.

    Raises:
        BadInput: the network does not fit.
    """
    if job.recipe.batches is not None or job.recipe.example_gradients is not None:
        raise BadInput(
            "A row of a language model's batch holds several documents; the recipe draws or clips examples one by one.",
            hint="leave batches and example_gradients out of the recipe.",
        )
    algorithm = job.algorithm()
    network = algorithm.network(algorithm.init(0))
    check_causal(network, job.corpus.vocabulary, job.device)
    return parameters_of(network)


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


def by_document(columns: dict[str, np.ndarray], corpus: Corpus) -> dict[str, np.ndarray]:
    """Hits and log-probabilities added up over the tokens of each document."""
    starts = corpus.offsets[:-1]
    log_probability = np.where(corpus.scored, columns["log_probability"], 0.0)
    return {
        "hits": np.add.reduceat(columns["hit"] & corpus.scored, starts, dtype=np.int32),
        "log_probability": np.add.reduceat(log_probability, starts, dtype=np.float64).astype(np.float32),
    }


def batch_of(rows: torch.Tensor) -> Batch:
    """`rows[row, length + 1]` as inputs and the tokens that follow them; -1 is padding."""
    targets = rows[:, 1:]
    return Batch(
        inputs=rows[:, :-1].clamp_min(0),
        targets=torch.where(targets < 0, IGNORED, targets),
        ids=torch.arange(len(rows), device=rows.device),
    )


def packed(corpus: Corpus, order: np.ndarray, length: int) -> np.ndarray:
    """Documents in this order as `rows[row, length + 1]`, padded with -1; in a row, each begins with the BOS token.

    A document that fits into a row is never cut. A longer one goes on at the beginning of further rows, with the last
    token of the row before.

    Example:
        >>> from byrote.data.corpus import corpus_from_texts
        >>> letters = corpus_from_texts(["ab", "c"]).tokenized(
        ...     lambda texts: [[ord(letter) - 96 for letter in text] for text in texts], vocabulary=4, bos=0)
        >>> packed(letters, np.array([0, 1, 1]), 4)
        array([[ 0,  1,  2,  0,  3],
               [ 0,  3, -1, -1, -1]], dtype=int32)
    """
    rows: list[list[np.ndarray]] = []
    room: dict[int, int] = {}
    for index in order:
        for number, piece in enumerate(_pieces(corpus.document(int(index)), corpus.bos, length + 1)):
            open_rows = () if number else room.items()  # behind others its first token would be learned again
            row = next((row for row, left in open_rows if left >= len(piece)), len(rows))
            if row == len(rows):
                rows.append([])
                room[row] = length + 1
            rows[row].append(piece)
            room[row] -= len(piece)
            if room[row] < 2:
                del room[row]
            elif len(room) > OPEN_ROWS:
                del room[min(room, key=room.__getitem__)]
    filled = np.full((len(rows), length + 1), -1, np.int32)
    for row, pieces in enumerate(rows):
        whole = np.concatenate(pieces)
        filled[row, : len(whole)] = whole
    return filled


def _pieces(tokens: np.ndarray, bos: int | None, size: int) -> list[np.ndarray]:
    whole = tokens if bos is None else np.concatenate([[bos], tokens])
    starts = range(0, max(len(whole) - 1, 1), size - 1)
    return [whole[start : start + size] for start in starts]
