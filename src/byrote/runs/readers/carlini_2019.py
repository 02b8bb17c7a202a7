"""Carlini, Erlingsson & Papernot 2019 (arXiv:1910.13427): how well represented an example is, by five metrics.

A folder with `order_<dataset>_<metric>_train.npy` `[example]`, a permutation of the training examples a metric, from
the least to the best represented. Metrics: `adv` (distance of adversarial examples), `ret` (held-out retraining), `agr`
(agreement of an ensemble), `conf` (its confidence), `priv` (privacy at which it is learned).

Verified in another's reader only: github.com/devinkwok/nn_example_difficulty, src/difficulty/metrics/precomputed.py
(names, order) and plots/data_utils.py (direction). Not verified: the authors' own files, which were not to be had; and
that their indices follow the original order of the datasets. The files of the test sets are not read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float, Int

from byrote.errors import BadInput
from byrote.runs.readers._checks import UNCHECKED, required
from byrote.runs.readers._files import read_array
from byrote.runs.readers._values import Released, without_errors

METRICS: Final = ("adv", "ret", "agr", "conf", "priv")
MEANING: Final = "the value is the share of the examples that are better represented; 1 is the least represented"


def values(path: Path, labels: Int[np.ndarray, " example"] | None) -> Released:
    """The place of each example in each ranking; the metrics' values and their errors are not in the files.

    Raises:
        BadInput: there is no ranking, those of several datasets, or one that is no permutation of the examples.
    """
    known = required(labels, f"The rankings in {str(path)!r}")
    files = {metric: sorted(path.glob(f"order_*_{metric}_train.npy")) for metric in METRICS}
    found = {metric: there for metric, there in files.items() if there}
    if not found:
        raise BadInput(
            f"The folder {str(path)!r} holds no ranking.",
            hint=f"they are called order_<dataset>_<metric>_train.npy; the metrics are {', '.join(METRICS)}.",
        )
    several = [file.name for there in found.values() if len(there) > 1 for file in there]
    if several:
        raise BadInput(
            f"The folder {str(path)!r} holds rankings of several datasets: {', '.join(several)}.",
            hint="put those of one dataset into a folder of their own.",
        )
    results = {
        f"carlini_2019.{metric}": without_errors(_outlying(read_array(there[0]), len(known), there[0]))
        for metric, there in found.items()
    }
    return Released(results=results, labels=known, notes=(MEANING, UNCHECKED))


def _outlying(order: np.ndarray, examples: int, path: Path) -> Float[np.ndarray, " example"]:
    if order.ndim != 1 or order.dtype.kind not in "iu" or not np.array_equal(np.sort(order), np.arange(examples)):
        raise BadInput(
            f"The file {str(path)!r} must name each of {examples} examples once; it holds {order.dtype} of shape "
            f"{order.shape}.",
            hint="pass labels=… of the whole training set.",
        )
    share = np.empty(examples)
    share[order] = 1 - np.arange(examples) / max(examples - 1, 1)
    return share
