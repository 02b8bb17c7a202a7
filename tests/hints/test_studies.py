"""Hints of studies and reports are followed: each mends the case that brought it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import byrote
from byrote.designs.full_data import full_data
from byrote.designs.named import named_design
from byrote.evidence.manifest import refuse_mismatch
from byrote.report.figure_files import write_figures
from byrote.report.findings import _compared
from byrote.report.known import _majority_vote
from byrote.report.missing import Missing
from byrote.report.watched import refuse_undefined, watched
from byrote.results import PerExample
from byrote.runs.imported import import_arrays
from byrote.runs.run import Run, no_progress
from byrote.studies.bench import Bench, Material
from byrote.studies.catalog import find_study
from byrote.studies.other_place import other_architecture
from byrote.studies.results import FOLDER, read, run_study
from followed import Case, each, follow
from made_once import copied
from small import RECIPE, blobs, small_audit
from studies.tiny import tried

STUDY = find_study("O8")


def bench(units: int) -> Callable[[Path], Any]:
    """The verdict on so many units of a study of four."""
    material = Material(dataset=blobs(120), recipe=RECIPE)
    how = {"workers": 1, "progress": False, "material": material, "units": 4, "seed": 0, "margin": 0.0}
    return lambda folder: Bench(folder=folder, **how).verdict(np.linspace(0.1, 0.2, units))


def of_layers(claim: str, *hidden: int) -> Callable[[Path], Any]:
    """A study of layers, on a network with hidden layers of these widths."""
    recipe = replace(RECIPE, network=byrote.MLP(hidden=hidden), epochs=2)
    return lambda folder: tried(claim, folder / f"of-{len(hidden)}", recipe=recipe)


def elsewhere(recipe: Any) -> Callable[[Path], Any]:
    """The other architecture of a study of images."""
    images = byrote.from_arrays(np.zeros((120, 1, 8, 8), np.float32), np.arange(120) % 3, name="images")
    how = {"material": Material(dataset=images, recipe=recipe or RECIPE), "units": 4, "seed": 0, "margin": 0.0}
    return lambda folder: other_architecture(Bench(folder=folder, **how))


def nowhere() -> Any:
    """A study that stands in no file."""
    names: dict[str, Any] = {}
    exec("def nowhere(lab): ...", names)
    return replace(STUDY, function=names["nowhere"]).program()


def named(name: str, models: int, examples: int = 60) -> Callable[[Path], Any]:
    """A design by its name."""
    return lambda _: named_design(name, blobs(examples), models=models)


def audited(folder: Path, **settings: Any) -> Run:
    """A small audit of four models."""
    return small_audit(folder / f"of-{len(list(folder.iterdir()))}", **({"models": 4, "full": 0} | settings))


def figures(name: str) -> Callable[[Path], Any]:
    """Figures in a folder, where a file of that name may be."""

    def write(folder: Path) -> Any:
        (folder / "file").write_text("")
        return write_figures([], folder / name)

    return write


def told(seed: int) -> Callable[[Path], Any]:
    """A run folder of an audit of another seed."""
    return lambda folder: refuse_mismatch(folder, {"seed": 0}, {"seed": seed})


def language(folder: Path) -> Run:
    """A run of a language model of letters, which has no tokenizer."""
    return Run.open(copied("documents", folder))


def of_all(folder: Path) -> Run:
    """A run of models that are all trained on everything."""
    return audited(folder, models=None, design=full_data(60, 4))


def imported(folder: Path, models: int, *, shown: int | None = None) -> Run:
    """Models of which each was trained on half of the examples, or all on all of them."""
    half = np.arange(20) % 2
    pairs = [np.random.default_rng(number).permutation(half) for number in range(models // 2)]
    member = np.concatenate([np.stack([one, 1 - one]) for one in pairs])
    if shown is not None:
        member = np.full_like(member, shown)
    right = np.random.default_rng(0).random((models, 20)) < 0.5 + 0.4 * member
    odds = np.where(right, 2.0, -2.0) + np.random.default_rng(1).normal(size=(models, 20)) / 9
    how: dict[str, Any] = {"labels": half, "member": member, "pair": np.arange(models) // 2}
    evidence = {"outputs.correct": right} | ({} if shown is not None else {"outputs.log_odds": odds})
    return import_arrays(folder / f"of-{len(list(folder.iterdir()))}", evidence=evidence, **how)


def memorization(run: Run) -> PerExample:
    """Label memorization of a run."""
    found = run.measure("label_memorization")
    assert isinstance(found, PerExample)
    return found


def studied(folder: Path) -> Path:
    """A study of few units, and its result."""
    material = Material(dataset=blobs(120), recipe=replace(RECIPE, epochs=3), source="mine.py")
    run_study(replace(STUDY, units=4), folder, material=material, workers=1, progress=False)
    return next((folder / FOLDER).glob("*.json"))


def spoiled(folder: Path) -> Path:
    """A result that somebody made better."""
    path = studied(folder)
    path.write_text(path.read_text().replace("mine.py", "best.py"))
    return path


def again(folder: Path) -> Any:
    """It is removed, and the study is run again."""
    next((folder / FOLDER).glob("*.json")).unlink()
    return read(studied(folder))


REST = (
    Case(
        name="a study of few examples",
        wrong=lambda _: Material(dataset=blobs(60), recipe=RECIPE),
        says="give more data",
        right=lambda _: Material(dataset=blobs(120), recipe=RECIPE),
    ),
    Case(name="more units than were fixed", wrong=bench(5), says="one value for each", right=bench(4)),
    Case(
        name="a study of no file",
        wrong=lambda _: nowhere(),
        says="write it into a .py file",
        right=lambda _: STUDY.program(),
    ),
    Case(name="layers of one", slow=True, wrong=of_layers("O11", 8), says="two hidden", right=of_layers("O11", 64, 64)),
    Case(name="no images", wrong=of_layers("O14", 64), says="give images", right=elsewhere(None)),
    Case(name="no network to replace", wrong=elsewhere("x"), says="give a byrote.Recipe", right=elsewhere(None)),
    Case(
        name="the last layer alone",
        slow=True,
        wrong=of_layers("O15"),
        says="hidden layers",
        right=of_layers("O15", 64, 64),
    ),
    Case(
        name="a study that cannot judge",
        wrong=lambda _: replace(STUDY, planted=STUDY.null).refuse_unfit(),
        says="mend the effect or the arms",
        right=lambda _: STUDY.refuse_unfit(),
        slow=True,
    ),
    Case(name="no models of full data", wrong=named("full-data", 0), says="--models 1", right=named("full-data", 1)),
    Case(name="an odd split", wrong=named("two-splits", 5), says="--models 6", right=named("two-splits", 6)),
    Case(name="a few ratios", wrong=named("ratio-grid", 5), says="--models 36", right=named("ratio-grid", 36)),
    Case(name="a file for figures", wrong=figures("file/below"), says="which may be new", right=figures("figures")),
    Case(
        name="every model knows all",
        wrong=lambda folder: _majority_vote(of_all(folder)),
        says="leaves examples out",
        right=lambda folder: _majority_vote(audited(folder)),
        slow=True,
    ),
    Case(
        name="a result that was changed",
        wrong=lambda folder: read(spoiled(folder)),
        says="remove it and run the study",
        right=again,
        slow=True,
    ),
    Case(
        name="scores of one pair",
        wrong=lambda folder: _compared(imported(folder, 2)),
        says="--models 64",
        right=lambda folder: _compared(imported(folder, 8)),
    ),
    Case(
        name="nothing to watch",
        wrong=lambda folder: watched(imported(folder, 2, shown=1), Missing(why="no reason"), no_progress),
        says="audit with more models",
        right=lambda folder: watched(imported(folder, 8), Missing(why="no reason"), no_progress),
    ),
    Case(
        name="models that know the same",
        wrong=lambda folder: refuse_undefined(memorization(imported(folder, 4, shown=1))),
        says="with and without each example",
        right=lambda folder: refuse_undefined(memorization(imported(folder, 8))),
    ),
    Case(
        name="another audit",
        wrong=lambda folder: [audited(folder, seed=1), small_audit(folder / "of-0", models=4, full=0, seed=2)],
        says="give another folder with --out",
        right=lambda folder: audited(folder, seed=2),
        slow=True,
    ),
)


@each(*REST)
def test_hints_of_studies_designs_and_reports_are_followed(case, tmp_path):
    follow(case, tmp_path)
