"""Hints of analyses and of runs are followed: each mends the case that brought it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

import byrote
from attacked_inputs import attacked
from attacked_texts import attacked_texts, writing
from byrote.analyses.blind_baseline import blind_baseline
from byrote.analyses.calibration import Calibration, calibrate
from byrote.analyses.card import card, gain_and_cost
from byrote.analyses.check import Condition, _figure
from byrote.analyses.forgetting import forgetting
from byrote.analyses.frontier import frontier
from byrote.analyses.groups import group_answers
from byrote.analyses.issues import issues
from byrote.analyses.lab import Lab, data_of
from byrote.analyses.membership import membership_attack
from byrote.analyses.performance import absolute_error, counterfactual_memorization
from byrote.analyses.privacy import _size, with_canaries
from byrote.analyses.relearn import relearn
from byrote.analyses.robust_overfitting import robust_overfitting
from byrote.analyses.robustness import robustness
from byrote.analyses.scaling import compare_sizes
from byrote.analyses.second_split import second_split
from byrote.analyses.target import _refuse_one_sided, load_weights, read_members
from byrote.analyses.text_risks import text_risks
from byrote.analyses.trace import trace
from byrote.analyses.unlearn import _examples, unlearn
from byrote.analyses.unlearning import refuse_unpredicted
from byrote.analyses.untargeted_extraction import untargeted_extraction
from byrote.changes.child import change
from byrote.data.corpus import corpus_from_texts
from byrote.designs.full_data import full_data
from byrote.recipes.algorithm import Shape
from byrote.runs.exporters import cleanlab, spreadsheet
from byrote.runs.folder import hold
from byrote.runs.imported import import_arrays
from byrote.runs.readers import read
from byrote.runs.run import Run
from followed import Case, each, follow
from made_once import copied, opened
from runs.readers import folders
from small import RECIPE, blobs, small_audit

RNG = np.random.default_rng(0)
#: Which of three tokens are predicted, of a document of one and a document of two.
BARE = np.array([False, False, True])


def new(folder: Path) -> Path:
    """A place in the folder where nothing is yet."""
    return folder / f"of-{len(list(folder.iterdir()))}"


def watched(folder: Path, queries: int) -> Run:
    """An audit with so many held-out examples, attacked at checkpoints."""
    probes = ("adversarial_trajectory,radius=0.1,steps=1,checkpoints=2",)
    return small_audit(new(folder), heldout=blobs(queries, seed=1), probes=probes, full=0)


@cache
def member(models: int, examples: int) -> np.ndarray:
    """Complementary halves."""
    rng = np.random.default_rng(1)
    halves = [rng.permutation(np.arange(examples) % 2) for _ in range(models // 2)]
    return np.concatenate([np.stack([half, 1 - half]) for half in halves])


def imported(models: int = 8, examples: int = 20, **more: Any) -> Callable[[Path], Run]:
    """An imported run, in a new folder."""

    def make(folder: Path) -> Run:
        inside = more.pop("member", None) if "member" in more else member(models, examples)
        odds = np.random.default_rng(2).normal(size=inside.shape) + inside
        evidence = {"outputs.log_odds": odds, "outputs.correct": odds > 0, "outputs.loss": np.logaddexp(0, -odds)}
        how = {"labels": np.arange(examples) % 2, "member": inside, "pair": np.arange(len(inside)) // 2} | dict(more)
        extra = how.pop("evidence", {})
        return import_arrays(new(folder), evidence=evidence | extra, **how)

    return make


def of_numbers(outputs: int = 1) -> Callable[[Path], Run]:
    """An audit of numbers to be predicted."""

    def make(folder: Path) -> Run:
        x = np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32)
        data = byrote.from_arrays(x, x.sum(1) if outputs == 1 else x @ np.ones((2, outputs)), task="regression")
        recipe = dataclasses.replace(RECIPE, epochs=2, objective=byrote.SquaredError())
        return byrote.audit(data, recipe, models=4, full=0, workers=1, progress=False, out=new(folder), checkpoints=2)

    return make


def of_sets(folder: Path) -> Run:
    """An audit of several labels per example."""
    x = np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32)
    data = byrote.from_arrays(x, (x > 0).astype(np.int64))
    recipe = dataclasses.replace(RECIPE, epochs=2, objective=byrote.BinaryCrossEntropy())
    return byrote.audit(data, recipe, models=4, full=0, workers=1, progress=False, out=new(folder), checkpoints=2)


def audited(folder: Path, kind: str = "classes") -> Run:
    """A small audit, opened with its data and recipe."""
    place = folder / kind
    run = Run.open(place if place.exists() else copied(kind, folder, kind))
    return run.attach(blobs(noise=0.1), RECIPE, blobs(30, seed=1)) if kind == "classes" else run


def _weighed(run: Run) -> Run:
    """What a weight decay makes of a run."""
    place = run.folder.with_name(f"{run.folder.name}-weighed")
    return change(run, byrote.parse_change("weight-decay=0.01"), out=place, workers=1, progress=False)


def full(folder: Path) -> Run:
    """An audit of models that are all trained on all data."""
    design = full_data(60, 4)
    return small_audit(new(folder), models=None, full=0, design=design)


def released(folder: Path) -> Run:
    """A run of values that somebody released."""
    place = new(folder)
    place.mkdir()
    return read("c_score", folders.c_scores(place / "scores.npz"), place / "run")


def on(run: Callable[[Path], Run], ask: Callable[[Run], Any]) -> Callable[[Path], Any]:
    """A question to a run."""
    return lambda folder: ask(run(folder))


def conditions(text: str, run: Callable[[Path], Run] = audited) -> Callable[[Path], Any]:
    """A figure that a condition names."""
    return lambda folder: _figure(run(folder), Condition.parse(text))


def members(content: str | bytes) -> Callable[[Path], Any]:
    """A table of who was trained on what."""

    def look(folder: Path) -> Any:
        path = folder / "members.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_members(path, DATA)

    return look


def weights(content: Any, name: str = "weights.safetensors", hidden: int = 16) -> Callable[[Path], Any]:
    """A file of weights that are loaded."""

    def look(folder: Path) -> Any:
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
        elif content is not None:
            save_file(content, folder / name)
        recipe = dataclasses.replace(RECIPE, network=byrote.MLP(hidden=(hidden,)))
        return load_weights(recipe.bind(Shape(inputs=(2,), classes=3, examples=60), torch.device("cpu")), folder / name)

    return look


def trained() -> dict[str, torch.Tensor]:
    """The weights of a network of the recipe."""
    algorithm = RECIPE.bind(Shape(inputs=(2,), classes=3, examples=60), torch.device("cpu"))
    return {name: tensor.contiguous() for name, tensor in algorithm.network(algorithm.init(0)).state_dict().items()}


def asked(
    name: str, *others: Callable[[Path], Run], run: Callable[[Path], Run] = audited, **options: Any
) -> Callable[[Path], Any]:
    """An analysis by its name."""
    return lambda folder: byrote.ask(run(folder), name, *(other(folder) for other in others), **options)


def calibrated(content: str | None = None) -> Callable[[Path], Any]:
    """A calibration that is loaded."""

    def look(folder: Path) -> Any:
        path = folder / "calibration.json"
        if content is None:
            calibrate(many(folder)).save(path)
        else:
            path.write_text(content)
        return Calibration.load(path)

    return look


def many(folder: Path) -> Run:
    """A run over enough examples to be calibrated on, with networks of all data and what was seen of them."""
    return small_audit(new(folder), dataset=blobs(420), models=4, full=2)


def children(*changes: str, swapped: bool = False) -> Callable[[Path], Any]:
    """The card of a run and of its child."""

    def compare(folder: Path) -> Any:
        before = audited(folder)
        place = folder / "child"
        after = (
            Run.open(place)
            if place.exists()
            else change(before, byrote.parse_change("weight-decay=0.01"), out=place, workers=1, progress=False)
        )
        return card(after, before) if swapped else card(before, after)

    return compare


def of_ids(prefix: str) -> Callable[[Path], Run]:
    """An imported run whose examples have these names."""
    return imported(ids=[f"{prefix}{number}" for number in range(20)])


def compared(before: Callable[[Path], Run], after: Callable[[Path], Run]) -> Callable[[Path], Any]:
    """The card of two runs."""
    return lambda folder: card(before(folder), after(folder))


def measured(key: str, run: Callable[[Path], Run] = audited, **how: Any) -> Callable[[Path], Any]:
    """A measure of a run."""
    return lambda folder: run(folder).measure(key, **how)


def performance(of: Any, run: Callable[[Path], Run] | None = None) -> Callable[[Path], Any]:
    """Counterfactual memorization by a performance."""
    return lambda folder: counterfactual_memorization((run or of_numbers())(folder), of)


def held(folder: Path) -> Any:
    """A run that somebody else is at work in."""
    run = audited(folder)
    with hold(run.folder), hold(run.folder):
        pass


def let_go(folder: Path) -> Any:
    """The same, once they are through."""
    with hold(folder / "classes"):
        pass


def in_folder(**files: str) -> Callable[[Path], Any]:
    """An audit into a folder that holds this."""

    def audit(folder: Path) -> Any:
        place = new(folder)
        for name, content in files.items():
            path = place / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return small_audit(place, dataset=blobs(12), heldout=None, models=4, full=0)

    return audit


def kept(folder: Path) -> Any:
    """A table under results/ that was damaged."""
    run = audited(folder)
    run.measure("label_memorization")
    path = run.folder / "results" / "label_memorization.parquet"
    path.write_bytes(path.read_bytes()[:-9])
    return run.kept_table("label_memorization.parquet", "example")


def kept_anew(folder: Path) -> Any:
    """It is removed, and written again."""
    (folder / "classes" / "results" / "label_memorization.parquet").unlink()
    run = audited(folder)
    run.measure("label_memorization")
    return run.kept_table("label_memorization.parquet", "example")


def grouped(folder: Path) -> Run:
    """An audit of pairs of examples that belong to one person."""
    return small_audit(new(folder), dataset=GROUPED, heldout=None, models=4, full=0)


LAB = Lab(workers=1, progress=False)
DATA = blobs()
GIVEN = "example,member\n" + "".join(f"{name},{row % 2}\n" for row, name in enumerate(DATA.ids))
GROUPED = byrote.from_arrays(DATA.inputs, DATA.targets, groups=[f"g{row // 2}" for row in range(60)])
NAN = np.where(np.arange(20) == 3, np.nan, 0.0) + RNG.normal(size=(8, 20))
LOGITS = RNG.normal(size=(8, 20, 2))
ALWAYS = np.concatenate([np.ones((8, 1), int), member(8, 20)[:, 1:]], axis=1)
DIVERGED = np.where(np.arange(8)[:, None] < 2, np.nan, RNG.normal(size=(8, 20)))

ANALYSES = (
    Case(
        name="words of no texts",
        wrong=on(lambda folder: small_audit(new(folder), models=4), blind_baseline),
        says="byrote audit docs",
        right=lambda folder: blind_baseline(opened("documents", folder, new(folder).name)),
    ),
    Case(
        name="writers of no texts",
        wrong=on(lambda folder: opened("classes", folder, new(folder).name), untargeted_extraction),
        says="audit docs",
        right=lambda folder: untargeted_extraction(writing(new(folder), [[0, 7, 8, 9]])),
    ),
    Case(
        name="writers without a mate",
        wrong=lambda folder: untargeted_extraction(writing(new(folder), [[0, 7, 8, 9]], np.full(6, -1))),
        says="--models 8 trains pairs",
        right=lambda folder: untargeted_extraction(writing(new(folder), [[0, 7, 8, 9]])),
    ),
    Case(
        name="a run longer than a text",
        wrong=lambda folder: untargeted_extraction(writing(new(folder), [[0, 7, 8, 9]]), width=5),
        says="width=2",
        right=lambda folder: untargeted_extraction(writing(new(folder), [[0, 7, 8, 9]]), width=2),
    ),
    Case(
        name="risks to no texts",
        wrong=on(lambda folder: opened("classes", folder, new(folder).name), text_risks),
        says="byrote audit docs",
        right=lambda folder: text_risks(opened("documents", folder, new(folder).name)),
    ),
    Case(
        name="no held-out documents",
        wrong=lambda folder: membership_attack(
            attacked_texts(new(folder), np.zeros((1, 9)), np.ones((1, 9), np.int8)), draws=2
        ),
        says="--heldout-documents FILE",
        right=lambda folder: membership_attack(
            attacked_texts(new(folder), RNG.normal(-9.0, 1.0, (1, 9)), (np.arange(9) < 5).astype(np.int8)[None]),
            draws=2,
        ),
    ),
    Case(
        name="few examples to calibrate on",
        wrong=on(lambda folder: small_audit(new(folder), models=4), calibrate),
        says="over more examples",
        right=on(many, calibrate),
        slow=True,
    ),
    Case(
        name="a proxy of other targets",
        wrong=on(of_numbers(), calibrate),
        says="--proxy forgetting_events",
        right=on(many, lambda run: calibrate(run, "forgetting_events")),
        slow=True,
    ),
    Case(
        name="a proxy of no examples",
        wrong=on(audited, lambda run: calibrate(run, "influence")),
        says="cumulative_sample_loss",
        right=on(many, lambda run: calibrate(run, "cumulative_sample_loss")),
        slow=True,
    ),
    Case(
        name="no calibration",
        wrong=calibrated("{}"),
        says="`byrote calibrate RUN` makes one",
        right=calibrated(),
        slow=True,
    ),
    Case(
        name="released values to compare",
        wrong=compared(released, released),
        says="compare runs that were audited",
        right=compared(audited, audited),
    ),
    Case(name="the other way round", wrong=children(swapped=True), says="byrote card ", right=children(), slow=True),
    Case(
        name="language and classes",
        wrong=compared(audited, lambda folder: audited(folder, "documents")),
        says="made of it",
        right=children(),
        slow=True,
    ),
    Case(
        name="other examples", wrong=compared(of_ids("a"), of_ids("b")), says="made of it", right=children(), slow=True
    ),
    Case(
        name="other classes",
        wrong=compared(imported(class_names=("a", "b")), imported(class_names=("c", "d"))),
        says="made of it",
        right=children(),
        slow=True,
    ),
    Case(
        name="models that broke down",
        wrong=compared(imported(evidence={"outputs.log_odds": DIVERGED, "outputs.loss": DIVERGED}), imported()),
        says="lower the learning rate",
        right=compared(imported(), imported()),
    ),
    Case(
        name="an analysis that trains",
        wrong=asked("forgetting", canaries=15, models=4),
        says="lab=byrote.Lab()",
        right=asked("forgetting", canaries=15, models=4, lab=LAB),
        slow=True,
    ),
    Case(
        name="an analysis that makes a run",
        wrong=lambda folder: byrote.ask(audited(folder), "second_split", lab=LAB, models=4, out=folder / "made"),
        says="byrote.Run.open(",
        right=lambda folder: Run.open(folder / "made"),
        slow=True,
    ),
    Case(
        name="no groups", wrong=on(audited, group_answers), says="groups=…", right=on(grouped, group_answers), slow=True
    ),
    Case(
        name="an analysis of two runs",
        slow=True,
        wrong=asked("comparison", audited),
        says="byrote ask RUN comparison",
        right=asked("comparison"),
    ),
    Case(
        name="no option",
        wrong=asked("membership", keys="lira"),
        says="did you mean 'key'?",
        right=asked("membership", key="lira", run=imported()),
    ),
    Case(
        name="an undefined score",
        wrong=conditions("label_memorization.mean > .5", run=imported(member=np.tile([[1], [0]], (4, 20)))),
        says="audit with more models",
        right=conditions("label_memorization.mean > .5"),
    ),
    Case(
        name="a figure of a curve",
        slow=True,
        wrong=conditions("lira.mean > .5", run=imported()),
        says="auc",
        right=conditions("lira.auc > .5", run=imported()),
    ),
    Case(
        name="an accuracy of controls",
        wrong=conditions("members.loss > .5"),
        says="accuracy",
        right=conditions("members.accuracy > .5"),
    ),
    Case(
        name="no held-out data",
        wrong=conditions("heldout.accuracy > .5", run=imported()),
        says="accuracy of the training data",
        right=conditions("members.accuracy > .5", run=imported()),
    ),
    Case(
        name="two canaries",
        wrong=on(audited, lambda run: forgetting(LAB, run, canaries=2, models=4)),
        says="--set canaries=15",
        right=on(audited, lambda run: forgetting(LAB, run, canaries=15, models=4)),
        slow=True,
    ),
    Case(
        name="no regime",
        wrong=on(audited, lambda run: forgetting(LAB, run, regime="plant", canaries=15, models=4)),
        says="inject and poison",
        right=on(audited, lambda run: forgetting(LAB, run, regime="inject", canaries=15, models=4)),
        slow=True,
    ),
    Case(
        name="no data at hand",
        wrong=on(imported(), lambda run: data_of(run, "onion")),
        says="run.attach(dataset, recipe, heldout)",
        right=on(audited, lambda run: data_of(run, "onion")),
    ),
    Case(
        name="an attack of classes",
        wrong=on(of_numbers(), lambda run: membership_attack(run, "lira")),
        says="attack with",
        right=on(imported(), lambda run: membership_attack(run, "lira")),
        slow=True,
    ),
    Case(
        name="half of too few",
        wrong=lambda folder: robust_overfitting(watched(folder, 30)),
        says="hold out 40 examples or more",
        right=lambda folder: robust_overfitting(watched(folder, 40)),
        slow=True,
    ),
    Case(
        name="no robust ensemble",
        wrong=on(full, robustness),
        says="--models 64",
        right=lambda folder: robustness(attacked(Run.open(copied("classes", folder, "halves")))),
        slow=True,
    ),
    Case(
        name="nothing to attack",
        wrong=on(full, membership_attack),
        says="--models 64",
        right=on(imported(), membership_attack),
        slow=True,
    ),
    Case(
        name="a figure of many",
        wrong=performance("r2"),
        says="judge each example",
        right=performance("absolute-error"),
        slow=True,
    ),
    Case(name="no performance", wrong=performance("error"), says="absolute-error", right=performance("absolute-error")),
    Case(
        name="no tolerance",
        wrong=performance("within-tolerance=0"),
        says="within-tolerance=0.5",
        right=performance("within-tolerance=0.5"),
    ),
    Case(
        name="numbers of classes",
        wrong=performance("absolute-error", audited),
        says="leave --performance out",
        right=measured("label_memorization"),
    ),
    Case(
        name="one figure",
        wrong=performance(lambda prediction, target: 1.0),
        says="a number for each example",
        right=performance(absolute_error),
    ),
    Case(
        name="a performance of sets",
        wrong=performance(absolute_error, of_sets),
        says="label_memorization[label_accuracy]",
        right=measured("label_memorization[label_accuracy]", of_sets),
        slow=True,
    ),
    Case(
        name="a performance of several numbers",
        wrong=performance(absolute_error, of_numbers(2)),
        says="counterfactual_memorization[squared_error]",
        right=measured("counterfactual_memorization[squared_error]", of_numbers(2)),
        slow=True,
    ),
    Case(
        name="canaries of all",
        wrong=lambda _: with_canaries(DATA, 60, mislabel=True, seed=0),
        says="--epsilon-canaries 30",
        right=lambda _: with_canaries(DATA, 30, mislabel=True, seed=0),
    ),
    Case(
        name="canaries of all groups",
        wrong=lambda _: with_canaries(GROUPED, 40, mislabel=True, seed=0),
        says="or leave out the groups",
        right=lambda _: with_canaries(DATA, 40, mislabel=True, seed=0),
    ),
    Case(
        name="guesses that the method chooses",
        wrong=lambda _: _size(40, "split", 9),
        says="leave k out",
        right=lambda _: _size(40, "split", None),
    ),
    Case(
        name="sizes of classes",
        wrong=on(audited, lambda run: compare_sizes([run, run])),
        says="`byrote compare RUN`",
        right=asked("comparison", run=imported()),
    ),
    Case(
        name="an odd number of splits",
        wrong=on(audited, lambda run: second_split(LAB, run, models=5)),
        says="--set models=6",
        right=on(audited, lambda run: second_split(LAB, run, models=6)),
        slow=True,
    ),
    Case(name="no members", wrong=members("id,member\n"), says="example", right=members(GIVEN)),
    Case(
        name="an id twice", wrong=members(GIVEN + f"{DATA.ids[0]},1\n"), says="every example once", right=members(GIVEN)
    ),
    Case(
        name="an unknown id",
        wrong=members(GIVEN + "x,1\n"),
        says=f"ids look like {str(DATA.ids[0])!r}",
        right=members(GIVEN),
    ),
    Case(
        name="perhaps a member",
        wrong=members(GIVEN.replace(",1", ",2")),
        says="of which you do not know it",
        right=members(re.sub(r".*,1\n", "", GIVEN, count=9)),
    ),
    Case(
        name="members alone",
        wrong=lambda _: _refuse_one_sided(np.ones(60, np.int8)),
        says="name both",
        right=members(GIVEN),
    ),
    Case(
        name="no table of members",
        wrong=lambda folder: read_members(folder / "members.csv", DATA),
        says="check the path",
        right=members(GIVEN),
    ),
    Case(name="weights as members", wrong=members(b"\0\1\2"), says="--members", right=members(GIVEN)),
    Case(
        name="a table cut off",
        wrong=members(GIVEN + "1,2,3\n"),
        says="its first line is example,member",
        right=members(GIVEN),
    ),
    Case(name="a table as weights", wrong=weights(b"a,b\n", "weights.csv"), says="--weights", right=weights(trained())),
    Case(
        name="weights of another network",
        wrong=weights(trained(), hidden=8),
        says="that the target was trained with",
        right=weights(trained(), hidden=16),
    ),
    Case(
        name="pickled weights",
        wrong=weights(b"\x80\x04."),
        says="save_file(network.state_dict()",
        right=weights(trained()),
    ),
    Case(
        name="no least",
        wrong=lambda _: trace("one two three", corpus_from_texts(["one two three"]), least=0),
        says="leave it out",
        right=lambda _: trace("one two three", corpus_from_texts(["one two three"])),
    ),
    Case(
        name="a text without words",
        wrong=lambda _: trace("?!", corpus_from_texts(["one two three"])),
        says="letters or digits",
        right=lambda _: trace("one two", corpus_from_texts(["one two three"])),
    ),
    Case(
        name="an unlearning of data",
        wrong=on(audited, lambda run: unlearn(LAB, run, method="weight-decay=0.1", models=4)),
        says="--set method=gradient-ascent=5",
        right=on(
            audited,
            lambda run: unlearn(LAB, run, method="gradient-ascent=5", models=5, forget=0.1),
        ),
        slow=True,
    ),
    Case(
        name="relearning of so few that no half is left",
        wrong=on(audited, lambda run: relearn(LAB, run, method="npo=1", models=5, forget=run.ids[:3].tolist())),
        says="give a larger share: --set forget=0.1",
        right=on(audited, lambda run: relearn(LAB, run, method="npo=1,epochs=1", models=5, forget=0.1)),
        slow=True,
    ),
    Case(
        name="a frontier of one run",
        wrong=on(audited, frontier),
        says="byrote frontier RUN CHILD CHILD",
        right=on(audited, lambda run: frontier(run, _weighed(run))),
    ),
    Case(
        name="a frontier of models that saw everything",
        wrong=on(
            imported(member=np.ones((8, 20), int), pair=np.full(8, -1)),
            lambda run: gain_and_cost(run, run, comparisons=1),
        ),
        says="compare runs of ensembles",
        right=on(audited, lambda run: gain_and_cost(run, _weighed(run), comparisons=1)),
    ),
    Case(
        name="an unlearning of everything",
        wrong=on(audited, lambda run: unlearn(LAB, run, method="gradient-ascent=5", models=5, forget=run.ids.tolist())),
        says="name some of them",
        right=on(audited, lambda run: _examples(run, run.ids[:2].tolist())),
    ),
    Case(
        name="an unlearning of a document that is one token",
        wrong=lambda _: refuse_unpredicted(np.array(["a"]), np.array([0, 1, 3]), BARE, np.array([0])),
        says="leave them out of the documents to forget",
        right=lambda _: refuse_unpredicted(np.array(["b"]), np.array([0, 1, 3]), BARE, np.array([1])),
    ),
    Case(
        name="cleanlab of NaN",
        wrong=on(
            imported(evidence={"outputs.logits": np.where(np.isnan(NAN)[..., None], np.nan, LOGITS)}),
            lambda run: cleanlab.write(run, run.folder / "p.npz"),
        ),
        says="leave these examples out",
        right=on(imported(evidence={"outputs.logits": LOGITS}), lambda run: cleanlab.write(run, run.folder / "p.npz")),
    ),
    Case(
        name="cleanlab of members alone",
        wrong=on(
            imported(member=ALWAYS, evidence={"outputs.logits": LOGITS}),
            lambda run: cleanlab.write(run, run.folder / "p.npz"),
        ),
        says="half-subset pairs",
        right=on(imported(evidence={"outputs.logits": LOGITS}), lambda run: cleanlab.write(run, run.folder / "p.npz")),
    ),
    Case(
        name="no scores",
        wrong=on(imported(), lambda run: spreadsheet.write(run, run.folder / "s.csv")),
        says="byrote measure",
        right=on(
            imported(), lambda run: [run.measure("label_memorization"), spreadsheet.write(run, run.folder / "s.csv")]
        ),
    ),
    Case(name="other files", wrong=in_folder(mine="a"), says="an empty or a new folder", right=in_folder(), slow=True),
    Case(
        name="evidence alone",
        wrong=in_folder(**{"evidence__outputs__m00000.p0.safetensors": "a"}),
        says="give another folder",
        right=in_folder(),
        slow=True,
    ),
    Case(name="somebody at work", wrong=held, says="wait for it", right=let_go),
    Case(name="a damaged result", wrong=kept, says="remove it", right=kept_anew),
    Case(
        name="numbers of a run of classes",
        wrong=on(audited, lambda run: run.numbers),
        says="run.labels",
        right=on(audited, lambda run: run.labels),
    ),
    Case(
        name="released values to measure",
        wrong=measured("label_memorization", released),
        says="read its tables under results/",
        right=on(released, lambda run: sorted((run.folder / "results").iterdir())[0]),
    ),
    Case(
        name="models that diverged",
        wrong=measured(
            "label_memorization", imported(evidence={"outputs.log_odds": DIVERGED, "outputs.loss": DIVERGED})
        ),
        says="lower the learning rate",
        right=measured("label_memorization", imported()),
    ),
    Case(
        name="influence without held-out data",
        wrong=measured("influence", lambda folder: in_folder()(folder)),
        says="pass heldout=… to byrote.audit",
        right=measured("influence"),
        slow=True,
    ),
    Case(
        name="one phase",
        wrong=measured("second_split_forgetting_time", audited),
        says="--design two-splits",
        right=on(
            audited,
            lambda run: second_split(LAB, run, models=4).measure("second_split_forgetting_time"),
        ),
        slow=True,
    ),
    Case(
        name="no such role",
        wrong=measured("label_memorization", role="target"),
        says="'reference'",
        right=measured("label_memorization", role="reference"),
    ),
    Case(
        name="no models",
        wrong=on(audited, lambda run: run.measured_on("label_memorization", np.array([], int))),
        says="run.models()",
        right=on(audited, lambda run: run.measured_on("label_memorization", run.models())),
    ),
    Case(
        name="a measure of other targets",
        wrong=measured("lira", of_numbers()),
        says="",
        right=measured("counterfactual_memorization[squared_error]", of_numbers()),
        slow=True,
    ),
    Case(
        name="issues of a run that can tell nothing",
        wrong=on(imported(), issues),
        says="attach the data",
        right=on(audited, issues),
    ),
    Case(
        name="other data",
        wrong=lambda folder: Run.open(copied("classes", folder)).attach(blobs(seed=3), RECIPE),
        says="the same examples in the same order",
        right=lambda folder: Run.open(folder / "run").attach(blobs(noise=0.1), RECIPE),
    ),
    Case(
        name="figures of no examples",
        wrong=on(audited, lambda run: run.replicates("influence")),
        says="`byrote measures`",
        right=on(audited, lambda run: run.replicates("label_memorization")),
    ),
)


@each(*ANALYSES)
def test_hints_of_analyses_are_followed(case, tmp_path):
    follow(case, tmp_path)
