from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import byrote
from byrote.engine import planning as module
from byrote.engine.choose import Choice
from byrote.engine.job import Block
from byrote.engine.planning import Expected, Plan, _Clock, _Forecast, _Pilot, plan, time_words
from byrote.engine.resources import size_words
from byrote.engine.stopping import Goal, percentile_error, worst_error
from byrote.errors import BadInput
from byrote.results import PerExample
from byrote.runs.run import Run
from byrote.stats.intervals import agresti_caffo
from engine.toys import job
from small import RECIPE, blobs, longer, small_audit

CHOICE = Choice(
    stacked=True,
    size=8,
    compiled=False,
    reason="8 models at once",
    seconds_a_model=1.0,
    seconds_alone=2.0,
    seconds_pair=3.0,
)
PILOT = _Pilot(start=3.0, slower=2.0, counts=None, words="a pilot")


def small_plan(**changes: Any) -> Plan:
    """The plan of `small_audit`."""
    settings: dict[str, Any] = {"models": 6, "heldout": blobs(30, seed=1), "workers": 1}
    dataset, recipe = changes.pop("dataset", blobs(noise=0.1)), changes.pop("recipe", RECIPE)
    return plan(dataset, recipe, **{**settings, **changes})


def came(run: Run) -> float:
    result = run.measured_on("label_memorization", run.models())
    assert isinstance(result, PerExample)
    return percentile_error(result.stderr)


def stored(folder: Path) -> int:
    files = [*folder.rglob("evidence/*/*.safetensors"), folder / "design.safetensors"]
    return sum(path.stat().st_size for path in files)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        *(
            pytest.param(changes, marks=pytest.mark.slow)
            for changes in (
                {"full": 0},
                {"keep_weights": True},
                {"heldout": None},
                {"checkpoints": 3, "models": 10},
                {"probes": ("last_layer", "gradient_norm")},
                {
                    "probes": ("input_curvature,checkpoints=3", "variance_of_gradients", "weight_gradients"),
                    "models": 10,
                },
            )
        ),
    ],
    ids=str,
)
def test_disk_is_what_is_then_taken(tmp_path: Path, changes: dict[str, Any]) -> None:
    changes = {**changes, "dataset": blobs(300)}
    planned = small_plan(**changes)
    run = small_audit(tmp_path / "run", **changes)
    assert planned.expected.disk == pytest.approx(stored(run.folder), rel=0.05)


