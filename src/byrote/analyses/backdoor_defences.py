"""Defences against a backdoor: suspects are found without knowing the poisons, and removed; what the attack keeps."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float, Int

from byrote.analyses.catalog import procedure
from byrote.analyses.issues import issues
from byrote.analyses.lab import Lab, data_of
from byrote.analyses.pattern_or_rote import poisons_of, success_of
from byrote.analyses.triage import triage
from byrote.changes.data.remove_most_memorized import RemoveMostMemorized
from byrote.changes.model.fine_tune_on_rest import FineTuneOnRest
from byrote.data.controls import LABEL_NOISE
from byrote.errors import BadInput, ByroteError
from byrote.measures.catalog import find as find_measure
from byrote.results import PerExample, Scalar, Table
from byrote.runs.run import Run
from byrote.stats.jackknife import from_replicates

#: Measures, and the two lists that are no measures.
USUAL: Final = (
    "spectral_signature;activation_clustering;label_error_probability;cumulative_sample_loss;issues;triage;random"
)
#: So much more is removed than a defender expects, as the authors of spectral signatures do.
MORE: Final = 1.5
NONE: Final = "none"
OF_POISONS: Final = (
    "The last row is no defence: it knows the poisons, and shows what fine-tuning on clean data could do at best."
)


@dataclass(frozen=True, kw_only=True)
class Suspects:
    """The rows that a defence of this name removes, and the share of the poisons among them."""

    by: str
    rows: Int[np.ndarray, " suspect"]
    recall: Scalar


@procedure(
    asks="Which defence removes the backdoor, and what does it cost?",
    needs=("stamped.target",),
    section="5.3",
)
def backdoor_defences(
    lab: Lab, run: Run, *, by: str = USUAL, expected: float = 0.05, epochs: int = 5, seed: int = 0
) -> Table:
    """Attack success and accuracy after suspects are removed and all models trained again, or only fine-tuned.

    Suspects are the examples that rank highest by a score that knows nothing of the poisons; how many are removed
    follows from what a defender expects, and never from the poisons that are there.

    Formula:
        removed: the 1.5 `expected` n examples that rank highest, or all of a list that is shorter
        recall: the share of the poisons among them; by chance: that of as many at random, which is removed / n
        success: as `pattern_or_rote`, over all models
    Undefined:
        the error of the recall of lists that are no measure; defences whose score cannot be had, which notes name.

    Args:
        lab: where to train.
        run: with a backdoor, its data and recipe.
        by: measures of each example, higher where it is more suspect, or "issues", "triage" (how likely it is
            mislabelled), "random" (the control), with ";" between them.
        expected: the share of poisons that the defender expects.
        epochs: of fine-tuning without the suspects of the first defence, and without all poisons; 0 for none.
        seed: of the random removal.

    Source: Tran et al. 2018, arXiv:1811.00636 (1.5 times the expected share); Chen et al. 2018, arXiv:1811.03728.

    Raises:
        BadInput: no backdoor is planted, data or recipe are not at hand, or no score can be had.
        MissingEvidence: no stamped examples are recorded.
    """
    data_of(run, "ask")
    poisons = poisons_of(run)
    count = _count(expected, len(run.ids))
    found, refused = _suspects(run, by, count, poisons, seed)
    folder = run.folder.with_name(f"{run.folder.name}-defences-{expected:g}")
    rows = {NONE: _row(run, None, len(run.ids))}
    for name, suspects in found.items():
        out = folder / _name(run, suspects, seed)
        child = lab.change(run, RemoveMostMemorized(), forget=run.ids[suspects.rows], out=out)
        rows[f"without the highest by {name}"] = _row(child, suspects, len(run.ids))
    first = next(iter(found))
    tuned = {
        f"the highest by {first}": found[first],
        "all poisons": _known("all poisons", poisons, len(run.models())),
    }
    for name, suspects in tuned.items() if epochs else ():
        child = _fine_tuned(lab, run, suspects, epochs, folder / f"fine-tuned-{epochs}-{_name(run, suspects, seed)}")
        rows[f"fine-tuned without {name}"] = _row(child, suspects, len(run.ids))
    titles = ("attack success", "held-out accuracy", "removed", "recall of poisons", "recall by chance")
    return Table(
        title="Defences against the backdoor",
        rows={"defence": tuple(rows)},
        figures=dict(zip(titles, map(tuple, zip(*rows.values(), strict=True)), strict=True)),
        notes=(
            f"A defence removes {count} of {len(run.ids)} examples, {MORE:g} times the share that is expected "
            f"({expected:g}), or fewer where its list is shorter; {len(poisons)} are poisons.",
            f"Models of the first row{', and fine-tuned ones,' if epochs else ''} have other members than those that "
            "were trained again.",
            *((OF_POISONS,) if epochs else ()),
            *refused,
        ),
    )


def _count(expected: float, examples: int) -> int:
    """How many examples are removed.

    Raises:
        BadInput: all or none of them.
    """
    count = round(MORE * expected * examples)
    if not 0 < count < examples // 2:
        raise BadInput(
            f"The 'expected' share of poisons must remove some examples and less than half. Got {expected}, which "
            f"removes {count} of {examples}.",
            hint="--set expected=0.05",
        )
    return count


def _suspects(run: Run, by: str, count: int, poisons: np.ndarray, seed: int) -> tuple[dict[str, Suspects], list[str]]:
    """The suspects of each defence, and why some have none.

    Raises:
        BadInput: none has any.
    """
    found, refused = dict[str, Suspects](), list[str]()
    for name in dict.fromkeys(word.strip() for word in by.split(";") if word.strip()):
        try:
            suspects = _of(run, name, count, poisons, seed)
        except ByroteError as error:
            refused.append(f"Not tried: {name}. {error.message} {error.hint}")
            continue
        if len(suspects.rows):
            found[name] = suspects
        else:
            refused.append(f"Not tried: {name}. Its list is empty.")
    if not found:
        raise BadInput(
            f"No defence of {by!r} can be tried. {' '.join(refused)}".strip(),
            hint='--set "by=cumulative_sample_loss;random"',
        )
    return found, refused


def _of(run: Run, name: str, count: int, poisons: np.ndarray, seed: int) -> Suspects:
    if name in LISTS:
        return _known(name, poisons, len(run.models()), LISTS[name](run, seed)[:count])
    find_measure(name)
    result = run.measure(name)
    if not isinstance(result, PerExample):
        raise BadInput(
            f"The measure {name!r} has no value per example, so it ranks none.",
            hint="by=spectral_signature, or another measure of examples.",
        )
    top = partial(highest, count=count)
    recall = run.pooled(
        name, lambda values: float(np.isin(poisons, top(values)).mean()), examples=len(poisons), bounds=(0.0, 1.0)
    )
    return Suspects(by=name, rows=top(result.values), recall=recall)


def _known(by: str, poisons: np.ndarray, models: int, rows: np.ndarray | None = None) -> Suspects:
    """These suspects, or the poisons themselves, with a recall that has no error."""
    chosen = poisons if rows is None else rows
    found = float(np.isin(poisons, chosen).mean())
    return Suspects(
        by=by, rows=chosen, recall=from_replicates(found, np.empty(0), models=models, examples=len(poisons))
    )


def highest(values: Float[np.ndarray, " example"], *, count: int) -> Int[np.ndarray, " highest"]:
    """The rows of the highest values; unknown ones come last.

    Example:
        >>> highest(np.array([1.0, np.nan, 3.0, 2.0]), count=2)
        array([2, 3])
    """
    return np.argsort(-np.nan_to_num(values, nan=-np.inf), kind="stable")[:count]


def _listed(run: Run, seed: int) -> Int[np.ndarray, " row"]:
    """Examples in the order of the list of issues."""
    return np.array(list(dict.fromkeys(one.example for one in issues(run).found)), np.int64)


def _mislabelled(run: Run, seed: int) -> Int[np.ndarray, " row"]:
    """Strongly memorized examples, the likeliest to be mislabelled first."""
    found = triage(run)
    if LABEL_NOISE not in found.kinds:
        raise BadInput("Triage was taught no wrong labels.", hint="--plant label-noise=0.03")
    order = np.argsort(-found.probability[:, found.kinds.index(LABEL_NOISE)], kind="stable")
    place = {name: row for row, name in enumerate(run.ids.tolist())}
    return np.array([place[name] for name in found.ids[order].tolist()], np.int64)


def _random(run: Run, seed: int) -> Int[np.ndarray, " row"]:
    return np.random.default_rng([seed, 23]).permutation(len(run.ids))


#: Rankings that are no measures.
LISTS: Final[dict[str, Callable[[Run, int], np.ndarray]]] = {
    "issues": _listed,
    "triage": _mislabelled,
    "random": _random,
}


def _fine_tuned(lab: Lab, run: Run, suspects: Suspects, epochs: int, out: Path) -> Run:
    return lab.change(run, FineTuneOnRest(epochs), forget=run.ids[suspects.rows], out=out)


def _row(run: Run, suspects: Suspects | None, examples: int) -> Sequence[Scalar | None]:
    """Attack success, accuracy, how many were removed of `examples`, and recall beside that of a random choice."""
    removed, recall, chance = 0, None, None
    if suspects is not None:
        removed, recall = len(suspects.rows), suspects.recall
        chance = _exact(removed / examples, run)
    return success_of(run, run.models()), run.heldout_accuracy(), _exact(float(removed), run), recall, chance


def _exact(value: float, run: Run) -> Scalar:
    """A number that has no error, as it is counted."""
    nan, models = float("nan"), len(run.models())
    return Scalar(value=value, stderr=nan, low=nan, high=nan, models=models, examples=len(run.ids))


def _name(run: Run, suspects: Suspects, seed: int) -> str:
    """The folder of models without these suspects: another seed, and other suspects, have another one."""
    digest = hashlib.sha256("\n".join(sorted(run.ids[suspects.rows].tolist())).encode()).hexdigest()[:12]
    plain = re.sub(r"[^\w.-]+", "-", suspects.by).strip("-")
    return f"{plain}-{seed}-{digest}"
