"""The verbs for language models: train small ones on a corpus and read them, or read one that somebody else trained."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from byrote.data.canaries import FILE as CANARIES
from byrote.data.canaries import Canaries
from byrote.data.canary_tokens import CanaryTokens, tokenize_canaries
from byrote.data.corpus import Corpus, Encode, corpus_from_texts, refuse_overlap
from byrote.data.index.near_duplicates import near_duplicates
from byrote.data.problems import counted
from byrote.data.tokenizers import BEGIN, byte_pairs, encoder, read_tokenizer
from byrote.data.tokenizers import FILE as TOKENIZER
from byrote.designs.design import NO_PAIR, Design, observed, one_phase
from byrote.designs.full_data import full_data
from byrote.designs.half_subset_pairs import LEAST_GROUPS, half_subset_pairs
from byrote.designs.injections import inject
from byrote.engine.completion import complete, sweep, sweep_all, sweep_parts
from byrote.engine.division import blocks_of_documents, divided_documents
from byrote.engine.executing import chosen
from byrote.engine.job import Block, Finish, check_device
from byrote.engine.language_job import LanguageJob, check_network
from byrote.engine.language_setting import WEIGHTS, heldout_of
from byrote.engine.networks import block_of_documents
from byrote.engine.preparation import default_device, default_workers, large_first_in, seeds_of
from byrote.engine.progress import Progress, listening
from byrote.engine.reading import Named, check_causal, parameters_of, read_network, readings
from byrote.errors import BadInput
from byrote.evidence.kinds.weights import WEIGHTS_AT
from byrote.evidence.made_here import remember
from byrote.evidence.manifest import FILE, Manifest
from byrote.evidence.store import Evidence
from byrote.evidence.tables import digest_of
from byrote.probes import contract
from byrote.probes.contexts import LENGTHS
from byrote.probes.decoding import Decoding
from byrote.probes.generations import PREFIX, SUFFIX
from byrote.probes.tokens import KIND as TOKENS
from byrote.probes.tokens import signals, windowed
from byrote.probes.trajectory import log_spaced
from byrote.recipes.networks.pretrained import Pretrained, load_pretrained
from byrote.recipes.recipe import Recipe
from byrote.runs.opening import Place, Tables, described, opened
from byrote.runs.run import CORPUS, Run

#: Tokens that a network trained here sees at once.
LENGTH = 256
#: Readings of the whole corpus during training, at most.
CHECKPOINTS = 6
#: Tokens of each document that are given, and those that are then generated.
GENERATE = (PREFIX, SUFFIX)
#: Training documents that are read with and without a BOS token, to find out how the model was trained.
SAMPLE = 16


def audit_language(
    corpus: Corpus,
    recipe: Recipe,
    *,
    heldout: Corpus | None = None,
    canaries: Canaries | None = None,
    models: int = 1,
    full: int = 1,
    design: Design | None = None,
    tokenizer: Any | None = None,
    length: int = LENGTH,
    generate: tuple[int, int] | None = GENERATE,
    decoding: Decoding | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    workers: int | None = None,
    device: str | None = None,
    checkpoints: int = CHECKPOINTS,
    keep_weights: bool = False,
    keep_weights_at: str | None = None,
    probes: Sequence[str] = (),
    progress: Progress | bool = True,
    source: dict[str, Any] | None = None,
    parent: dict[str, Any] | None = None,
    finish: Finish | None = None,
    notes: Sequence[str] = (),
    executor: dict[str, Any] | None = None,
) -> Run:
    """Train language models on a corpus and record what each says of every token, trained on or held out.

    The same call goes on with a run that was stopped. Documents and held-out ones stand in one corpus, in this order.

    Args:
        corpus: the documents to train on, with tokens or without.
        recipe: how to train; its network gives logits `[row, token, vocabulary]`.
        heldout: documents that no model trains on; with tokens where the corpus has them.
        canaries: what was planted in the corpus; the controls that were not stand among the held-out documents.
        models: 1 trains on all documents. An even number of at least 4 makes complementary pairs: each trains on half
            of the groups of documents; without groups, documents that are nearly the same make one.
        full: models beside such pairs that train on all documents.
        design: who trains on what, held-out documents included, instead of that.
        tokenizer: of the package tokenizers, for a corpus without tokens; unless given, one of 1,024 byte pairs is
            trained on the corpus. It is kept in the run folder.
        length: tokens that a network sees at once; longer documents are read in windows.
        generate: how many tokens of each document to give, and how many to generate after them; None for none.
        decoding: how answers would be drawn, for `probabilistic_extraction[decoding]`; None not to record that.
        out: the run folder; `runs/<corpus's name>` unless given.
        seed: fixes subsets, initial weights and orders.
        workers: training processes of one thread each; as many as there are cores unless given.
        device: "cpu" or "cuda" (default: "cuda" if available).
        checkpoints: at most this many readings of the corpus as training goes on; 0 for none.
        keep_weights: keep every model's weights; otherwise they are deleted once the model is read.
        keep_weights_at: besides, keep those of a few models during training, for probes after it: "checkpoints",
            "best" (the lowest loss on held-out documents) or numbers of epochs, as "0,3,last".
        probes: what else to read off the networks, by the names of probes of language models; as
            "generations,prefix=20,suffix=10" with other settings than those above.
        progress: False for silence.
        source: how the command line finds corpus and recipe again.
        parent: the run that this one is a changed form of, and the change.
        finish: done to each model before it is read.
        notes: sentences that go with the run into every report.
        executor: the blocks of another run's manifest, to train the very same networks again.

    Raises:
        BadInput, RunMismatch, WorkerFailed: each in a sentence that says what to do.

    Example:
        >>> corpus = byrote.corpus_from_texts(["to be or not to be", "that is the question"] * 3, name="hamlet")
        >>> others = byrote.corpus_from_texts(["whether tis nobler in the mind to suffer"])
        >>> network = byrote.TinyGPT(layers=1, width=16, heads=2, hidden=32)
        >>> recipe = byrote.Recipe(network=network, objective=byrote.NextToken(), epochs=2, batch_size=2)
        >>> run = byrote.audit_language(corpus, recipe, heldout=others, generate=(2, 2), workers=1, progress=False)
        >>> run
        Run('runs/hamlet': trained, 1 model, 7 examples of 'hamlet')
    """
    device = device or default_device()
    check_device(device)
    if length < 2:
        raise BadInput(
            f"The 'length' argument of audit_language must be at least 2. Got {length}.",
            hint="length is the number of tokens of a document's row; 64 or 128 serve a small network.",
        )
    if keep_weights_at is not None and not checkpoints:
        raise BadInput(
            "Weights are kept where the corpus is read during training, and that is nowhere: checkpoints is 0.",
            hint="checkpoints=6, or leave keep_weights_at out.",
        )
    keep_weights = keep_weights or keep_weights_at is not None
    named = Named.of(probes)
    decoding = named.decoding or decoding
    if heldout is not None:
        refuse_overlap(corpus, heldout)
    folder = Path(out) if out is not None else Path("runs") / corpus.name
    listener = listening(progress)
    whole, tokenizer = _tokenized(corpus, heldout, tokenizer, folder)
    trained = len(corpus)
    if design is None:
        large_first = large_first_in(folder)
        design = language_design(whole, trained, models=models, full=full, seed=seed, large_first=large_first)
    if design.examples != len(whole):
        raise BadInput(
            f"The design is for {design.examples} documents, and there are {len(whole)}.",
            hint="make the design for the documents trained on and those held out together, or leave it out.",
        )
    if canaries is not None and tokenizer is None:
        raise BadInput("Canaries in a corpus with tokens need its tokenizer.", hint="tokenizer=…")
    generate = named.lengths(generate, whole, length)
    asked = None if canaries is None else _asked(canaries, whole, trained, encoder(tokenizer), length)
    job = LanguageJob(
        recipe=recipe,
        corpus=whole,
        design=design,
        seeds=seeds_of(seed, design.models),
        length=length,
        folder=folder / "evidence",
        device=device,
        checkpoints=log_spaced(recipe.epochs, checkpoints) if checkpoints else (),
        canaries=asked,
        readings=readings(
            whole,
            length,
            canaries=asked,
            generate=generate,
            decoding=decoding,
            named=named.reading,
            encode=lambda: None if tokenizer is None else encoder(tokenizer),
            heldout=heldout_of(whole, design),
        ),
        keep_weights=keep_weights or _keeps_weights(folder),
        finish=finish,
        keep_weights_at=keep_weights_at,
        probes=named.looking,
    )
    kept = () if job.keeping is None else (WEIGHTS_AT.name,)
    identity = {
        "corpus": whole.fingerprint(),
        "recipe": recipe.describe(),
        "design": design.describe(),
        "seed": seed,
        "length": length,
        "checkpoints": job.checkpoints,
        "canaries": _digest(canaries),
        "generate": generate,
        **_probes(decoding),
        **({"keep_weights": True} if keep_weights else {}),
        **({} if finish is None or parent is None else {"change": parent["change"]}),
        **({} if keep_weights_at is None else {"keep_weights_at": keep_weights_at}),
        **named.identity,
    }
    workers = workers or default_workers(device)
    parameters = check_network(job)

    def describe() -> Manifest:
        return described(
            design,
            origin="trained",
            dataset=_facts(whole, trained),
            identity=identity,
            seeds=list(job.seeds),
            executor=executor or divided_documents(job, workers, listener),
            checkpoints=job.checkpoints,
            parameters=parameters,
            evidence=(CORPUS, *job.kinds(len(design.phases) - 1), *kept),
            source=source,
            parent=parent,
            notes=(*notes, *_notes_of(whole, length)),
        )

    with _opened(folder, describe, identity, design, whole, tokenizer, canaries, listener) as place:
        if source is not None and parent is None and (unkept := remember(place.manifest.identifier, source)):
            listener.say(unkept)
        _train(job, blocks_of_documents(place.manifest.executor, design), workers, listener)
    return replace(Run.open(folder), corpus=whole, recipe=recipe)


def audit_model(
    model: str | Path | Pretrained,
    corpus: Corpus,
    *,
    heldout: Corpus | None = None,
    canaries: Canaries | None = None,
    context: int | None = None,
    bos: bool | None = None,
    generate: tuple[int, int] | None = GENERATE,
    contexts: Sequence[int] = LENGTHS,
    decoding: Decoding | None = None,
    probes: Sequence[str] = (),
    out: str | Path | None = None,
    device: str | None = None,
    progress: Progress | bool = True,
    source: dict[str, Any] | None = None,
    notes: Sequence[str] = (),
) -> Run:
    """Read a causal language model that somebody else trained: what it says of every token of a corpus.

    Whoever calls says who is a member: the model was trained on the documents of `corpus`, and not on those of
    `heldout`. The same call goes on with a reading that was stopped.

    Args:
        model: a folder of transformers with safetensors, a GGUF file, or what `load_pretrained` gave.
        corpus: the documents that the model was trained on.
        heldout: documents that it was not trained on.
        canaries: what was planted in the corpus before the model was trained on it.
        context: tokens that the model sees at once, 1,024 unless given or the model takes fewer.
        bos: whether the BOS token stands before every document, as it did in the training. Where neither this nor the
            tokenizer says so, the first training documents are read both ways and the lower loss decides.
        generate: how many tokens of each document to give, and how many to generate after them; None for none.
        contexts: how many tokens to give, one number after the other, before a suffix as long as what is generated;
            for `discoverable_extraction[by_context]`. Nothing of that where nothing is generated.
        decoding: how answers would be drawn, for `probabilistic_extraction[decoding]`; None not to record that.
        probes: what else to read off the network, by the names of probes of trained language models.
        out: the run folder; `runs/<model's name>` unless given.
        device: "cpu" or "cuda" (default: "cuda" if available).
        progress: False for silence.
        source: how the command line finds model and corpus again.
        notes: sentences that go with the run into every report.

    Raises:
        BadInput, RunMismatch: each in a sentence that says what to do.

    Example:
        >>> import transformers
        >>> from byrote.data.tokenizers import byte_pairs
        >>> texts = ["to be or not to be", "that is the question"]
        >>> tokens = transformers.PreTrainedTokenizerFast(tokenizer_object=byte_pairs(texts, vocabulary=270))
        >>> config = transformers.GPT2Config(
        ...     vocab_size=270, n_embd=16, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0
        ... )
        >>> transformers.GPT2LMHeadModel(config).save_pretrained("their-model")
        >>> _ = tokens.save_pretrained("their-model")
        >>> byrote.audit_model("their-model", byrote.corpus_from_texts(texts), generate=None, progress=False)
        Run('runs/their-model': observed, 1 model, 2 examples of 'texts')
    """
    device = device or default_device()
    check_device(device)
    named = Named.of(probes)
    if named.looking:
        raise BadInput(
            f"The probe {named.looking[0]!r} runs while a model trains, and this model was trained by somebody else.",
            hint="leave it out; `byrote audit --corpus FILE` trains a model of its own.",
        )
    decoding = named.decoding or decoding
    if heldout is not None:
        refuse_overlap(corpus, heldout)
    found = model if isinstance(model, Pretrained) else load_pretrained(model, device=device, context=context)
    whole = corpus if heldout is None else corpus.joined(heldout, corpus.name)
    whole = whole.tokenized(found.encode, vocabulary=found.vocabulary, bos=found.bos)
    check_causal(found.network, found.vocabulary, device)
    folder = Path(out) if out is not None else Path("runs") / found.name
    begin, note = _beginning(found, corpus, folder, device, bos)
    whole = replace(whole, bos=begin)
    member = (np.arange(len(whole)) < len(corpus)).astype(np.int8)[None]
    design = observed(member, np.full(1, NO_PAIR))
    generate = named.lengths(generate, whole, found.context)
    contexts = tuple(contexts) if generate is not None else ()
    identity = {
        "corpus": whole.fingerprint(),
        "model": found.digest,
        "design": design.describe(),
        "context": found.context,
        "canaries": _digest(canaries),
        "generate": generate,
        "contexts": contexts,
        **_probes(decoding),
        **named.identity,
    }
    tokenized = None if canaries is None else _asked(canaries, whole, len(corpus), found.encode, found.context)
    asked = readings(
        whole,
        found.context,
        canaries=tokenized,
        generate=generate,
        lengths=contexts,
        decoding=decoding,
        named=named.reading,
        encode=lambda: found.encode,
        heldout=heldout_of(whole, design),
    )
    listener = listening(progress, doing="reading")
    manifest = described(
        design,
        origin="observed",
        dataset=_facts(whole, len(corpus)),
        identity=identity,
        executor={"device": device},
        parameters=parameters_of(found.network),
        evidence=(CORPUS, TOKENS, *(kind.name for probe in asked for kind in probe.kinds)),
        source=source,
        notes=(*notes, *found.notes, *([note] if note else []), *_notes_of(whole, found.context)),
    )
    with _opened(folder, lambda: manifest, identity, design, whole, found.tokenizer, canaries, listener) as place:
        if source is not None and (unkept := remember(place.manifest.identifier, source)):
            listener.say(unkept)
        block = block_of_documents(whole, design, found.context, device, tokenized)
        _read(found, block, asked, Evidence(folder / "evidence"), listener)
    return replace(Run.open(folder), corpus=whole)


def _beginning(
    found: Pretrained, corpus: Corpus, folder: Path, device: str, asked: bool | None
) -> tuple[int | None, str]:
    """The token that is read before every document, and the sentence about it where that had to be found out.

    What is asked for counts. Where the tokenizer names a BOS token and does not put it there by itself, nobody but the
    training knows whether it stood there. The first training documents that differ, cut to the context, are then read
    both ways, and the lower mean loss over the tokens that both predict decides. A run that goes on does as it did.

    Raises:
        BadInput: a BOS token is asked for, and the tokenizer names none.
    """
    if asked is not None:
        named = found.begin if found.bos is None else found.bos
        if asked and named is None:
            raise BadInput(f"The tokenizer of the model {found.name!r} names no BOS token.", hint="leave --bos out.")
        return (named if asked else None), ""
    if os.path.exists(folder / FILE):
        return Manifest.read(folder).dataset.get("bos", found.bos), ""
    if found.begin is None:
        return found.bos, ""
    texts = list(dict.fromkeys(corpus.texts))[:SAMPLE]
    pieces = [piece[: found.context] for piece in found.encode(texts)]
    without = corpus_from_texts(texts).tokenized(lambda _: pieces, vocabulary=found.vocabulary)
    if not without.scored.any():
        return found.bos, ""
    losses = []
    for some in (replace(without, bos=found.begin), without):
        log_probability = signals(found.network, some, device=device, context=found.context)["log_probability"]
        losses.append(-float(log_probability[without.scored].mean(dtype=np.float64)))
    with_bos = losses[0] < losses[1]
    ways = ("with", "without") if with_bos else ("without", "with")
    note = (
        f"Documents are read {ways[0]} the BOS token before them: mean loss {min(losses):.2f} against "
        f"{max(losses):.2f} {ways[1]}, in {counted(len(texts), 'training document', 'training documents')}."
    )
    return (found.begin if with_bos else None), note if np.isfinite(losses).all() else ""


def _read(
    found: Pretrained, block: contract.Block, asked: Sequence[contract.Probe], evidence: Evidence, listener: Progress
) -> None:
    corpus = block.corpus
    assert corpus is not None
    _write_corpus(evidence, corpus, listener)
    sweep_parts(evidence)
    sweep_all(evidence, [(TOKENS, *(kind.name for probe in asked for kind in probe.kinds))], [0], listener)
    listener.start(1, 0, None)
    try:
        read_network(
            found.network, block, asked, evidence, header={}, progress=lambda share: listener.advance(share, None)
        )
    finally:
        listener.stop()
    if evidence.header(TOKENS, 0, 0)["diverged"] == "true":
        log_probability = evidence.block(TOKENS, 0, 0)["log_probability"]
        bad, all_ = int((~np.isfinite(log_probability) & corpus.scored).sum()), int(corpus.scored.sum())
        evidence.path(TOKENS, 0, 0).unlink()
        raise BadInput(
            f"The model {found.name!r} gives logits that are not finite, for {bad} of {all_} tokens.",
            hint="--device cpu reads it in float32; where that is not finite either, save its weights again.",
        )


@contextmanager
def _opened(
    folder: Path,
    describe: Callable[[], Manifest],
    identity: dict[str, Any],
    design: Design,
    corpus: Corpus,
    tokenizer: Any | None,
    canaries: Canaries | None,
    listener: Progress,
) -> Iterator[Place]:
    """The run folder of a corpus, held; the notes of a new run are said."""
    tables = Tables(
        ids=corpus.ids,
        labels=np.zeros(len(corpus), np.int64),
        controls=corpus.controls,
        groups=corpus.groups,
        files=_files(tokenizer, canaries),
        of_text=True,
    )
    with opened(folder, design, tables, describe, identity=identity, alone=chosen().alone, say=listener.say) as place:
        for note in place.manifest.notes if place.new else ():
            listener.say(note)
        yield place


def _files(tokenizer: Any | None, canaries: Canaries | None) -> dict[str, bytes]:
    """What a run keeps of its corpus beside the evidence."""
    made = {} if tokenizer is None else {TOKENIZER: tokenizer.to_str().encode()}
    return made if canaries is None else {**made, CANARIES: canaries.to_json().encode()}


def _asked(canaries: Canaries, corpus: Corpus, trained: int, encode: Encode, context: int) -> CanaryTokens:
    """The canaries by their tokens, whole and as many as were planted."""
    canaries.refuse_damaged(corpus, np.arange(len(corpus)) < trained)
    return tokenize_canaries(canaries, corpus, encode, context=context)


def _digest(canaries: Canaries | None) -> str | None:
    return None if canaries is None else hashlib.sha256(canaries.to_json().encode()).hexdigest()


def _probes(decoding: Decoding | None) -> dict[str, Any]:
    """What is recorded only where it is asked for, as a run's identity has it."""
    return {} if decoding is None else {"decoding": vars(decoding)}


