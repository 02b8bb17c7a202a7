"""Claim: what few models tell, question by question: one audit of 64 models is cut into ensembles of 4, 8, 16 and 32.

Digits (held-out fifth) and a table (breast cancer), 5 % of the labels wrong, seeds 10 and 11; `--quick` takes digits,
one seed and 32 models. The ensembles of one size share no model. Figures are means over ensembles and seeds, beside
them the standard deviation over ensembles of one seed, averaged over seeds. Questions and figures:
- wrong labels: average precision, precision and recall of the flags; of one training on all data by how late labels
  were learned, of ensembles by `label_error_probability`
- label memorization: mean of the planted labels; rank correlation of two ensembles over the other examples; share of
  the highest twentieth that two ensembles have in common
- memorized share: raw, and corrected from 32 models on
- attack: mean AUC of LiRA over its targets
- influence: of the pairs with an influence of .5 and more in 64 models, the share that an ensemble has among its own;
  of its own, the share that 64 models have
Bars: average precision .9 of one training and of 4 models; recall of the flags of one training .9, precision of those
of 4 models .8.

Usage: python benchmarks/few_models.py [--quick]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from _timing import finish
from issues import EPOCHS, table
from scipy.stats import spearmanr

import byrote
from byrote.analyses.label_errors import WRONG
from byrote.analyses.learned_late import learned_late
from byrote.analyses.memorized_share import LEAST_MEMORIZED, corrected_share
from byrote.changes.change import Context
from byrote.changes.registry import parse_change
from byrote.cli.sources import DIGITS
from byrote.data.controls import LABEL_NOISE
from byrote.data.dataset import Dataset
from byrote.data.digits import digits
from byrote.recipes.defaults import recipe_for
from byrote.runs.run import Run
from byrote.stats.ranking import auroc, average_precision

SIZES = (4, 8, 16, 32, 64)
STRONG = 0.5
LIRA_TAKES = 6


def noisy(dataset: Dataset, seed: int) -> Dataset:
    """With 5 % wrong labels."""
    context = Context(dataset=dataset, rng=np.random.default_rng([seed, 3]))
    return parse_change("label-noise=0.05").apply(dataset, context)


def of_labels(score: np.ndarray, flagged: np.ndarray, wrong: np.ndarray) -> dict[str, float]:
    """How wrong labels are ranked and flagged."""
    hits = np.count_nonzero(flagged & wrong)
    return {
        "average_precision": average_precision(score, wrong),
        "precision": hits / max(np.count_nonzero(flagged), 1),
        "recall": hits / np.count_nonzero(wrong),
    }


def of_one_training(run: Run, wrong: np.ndarray) -> Iterator[dict[str, float]]:
    """What each model on all data tells alone."""
    for model in run.models("full"):
        late = learned_late(run.so_far([int(model)]))
        yield of_labels(late.score, late.flagged, wrong)


def of_ensemble(run: Run, models: np.ndarray, wrong: np.ndarray, strong: set[tuple[int, int]]) -> dict[str, float]:
    """What an ensemble tells."""
    part = run.so_far(models.tolist())
    score = part.measure("label_error_probability").values
    memorization = part.measure("label_memorization")
    found = of_labels(score, score > WRONG, wrong) | {
        "memorization_of_planted": float(memorization.values[wrong].mean()),
        "raw_share": float((memorization.values >= LEAST_MEMORIZED).mean()),
    }
    if len(models) >= LIRA_TAKES:
        attacked, member = part.measure("lira").values, part.member[models]
        found["lira_auc"] = float(np.mean([auroc(s, m == 1) for s, m in zip(attacked, member, strict=True)]))
    corrected = corrected_share(part, memorization)
    if corrected is not None:
        found["corrected_share"] = corrected.value
    if run.heldout is not None and strong:
        own = strong_pairs(part)
        found["influence_found"] = len(own & strong) / len(strong)
        found["influence_true"] = len(own & strong) / max(len(own), 1)
    return found


def strong_pairs(run: Run) -> set[tuple[int, int]]:
    """The pairs (held-out example, example) of strong influence."""
    pairs = run.measure("influence")
    some = pairs.values >= STRONG
    return set(zip(pairs.query[some].tolist(), pairs.example[some].tolist(), strict=True))


def of_two(one: np.ndarray, other: np.ndarray, clean: np.ndarray) -> dict[str, float]:
    """How alike the label memorization of two ensembles is that share no model, on examples that were not planted."""
    count = max(1, int(clean.sum()) // 20)
    top = [set(np.argsort(-values[clean], kind="stable")[:count].tolist()) for values in (one, other)]
    return {
        "rank_correlation": float(spearmanr(one[clean], other[clean]).statistic),
        "top_in_common": len(top[0] & top[1]) / count,
    }


def of_seed(data: Dataset, heldout: Dataset | None, recipe: byrote.Recipe, seed: int, most: int) -> dict[str, list]:
    """Figures by size and name, a list over ensembles."""
    dataset = noisy(data, seed)
    wrong = dataset.controls.mask(dataset.ids, LABEL_NOISE)
    every: dict[str, list] = {}

    def add(size: int, found: dict[str, float]) -> None:
        for name, value in found.items():
            every.setdefault(f"{size}_{name}", []).append(value)

    with tempfile.TemporaryDirectory() as folder:
        run = byrote.audit(
            dataset, recipe, heldout=heldout, models=most, out=Path(folder) / "run", seed=seed, checkpoints=2,
            workers=1, progress=False,
        )  # fmt: skip
        for found in of_one_training(run, wrong):
            add(1, found)
        strong = strong_pairs(run) if heldout is not None else set()
        for size in (size for size in SIZES if size <= most):
            ensembles = np.split(run.models(), np.arange(size, most, size))
            values = [run.measured_on("label_memorization", models).values for models in ensembles]
            for models in ensembles:
                add(size, of_ensemble(run, models, wrong, strong))
            for one, other in pairwise(values):
                add(size, of_two(one, other, ~wrong))
            print(f"seed {seed}: {size} models", file=sys.stderr, flush=True)
    return every


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    figures, bars = dict[str, float](), dict[str, float]()
    sources = {"digits": (*digits(), DIGITS)} | ({} if quick else {"table": (table(), None, recipe_for(table()))})
    for name, (data, heldout, recipe) in sources.items():
        shorter = replace(recipe, epochs=EPOCHS)
        seeds = (10,) if quick else (10, 11)
        every = [of_seed(data, heldout, shorter, seed, 32 if quick else 64) for seed in seeds]
        for key in every[0]:
            figures[f"{name}_{key}"] = float(np.mean([np.mean(one[key]) for one in every]))
            if len(every[0][key]) > 1:
                figures[f"{name}_{key}_sd"] = float(np.mean([np.std(one[key], ddof=1) for one in every]))
        bars |= {f"{name}_{size}_average_precision": 0.9 for size in (1, 4)}
        bars |= {f"{name}_1_recall": 0.9, f"{name}_4_precision": 0.8}
        print(f"{name}: {figures}", file=sys.stderr, flush=True)
    finish(figures, bars)


if __name__ == "__main__":
    main()
