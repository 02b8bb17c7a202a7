"""Feldman & Zhang 2020: released memorization and influence, and the held-out checkpoints' answers.

`values` reads what they computed, an `.npz` in one of these layouts:

- `cifar100_infl_matrix.npz`, `imagenet_index.npz`: `tr_mem` and `tr_labels` `[example]`, for ImageNet also
  `tr_filenames`; for CIFAR-100 also `infl_matrix_class{K}` `[training examples of K, test examples of K]` with
  `tr_classidx_{K}` and `tt_classidx_{K}`. Verified: github.com/pluskid/influence-memorization, docs/index.html.
- `cifar100_high_infl_pairs_infl0.15_mem0.25.npz` and its like for ImageNet: `tr_idx`, `tt_idx`, `infl`, `mem`
  `[pair]`. Verified: the same page.
- `infl_mem.npz` of the MNIST example: `memorization` `[example]`; its `influence` is left aside. Verified:
  github.com/google-research/heldout-influence-estimation, mnist-example/mnist_infl_mem.py.

The ImageNet influence matrices without the index file carry no labels and are not read.

`read_runs` reads evidence: `<ratio>/<run>/aux_arrays.npz` below a folder, one per model, with `correctness_{split}` and
`index_{split}` for the splits `train`, `removed` and `test`, and `subsample_idx`. Verified: README.md and demo.py of
github.com/google-research/heldout-influence-estimation. Their checkpoints are not read.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int

from byrote.errors import BadInput
from byrote.results import PerPair
from byrote.runs.imported import import_arrays
from byrote.runs.readers._checks import UNCHECKED, labels_of, membership, required
from byrote.runs.readers._files import names_in, natural, read_arrays, text
from byrote.runs.readers._values import Released, one_value_each, pairs_without_errors, without_errors
from byrote.runs.run import Run

MEMORIZATION = "feldman_zhang.label_memorization"
INFLUENCE = "feldman_zhang.influence"
#: Influences kept of a class's matrix, a test example.
TOP = 10
SUBSETS = "values at 70 % of the training set, not leave-one-out at full size"


PAIRS = "'tr_idx' and 'tt_idx' are whole numbers, 'infl' finite floats, one of each a pair; download the file again."
RELEASED = "each class has an 'infl_matrix' and the indices of its rows and columns; download the file again."
OWN = "take the file as the training of heldout-influence-estimation wrote it, or leave this run out."


def values(path: Path, labels: Int[np.ndarray, " example"] | None) -> Released:
    """Released memorization and influence; errors were not released.

    Raises:
        BadInput: none of the layouts, or the examples are in another order.
    """
    names = names_in(path)
    where = repr(str(path))
    if "tr_mem" in names:
        return _with_labels(path, names, labels)
    if {"tr_idx", "tt_idx", "infl"} <= set(names):
        known = required(labels, f"The pairs in {where}")
        pairs = _pairs(read_arrays(path, ("tr_idx", "tt_idx", "infl")), len(known), where)
        return Released(results={INFLUENCE: pairs}, labels=known, notes=(SUBSETS, UNCHECKED))
    if "memorization" in names:
        known = required(labels, f"The values in {where}")
        found = one_value_each(read_arrays(path, ("memorization",))["memorization"], len(known), where)
        return Released(results={MEMORIZATION: without_errors(found)}, labels=known, notes=(SUBSETS, UNCHECKED))
    held = ", ".join(map(repr, sorted(names)[:10])) or "nothing"
    raise BadInput(
        f"The file {where} is not a Feldman & Zhang release; it contains {held}.",
        hint="a release contains 'tr_mem' and 'tr_labels', or 'tr_idx', 'tt_idx' and 'infl', or 'memorization'.",
    )


def _with_labels(path: Path, names: Sequence[str], given: Int[np.ndarray, " example"] | None) -> Released:
    where = repr(str(path))
    arrays = read_arrays(path, ("tr_mem", "tr_labels"))
    labels = labels_of(arrays["tr_labels"], given, where)
    results = {MEMORIZATION: without_errors(one_value_each(arrays["tr_mem"], len(labels), where))}
    numbers = [name.removeprefix("infl_matrix_class") for name in names if name.startswith("infl_matrix_class")]
    classes = sorted(int(number) for number in numbers if number.isdecimal())
    influence = {INFLUENCE: _class_influence(path, classes, labels)} if classes else {}
    ids = text(read_arrays(path, ("tr_filenames",))["tr_filenames"]) if "tr_filenames" in names else None
    return Released(results={**results, **influence}, labels=labels, ids=ids, notes=(SUBSETS,))


def _class_influence(path: Path, classes: Sequence[int], labels: Int[np.ndarray, " example"]) -> PerPair:
    example, query, kept = [], [], []
    for label in classes:
        rows, columns, matrix = f"tr_classidx_{label}", f"tt_classidx_{label}", f"infl_matrix_class{label}"
        arrays = read_arrays(path, (rows, columns, matrix))
        infl = arrays[matrix]
        for name in (rows, columns):
            if arrays[name].ndim != 1 or arrays[name].dtype.kind not in "iu":
                raise BadInput(
                    f"The array {name!r} in {str(path)!r} must hold whole numbers along one axis; it is "
                    f"{arrays[name].dtype} of shape {arrays[name].shape}.",
                    hint=RELEASED,
                )
        if infl.shape != (len(arrays[rows]), len(arrays[columns])) or infl.dtype.kind != "f":
            raise BadInput(
                f"The array {matrix!r} in {str(path)!r} is {infl.dtype} of shape {infl.shape} where "
                f"({len(arrays[rows])}, {len(arrays[columns])}) is wanted.",
                hint=RELEASED,
            )
        if not np.isin(arrays[rows], np.flatnonzero(labels == label)).all():
            raise BadInput(
                f"The array {rows!r} in {str(path)!r} names examples that are not of class {label}.",
                hint="'tr_labels' must be of the same order as the matrices; take both from one release.",
            )
        largest = np.argsort(-infl, axis=0, kind="stable")[:TOP]
        example.append(arrays[rows][largest].ravel())
        query.append(np.broadcast_to(arrays[columns], largest.shape).ravel())
        kept.append(np.take_along_axis(infl, largest, 0).ravel())
    finite = np.isfinite(np.concatenate(kept))
    return pairs_without_errors(*(np.concatenate(part)[finite] for part in (example, query, kept)))


def _pairs(arrays: dict[str, np.ndarray], examples: int, where: str) -> PerPair:
    example, query, infl = arrays["tr_idx"], arrays["tt_idx"], arrays["infl"]
    if not example.shape == query.shape == infl.shape or example.ndim != 1 or infl.dtype.kind != "f":
        raise BadInput(
            f"The arrays in {where} must be of one length; they are {example.shape}, {query.shape}, {infl.shape}.",
            hint=PAIRS,
        )
    if example.dtype.kind not in "iu" or query.dtype.kind not in "iu" or not np.isfinite(infl).all():
        raise BadInput(f"The pairs in {where} must be whole numbers with finite influences.", hint=PAIRS)
    if len(example) and (example.min() < 0 or example.max() >= examples):
        raise BadInput(
            f"The pairs in {where} name training examples {example.min()} to {example.max()}, and there are {examples} "
            f"labels.",
            hint="pass labels=… of the whole training set.",
        )
    return pairs_without_errors(example, query, infl)


def read_runs(
    path: str | Path, out: str | Path, *, labels: Int[np.ndarray, " example"] | None, ids: Sequence[str] | None = None
) -> Run:
    """A run from the `aux_arrays.npz` below a folder: of one subset ratio, or of several as a grid.

    Raises:
        BadInput: there is none, or one does not fit the labels.
    """
    path = Path(path)
    files = sorted(path.rglob("aux_arrays.npz"), key=natural)
    if not files:
        raise BadInput(
            f"There is no 'aux_arrays.npz' below the folder {str(path)!r}.",
            hint="give the folder of a subset ratio, such as cifar100-inception/0.7.",
        )
    known = required(labels, f"The held-out runs below {str(path)!r}")
    rows = [_one_model(file, len(known)) for file in files]
    names = [str(file.parent.relative_to(path)) for file in files]
    member = membership(np.stack([row[0] for row in rows]), names, len(known), repr(str(path)))
    queries = {len(row[2]) for row in rows}
    if len(queries) > 1:
        raise BadInput(
            f"The runs below {str(path)!r} differ in their number of test examples: {sorted(queries)}.",
            hint="move the runs on other data away; all must answer for one test set.",
        )
    sizes = ", ".join(str(size) for size in np.unique(member.sum(1)))
    return import_arrays(
        out,
        labels=known,
        member=member,
        evidence={
            "outputs.correct": np.stack([row[1] for row in rows]),
            "heldout.correct": np.stack([row[2] for row in rows]),
        },
        ids=ids,
        name=path.name,
        notes=(f"independent subsets of {sizes} of {len(known)} examples", UNCHECKED),
    )


def _one_model(path: Path, examples: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Membership and correctness on the training set, and correctness on the test set."""
    splits = ("train", "removed", "test")
    keys = [f"{kind}_{split}" for split in splits for kind in ("correctness", "index")]
    arrays = read_arrays(path, (*keys, "subsample_idx"))
    for split in splits:
        correctness, index = arrays[f"correctness_{split}"], arrays[f"index_{split}"]
        fits = correctness.ndim == 1 and correctness.shape == index.shape
        if not fits or index.dtype.kind not in "iu" or correctness.dtype.kind not in "biuf":
            raise BadInput(
                f"The arrays of {split!r} in {str(path)!r} do not fit: {correctness.dtype} answers of shape "
                f"{correctness.shape}, {index.dtype} "
                f"indices of shape {index.shape}.",
                hint=OWN,
            )
    inside, outside = arrays["index_train"], arrays["index_removed"]
    correct = _placed(
        np.concatenate([arrays["correctness_train"], arrays["correctness_removed"]]),
        np.concatenate([inside, outside]),
        examples,
        path,
    )
    if not np.array_equal(np.sort(inside), np.sort(arrays["subsample_idx"], axis=None)):
        raise BadInput(
            f"The file {str(path)!r} names other examples in 'index_train' than in 'subsample_idx'.", hint=OWN
        )
    member = np.zeros(examples, np.int8)
    member[inside] = 1
    test = arrays["index_test"]
    return member, correct, _placed(arrays["correctness_test"], test, len(test), path)


def _placed(correctness: np.ndarray, index: np.ndarray, examples: int, path: Path) -> np.ndarray:
    if not np.array_equal(np.sort(index), np.arange(examples)):
        raise BadInput(
            f"The file {str(path)!r} must answer for each of {examples} examples once; it has {len(index)} answers for "
            f"{len(np.unique(index))} examples.",
            hint="pass labels=… of the whole training set.",
        )
    placed = np.empty(examples, correctness.dtype)
    placed[index] = correctness
    return placed
