"""LeakPro: cached logits of shadow models.

`sm_<i>_logits.npy` `[audited example, class]`, one a shadow model, in `leakpro_output/attack_cache`; with a single
output unit `[audited example]`, the log-odds of class 1. The rows are the target's training examples and then its test
examples. Verified: github.com/aidotse/LeakPro, leakpro/attacks/utils/model_handler.py (`cache_logits`) and
shadow_model_handler.py. Later versions put a hash of the population into the name (`sm_<i>_<hash>_logits.npy`); told by
pull request 415 there, not verified in the code.

Who was trained on what is pickled there, and so must be brought into plain files beside the logits, under names that
are byrote's own. With `metadata_<i>.pkl` from `attack_objects/shadow_model` and the target's metadata, where LeakPro
is installed:

    np.save("train_indices_0.npy", joblib.load("metadata_0.pkl").train_indices)
    np.save("audit_indices.npy", np.concatenate([target.train_indices, target.test_indices]))

All indices count the population. `target_logits.npy` is not read: a run of imported arrays has reference models only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int

from byrote.errors import BadInput
from byrote.evidence.by_model import ByModel
from byrote.runs.imported import import_arrays
from byrote.runs.readers._checks import (
    AGREEING,
    agreeing,
    balance,
    complementary_pairs,
    membership,
    refuse_unlike,
    required,
)
from byrote.runs.readers._files import natural, read_array
from byrote.runs.run import Run

HINT = (
    "LeakPro pickles its indices; load them there and np.save('train_indices_0.npy', …) those of each shadow model, "
    "and np.save('audit_indices.npy', …) the target's training and then its test indices."
)
NAME = re.compile(r"sm_(\d+)(_\w+)?_logits\.npy")


def read(
    path: str | Path, out: str | Path, *, labels: Int[np.ndarray, " example"] | None, ids: Sequence[str] | None = None
) -> Run:
    """A run of the shadow models on the audited examples.

    `labels` and `ids` are those of the whole population; without `ids` an example is called by its index there.

    Raises:
        BadInput: a file is missing or does not fit.
    """
    path = Path(path)
    files = _files(path)
    population = required(labels, f"The logits in {str(path)!r}")
    rows = _indices(path / "audit_indices.npy", len(population))
    if len(np.unique(rows)) < len(rows):
        raise BadInput(
            f"The file {str(path / 'audit_indices.npy')!r} names examples twice.",
            hint="name each audited example once; the target's training and test indices must not overlap.",
        )
    if ids is not None and len(ids) != len(population):
        raise BadInput(
            f"There are {len(ids)} ids and {len(population)} labels of the population.",
            hint="pass ids=… and labels=… of the same, whole population, or leave ids out.",
        )
    own = list(files.values())
    logits = ByModel(len(own), lambda model: _logits(own[model], len(rows)))
    refuse_unlike(logits, repr(str(path)))
    inside = [np.isin(rows, _indices(path / f"train_indices_{index}.npy", len(population))) for index in files]
    names = [file.name for file in files.values()]
    member = membership(np.stack(inside), names, len(rows), repr(str(path)))
    agreeing(logits, member, population[rows], repr(str(path)))
    pair = complementary_pairs(member)
    return import_arrays(
        out,
        labels=population[rows],
        member=member,
        evidence={"outputs.logits": logits},
        ids=[str(row) if ids is None else ids[row] for row in rows.tolist()],
        pair=pair,
        class_names=tuple(map(str, range(logits[0].shape[1]))),
        name=path.name,
        notes=(AGREEING, *(() if (pair >= 0).all() else (balance(member),))),
    )


def _files(path: Path) -> dict[int, Path]:
    files: dict[int, Path] = {}
    for file in sorted(path.glob("sm_*_logits.npy"), key=natural):
        match = NAME.fullmatch(file.name)
        if match is None:
            continue
        index = int(match.group(1))
        if index in files:
            raise BadInput(
                f"The folder {str(path)!r} holds two files of shadow model {index}: {files[index].name}, {file.name}.",
                hint="keep those of one population in a folder.",
            )
        files[index] = file
    if not files:
        raise BadInput(
            f"The folder {str(path)!r} holds no logits of shadow models.",
            hint="give the folder with sm_0_logits.npy, such as leakpro_output/attack_cache.",
        )
    return files


def _indices(path: Path, examples: int) -> Int[np.ndarray, " chosen"]:
    if not path.exists():
        raise BadInput(f"There is no file {str(path)!r}.", hint=HINT)
    indices = read_array(path)
    if indices.ndim != 1 or indices.dtype.kind not in "iu":
        raise BadInput(
            f"The file {str(path)!r} must hold whole numbers along one axis; it has shape {indices.shape}.", hint=HINT
        )
    if len(indices) and (indices.min() < 0 or indices.max() >= examples):
        raise BadInput(
            f"The file {str(path)!r} names examples {indices.min()} to {indices.max()} of a population of {examples}.",
            hint="pass labels=… of the whole population.",
        )
    return indices.astype(np.int64)


def _logits(path: Path, examples: int) -> np.ndarray:
    """Logits of every class; one output unit is class 1 against a logit of 0."""
    logits = read_array(path)
    if logits.ndim == 1:
        logits = logits[:, None]
    if logits.ndim != 2 or len(logits) != examples:
        raise BadInput(
            f"The file {str(path)!r} has shape {logits.shape} where (example={examples}, class) is wanted.",
            hint="audit_indices.npy must name the rows of the logits.",
        )
    return np.concatenate([np.zeros_like(logits), logits], 1) if logits.shape[1] == 1 else logits
