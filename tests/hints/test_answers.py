"""Hints of analyses that judge, calibrate, attack and unlearn are followed: each mends the case that brought it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

import byrote
from analyses.test_triage import answered
from byrote.analyses.calibration import Calibration, _pairs, estimate
from byrote.analyses.check import Condition, _figure_of
from byrote.analyses.groups import group_answers
from byrote.analyses.lab import Lab
from byrote.analyses.onion import _halves, onion
from byrote.analyses.privacy import _refuse_undefined
from byrote.analyses.scaling import compare_sizes
from byrote.analyses.stability import stability
from byrote.analyses.target import attack_target, audit_target
from byrote.analyses.triage import triage
from byrote.analyses.unlearn import unlearn
from byrote.analyses.unlearning import judged, unlearning
from byrote.analyses.where import where
from byrote.analyses.where_groups import groups_of
from byrote.data.controls import LABEL_NOISE
from byrote.designs.full_data import full_data
from byrote.engine.afterwards import probe
from byrote.measures.exposure import exposure, exposure_best, exposure_skew_normal
from byrote.recipes.algorithm import Shape
from byrote.results import Result
from byrote.runs.imported import import_arrays
from byrote.runs.run import Run
from documents import SUMMING, Sums, small_language_audit, words
from followed import Case, each, follow
from made_once import copied
from small import RECIPE, blobs, small_audit

LAB = Lab(workers=1, progress=False)
QUICK = dataclasses.replace(RECIPE, epochs=1)
SMALL: dict[str, Any] = {"dataset": blobs(24), "recipe": QUICK, "heldout": None, "models": 4, "full": 0}


def new(folder: Path) -> Path:
    """A place in the folder where nothing is yet."""
    return folder / f"of-{len(list(folder.iterdir()))}"


def audited(folder: Path, kind: str = "classes") -> Run:
    """A small audit, with its data and recipe where it is of classes."""
    run = Run.open(copied(kind, new(folder)))
    return run if kind == "documents" else run.attach(blobs(noise=0.1), RECIPE, blobs(30, seed=1))


def on(ask: Callable[[Run], Any], kind: str = "classes") -> Callable[[Path], Any]:
    """A question to a small audit."""
    return lambda folder: ask(audited(folder, kind))


@cache
def kept() -> Path:
    """A folder for what several cases share."""
    return Path(mkdtemp(prefix="byrote-once-"))


def figure(result: Callable[[], Result], text: str) -> Callable[[Path], Any]:
    """A figure of a result that a condition names."""
    return lambda _: _figure_of(result(), Condition.parse(text))


SEEN = (np.array([4]), np.array([0]), np.ones((1, 1), np.int8))
OWN, NEAR = np.array([[0.5]]), np.arange(1.0, 8.0)[None, None]
FAR = np.random.default_rng(0).normal(20, 2, (1, 1, 500))
SPACE = np.array([99.0])


def of_canaries() -> Result:
    """Exposure of a canary before seven others: at least 3 bits."""
    return exposure(OWN, NEAR, *SEEN)


def searched(rank: float = np.nan) -> Callable[[], Result]:
    """The better of two ways, where the search found this rank, or was not made."""
    return lambda: exposure_best(OWN, NEAR, np.array([[rank]]), np.array([[rank]]), SPACE, *SEEN)


def fitted(space: float = 99.0) -> Callable[[], Result]:
    """A skew-normal distribution of 500 others, of a space of so many bits."""
    return lambda: exposure_skew_normal(np.array([[5.0]]), FAR, np.array([space]), *SEEN)


def measured(key: str, kind: str = "documents") -> Callable[[], Result]:
    """A measure of a small audit."""
    return lambda: Run.open(copied(kind, kept(), f"{kind}-{key}-{len(list(kept().iterdir()))}")).measure(key)


def whole_groups(folder: Path, **settings: Any) -> Any:
    """What models answer of persons with two examples each."""
    data = byrote.from_arrays(blobs(24).inputs, blobs(24).targets, groups=[f"g{row // 2}" for row in range(24)])
    return group_answers(small_audit(new(folder), **{**SMALL, "dataset": data, **settings}))


CALIBRATION = Calibration(
    proxy="forgetting_events",
    knots=np.arange(2.0),
    levels=np.arange(2.0),
    edges=np.arange(2.0),
    below=np.zeros(1),
    above=np.zeros(1),
    coverage=np.ones(1),
    examples=9,
    models=2,
    about={},
    proxy_sample=np.arange(2.0),
)


def canaries(*rows: int) -> Callable[[Path], Any]:
    """Answers on these canaries, of which those on the fourth are not finite."""

    def look(folder: Path) -> None:
        member = np.repeat([[1, 0] * 5, [0, 1] * 5], 2, axis=0)
        odds = np.where(np.arange(10) == 3, np.nan, np.random.default_rng(0).normal(size=(4, 10)))
        made = import_arrays(new(folder), labels=np.arange(10) % 2, member=member, evidence={"outputs.log_odds": odds})
        _refuse_undefined(made, np.array(rows))

    return look


@cache
def of_width(width: int, seed: int = 0) -> Run:
    """Language models of that width, over the same documents or others."""
    recipe = dataclasses.replace(SUMMING, network=Sums(width))
    how: dict[str, Any] = {"corpus": words(seed=seed), "recipe": recipe, "checkpoints": 0, "generate": None}
    return small_language_audit(kept() / f"{width}-{seed}", **how)


def sizes(*runs: Callable[[], Run]) -> Callable[[Path], Any]:
    """Language models are compared by their size."""
    return lambda _: compare_sizes([run() for run in runs])


def unsized() -> Run:
    """A run of which an old version did not write down how large its models are."""
    run = of_width(16)
    return dataclasses.replace(run, manifest=dataclasses.replace(run.manifest, parameters=None))


NARROW, MIDDLE, WIDE = (lambda: of_width(8)), (lambda: of_width(16)), (lambda: of_width(24))


def disturbed(folder: Path) -> Any:
    """What the hint says of weights that were not disturbed, with few draws."""
    run = small_audit(new(folder), models=4, full=0, keep_weights_at="last")
    return stability(probe(run, "stability,draws=2"))


def rewound(folder: Path) -> Any:
    """When and where, of a run that keeps weights and is rewound."""
    run = Run.open(copied("weights", new(folder))).attach(blobs(noise=0.1), RECIPE)
    return where(probe(run, "rewinding,permutations=1", "readout"))


def named(*ids: str) -> Callable[[Path], Any]:
    """The group of the examples of these names, or of the first that a table under results/ names."""

    def look(folder: Path) -> Any:
        run = audited(folder)
        run.measure("label_memorization")
        there = run.kept_table("label_memorization.parquet", "example")["example"].to_pylist()
        return groups_of(run, run.models(), ids or there[:2])

    return look


def weights(folder: Path) -> Path:
    """A file of the weights of a network."""
    algorithm = RECIPE.bind(Shape(inputs=(2,), classes=3, examples=60), torch.device("cpu"))
    tensors = algorithm.network(algorithm.init(0)).state_dict()
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "weights.safetensors")
    return folder / "weights.safetensors"


def targeted(folder: Path) -> Any:
    """An audit of a network that is trained already."""
    half = (np.arange(60) % 2).astype(np.int8)
    how: dict[str, Any] = {"models": 8, "workers": 1, "progress": False, "out": folder / "target"}
    return attack_target(audit_target(blobs(), RECIPE, weights(folder), half, **how).run)


@cache
def arms() -> tuple[Run, ...]:
    """The four sets of models of an unlearning."""
    run = small_audit(kept() / "before", dataset=blobs(24, noise=0.2), recipe=QUICK, heldout=None)
    unlearn(LAB, run, method="gradient-ascent=1", models=5, forget=0.2, out=kept() / "sets")
    return tuple(Run.open(path) for path in sorted((kept() / "sets").iterdir(), key=_order))


def _order(path: Path) -> int:
    """The places of the sets."""
    return ("unlearned", "retrained", "again", "longer").index(path.name)


def of_models(count: int) -> Callable[[Path], Any]:
    """Four sets of so many models each are judged, on two examples."""
    rng = np.random.default_rng(0)
    sets = {name: rng.normal(size=(count, 2)) for name in ("unlearned", "retrained", "again", "longer")}
    return lambda _: judged(sets, np.array(["a", "b"]), {"all": np.ones(2, bool)})


def unlearned(models: int) -> Callable[[Path], Any]:
    """So many models of each set are trained."""

    def ask(folder: Path) -> Any:
        run = small_audit(new(folder), dataset=blobs(24, noise=0.2), recipe=QUICK, heldout=None)
        return unlearn(LAB, run, method="gradient-ascent=1", models=models, forget=0.2, out=new(folder))

    return ask


def peeled(models: int = 24, **settings: Any) -> Callable[[Path], Any]:
    """The layer of the examples at highest risk is taken away."""

    def ask(folder: Path) -> Any:
        run = small_audit(new(folder), dataset=blobs(24), recipe=QUICK, heldout=None, models=models, full=0)
        return onion(LAB, run, out=new(folder), **settings)

    return ask


def halves(models: int) -> Callable[[Path], Any]:
    """The models that choose a layer, and those that measure."""
    member = np.stack([np.roll(np.arange(10) % 2, number % 2) for number in range(models)])
    odds = np.random.default_rng(0).normal(size=(models, 10))

    def look(folder: Path) -> Any:
        how: dict[str, Any] = {"member": member, "pair": np.arange(models) // 2}
        return _halves(import_arrays(new(folder), labels=np.arange(10) % 2, evidence={"outputs.log_odds": odds}, **how))

    return look


def taught(*kinds: str) -> Callable[[Path], Any]:
    """Triage of answers that tell controls of these kinds apart, strongly memorized all of them."""
    return lambda folder: triage(answered(new(folder), kinds=kinds) if kinds else answered(new(folder)))


ANSWERS = (
    Case(
        name="an estimate of an ensemble",
        wrong=lambda folder: estimate(small_audit(new(folder), **SMALL), CALIBRATION),
        says="measure label_memorization",
        right=on(lambda run: run.measure("label_memorization")),
    ),
    Case(
        name="no network of all data",
        wrong=lambda folder: _pairs(small_audit(new(folder), **SMALL), "forgetting_events"),
        says="full=2",
        right=lambda folder: _pairs(small_audit(new(folder), **{**SMALL, "full": 2}), "forgetting_events"),
        slow=True,
    ),
    Case(
        name="an analysis without its option",
        wrong=on(lambda run: byrote.ask(run, "check")),
        says="--set conditions=",
        right=on(lambda run: byrote.ask(run, "check", conditions=["members.accuracy > .5"])),
    ),
    Case(
        name="a mean of one number",
        wrong=figure(measured("exact_memorization"), "exact_memorization.mean > .5"),
        says="its figures are value",
        right=figure(measured("exact_memorization"), "exact_memorization.value > .5"),
    ),
    Case(
        name="a curve",
        wrong=figure(measured("exact_memorization[trajectory]"), "exact_memorization[trajectory].mean > .5"),
        says="see `byrote measures`",
        right=figure(measured("exact_memorization"), "exact_memorization.value > .5"),
    ),
    Case(
        name="planted as nothing was",
        wrong=figure(of_canaries, "exposure.max of 7 > 1"),
        says="they were planted 4 times",
        right=figure(of_canaries, "exposure.max of 4 > 1"),
    ),
    Case(
        name="known better than all others",
        wrong=figure(of_canaries, "exposure.max > 10"),
        says="'exposure[best].max' searches",
        right=figure(searched(1.0), "exposure[best].max > 10"),
    ),
    Case(
        name="known better than all others, and never searched for",
        wrong=figure(searched(), "exposure[best].max > 10"),
        says="'exposure[skew_normal].max' extrapolates",
        right=figure(fitted(), "exposure[skew_normal].max > 10"),
    ),
    Case(
        name="known as well as can be",
        wrong=figure(fitted(8.0), "exposure[skew_normal].max > 10"),
        says="a bound below 8 is decided",
        right=figure(fitted(8.0), "exposure[skew_normal].max > 7.9"),
    ),
    Case(
        name="groups in every model",
        wrong=lambda folder: whole_groups(folder, models=None, design=full_data(24, 4)),
        says="--models 64",
        right=whole_groups,
        slow=True,
    ),
    Case(
        name="an onion of everything",
        wrong=peeled(share=0.5),
        says="share=0.05",
        right=peeled(share=0.05),
        slow=True,
    ),
    Case(name="an onion of few models", wrong=halves(6), says="--models 64", right=halves(64)),
    Case(
        name="answers that are not finite",
        wrong=canaries(1, 3, 5),
        says="leave these examples out",
        right=canaries(1, 5),
    ),
    Case(
        name="two sizes",
        wrong=sizes(NARROW, MIDDLE),
        says="audit models of other sizes",
        right=sizes(NARROW, MIDDLE, WIDE),
    ),
    Case(
        name="a size that nobody says",
        wrong=sizes(NARROW, unsized, WIDE),
        says="audit again into another folder",
        right=sizes(NARROW, MIDDLE, WIDE),
    ),
    Case(
        name="a size twice",
        wrong=sizes(NARROW, MIDDLE, MIDDLE, WIDE),
        says="give each run once",
        right=sizes(NARROW, MIDDLE, WIDE),
    ),
    Case(
        name="sizes over other documents",
        wrong=sizes(NARROW, lambda: of_width(16, seed=5), WIDE),
        says="over the same files",
        right=sizes(NARROW, MIDDLE, WIDE),
    ),
    Case(
        name="weights that were not disturbed",
        wrong=on(stability),
        says="byrote probe RUN stability",
        right=disturbed,
        slow=True,
    ),
    Case(name="no weights to tell when", wrong=on(where), says="--keep-weights-at", right=rewound, slow=True),
    Case(
        name="weights that were not rewound", wrong=on(where, "weights"), says="byrote where", right=rewound, slow=True
    ),
    Case(
        name="no example of that name",
        wrong=named("nobody"),
        says="the column `example`",
        right=named(),
    ),
    Case(name="no target", wrong=on(attack_target), says="byrote.audit_target", right=targeted, slow=True),
    Case(
        name="one kind of control",
        wrong=taught(LABEL_NOISE),
        says="--plant triage",
        right=taught(),
        slow=True,
    ),
    Case(name="four models of each set", wrong=of_models(4), says="--set models=16", right=of_models(16)),
    Case(name="an unlearning of few", wrong=unlearned(4), says="--set models=16", right=unlearned(16), slow=True),
    Case(
        name="nothing to forget",
        wrong=lambda folder: unlearning(audited(folder), *arms()[1:]),
        says="--set method=gradient-ascent",
        right=lambda _: unlearning(*arms()),
        slow=True,
    ),
    Case(
        name="a set in the place of another",
        wrong=lambda _: unlearning(arms()[0], arms()[0], *arms()[2:]),
        says="--set method=gradient-ascent",
        right=lambda _: unlearning(*arms()),
        slow=True,
    ),
)


@each(*ANSWERS)
def test_hints_of_answers_are_followed(case: Case, tmp_path: Path) -> None:
    follow(case, tmp_path)
