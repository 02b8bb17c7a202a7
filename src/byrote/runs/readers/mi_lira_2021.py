"""Carlini et al. 2022: folders of LiRA's own code.

A folder with `y_train.npy` `[example]` and a folder `experiment…` a model: `keep.npy` `[example]`, true for members;
`logits/<epoch>.npy` `[example, 1, query, class]`; `scores/<epoch>.npy` `[example, query]`, the label's log-odds.
`hparams.json` and checkpoints are not read. Verified: github.com/tensorflow/privacy, research/mi_lira_2021/train.py,
inference.py, score.py and plot.py; the README there gives other shapes than the code writes.

Queries are the image and its mirror image, each shifted; as released, without shifts, query 0 is the image itself.
The models answer with the statistics of the batch (training=True in inference.py), not as they would in use.

With numbered experiments each example is in exactly half of the models, and there are no pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int

from byrote.errors import BadInput
from byrote.evidence.by_model import ByModel
from byrote.runs.imported import import_arrays, signals_of_one
from byrote.runs.readers._checks import (
    AGREEING,
    UNCHECKED,
    agreeing,
    balance,
    labels_of,
    membership,
    refuse_other_than_numbers,
    refuse_unlike,
    required,
)
from byrote.runs.readers._files import natural, read_array
from byrote.runs.run import Run

KINDS = {"logits": "outputs.logits", "scores": "outputs.log_odds"}
SHAPES = {"logits": "(example, 1, query, class)", "scores": "(example, query)"}


def read(
    path: str | Path,
    out: str | Path,
    *,
    labels: Int[np.ndarray, " example"] | None = None,
    ids: Sequence[str] | None = None,
    query: int = 0,
) -> Run:
    """A run from the last epoch's logits of every experiment, or from its scores where there are no logits.

    `query` chooses one of the augmented queries as the answer to the example itself; all of them become the evidence
    of attacks that ask more than once (`lira[augmented]`).

    Raises:
        BadInput: there is no experiment, a file is missing or does not fit, or labels are in another order.
    """
    path = Path(path)
    experiments = sorted((one for one in path.glob("experiment*") if one.is_dir()), key=natural)
    if not experiments:
        raise BadInput(
            f"The folder {str(path)!r} holds no experiments.",
            hint="give the folder that train.py was given as --logdir, such as exp/cifar10.",
        )
    kind, files = _answers(experiments)
    answers = ByModel(len(files), lambda model: _by_query(read_array(files[model]), query, kind, files[model]))
    refuse_unlike(answers, repr(str(path)))
    shape = answers[0].shape
    asked = ByModel(len(files), lambda model: answers[model][query])
    examples = shape[1]
    stored = path / "y_train.npy"
    if stored.exists():
        known = labels_of(np.atleast_1d(read_array(stored))[:examples], labels, repr(str(stored)))
    else:
        known = required(labels, f"The experiments in {str(path)!r}")
    names = [one.name for one in experiments]
    keep = [_keep(one / "keep.npy", examples) for one in experiments]
    member = membership(np.stack(keep), names, examples, repr(str(path)))
    if kind == "logits":
        agreeing(asked, member, known, repr(str(path)))
    classes = shape[2] if kind == "logits" else int(known.max(initial=0)) + 1
    return import_arrays(
        out,
        labels=known,
        member=member,
        evidence={
            KINDS[kind]: asked,
            "augmented.log_odds": ByModel(len(files), lambda model: _log_odds(answers[model], kind, known)),
        },
        ids=ids,
        class_names=tuple(map(str, range(classes))),
        name=path.name,
        notes=(
            balance(member),
            f"query {query}; answers with the statistics of the batch",
            *(() if stored.exists() else (AGREEING if kind == "logits" else UNCHECKED,)),
        ),
    )


def _log_odds(answers: np.ndarray, kind: str, labels: np.ndarray) -> np.ndarray:
    """`[query, example]`, for attacks that ask more than once."""
    if kind == "scores":
        return answers
    return np.stack([signals_of_one(own, labels)["log_odds"] for own in answers])


def _answers(experiments: Sequence[Path]) -> tuple[str, list[Path]]:
    """The kind of files that every experiment has, and the last of each."""
    for kind in KINDS:
        last = [sorted((one / kind).glob("*.npy"))[-1:] for one in experiments]
        if all(last):
            files = [one[0] for one in last]
            epochs = {file.stem for file in files}
            if len(epochs) > 1:
                raise BadInput(
                    f"The experiments have {kind} of different epochs: {', '.join(sorted(epochs))}.",
                    hint="run inference.py again where they are missing, or move unfinished experiments away.",
                )
            return kind, files
    lacking = [one.name for one in experiments if not list((one / "logits").glob("*.npy"))]
    raise BadInput(
        f"{len(lacking)} of {len(experiments)} experiments hold no logits: {', '.join(lacking[:3])}.",
        hint="run inference.py and score.py on them, or move unfinished experiments away.",
    )


def _by_query(array: np.ndarray, query: int, kind: str, path: Path) -> np.ndarray:
    """`[query, example, …]`; `query` must be one of them."""
    if kind == "logits" and array.ndim == 4 and array.shape[1] == 1:
        array = array[:, 0]
    elif kind == "logits" or array.ndim != 2:
        raise BadInput(
            f"The file {str(path)!r} has shape {array.shape} where {SHAPES[kind]} is wanted.",
            hint="run inference.py and score.py again, or save the array in this shape.",
        )
    if not 0 <= query < array.shape[1]:
        raise BadInput(
            f"The 'query' argument must lie in [0, {array.shape[1]}). Got {query}.", hint="query=0 is the image itself."
        )
    return array.swapaxes(0, 1)


def _keep(path: Path, examples: int) -> np.ndarray:
    keep = read_array(path)
    refuse_other_than_numbers(keep, repr(str(path)))
    if keep.ndim != 1 or len(keep) < examples:
        raise BadInput(
            f"The file {str(path)!r} has shape {keep.shape}, and the answers are for {examples} examples.",
            hint="keep.npy must say for each example of the training set whether the model was trained on it.",
        )
    return keep[:examples]
