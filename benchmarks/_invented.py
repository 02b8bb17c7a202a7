"""Invented evidence, written by what writes that of audits: halves of examples that are easy, hard or mislabelled."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from byrote.data.controls import LABEL_NOISE, Controls
from byrote.designs.half_subset_pairs import half_subset_pairs
from byrote.evidence.finite import not_finite, verdict
from byrote.evidence.store import Evidence
from byrote.runs.imported import signals_of
from byrote.runs.opening import Tables, described, opened

HELDOUT = 1_000


class Invented:
    """Examples that are easy, hard or mislabelled, and models that learn the first and memorize the rest."""

    def __init__(
        self, models: int, examples: int, epochs: tuple[int, ...], classes: int = 10, *, logits: bool = True
    ) -> None:
        self.rng, self.epochs, self.classes, self.keeps_logits = np.random.default_rng(0), epochs, classes, logits
        self.truth = self.rng.integers(0, classes, examples)
        self.queries = self.rng.integers(0, classes, HELDOUT)
        self.wrong = self.rng.random(examples) < 0.05
        shifted = (self.truth + self.rng.integers(1, classes, examples)) % classes
        self.labels = np.where(self.wrong, shifted, self.truth)
        self.easy = self.rng.gamma(2.0, 1.5, examples)
        self.design = half_subset_pairs(examples, models, rng=self.rng)

    def logits(self, model: int, strength: float = 1.0) -> np.ndarray:
        """`[example, class]`: the truth, the label where the model was trained on it, and noise."""
        found = self.rng.normal(size=(len(self.labels), self.classes)).astype(np.float32)
        every = np.arange(len(self.labels))
        found[every, self.truth] += strength * self.easy
        found[every, self.labels] += strength * 4.0 * self.design.member[model]
        return found

    def of_heldout(self) -> np.ndarray:
        """The same of held-out examples."""
        found = self.rng.normal(size=(HELDOUT, self.classes)).astype(np.float32)
        found[np.arange(HELDOUT), self.queries] += self.rng.gamma(2.0, 1.5, HELDOUT)
        return found

    def shards(self, model: int) -> dict[str, dict[str, np.ndarray]]:
        """All evidence of a model."""
        logits, member = self.logits(model), self.design.member[model]
        shown = np.where(member, 100, 0).astype(np.int32)
        learned = self.rng.integers(1, 60, len(member), dtype=np.int32) * member
        found = {
            "outputs": {**({"logits": logits} if self.keeps_logits else {}), **_signals(logits, self.labels)},
            "heldout": _signals(self.of_heldout(), self.queries),
            "presentation": {
                "presentations": shown,
                "loss_sum": (shown * self.rng.gamma(1.0, 3.0 / (1 + self.easy))).astype(np.float32),
                "logit_margin_sum": (shown * self.rng.normal(self.easy, 1.0)).astype(np.float32),
                "forgetting_count": self.rng.poisson(4.0 / (1 + self.easy)).astype(np.int32) * member,
                "first_learned": learned.astype(np.int32),
            },
        }
        if self.epochs:
            course = [_signals(self.logits(model, e / (e + 5)), self.labels) for e in self.epochs]
            kept = ("log_odds", "logit_margin", "entropy", "top_confidence")
            found["trajectory"] = {name: np.stack([at[name] for at in course]) for name in kept}
            found["trajectory"]["epochs"] = np.array(self.epochs, np.int64)
        return found


def _signals(logits: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    return {name: values[0] for name, values in signals_of(logits[None], labels).items()}


class Quick(Invented):
    """The same in a few milliseconds a model: noise is drawn once and shifted, and no logits are behind the answers."""

    def __init__(self, models: int, examples: int, classes: int) -> None:
        super().__init__(models, examples, (), classes, logits=False)
        self.noise = self.rng.normal(size=(8, examples)).astype(np.float32)
        self.lift = np.where(self.wrong, -self.easy, self.easy).astype(np.float32)
        self.instead = np.where(self.wrong, self.truth, (self.labels + 1) % classes).astype(np.int32)

    def shards(self, model: int) -> dict[str, dict[str, np.ndarray]]:
        member = self.design.member[model]
        noise = np.roll(self.noise[model % 8], int(self.rng.integers(len(member))))
        log_odds = noise + self.lift + 4 * member.astype(np.float32)
        shown = np.where(member, 100, 0).astype(np.int32)
        right = log_odds > 0
        return {
            "outputs": {
                **_of_two(log_odds),
                "prediction": np.where(right, self.labels, self.instead).astype(np.int32),
            },
            "heldout": {
                **_of_two(log_odds[:HELDOUT]),
                "prediction": np.where(right[:HELDOUT], self.queries, (self.queries + 1) % self.classes).astype(
                    np.int32
                ),
            },
            "presentation": {
                "presentations": shown,
                "loss_sum": (shown * np.abs(noise) / (1 + np.abs(self.lift))).astype(np.float32),
                "logit_margin_sum": (shown * log_odds).astype(np.float32),
                "forgetting_count": np.where(member, 4 * np.abs(noise), 0).astype(np.int32),
                "first_learned": np.where(member, 1 + 20 * np.abs(noise), 0).astype(np.int32),
            },
        }


def _of_two(log_odds: np.ndarray) -> dict[str, np.ndarray]:
    """What follows from the log-odds of the label where only one other class can be meant."""
    p = 1 / (1 + np.exp(-log_odds))
    entropy = np.logaddexp(0, -log_odds) + (1 - p) * log_odds
    found = {"log_odds": log_odds, "logit_margin": log_odds, "entropy": entropy, "top_confidence": np.maximum(p, 1 - p)}
    return {name: values.astype(np.float32) for name, values in found.items()}


def make(folder: Path, made: Invented) -> None:
    """Write a run of invented evidence, a model at a time."""
    models, examples, epochs = made.design.models, len(made.labels), made.epochs
    ids, names = np.arange(examples).astype(np.str_), tuple(map(str, range(made.classes)))
    planted = Controls(
        example=ids[made.wrong],
        kind=np.full(int(made.wrong.sum()), LABEL_NOISE),
        original=made.truth[made.wrong].astype(np.str_),
    )
    manifest = described(
        made.design,
        origin="imported",
        dataset={"name": "invented", "examples": examples, "class_names": list(names), "fingerprint": None},
        heldout={"examples": HELDOUT},
        checkpoints=epochs,
        evidence=("outputs", "heldout", "presentation", *(["trajectory"] if epochs else [])),
    )
    tables = Tables(ids=ids, labels=made.labels, controls=planted)
    with opened(folder, made.design, tables, lambda: manifest):
        store = Evidence(folder / "evidence")
        for model in range(models):
            for kind, columns in made.shards(model).items():
                store.write(kind, model, 0, columns, verdict(not_finite(columns)).words())