def language_design(
    corpus: Corpus, trained: int, *, models: int, full: int, seed: int, large_first: bool = True
) -> Design:
    """Who trains on what: the first `trained` documents, or pairs of halves of their groups, and never the others.

    `large_first` is as for `half_subset_pairs`.

    Raises:
        BadInput: the models are neither one nor an even number of at least 4, or too few documents differ.
    """
    known = np.arange(len(corpus)) < trained
    if models == 1:
        return one_phase("full_data", known[None])
    groups = held_together(corpus.subset(known))
    if (apart := len(np.unique(groups))) < LEAST_GROUPS:
        raise BadInput(
            f"Of {trained} training documents, groups and near-duplicates held together, {apart} can be drawn apart, "
            f"and halves take at least {LEAST_GROUPS}.",
            hint="give more documents that differ, or train one model on all: --models 1.",
        )
    rng = np.random.default_rng([seed, 1])
    design = half_subset_pairs(trained, models, rng=rng, groups=groups, large_first=large_first)
    return _never(design.joined(full_data(trained, full)) if full else design, len(corpus))


def held_together(corpus: Corpus) -> Int[np.ndarray, " document"]:
    """Numbers of the groups that a model trains on as a whole or not at all: the corpus's own, near-duplicates joined.

    Example:
        >>> from byrote.data.corpus import corpus_from_texts
        >>> held_together(corpus_from_texts(["a b", "c d", "a b", "e f"], groups=["1", "2", "3", "2"])).tolist()
        [0, 1, 0, 1]
    """
    cluster = near_duplicates(corpus.texts).cluster
    if corpus.groups is None:
        return cluster
    group = np.unique(corpus.groups, return_inverse=True)[1] + len(corpus)
    edges = coo_array((np.ones(len(corpus)), (cluster, group)), shape=(2 * len(corpus), 2 * len(corpus)))
    component = connected_components(edges, directed=False)[1]
    return np.unique(component[cluster], return_inverse=True)[1].astype(np.int64)


