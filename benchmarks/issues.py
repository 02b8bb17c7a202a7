"""Claim: byrote's list of issues finds wrong labels and copies no worse than cleanlab's Datalab on the same network.

Ten plantings, seeds 10 to 19, on digits and on a table (breast cancer): 5 % of the labels wrong, 3 % exact and 3 %
near copies. Datalab gets the inputs and out-of-sample probabilities of five networks of the same recipe, each trained
on four fifths. Label errors are ranked by `label_error_probability` of 8 models, and of the first 4 of them.
Bars: the mean paired difference of average precision above -.01 with its whole 95 % interval (Student, over plantings),
exact copies at precision and recall 1, near copies at recall .95 with at most one false among a thousand examples.
Beside that: CPU seconds, the fewest models whose mean average precision is Datalab's at least, and how many of the
flagged labels should be wrong by their probabilities. `--quick` takes 3 plantings. Without Datalab
(`pip install "cleanlab[datalab]"`) its figures and the bar on them are left out.

Usage: python benchmarks/issues.py [--quick]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from statistics import mean

import numpy as np
from _timing import finish
from scipy.stats import t as student
from sklearn.datasets import load_breast_cancer

import byrote
from byrote.analyses.label_errors import WRONG, probabilities
from byrote.changes.change import Context
from byrote.changes.registry import parse_change
from byrote.cli.sources import DIGITS
from byrote.data.controls import EXACT_DUPLICATE, LABEL_NOISE, NEAR_DUPLICATE
from byrote.data.copies import copies
from byrote.data.dataset import Dataset
from byrote.data.digits import digits
from byrote.designs.design import one_phase
from byrote.recipes.defaults import recipe_for
from byrote.recipes.recipe import Recipe
from byrote.runs.exporters.cleanlab import out_of_sample
from byrote.runs.run import Run
from byrote.stats.ranking import average_precision

PLANTS = ("label-noise=0.05", "exact-duplicates=0.03", "near-duplicates=0.03")
EPOCHS, SIZES = 50, (4, 8)
LEAST = -0.01


def table() -> Dataset:
    """Breast cancer, in standard deviations of its columns."""
    inputs, targets = load_breast_cancer(return_X_y=True)
    scaled = (inputs - inputs.mean(0)) / inputs.std(0)
    return byrote.from_arrays(scaled.astype(np.float32), targets, name="table", class_names=("malignant", "benign"))


def planted(dataset: Dataset, seed: int) -> Dataset:
    """With wrong labels and copies."""
    for number, text in enumerate(PLANTS):
        dataset = parse_change(text).apply(
            dataset, Context(dataset=dataset, rng=np.random.default_rng([seed, 3, number]))
        )
    return dataset


def audited(dataset: Dataset, recipe: Recipe, out: Path, **settings: object) -> tuple[Run, float]:
    """A run of one process, and its CPU seconds."""
    started = time.process_time()
    run = byrote.audit(dataset, recipe, full=0, out=out, workers=1, progress=False, checkpoints=2, **settings)
    return run, time.process_time() - started


def of_byrote(dataset: Dataset, recipe: Recipe, seed: int, folder: Path) -> dict[str, float]:
    """Average precision by the first models, and what the copies are worth."""
    wrong = dataset.controls.mask(dataset.ids, LABEL_NOISE)
    run, seconds = audited(dataset, recipe, folder / "run", models=SIZES[-1], seed=seed)
    figures = {"cpu_seconds": seconds}
    for few in SIZES:
        values = run.measured_on("label_error_probability", run.models()[:few]).values
        figures[f"average_precision_{few}"] = average_precision(values, wrong)
    score = run.measure("label_error_probability")
    flagged = score.values > WRONG
    figures |= {
        "flagged": float(flagged.sum()),
        "flagged_wrong": float((flagged & wrong).sum()),
        "flagged_wrong_by_scores": float(score.values[flagged].sum()),
        "flagged_wrong_by_probabilities": float(probabilities(run, score).values[flagged].sum()),
    }
    started = time.process_time()
    found = copies(dataset)
    exact = pairs_of(dataset, EXACT_DUPLICATE)
    same = {(int(first), row) for row, first in enumerate(found.same.tolist()) if first != row}
    near, truth = set(map(tuple, found.near.tolist())), pairs_of(dataset, NEAR_DUPLICATE)
    return figures | {
        "copies_cpu_seconds": time.process_time() - started,
        "exact_precision": len(same & exact) / max(len(same), 1),
        "exact_recall": len(same & exact) / len(exact),
        "near_recall": len(near & truth) / len(truth),
        "near_false": len(near - truth) / len(dataset),
    }


def pairs_of(dataset: Dataset, kind: str) -> set[tuple[int, int]]:
    """Positions of copies and of what they copy."""
    place = {name: row for row, name in enumerate(dataset.ids.tolist())}
    rows = dataset.controls.kind == kind
    pairs = zip(dataset.controls.example[rows].tolist(), dataset.controls.original[rows].tolist(), strict=True)
    return {(min(pair), max(pair)) for pair in ((place[one], place[other]) for one, other in pairs)}


def of_datalab(dataset: Dataset, recipe: Recipe, seed: int, folder: Path) -> dict[str, float]:
    """The same of Datalab, whose near duplicates include exact ones."""
    from cleanlab import Datalab

    wrong = dataset.controls.mask(dataset.ids, LABEL_NOISE)
    fold = np.random.default_rng([seed, 5]).permutation(len(wrong)) % 5
    folds = one_phase("five folds", fold[None] != np.arange(5)[:, None])
    five, seconds = audited(dataset, recipe, folder / "folds", design=folds, seed=seed)
    answers = out_of_sample(five)
    features = dataset.inputs.reshape(len(dataset), -1)
    started = time.process_time()
    lab = Datalab(data={"inputs": features, "label": dataset.targets}, label_name="label", verbosity=0)
    asked: dict[str, dict[str, object]] = {"label": {}, "near_duplicate": {}}
    lab.find_issues(features=features, pred_probs=answers.pred_probs, issue_types=asked)
    labels, near = lab.get_issues("label"), lab.get_issues("near_duplicate")
    copied = near["is_near_duplicate_issue"].to_numpy()
    truth = pairs_of(dataset, NEAR_DUPLICATE)
    known = {row for pair in truth | pairs_of(dataset, EXACT_DUPLICATE) for row in pair}
    return {
        "datalab_cpu_seconds": seconds + time.process_time() - started,
        "datalab_average_precision": average_precision(-labels["label_score"].to_numpy(), wrong),
        "datalab_near_recall": mean(bool(copied[one] and copied[other]) for one, other in truth),
        "datalab_near_false": float(np.count_nonzero(np.delete(copied, sorted(known)))) / len(dataset),
    }


def compared(every: list[dict[str, float]]) -> Iterator[tuple[str, float]]:
    """Means over plantings, the paired difference with its interval, and the fewest models that are as good."""
    yield from ((name, mean(one[name] for one in every)) for name in every[0])
    if "datalab_average_precision" not in every[0]:
        return
    other = np.array([one["datalab_average_precision"] for one in every])
    better = np.array([one[f"average_precision_{SIZES[-1]}"] for one in every]) - other
    reach = student.ppf(0.975, len(better) - 1) * better.std(ddof=1) / np.sqrt(len(better))
    yield from (("difference", better.mean()), ("difference_low", better.mean() - reach))
    yield "difference_high", better.mean() + reach
    enough = [few for few in SIZES if mean(one[f"average_precision_{few}"] for one in every) >= other.mean()]
    if enough:
        yield "models_at_equal_precision", enough[0]
        yield "cpu_seconds_at_equal_precision", mean(one["cpu_seconds"] for one in every) * enough[0] / SIZES[-1]


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    peer = find_spec("cleanlab") is not None and find_spec("datasets") is not None
    figures, bars = dict[str, float](), dict[str, float]()
    for name, data in {"digits": digits()[0], "table": table()}.items():
        recipe = replace(DIGITS if name == "digits" else recipe_for(data), epochs=EPOCHS)
        every = []
        for seed in range(10, 13 if quick else 20):
            dataset = planted(data, seed)
            with tempfile.TemporaryDirectory() as folder:
                found = of_byrote(dataset, recipe, seed, Path(folder))
                every.append(found | (of_datalab(dataset, recipe, seed, Path(folder)) if peer else {}))
        figures |= {f"{name}_{key}": value for key, value in compared(every)}
        wanted = {"exact_precision": 1.0, "exact_recall": 1.0, "near_recall": 0.95, "near_false": 0.001}
        bars |= {f"{name}_{key}": bar for key, bar in wanted.items()}
        bars |= {f"{name}_difference_low": LEAST} if peer else {}
    finish(figures, bars, at_most=("digits_near_false", "table_near_false"))


if __name__ == "__main__":
    main()
