"""Hints of readers of other programs' files and of analyses are followed: each mends the case that brought it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import byrote
from byrote.analyses.catalog import find_analysis
from byrote.analyses.check import check
from byrote.analyses.membership import membership_attack
from byrote.errors import BadInput
from byrote.evidence.schema import kind_of, quantity
from byrote.measures.catalog import find
from byrote.runs.exporters import cleanlab
from byrote.runs.imported import import_arrays
from byrote.runs.readers import FORMATS, _checks, add, labels_in, leakpro, mi_lira_2021, privacy_meter, read
from byrote.runs.run import Run
from followed import Case, each, follow
from runs.readers import folders


def new(folder: Path) -> Path:
    """A place in the folder where nothing is yet."""
    return folder / f"of-{len(list(folder.iterdir()))}"


def of(layout: Callable[..., Path], reader: Callable[..., Any], **settings: Any) -> Callable[[Path], Any]:
    """Files in the layout of another program, read with these settings."""

    def reading(folder: Path) -> Any:
        place = new(folder)
        place.mkdir()
        return reader(layout(place / "files"), place / "run", **settings)

    return reading


def two_algorithms(folder: Path) -> Path:
    """A log folder of two attacks."""
    made = folders.privacy_meter(folder)
    shutil.copy(made / "signals" / "rmia_signals.npy", made / "signals" / "lira_signals.npy")
    return made


def by(format: str) -> Callable[..., Any]:
    """The reader of a format by its name."""
    return lambda *given, **settings: read(format, *given, **settings)


def percent(path: Path) -> Path:
    """C-scores in percent."""
    return folders.c_scores(path.with_suffix(".npz"), scores=100 * folders.SCORES)


def scores(path: Path) -> Path:
    """C-scores as they are released."""
    return folders.c_scores(path.with_suffix(".npz"))


def cifar_and_svhn(folder: Path) -> Path:
    """Rankings of two datasets."""
    made = folders.rankings(folder)
    shutil.copy(made / "order_cifar_adv_train.npy", made / "order_svhn_adv_train.npy")
    return made


def saved(array: Any) -> Callable[[Path], Any]:
    """Labels of a file."""

    def reading(folder: Path) -> Any:
        np.save(folder / "labels.npy", array)
        return labels_in(folder / "labels.npy")

    return reading


LABELS = folders.LABELS
HALVES = np.repeat([np.arange(len(LABELS)) % 2, (np.arange(len(LABELS)) + 1) % 2], 2, axis=0)
LABELLED: dict[str, Any] = {"labels": LABELS, "member": HALVES, "evidence": {"outputs.correct": HALVES == 1}}
LOGITS = {"outputs.logits": np.random.default_rng(1).normal(size=(8, 20, 2))}

READERS = (
    Case(
        name="no format",
        wrong=of(scores, by("c-score")),
        says="c_score",
        right=of(scores, by("c_score")),
    ),
    Case(
        name="no labels",
        wrong=of(folders.rankings, by("carlini_2019")),
        says="pass labels=…",
        right=of(folders.rankings, by("carlini_2019"), labels=LABELS),
    ),
    Case(
        name="labels of a part",
        wrong=of(folders.rankings, by("carlini_2019"), labels=LABELS[:9]),
        says="labels=… of the whole training set",
        right=of(folders.rankings, by("carlini_2019"), labels=LABELS),
    ),
    Case(
        name="two datasets",
        wrong=of(cifar_and_svhn, by("carlini_2019"), labels=LABELS),
        says="into a folder of their own",
        right=of(folders.rankings, by("carlini_2019"), labels=LABELS),
    ),
    Case(
        name="percentages",
        wrong=of(percent, by("c_score")),
        says="divide percentages by 100",
        right=of(scores, by("c_score")),
    ),
    Case(
        name="labels in another order",
        wrong=of(scores, by("c_score"), labels=folders.OTHERS),
        says="bring both into one order",
        right=of(scores, by("c_score"), labels=LABELS),
    ),
    Case(
        name="several algorithms",
        wrong=of(two_algorithms, by("privacy_meter"), labels=LABELS),
        says="algorithm=… to byrote.runs.readers.privacy_meter.read, as one of lira, rmia",
        right=of(two_algorithms, privacy_meter.read, labels=LABELS, algorithm="rmia"),
    ),
    Case(
        name="several algorithms, one left",
        wrong=of(two_algorithms, by("privacy_meter"), labels=LABELS),
        says="move the files of the others away",
        right=of(folders.privacy_meter, by("privacy_meter"), labels=LABELS),
    ),
    Case(
        name="a query that was not asked",
        wrong=of(folders.mi_lira, mi_lira_2021.read, query=5),
        says="query=0",
        right=of(folders.mi_lira, mi_lira_2021.read, query=0),
    ),
    Case(
        name="a part of the population",
        wrong=of(folders.leakpro, leakpro.read, labels=LABELS[:9]),
        says="labels=… of the whole population",
        right=of(folders.leakpro, leakpro.read, labels=LABELS),
    ),
    Case(
        name="other ids than labels",
        wrong=of(folders.leakpro, leakpro.read, labels=LABELS, ids=["a"]),
        says="leave ids out",
        right=of(folders.leakpro, leakpro.read, labels=LABELS),
    ),
    Case(
        name="one-hot labels of a file",
        wrong=of(lambda path: folders.c_scores(path.with_suffix(".npz"), labels=np.eye(3)[LABELS]), by("c_score")),
        says="labels.argmax(1)",
        right=of(
            lambda path: folders.c_scores(path.with_suffix(".npz"), labels=np.eye(3)[LABELS].argmax(1)), by("c_score")
        ),
    ),
    Case(
        name="labels that are names",
        wrong=saved(np.array(["a", "b"])),
        says="class numbers",
        right=saved(np.array([0, 1])),
    ),
    Case(
        name="membership the other way round",
        wrong=lambda _: _checks.membership(folders.HALVES.T, [str(one) for one in range(6)], 60, "files"),
        says="member.T",
        right=lambda _: _checks.membership(folders.HALVES.T.T, [str(one) for one in range(6)], 60, "files"),
    ),
)


@each(*READERS)
def test_hints_of_readers_are_followed(case, tmp_path):
    follow(case, tmp_path)


def test_a_format_of_released_values_is_named(tmp_path):
    path = scores(tmp_path / "files")
    case = Case(
        name="no format of released values",
        wrong=lambda folder: add("scores", path, small(folder)),
        says="c_score",
        right=lambda folder: add("c_score", path, import_arrays(new(folder), **LABELLED)),
    )
    follow(case, tmp_path)


def test_a_format_of_no_released_values_is_told_of_those_that_hold_some(tmp_path, run):
    path = scores(tmp_path / "files")
    for wrong in ("scores", "leakpro"):
        with pytest.raises(BadInput) as told:
            add(wrong, path, run)
        named = told.value.hint.removeprefix("the formats are ").rstrip(".").split(", ")
        assert set(named) < set(FORMATS)
        assert "leakpro" not in named
        assert "c_score" in named


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Eight models in pairs on twenty examples."""
    return small(tmp_path)