def audit_forgetting(
    corpus: Corpus,
    recipe: Recipe,
    special: Corpus,
    *,
    heldout: Corpus | None = None,
    models: int = 4,
    repetitions: Sequence[int] = (1,),
    before: int | None = None,
    after: int | None = None,
    tokenizer: Any | None = None,
    length: int = LENGTH,
    out: str | Path | None = None,
    seed: int = 0,
    workers: int | None = None,
    device: str | None = None,
    checkpoints: int = 20,
    progress: Progress | bool = True,
) -> Run:
    """Train on a corpus, inject special documents for one epoch, train on without them; for `forgetting_baseline`.

    Half of the special documents are injected into each model and the other half into its mate. `before` and `after`
    are epochs without them; the recipe's unless given. Every phase has a schedule of its own, so a constant learning
    rate is the plainest to read. The other arguments are those of `audit_language`.

    Raises:
        BadInput: documents or numbers that do not fit.

    Example:
        >>> corpus = byrote.corpus_from_texts(["to be or not to be", "that is the question"] * 3, name="play")
        >>> special = byrote.corpus_from_texts([f"the code is {number}" for number in range(4)])
        >>> network = byrote.TinyGPT(layers=1, width=16, heads=2, hidden=32)
        >>> recipe = byrote.Recipe(network=network, objective=byrote.NextToken(), epochs=1)
        >>> byrote.audit_forgetting(corpus, recipe, special, checkpoints=2, workers=1, progress=False)
        Run('runs/play-forgetting': trained, 4 models, 10 examples of 'play')
    """
    refuse_overlap(corpus, special)
    both = corpus.joined(special, corpus.name)
    rows = np.arange(len(corpus), len(both))
    rng = np.random.default_rng([seed, 4])
    design = inject(len(both), models, canaries=rows, repetitions=repetitions, before=before, after=after, rng=rng)
    return audit_language(
        both,
        recipe,
        heldout=heldout,
        design=_never(design, len(both) + (0 if heldout is None else len(heldout))),
        tokenizer=tokenizer,
        length=length,
        generate=None,  # forgetting is read off predictions
        out=Path("runs") / f"{corpus.name}-forgetting" if out is None else out,
        seed=seed,
        workers=workers,
        device=device,
        checkpoints=checkpoints,
        progress=progress,
    )


