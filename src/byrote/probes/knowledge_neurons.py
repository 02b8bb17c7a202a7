"""Knowledge neurons: which feed-forward units a language model needs to predict the end of a document."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Final

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from byrote.axes import EXAMPLE, LAYER, MODEL, RANK
from byrote.data.corpus import Corpus
from byrote.errors import BadInput
from byrote.evidence.kind import OF_TEXT, Kind, Quantity
from byrote.probes import tokens
from byrote.probes.contract import LaterProbe, Shard
from byrote.probes.feed_forward import Change, gated, listened, second_matrices
from byrote.probes.history import AskedDocuments, History
from byrote.probes.layers import names_in
from byrote.probes.registry import probe

_EXAMPLES = (MODEL, EXAMPLE)
#: The units that are silenced: those of the fact, and others to compare with.
ARMS: Final = {
    "own": "the units with the largest attribution",
    "another": "those of another fact, drawn at random",
    "largest": "as many units of each layer with the largest activation",
    "random": "as many units at random",
    "all": "all feed-forward units",
}
#: Number of draws of another fact and of random units; of held-out documents read with a fact's units silenced.
DRAWS, ASIDE = 4, 8
#: A unit's attribution counts in a paraphrase above this share of the largest one.
LARGE: Final = 0.2

KNOWLEDGE_NEURONS: Final = Kind(
    name="knowledge_neurons",
    says="feed-forward units that a language model needs to predict a document's end, and the effect of silencing them",
    quantities={
        "probability": Quantity(_EXAMPLES, "float32", "probability", "of the document's last tokens; nan of no fact"),
        "incompleteness": Quantity(
            _EXAMPLES, "float32", "", "largest difference of the sum of attributions and what they share out, by layer"
        ),
        **{
            f"change_{arm}": Quantity(_EXAMPLES, "float32", "probability", f"change of it when {words} are silenced")
            for arm, words in ARMS.items()
        },
        "change_text": Quantity(
            _EXAMPLES,
            "float32",
            "nat per token",
            "change of the log-probability of held-out documents without its units",
        ),
        "change_layer": Quantity(
            (MODEL, LAYER, EXAMPLE), "float32", "probability", "change of it when all units of a layer are silenced"
        ),
        "neuron": Quantity((MODEL, EXAMPLE, RANK), "int32", "unit", "its units, those of all layers end to end; or -1"),
        "units": Quantity((MODEL, LAYER), "int32", "unit", "units in each layer"),
    },
    coordinates={LAYER: "the second matrices of the feed-forward layers, in the order of the network"},
    tasks=OF_TEXT,
    sampled=True,
    recorded_by="audit into another folder with --keep-weights-at last, then `byrote probe RUN knowledge_neurons`",
)


@probe
@dataclass
class KnowledgeNeuronsProbe(LaterProbe):
    """Facts are documents that a model was trained on and whose last tokens it predicts; each text counts once.

    Attributions divide a layer's effect on the probability p of the last token among its units, at the position that
    predicts the token. The attribution of unit u is m_u times the integral of dp/dm_u, with all units of the layer
    scaled from 0 to their activation. The attributions must add up to the layer's effect. For several last tokens
    (`objects`) p is the sum of their log-probabilities. The `neurons` units with the largest attributions over all
    layers are then silenced at every position.

    Formula:
        Attr_u = m_u / K sum_k dF(a_k m) / dm_u, a_k = (k + 1/2) / K, k = 0 .. K - 1, K = `steps`

    With `paraphrases` above 0 a fact is a group of documents whose last tokens are the same and predicted, two or more.
    Its units must then have more than .2 of the largest attribution in that share of these documents; the source has
    .7. A fact may have fewer units than `neurons`, or none. Without it, groups do not count.

    Source: Dai et al. 2022, arXiv:2104.08696, eq. 2 and 3.
    Differs: the midpoint rule, theirs takes the left ends; at most `neurons` units for each fact, theirs moves
    thresholds until 2 to 5 are left.
    """

    neurons: int = 5
    objects: int = 1
    steps: int = 20
    most: int = 50
    paraphrases: float = 0.0
    layers: str = ""

    name: ClassVar[str] = "knowledge_neurons"
    kinds = (KNOWLEDGE_NEURONS,)

    def __post_init__(self) -> None:
        for name, usual in (("neurons", 5), ("objects", 1), ("steps", 20), ("most", 50)):
            if getattr(self, name) < 1:
                raise BadInput(
                    f"The {name!r} setting of knowledge_neurons must be at least 1. Got {getattr(self, name)}.",
                    hint=f"knowledge_neurons,{name}={usual}",
                )
        if not 0 <= self.paraphrases <= 1:
            raise BadInput(
                f"The 'paraphrases' setting of knowledge_neurons must be in [0, 1]. Got {self.paraphrases:g}.",
                hint="knowledge_neurons,paraphrases=0.7",
            )

    def read(self, at: History, model: int) -> Shard:
        """What a model says of its facts when some of its units are silenced."""
        asked = at.asked
        assert isinstance(asked, AskedDocuments), "it is for texts"
        matrices = second_matrices(at.network(model), names_in(self.layers))
        of = Facts(asked, [*matrices.values()], self.objects)
        rng = at.rng(14, model)
        group = self._groups(asked.corpus)
        facts = self._facts(of, rng.permutation(np.flatnonzero(at.member_of(model) == 1)), group)
        columns = self._columns(at.examples, len(matrices))
        columns["units"] = np.array(of.sizes, np.int32)
        aside = rng.permutation(np.flatnonzero(at.member_of(model) == 0))[:ASIDE]
        before = of.text(aside, np.zeros(0, np.int64))
        attributed = [of.attributions(fact, self.steps) for fact in facts]
        chosen = [self._own(of, fact, found, group) for fact, (found, _) in zip(facts, attributed, strict=True)]
        for number, (fact, (_, missing)) in enumerate(zip(facts, attributed, strict=True)):
            arms = self._arms(of, fact, number, chosen, rng)
            whole, changes = of.changes(fact, [units for arm in arms.values() for units in arm])
            columns["probability"][fact], columns["incompleteness"][fact] = whole, missing
            start = 0
            for arm, sets in arms.items():
                mean = changes[start : start + len(sets)]
                start += len(sets)
                if arm == "layer":
                    columns["change_layer"][:, fact] = mean
                else:
                    columns[f"change_{arm}"][fact] = mean.mean() if len(sets) else np.nan
            columns["change_text"][fact] = of.text(aside, chosen[number]) - before
            columns["neuron"][fact, : len(chosen[number])] = chosen[number]
        return Shard(kind=KNOWLEDGE_NEURONS, model=model, columns=columns, coordinates={LAYER: [*matrices]})

    def _columns(self, examples: int, layers: int) -> dict[str, np.ndarray]:
        names = ("probability", "incompleteness", "change_text", *(f"change_{arm}" for arm in ARMS))
        columns: dict[str, np.ndarray] = {name: np.full(examples, np.nan, np.float32) for name in names}
        columns["change_layer"] = np.full((layers, examples), np.nan, np.float32)
        columns["neuron"] = np.full((examples, self.neurons), -1, np.int32)
        return columns

    def _groups(self, corpus: Corpus) -> Shaped[np.ndarray, " document"]:
        """Of each document what counts once among facts: its text, or its group."""
        if not self.paraphrases:
            return np.array([corpus.document(row).tobytes().hex() for row in range(len(corpus))])
        if corpus.groups is None:
            raise BadInput(
                "Paraphrases of a fact are documents of one group, and the documents have no groups.",
                hint="audit documents with groups into another folder, or leave paraphrases=… out.",
            )
        return corpus.groups

    def _facts(
        self, of: Facts, rows: Int[np.ndarray, " document"], group: Shaped[np.ndarray, " document"]
    ) -> list[int]:
        """The first of these documents whose last tokens the model predicts, one of each text or group."""
        seen, found = set[str](), list[int]()
        for row in rows.tolist():
            if str(group[row]) in seen or len(of.corpus.document(row)) <= self.objects or not of.knows(row):
                continue
            if self.paraphrases and len(self._alike(of, row, group)) < 2:
                continue
            seen.add(str(group[row]))
            found.append(row)
            if len(found) == self.most:
                break
        return found

    def _alike(self, of: Facts, fact: int, group: Shaped[np.ndarray, " document"]) -> list[int]:
        """The documents of a fact's group that end as it does, and whose end the model predicts."""
        end = of.corpus.document(fact)[-self.objects :]
        rows = np.flatnonzero(group == group[fact]).tolist()
        long = [row for row in rows if len(of.corpus.document(row)) > self.objects]
        return [row for row in long if (of.corpus.document(row)[-self.objects :] == end).all() and of.knows(row)]

    def _own(
        self, of: Facts, fact: int, found: Float[np.ndarray, " unit"], group: Shaped[np.ndarray, " document"]
    ) -> Int[np.ndarray, " own"]:
        """The units of a fact: those with the largest attribution, or with a large one in most paraphrases."""
        if not self.paraphrases:
            return np.argsort(-found, kind="stable")[: self.neurons]
        others = [row for row in self._alike(of, fact, group) if row != fact]
        every = np.stack([found, *(of.attributions(row, self.steps)[0] for row in others)])
        return refined(every, self.paraphrases)[: self.neurons]

    def _arms(
        self, of: Facts, fact: int, number: int, chosen: list[np.ndarray], rng: np.random.Generator
    ) -> dict[str, list[np.ndarray]]:
        others = [other for other in range(len(chosen)) if other != number]
        drawn = rng.permutation(others)[:DRAWS].astype(int).tolist()
        ends = np.cumsum(of.sizes)
        total, count = int(ends[-1]), len(chosen[number])
        whole = [np.arange(end - size, end) for end, size in zip(ends, of.sizes, strict=True)]
        return {
            "own": [chosen[number]],
            "another": [chosen[other] for other in drawn],
            "largest": [largest_of_each(np.abs(of.held(fact)), chosen[number], whole)],
            "random": [rng.permutation(total)[:count] for _ in range(DRAWS)],
            "all": [np.arange(total)],
            "layer": whole,
        }