def small(folder: Path, **more: Any) -> Run:
    """The same, in a new folder."""
    rng = np.random.default_rng(0)
    member = np.tile(np.array([[1, 0] * 10, [0, 1] * 10]), (4, 1))
    member = np.concatenate([np.stack([one, 1 - one]) for one in (rng.permutation(member[0]) for _ in range(4))])
    odds = rng.normal(size=(8, 20)) + member
    evidence = {"outputs.log_odds": odds, "outputs.correct": odds > 0, "outputs.loss": np.logaddexp(0, -odds)} | more
    labels = np.arange(20) % 2
    return import_arrays(new(folder), labels=labels, member=member, pair=np.arange(8) // 2, evidence=evidence)


def judged(*conditions: str) -> Callable[[Path], Any]:
    """Conditions of a run that are looked at."""
    return lambda folder: check(small(folder), conditions)


def asked(name: str, **options: Any) -> Callable[[Path], Any]:
    """The answer of an analysis."""
    return lambda folder: byrote.ask(small(folder), name, **options)


ANALYSES = (
    Case(
        name="no condition",
        wrong=judged("label_memorization > .5"),
        says="'label_memorization.top1% > .5'",
        right=judged("label_memorization.top1% > .5"),
    ),
    Case(
        name="no number",
        wrong=judged("label_memorization.top1% > half"),
        says="'label_memorization.top1% > .5'",
        right=judged("label_memorization.top1% > .5"),
    ),
    Case(
        name="accuracy first",
        wrong=judged("accuracy.members > .5"),
        says="did you mean 'members.accuracy'?",
        right=judged("members.accuracy > .5"),
    ),
    Case(
        name="no figure",
        wrong=judged("label_memorization.least > .5"),
        says="mean, median, max or topP%",
        right=judged(*(f"label_memorization.{figure} > .5" for figure in ("mean", "median", "max", "top5%"))),
    ),
    Case(
        name="no figure of an attack",
        wrong=judged("loss_attack.area > .5"),
        says="auc",
        right=judged("loss_attack.auc > .5"),
    ),
    Case(
        name="controls of a run without",
        wrong=judged("label_memorization.mean of label-noise > .5"),
        says="leave out 'of label_noise'",
        right=judged("label_memorization.mean > .5"),
    ),
    Case(
        name="no analysis",
        wrong=asked("comparisons"),
        says="did you mean 'comparison'?",
        right=lambda _: find_analysis("comparison"),
    ),
    Case(
        name="no attack",
        wrong=lambda folder: membership_attack(small(folder), "loss-attack"),
        says="did you mean 'loss_attack'?",
        right=lambda folder: membership_attack(small(folder), "loss_attack"),
    ),
    Case(
        name="no measure",
        wrong=lambda _: find("lable_memorization"),
        says="label_memorization",
        right=lambda _: find("label_memorization"),
    ),
    Case(
        name="no evidence",
        wrong=lambda _: kind_of("output.loss"),
        says="outputs",
        right=lambda _: kind_of("outputs.loss"),
    ),
    Case(
        name="no quantity",
        wrong=lambda _: quantity("outputs.odds"),
        says="outputs.log_odds",
        right=lambda _: quantity("outputs.log_odds"),
    ),
    Case(
        name="a folder that holds a run",
        wrong=lambda folder: [
            small(folder),
            import_arrays(
                folder / "of-0",
                labels=np.arange(2),
                member=np.eye(2, dtype=np.int64),
                evidence={"outputs.correct": np.eye(2)},
            ),
        ],
        says="give another folder",
        right=small,
    ),
    Case(
        name="arrays for cleanlab in a table",
        wrong=lambda folder: cleanlab.write(small(folder, **LOGITS), folder / "probabilities.csv"),
        says="probabilities.npz",
        right=lambda folder: cleanlab.write(small(folder, **LOGITS), folder / "probabilities.npz"),
    ),
    Case(
        name="cleanlab without logits",
        wrong=lambda folder: cleanlab.write(small(folder), folder / "probabilities.npz"),
        says="import logits",
        right=lambda folder: cleanlab.write(small(folder, **LOGITS), folder / "probabilities.npz"),
    ),
)


@each(*ANALYSES)
def test_hints_of_analyses_and_runs_are_followed(case, tmp_path):
    follow(case, tmp_path)