def _never(design: Design, examples: int) -> Design:
    """The design with further documents at the end that no model trains on."""

    def wider(count: np.ndarray) -> np.ndarray:
        return np.pad(count, ((0, 0), (0, examples - count.shape[1])))

    return replace(design, phases=tuple(replace(phase, count=wider(phase.count)) for phase in design.phases))


def _tokenized(
    corpus: Corpus, heldout: Corpus | None, tokenizer: Any | None, folder: Path
) -> tuple[Corpus, Any | None]:
    """Training and held-out documents in one corpus with tokens, and the tokenizer where there is one."""
    whole = corpus if heldout is None else corpus.joined(heldout, corpus.name)
    if whole.is_tokenized:
        return whole, tokenizer
    if corpus.is_tokenized or (heldout is not None and heldout.is_tokenized):
        raise BadInput(
            "Training and held-out documents must both be with tokens, by the same tokenizer, or both without.",
            hint="leave the tokens out: corpus.replace(texts=corpus.texts).",
        )
    if tokenizer is None:
        tokenizer = _kept_tokenizer(folder) or byte_pairs(corpus.texts)
    return corpus_of(corpus, heldout, tokenizer), tokenizer


def _kept_tokenizer(folder: Path) -> Any | None:
    """The tokenizer of a run that goes on; None where there is none, or it is damaged and must be made again."""
    kept = folder / TOKENIZER
    if not kept.exists():
        return None
    digests = Manifest.read(folder).tables if os.path.exists(folder / FILE) else None
    return None if (digests or {}).get(TOKENIZER, digest_of(kept)) != digest_of(kept) else read_tokenizer(kept)