def refined(attribution: Float[np.ndarray, "paraphrase unit"], share: float) -> Int[np.ndarray, " kept"]:
    """The units with more than .2 of the largest attribution in that share of the paraphrases, the largest mean first.

    Example:
        >>> refined(np.array([[1.0, 0.5, 0.9], [0.1, 1.0, 0.1], [0.3, 0.9, 0.0]]), 0.7)
        array([1])
    """
    large = attribution > LARGE * attribution.max(1, keepdims=True)
    kept = np.flatnonzero(large.mean(0) >= share)
    return kept[np.argsort(-attribution[:, kept].mean(0), kind="stable")]


def largest_of_each(
    size: Float[np.ndarray, " unit"], own: Int[np.ndarray, " own"], layers: list[np.ndarray]
) -> Int[np.ndarray, " own"]:
    """Of each layer's units as many of the largest as it has own ones: layers differ in the size of activations.

    Example:
        >>> largest_of_each(np.array([9.0, 8.0, 7.0, 1.0, 2.0]), np.array([1, 3]), [np.arange(3), np.arange(3, 5)])
        array([0, 4])
    """
    counts = [int(np.isin(own, units).sum()) for units in layers]
    pairs = zip(layers, counts, strict=True)
    return np.concatenate([units[np.argsort(-size[units], kind="stable")[:count]] for units, count in pairs])