@pytest.mark.slow
def test_disk_without_logits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("byrote.engine.resources.LOGITS_BYTES", 1)
    planned = small_plan(dataset=blobs(300))
    run = small_audit(tmp_path / "run", dataset=blobs(300))
    assert planned.expected.disk == pytest.approx(stored(run.folder), rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize(
    "noise", [pytest.param(0.0, marks=pytest.mark.slow), 0.1, pytest.param(0.3, marks=pytest.mark.slow)]
)
def test_the_error_is_within_30_percent_of_the_one_that_comes(tmp_path: Path, noise: float) -> None:
    settings: dict[str, Any] = {"dataset": blobs(300, noise=noise), "models": 32, "recipe": longer(20), "full": 0}
    planned = small_plan(**settings)
    assert planned.expected.error == pytest.approx(came(small_audit(tmp_path / "run", **settings)), rel=0.3)
    assert planned.expected.error <= planned.expected.worst_error == worst_error(32)


@pytest.mark.slow
def test_the_look_at_which_the_audit_stops_is_foretold(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"dataset": blobs(300, noise=0.1), "models": 96, "recipe": longer(20), "stderr": 0.11}
    planned = small_plan(**settings)
    run = small_audit(tmp_path / "run", **settings)
    assert planned.expected.models == len(run.models())
    assert 16 < planned.expected.models < 96
    assert run.manifest.stopping is not None
    assert planned.stops == run.manifest.stopping["stopped"]["why"]
    assert [each.models for each in planned.others] == run.manifest.stopping["looks"]
    assert planned.sentences()[0].startswith(f"The audit should stop after {len(run.models())} of at most 96 models: ")


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.chdir(tmp_path)
    small_plan()
    assert not list(tmp_path.iterdir())


def test_other_sizes_are_told_of_and_the_error_falls_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PILOT_SECONDS", 1e6)  # all epochs, on however busy a machine
    planned = small_plan(models=24)
    assert [each.models for each in planned.others] == [16, 24, 32, 64, 128, 256]
    assert planned.expected in planned.others
    for before, after in zip(planned.others, planned.others[1:], strict=False):
        assert before.worst_error > after.worst_error
        assert before.error > after.error
        assert before.seconds <= after.seconds
        assert before.disk < after.disk
    said = " ".join(planned.sentences())
    for words in ("24 models and 2 on all data", "in 1 process", "a pilot of", "6 of 6 epochs", planned.how):
        assert words in said


def test_a_plan_by_margins_says_so_and_expects_smaller_errors_at_worst(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PILOT_SECONDS", 1e6)
    by_counts, by_margins = (
        small_plan(models=24, recipe=longer(20), **by) for by in ({}, {"estimate": "label_memorization[margin]"})
    )
    for one, other in zip(by_margins.others[:2], by_counts.others[:2], strict=True):
        assert one.worst_error < other.worst_error
        assert one.error < one.worst_error
    said = " ".join(by_margins.sentences())
    assert "an error of label_memorization[margin] of at most" in said
    assert "where margins are normal, none can get more than" in said


def test_what_probes_take_is_said() -> None:
    planned = small_plan(models=24, probes=("el2n", "input_curvature,checkpoints=3", "input_gradients"))
    one, curvature, gradients = planned.sentences()[-3:]
    assert one == f"The probe el2n looks at 26 models at 7 checkpoints; it takes {size_words(26 * 2736)} of disk."
    assert "looks at 10 models at 3 checkpoints; it takes about 3 backward passes" in curvature
    assert "comes on top of that time" in curvature
    assert "looks at 26 models at 7 checkpoints; it takes about 1 backward pass of all" in gradients


def test_a_pilot_of_large_data_sees_a_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PILOT_SECONDS", 1e-4)
    planned = small_plan(dataset=blobs(3000), heldout=blobs(600, seed=1), models=16)
    assert planned.pilot.endswith("after 4 of 6 epochs on 64 of 3,000 examples")  # 2 · 4 batches of 8
    side = np.array([8])
    assert planned.expected.error == pytest.approx(agresti_caffo(side, side, side // 2, side).stderr[0])


def forecast(tmp_path: Path, **changes: Any) -> _Forecast:
    settings: dict[str, Any] = {"choice": CHOICE, "pilot": PILOT, "workers": 2, "full": 2, "probed": 1.0, "seed": 0}
    return _Forecast(job=job(tmp_path), **{**settings, **changes})


def test_seconds_of_an_audit_at_once(tmp_path: Path) -> None:
    # 2 models on twice the data, 2 · 3 seconds by the probe, then 4, 4 and 8, so that there is something to look at
    # early: 3 + 2 · 5 / 6 seconds for 4 of them, 8 for 8; two processes have 6 and 8, and twice those of 4
    first, four = 2 * 3, 3 + 2 * 5 / 6
    assert forecast(tmp_path).seconds(16, None) == pytest.approx(1 + 3 + 2 * (first + 8))
    alone = forecast(tmp_path, workers=1, pilot=_Pilot(start=0.0, slower=2.0, counts=None, words=""))
    assert alone.seconds(16, None) == pytest.approx(1 + 2 * (first + 2 * four + 8))


def test_processes_are_those_of_the_largest_stage() -> None:
    assert module._processes(None, 64, 16, 2) == 2
    assert module._processes(None, 16, 32, 2) == 2  # blocks of 4, 4 and 8
    assert module._processes(None, 6, 32, 2) == 1
    # the first look's 16 models are divided among the processes, whatever a block could hold
    assert module._processes(Goal(looks=(16, 32), stderr=0.1), 16, 32, 2) == 2
    assert module._processes(Goal(looks=(4,), stderr=0.1), 4, 1, 8) == 4


def test_seconds_from_look_to_look(tmp_path: Path) -> None:
    goal = Goal(looks=(16, 32), stderr=0.1)
    # 16 models are two blocks of 8; the two on all data go one to each process, alone for 2 · 2 seconds
    assert forecast(tmp_path).seconds(16, goal) == pytest.approx(1 + (3 + 2 * 8) + (3 + 2 * 4))
    assert forecast(tmp_path).seconds(32, goal) == pytest.approx(1 + 2 * (3 + 2 * 8) + (3 + 2 * 4))
    # no process is started for a single block
    assert forecast(tmp_path, full=1).seconds(16, goal) == pytest.approx(1 + (3 + 2 * 8) + 2 * 4)


@pytest.mark.parametrize(("budget", "models"), [(35.0, 16), (49.0, 16), (51.0, 32), (90.0, 64)])
def test_the_budget_stops_by_the_rule_of_the_audit(tmp_path: Path, budget: float, models: int) -> None:
    # 20 seconds until the first look, 19 from there to 32, 38 from there to 64, 11 for those on all data; the rule
    # foresees 20 · 16/16 at the first look, and 39 · 32/32 at the second
    found = module._stop(Goal(looks=(16, 32, 64), budget=budget), forecast(tmp_path))
    assert found[0] == models
    assert ("budget" in found[1]) == (models < 64)


def test_a_budget_below_the_first_look_is_refused_as_the_audit_refuses_it(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"is too short for the first stopping point \(16 models") as caught:
        module._stop(Goal(looks=(16, 32), budget=30.0), forecast(tmp_path))
    assert caught.value.hint == "--budget 2m, or fewer --models."


def test_the_seconds_of_a_block_in_this_process() -> None:
    clock = _Clock(started=10.0)
    first, second = Block(models=(0, 1), stacked=True), Block(models=(2, 3), stacked=True)
    clock.reports = {first.models: [(12.0, 0.25), (15.0, 1.0)], second.models: [(18.0, 0.25), (21.0, 1.0)]}
    clock.ends = {first.models: 15.5, second.models: 21.5}
    for block, total in ((first, 5.5), (second, 6.0)):
        timed = clock.here(block, estimate=99.0)
        assert (timed.start, timed.total, timed.rate) == (0.0, total, 4.0)


def test_the_seconds_of_a_block_in_another_process() -> None:
    clock, block = _Clock(started=10.0), Block(models=(0, 1), stacked=True)
    clock.reports, clock.ends = {block.models: [(15.0, 0.25), (17.0, 0.75)]}, {block.models: 18.5}
    timed = clock.pooled(block, estimate=99.0)
    assert (timed.start, timed.total, timed.rate) == (4.0, 4.5, 4.0)
    # a single report tells when the first epoch was over, and the probe how long epochs take
    clock.reports = {block.models: [(15.0, 0.25)]}
    timed = clock.pooled(block, estimate=2.0)
    assert (timed.start, timed.total, timed.rate) == (4.5, 4.0, 2.0)
    # none, where the block was over before the first
    clock.reports = {}
    timed = clock.pooled(block, estimate=2.0)
    assert (timed.total, timed.rate) == (8.5 - 2.0 + 2.0, 2.0)


def said(**settings: float) -> str:
    """The sentences of a plan of 64 models."""
    expected = Expected(models=64, seconds=60.0, disk=1, error=0.057, worst_error=0.121)
    planned = Plan(
        expected=expected, full=2, workers=2, memory=1, how="one at a time", pilot="a pilot of 4 models after 20 of "
        "100 epochs", stops="", others=(expected,), **settings,
    )  # fmt: skip
    return " ".join(planned.sentences())


def test_a_busy_machine_and_too_few_epochs_are_said() -> None:
    hopeful = said(core=0.3, epochs=0.2)
    assert "of at most 0.057 to 0.121. The first is by a pilot of 4 models after 20 of 100 epochs, which" in hopeful
    assert "byrote got 30 % of a core" in hopeful
    assert "alone it should need about 30 % of them" in hopeful
    quiet = said(core=0.97, epochs=0.58)
    assert "of at most 0.057, and none can get more than 0.121; by a pilot of 4 models" in quiet
    assert "busy" not in quiet


def test_lengths_of_time_in_words() -> None:
    assert [time_words(s) for s in (0.23, 9.4, 9.97, 119.0, 120.0, 7000.0, 7200.0)] == [
        "0.23 seconds",
        "9.4 seconds",
        "10 seconds",
        "119 seconds",
        "2 minutes",
        "117 minutes",
        "2 hours",
    ]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"models": 7}, "even number"),
        ({"models": 2}, "at least 4"),
        ({"stderr": 0.9}, "must lie in (0, .5)"),
        ({"budget": "soon"}, "must be a length of time"),
        ({"probes": ("ears",)}, "different names of probes"),
        ({"recipe": byrote.Recipe(network=byrote.SmallCNN())}, "takes images"),
        ({"heldout": blobs().replace(class_names=("x", "y", "z"))}, "held-out dataset has the classes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_the_audit_would_refuse_is_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadInput) as caught:
        small_plan(**changes)
    assert sentence in caught.value.message


@pytest.mark.slow
@pytest.mark.parametrize(
    ("workers", "changes"),
    [
        (1, {"models": 48}),
        (2, {"models": 96}),
        (1, {"models": 96, "stderr": 0.11}),
        (2, {"models": 96, "stderr": 0.11}),
        (1, {"models": 16, "epochs": 200}),
    ],
    ids=["one process", "two", "looks", "looks of two", "few epochs seen"],
)
def test_time_is_within_30_percent_of_what_then_passes(tmp_path: Path, workers: int, changes: dict[str, Any]) -> None:
    """Plans and audits take turns, and the median of three is judged; turns amid others' work do not count."""
    recipe = byrote.Recipe(
        network=byrote.MLP(hidden=(64,)), epochs=changes.get("epochs", 40), batch_size=16, optimizer=byrote.SGD(lr=0.1)
    )
    data, settings = blobs(1500, noise=0.1), {name: value for name, value in changes.items() if name != "epochs"}
    settings |= {"heldout": blobs(30, seed=1), "workers": workers}
    ratios = []
    for turn in range(5):
        expected = plan(data, recipe, **settings).expected
        started = time.perf_counter()
        run = byrote.audit(data, recipe, out=tmp_path / str(turn), progress=False, **settings)
        passed = time.perf_counter() - started
        assert expected.models == len(run.models())
        assert expected.disk == pytest.approx(stored(run.folder), rel=0.3)
        assert expected.error == pytest.approx(came(run), rel=0.3)
        if os.getloadavg()[0] < workers + 0.75:
            ratios.append(expected.seconds / passed)
        if len(ratios) == 3 or turn - len(ratios) == 2:
            break
    if len(ratios) < 3:
        pytest.skip(f"the machine is busy with something else: a load of {os.getloadavg()[0]:.1f}")
    assert 1 / 1.3 <= np.median(ratios) <= 1.3, ratios