def corpus_of(corpus: Corpus, heldout: Corpus | None, tokenizer: Any) -> Corpus:
    """Training and held-out documents in one corpus, with tokens of this tokenizer of the package tokenizers."""
    whole = corpus if heldout is None else corpus.joined(heldout, corpus.name)
    begin = tokenizer.token_to_id(BEGIN)
    return whole.tokenized(encoder(tokenizer), vocabulary=tokenizer.get_vocab_size(), bos=begin)


def _facts(corpus: Corpus, trained: int) -> dict[str, Any]:
    """What a manifest says of a corpus."""
    return {
        "name": corpus.name,
        "kind": "corpus",
        "examples": len(corpus),
        "heldout_documents": len(corpus) - trained,
        "tokens": len(corpus.tokens),
        "vocabulary": corpus.vocabulary,
        "bos": corpus.bos,
        "class_names": [],
        "fingerprint": corpus.fingerprint(),
    }


def _keeps_weights(folder: Path) -> bool:
    """Whether the run that goes on there has weights among its evidence, as all of version 0.1.0 have."""
    return os.path.exists(folder / FILE) and WEIGHTS in Manifest.read(folder).evidence


def _notes_of(corpus: Corpus, context: int) -> tuple[str, ...]:
    """What must be known of the documents to read any figure about them."""
    answers = "" if corpus.answers is None else corpus.answers.note(corpus.texts)
    return tuple(sentence for sentence in (answers, windowed(corpus, context)) if sentence)


def _write_corpus(evidence: Evidence, corpus: Corpus, listener: Progress) -> None:
    wrong = evidence.sweep(CORPUS, 0, 0)
    if wrong:
        listener.say(f"{wrong} It is written again.")
    columns = {"token": corpus.tokens, "offsets": corpus.offsets, "scored": corpus.scored}
    evidence.write(CORPUS, 0, 0, columns, {"vocabulary": str(corpus.vocabulary), "bos": str(corpus.bos)})


def _train(job: LanguageJob, blocks: Sequence[Block], workers: int, listener: Progress) -> None:
    evidence = Evidence(job.folder)
    _write_corpus(evidence, job.corpus, listener)
    blocks_here = chosen().share(blocks)
    sweep(job, evidence, blocks_here, listener)
    for model in (model for block in blocks_here for model in block.models):
        job.drop_weights(evidence, model)
    missing = sum(job.missing(evidence, block.models) for block in blocks_here)
    cores = chosen().beside(workers) // max(1, missing) if job.device == "cpu" else 1
    complete(replace(job, cores=max(1, cores)), blocks, workers, listener)
    kept = evidence.folder / WEIGHTS
    if kept.is_dir() and not any(kept.iterdir()):
        kept.rmdir()