class Facts:
    """A language model and the documents whose last tokens it predicts; units are numbered over all layers."""

    def __init__(self, asked: AskedDocuments, matrices: list[nn.Module], objects: int) -> None:
        self.network, self.corpus, self.context = asked.network, asked.corpus, asked.context
        self.asked, self.matrices, self.objects = asked, matrices, objects

    def shown(self, row: int) -> tuple[Tensor, Tensor, Tensor]:
        """The network's input for a document, the positions that predict its last tokens, and these tokens."""
        text = self.corpus.document(row).astype(np.int64)
        before = text[:-1] if self.corpus.bos is None else np.concatenate([[self.corpus.bos], text[:-1]])
        before = before[-self.context :]
        places = np.arange(len(before) - self.objects, len(before))
        inputs, last = torch.from_numpy(before)[None], torch.from_numpy(text[-self.objects :])
        return inputs.to(self.asked.device), torch.from_numpy(places).to(self.asked.device), last.to(self.asked.device)

    def knows(self, row: int) -> bool:
        """Whether the network predicts each of the last tokens."""
        inputs, places, last = self.shown(row)
        with torch.no_grad():
            return bool((self.network(inputs)[0, places].argmax(1) == last).all())

    def held(self, row: int) -> Float[np.ndarray, " unit"]:
        """The activations of all units where the last token is predicted."""
        inputs, places, _ = self.shown(row)
        with torch.no_grad(), listened(self.matrices) as found:
            self.network(inputs)
        return torch.cat([one[0, places[-1]] for one in found]).float().cpu().numpy()

    @cached_property
    def sizes(self) -> list[int]:
        """Units in each layer."""
        with torch.no_grad(), listened(self.matrices) as found:
            self.network(torch.zeros(1, 1, dtype=torch.int64, device=self.asked.device))
        return [one.shape[-1] for one in found]

    def attributions(self, row: int, steps: int) -> tuple[Float[np.ndarray, " unit"], float]:
        """The attribution of each unit, and by how much a layer's sum of them differs from the layer's effect."""
        parts, missing = [], 0.0
        inputs, places, last = self.shown(row)
        scales = (torch.arange(steps, device=inputs.device) + 0.5) / steps
        for matrix in self.matrices:
            held: list[Tensor] = []
            _, slopes = self._scaled(matrix, inputs.expand(steps, -1), places, last, scales, held)
            attribution = (held[0][:, places][0] * slopes.mean(0)).sum(0)
            ends = torch.tensor([1.0, 0.0], device=inputs.device)
            full, none = self._scaled(matrix, inputs.expand(2, -1), places, last, ends, [])[0].tolist()
            missing = max(missing, abs(float(attribution.sum()) - (full - none)))
            parts.append(attribution)
        return torch.cat(parts).detach().double().cpu().numpy(), missing

    def _scaled(
        self, matrix: nn.Module, inputs: Tensor, places: Tensor, last: Tensor, scales: Tensor, held: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """The figure of each row with the layer's units scaled at these places, and its slopes in them."""
        leaves: list[Tensor] = []

        def scale(given: Tensor) -> Tensor:
            held.append(given.detach())
            leaves.append((given.detach()[:, places] * scales[:, None, None]).requires_grad_())
            return given.detach().index_copy(1, places, leaves[0])

        with torch.enable_grad(), gated([matrix], [scale]):
            figure = self._figure(self.network(inputs), places, last)
            (slopes,) = torch.autograd.grad(figure.sum(), leaves[0])
        return figure.detach(), slopes

    def _figure(self, logits: Tensor, places: Tensor, last: Tensor) -> Tensor:
        """The probability of the last token, or the sum of the log-probabilities of several, by row."""
        log_p = _log_probability(logits, places, last)
        return log_p.exp() if self.objects == 1 else log_p

    def changes(self, row: int, silenced: list[np.ndarray]) -> tuple[float, Float[np.ndarray, " set"]]:
        """The probability of the last tokens, and how it changes without each set of units."""
        inputs, places, last = self.shown(row)
        gates = torch.ones(len(silenced) + 1, sum(self.sizes), device=inputs.device)
        for number, units in enumerate(silenced, start=1):
            gates[number, torch.from_numpy(units)] = 0
        with torch.no_grad(), self._without(gates):
            logits = self.network(inputs.expand(len(gates), -1))
        p = _log_probability(logits, places, last).exp().cpu().numpy()
        return float(p[0]), p[1:] - p[0]

    def text(self, rows: Int[np.ndarray, " document"], silenced: Int[np.ndarray, " unit"]) -> float:
        """The mean log-probability of these documents' tokens with some units silenced; nan without documents."""
        if not len(rows):
            return float("nan")
        some, total, count = self.corpus.subset(np.sort(rows)), 0.0, 0
        for inputs, (row, position, token) in tokens.batches(some, self.context):
            gates = torch.ones(1, sum(self.sizes), device=self.asked.device)
            gates[0, torch.from_numpy(silenced)] = 0
            with torch.no_grad(), self._without(gates):
                logits = self.network(torch.from_numpy(inputs).to(self.asked.device))
            chosen = logits[torch.from_numpy(row), torch.from_numpy(position)].float().log_softmax(1)
            own = chosen.gather(1, torch.from_numpy(some.tokens[token].astype(np.int64)).to(chosen.device)[:, None])
            total, count = total + float(own.sum()), count + len(token)
        return total / count

    def _without(self, gates: Float[Tensor, "row unit"]) -> AbstractContextManager[None]:
        """Every layer's units times the gates of their row, at every place."""

        def by(part: Tensor) -> Change:
            return lambda given: given * part[:, None]

        return gated(self.matrices, [by(part) for part in torch.split(gates, self.sizes, 1)])


def _log_probability(logits: Tensor, places: Tensor, last: Tensor) -> Tensor:
    """The summed log-probability of the last tokens, one value per row."""
    return logits[:, places].float().log_softmax(-1).gather(-1, last.expand(len(logits), -1)[..., None])[..., 0].sum(1)
