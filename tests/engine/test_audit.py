from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

import byrote
from byrote.engine.stopping import percentile_error
from byrote.errors import BadInput, NotEnoughRoom, RunMismatch, TooFewModels
from byrote.evidence.manifest import Manifest
from byrote.results import PerExample
from byrote.runs.folder import hold
from byrote.runs.run import Run
from small import RECIPE, blobs, longer, shards, small_audit


class Heard:
    """A progress that remembers."""

    def __init__(self) -> None:
        self.sentences: list[str] = []
        self.errors: list[float | None] = []
        self.started: tuple[int, int] | None = None

    def say(self, sentence: str) -> None:
        self.sentences.append(sentence)

    def start(self, models: int, done: int, seconds: float | None) -> None:
        self.started = (models, done)

    def advance(self, models_done: float, error: float | None) -> None:
        self.errors.append(error)

    def stop(self) -> None:
        pass


def test_records_every_kind_of_evidence_for_every_model(tmp_path: Path) -> None:
    run = small_audit(tmp_path / "run")
    assert len(shards(run.folder)) == 8 * 4
    reference = run.models()
    assert reference.tolist() == [0, 1, 2, 3, 4, 5]
    assert run.models("full").tolist() == [6, 7]
    assert run.load("outputs.logits", reference).shape == (6, 60, 3)
    assert run.load("trajectory.loss", reference).shape == (6, 7, 60)
    assert run.load("heldout.correct", reference).shape == (6, 30)
    shown = run.load("presentation.presentations", reference)
    np.testing.assert_array_equal(shown, 6 * run.design.member[:6])
    # the last checkpoint is the end state, and both were written by different probes
    np.testing.assert_array_equal(
        run.load("trajectory.log_odds", reference)[:, -1], run.load("outputs.log_odds", reference)
    )


def test_members_are_fitted_and_the_planted_labels_are_memorized(tmp_path: Path) -> None:
    run = small_audit(tmp_path / "run", models=12, recipe=longer(60))
    result = run.measure("label_memorization")
    assert isinstance(result, PerExample)
    planted = run.controls.mask(run.ids, "label_noise")
    assert np.nanmean(result.values[planted]) > np.nanmean(result.values[~planted]) + 0.3
    assert (run.folder / "results" / "label_memorization.parquet").exists()


def test_same_seed_gives_the_same_bytes_and_another_seed_does_not(tmp_path: Path) -> None:
    first, second = small_audit(tmp_path / "a"), small_audit(tmp_path / "b", executor=None)
    blocks = first.manifest.executor["blocks"]
    third = small_audit(tmp_path / "c", seed=1)
    assert second.manifest.executor["blocks"] == blocks
    assert shards(first.folder) == shards(second.folder)
    again = small_audit(tmp_path / "d", executor=first.manifest.executor)
    assert shards(first.folder) == shards(again.folder)
    assert shards(first.folder) != shards(third.folder)


def test_loop_and_stack_see_the_same_first_steps(tmp_path: Path) -> None:
    executor = {"reason": "", "seconds_a_model": 1.0, "device": "cpu", "threads": 1}
    loop = {**executor, "blocks": [{"models": [m], "stacked": False, "compiled": False} for m in range(8)]}
    stack = {
        **executor,
        "blocks": [
            {"models": list(range(6)), "stacked": True, "compiled": False},
            {"models": [6, 7], "stacked": True, "compiled": False},
        ],
    }
    one = small_audit(tmp_path / "one", recipe=longer(2), executor=loop)
    many = small_audit(tmp_path / "many", recipe=longer(2), executor=stack)
    np.testing.assert_allclose(
        one.load("outputs.logits", range(8)), many.load("outputs.logits", range(8)), rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(
        one.load("presentation.loss_sum", range(8)), many.load("presentation.loss_sum", range(8)), rtol=1e-4, atol=1e-5
    )


def test_a_second_call_trains_nothing_and_another_audit_is_refused(tmp_path: Path) -> None:
    first = small_audit(tmp_path / "run")
    times = {path: path.stat().st_mtime_ns for path in first.folder.rglob("*.safetensors")}
    small_audit(tmp_path / "run")
    assert {path: path.stat().st_mtime_ns for path in first.folder.rglob("*.safetensors")} == times
    with pytest.raises(RunMismatch, match=r"belongs to another audit: .*recipe\.epochs was 6, now 7"):
        small_audit(tmp_path / "run", recipe=longer(7))
    with pytest.raises(RunMismatch, match=r"dataset was .* now"):
        small_audit(tmp_path / "run", dataset=blobs(noise=0.2))
    with pytest.raises(RunMismatch, match=r"seed was 0, now 5"):
        small_audit(tmp_path / "run", seed=5)


def test_a_damaged_shard_is_found_and_only_its_model_is_written_again(tmp_path: Path) -> None:
    run = small_audit(tmp_path / "run")
    whole = shards(run.folder)
    victim = run.folder / "evidence/outputs/m00003.p0.safetensors"
    content = bytearray(victim.read_bytes())
    content[-5] ^= 1
    victim.write_bytes(bytes(content))
    (run.folder / "evidence/outputs/.left.part").write_bytes(b"half a shard")
    heard = Heard()
    small_audit(tmp_path / "run", progress=heard)
    assert any("does not fit its checksum" in sentence for sentence in heard.sentences)
    assert shards(run.folder) == whole
    assert not list(run.folder.rglob("*.part"))


@pytest.mark.slow
def test_killed_and_resumed_gives_what_an_undisturbed_run_gives(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import sys
            sys.path.insert(0, {str(Path(__file__).parents[1])!r})
            from pathlib import Path
            from small import longer, small_audit
            executor = {{"reason": "", "seconds_a_model": 1.0, "device": "cpu", "threads": 1,
                         "blocks": [{{"models": [m], "stacked": False, "compiled": False}} for m in range(8)]}}
            small_audit(Path(sys.argv[1]), recipe=longer(40), executor=executor)
            """
        )
    )
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    subprocess.run([sys.executable, script, whole], check=True)
    process = subprocess.Popen([sys.executable, script, broken])
    wanted = broken / "evidence/outputs/m00002.p0.safetensors"
    deadline = time.monotonic() + 120
    while not wanted.exists():
        assert process.poll() is None, "the audit ended before it could be killed"
        assert time.monotonic() < deadline
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (broken / "evidence/outputs/m00007.p0.safetensors").exists()
    subprocess.run([sys.executable, script, broken], check=True)
    assert shards(broken) == shards(whole)
    results = [Run.open(folder).measure("label_memorization") for folder in (whole, broken)]
    np.testing.assert_array_equal(results[0].values, results[1].values)  # type: ignore[union-attr]


@pytest.mark.slow
def test_pool_gives_the_bytes_of_one_process(tmp_path: Path) -> None:
    executor = {
        "reason": "",
        "seconds_a_model": 1.0,
        "device": "cpu",
        "threads": 1,
        "blocks": [
            {"models": [0, 1, 2], "stacked": True, "compiled": False},
            {"models": [3, 4, 5], "stacked": True, "compiled": False},
            {"models": [6], "stacked": False, "compiled": False},
            {"models": [7], "stacked": False, "compiled": False},
        ],
    }
    here = small_audit(tmp_path / "here", executor=executor)
    pool = small_audit(tmp_path / "pool", executor=executor, workers=2)
    assert shards(here.folder) == shards(pool.folder)


def test_progress_tells_the_error_and_singletons_are_noted(tmp_path: Path) -> None:
    dataset = blobs()
    targets = dataset.targets.copy()
    targets[targets == 2] = 1
    targets[7] = 2
    heard = Heard()
    run = small_audit(tmp_path / "run", dataset=dataset.replace(targets=targets), progress=heard)
    assert any("single example" in sentence for sentence in heard.sentences)
    assert heard.started == (8, 0)
    last = heard.errors[-1]
    assert last is not None
    result = run.measure("label_memorization")
    assert isinstance(result, PerExample)
    assert last == pytest.approx(np.median(result.stderr))


def test_a_folder_at_work_is_refused(tmp_path: Path) -> None:
    with hold(tmp_path / "run"), pytest.raises(RunMismatch, match="Another process is at work"):
        small_audit(tmp_path / "run")
    with hold(tmp_path / "run"):  # it was let go
        pass


def test_a_recipe_that_diverges_is_reported_and_refused(tmp_path: Path) -> None:
    heard = Heard()
    wild = byrote.Recipe(network=byrote.MLP((16,)), epochs=6, batch_size=8, optimizer=byrote.SGD(lr=1e12))
    run = small_audit(tmp_path / "run", recipe=wild, progress=heard)
    assert any("diverged. It and the other model of its pair are excluded" in sentence for sentence in heard.sentences)
    with pytest.raises(TooFewModels, match=r"reference models diverged, above the limit of 5 %"):
        run.measure("label_memorization")


def test_one_diverged_model_of_many_leaves_with_its_mate(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    member = np.zeros((40, 10), np.int64)
    for pair in range(20):
        inside = rng.permutation(10)[:5]
        member[2 * pair, inside] = 1
        member[2 * pair + 1] = 1 - member[2 * pair]
    log_odds = rng.normal(size=(40, 10)).astype(np.float32)
    log_odds[5] = np.nan
    evidence = {"outputs.log_odds": log_odds, "outputs.logit_margin": log_odds}
    run = byrote.import_arrays(
        tmp_path / "run",
        labels=np.zeros(10, np.int64),
        member=member,
        evidence=evidence,
        pair=np.arange(40) // 2,
        class_names=("a", "b"),
    )
    assert run.diverged() == (5,)
    assert set(range(40)) - set(run.models().tolist()) == {4, 5}
    assert run.measure("label_memorization").models == 38


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"models": 2}, "even number of at least 4"),
        ({"models": 7}, "even number"),
        ({"heldout": "other classes"}, "held-out dataset has the classes"),
        ({"recipe": "cnn"}, "SmallCNN takes images"),
        ({"recipe": "logits"}, "must give 3 logits per example, one per class. Got (5,)"),
        ({"recipe": "shape"}, "does not take the dataset's inputs of shape (2,)"),
    ],
)
def test_what_cannot_be_is_refused_before_training(tmp_path: Path, changes: dict[str, object], sentence: str) -> None:
    from torch import nn

    stand_ins = {
        "other classes": blobs().replace(class_names=("x", "y", "z")),
        "cnn": byrote.Recipe(network=byrote.SmallCNN()),
        "logits": byrote.Recipe(network=byrote.Network(lambda: nn.Linear(2, 5))),
        "shape": byrote.Recipe(network=byrote.Network(lambda: nn.Linear(4, 3))),
    }
    changes = {key: stand_ins.get(value, value) if isinstance(value, str) else value for key, value in changes.items()}
    with pytest.raises(BadInput) as caught:
        small_audit(tmp_path / "run", **changes)
    assert sentence in caught.value.message
    assert not (tmp_path / "run" / "manifest.json").exists()


def test_too_little_disk_or_memory_is_said_before_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(100, 90, 10))
    with pytest.raises(NotEnoughRoom, match=r"takes about .* of disk, and .* has 0\.0 MB free"):
        small_audit(tmp_path / "run")
    monkeypatch.undo()
    monkeypatch.setattr("byrote.engine.resources.available_memory", lambda: 1000)
    with pytest.raises(NotEnoughRoom, match=r"takes about .* of memory, and .* are available"):
        small_audit(tmp_path / "run")
    assert not (tmp_path / "run" / "manifest.json").exists()


def test_weights_are_kept_on_request_and_load_into_the_network(tmp_path: Path) -> None:
    import torch

    run = small_audit(tmp_path / "run", keep_weights=True)
    weights = run.evidence.block("weights", 4, 0)
    network = RECIPE.network.build((2,), 3)
    network.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    assert run.dataset is not None
    with torch.no_grad():
        logits = network(torch.tensor(run.dataset.inputs))
    np.testing.assert_allclose(logits.numpy(), run.load("outputs.logits", [4])[0], rtol=1e-4, atol=1e-5)


def test_logits_that_do_not_fit_leave_class_means(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = small_audit(tmp_path / "whole")
    monkeypatch.setattr("byrote.engine.resources.LOGITS_BYTES", 1)
    run = small_audit(tmp_path / "run", executor=whole.manifest.executor)
    with pytest.raises(byrote.ByroteError, match=r"'outputs\.logits' is not recorded"):
        run.load("outputs.logits", run.models())
    from scipy.special import softmax

    logits = whole.load("outputs.logits", range(8)).astype(np.float64)
    member = whole.design.member == 1
    total = np.zeros((60, 3))
    for block in run.manifest.executor["blocks"]:
        sums = run.evidence.block("class_probability", block["models"][0], 0)
        total += sums["sum_out"]
    expected = (softmax(logits, -1) * ~member[..., None]).sum(0)
    np.testing.assert_allclose(total, expected, atol=1e-5)
    small_audit(tmp_path / "run", executor=whole.manifest.executor)  # nothing is missing


def test_the_manifest_tells_what_a_person_must_know(tmp_path: Path) -> None:
    run = small_audit(tmp_path / "run")
    manifest = Manifest.read(run.folder)
    assert manifest.origin == "trained"
    assert [entry.role for entry in manifest.models] == ["reference"] * 6 + ["full"] * 2
    assert [entry.pair for entry in manifest.models] == [0, 0, 1, 1, 2, 2, -1, -1]
    assert manifest.identity["recipe"]["optimizer"]["lr"] == 0.1
    assert manifest.checkpoints == (0, 1, 2, 3, 4, 5, 6)
    assert manifest.environment["packages"]["torch"]
    assert os.listdir(run.folder / "evidence") != []


@pytest.mark.slow
def test_other_designs_are_audited_through_the_same_door(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, design in {
        "iid": byrote.iid_subsets(60, 6, ratio=0.7, rng=rng),
        "grid": byrote.ratio_grid(60, 4, ratios=(0.3, 0.6), rng=rng),
        "splits": byrote.two_splits(60, 4, epochs=3, rng=rng),
        "coins": byrote.coins(60, 3, canaries=np.arange(20), rng=rng),
    }.items():
        run = small_audit(tmp_path / name, design=design)
        role = "target" if name == "coins" else "reference"
        assert len(run.models(role)) == design.models
        correct = run.load("outputs.correct", run.models(role))
        assert correct.shape == (design.models, 60)
    halves = Run.open(tmp_path / "splits")
    first = halves.evidence.load("presentation.presentations", [0], 0)[0]
    second = halves.evidence.load("presentation.presentations", [0], 1)[0]
    np.testing.assert_array_equal(first > 0, second == 0)
    assert first.max() == 6
    assert second.max() == 3


@pytest.mark.slow
def test_the_demo_finds_the_planted_labels(tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="the demo's digits come with scikit-learn")
    from byrote.cli.sources import experiment
    from byrote.report.facts import facts

    made = experiment("digits", data_dir=None, plants=None, seed=0)
    run = byrote.audit(made.dataset, made.recipe, heldout=made.heldout, models=64, out=tmp_path / "run", progress=False)
    found = facts(run)
    assert found.interpolates
    assert found.mean_memorization["label_noise"].value > 0.75
    assert found.mean_memorization["clean"].value < 0.1
    csl = next(d for d in found.detections if d.measure.key == "cumulative_sample_loss")
    assert csl.average_precision.value >= 0.95


@pytest.mark.slow
def test_the_demo_small_finds_the_planted_labels(tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="the demo's digits come with scikit-learn")
    from byrote.cli.sources import experiment
    from byrote.stats.ranking import average_precision

    made = experiment("digits", data_dir=None, plants=None, seed=0)
    run = byrote.audit(
        made.dataset, made.recipe, heldout=made.heldout, models=8, full=0, out=tmp_path / "run", progress=False
    )
    result = run.measure("cumulative_sample_loss")
    assert isinstance(result, PerExample)
    planted = run.controls.mask(run.ids, "label_noise")
    assert planted.sum() == 72
    assert average_precision(result.values, planted) >= 0.95


def loops() -> byrote.Recipe:
    """Trains in the plain loop, whatever the probe finds, so that two runs have the same blocks."""
    from torch import nn

    def build() -> nn.Module:
        return nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 3))

    return byrote.Recipe(network=byrote.Network(build), epochs=6, batch_size=8, optimizer=byrote.SGD(lr=0.1))


def known(run: Run) -> float:
    result = run.measure("label_memorization")
    assert isinstance(result, PerExample)
    return percentile_error(result.stderr)


def test_an_audit_stops_at_the_first_look_that_reaches_the_goal(tmp_path: Path) -> None:
    heard = Heard()
    run = small_audit(tmp_path / "run", models=64, recipe=loops(), stderr=0.14, progress=heard)
    stopping = run.manifest.stopping
    assert stopping is not None
    assert (stopping["stderr"], stopping["looks"], stopping["full"]) == (0.14, [16, 32, 48, 64], 2)
    reached = stopping["reached"]
    assert [look["models"] for look in reached] == stopping["looks"][: len(reached)]
    assert all(look["stderr"] > 0.14 for look in reached[:-1])
    assert reached[-1]["stderr"] <= 0.14
    assert 1 < len(reached) < 4
    assert stopping["stopped"] == {"models": reached[-1]["models"], "why": "the standard error asked for is reached"}
    assert len(run.models()) == reached[-1]["models"]
    assert len(run.models("full")) == 2
    assert known(run) == reached[-1]["stderr"]
    assert any("training stops here" in sentence for sentence in heard.sentences)
    assert any("training stops here" in note for note in run.manifest.notes)
    assert Manifest.read(run.folder).stopping == stopping


@pytest.mark.slow
def test_a_stopped_run_is_the_run_of_that_many_models(tmp_path: Path) -> None:
    stopped = small_audit(tmp_path / "stopped", models=64, recipe=loops(), stderr=0.14)
    models = len(stopped.models())
    whole = small_audit(tmp_path / "whole", models=models, recipe=loops())
    assert shards(stopped.folder) == shards(whole.folder)
    assert stopped.design.fingerprint() == whole.design.fingerprint()
    assert stopped.manifest.design == whole.manifest.design
    assert stopped.manifest.models == whole.manifest.models
    blocks = [model for block in stopped.manifest.executor["blocks"] for model in block["models"]]
    assert sorted(blocks) == list(range(models + 2))


@pytest.mark.slow
def test_the_same_command_finds_a_stopped_run_complete_and_another_one_is_refused(tmp_path: Path) -> None:
    first = small_audit(tmp_path / "run", models=64, stderr=0.14)
    before, manifest = shards(first.folder), (first.folder / "manifest.json").read_bytes()
    heard = Heard()
    small_audit(tmp_path / "run", models=64, stderr=0.14, progress=heard)
    assert (shards(first.folder), (first.folder / "manifest.json").read_bytes()) == (before, manifest)
    assert heard.started is None
    with pytest.raises(RunMismatch, match=r"stopping\.stderr was 0\.14, now 0\.2"):
        small_audit(tmp_path / "run", models=64, stderr=0.2)
    with pytest.raises(RunMismatch, match=r"stopping was .*, now null"):
        small_audit(tmp_path / "run", models=len(first.models()))


@pytest.mark.slow
def test_a_damaged_shard_of_a_stopped_run_is_written_again(tmp_path: Path) -> None:
    run = small_audit(tmp_path / "run", models=64, stderr=0.14)
    whole = shards(run.folder)
    for victim in ("outputs/m00003.p0", "presentation/m00020.p0"):
        (run.folder / f"evidence/{victim}.safetensors").write_bytes(b"nothing of the kind")
    small_audit(tmp_path / "run", models=64, stderr=0.14)
    assert shards(run.folder) == whole


class Interrupting(Heard):
    """Ends the audit once so many models are there, as Ctrl-C does."""

    def __init__(self, after: float) -> None:
        super().__init__()
        self.after = after

    def advance(self, models_done: float, error: float | None) -> None:
        if models_done >= self.after:
            raise KeyboardInterrupt


@pytest.mark.slow
@pytest.mark.parametrize("after", [16, *(pytest.param(after, marks=pytest.mark.slow) for after in (3, 20, 32.5))])
def test_interrupted_between_looks_and_resumed_decides_as_if_undisturbed(tmp_path: Path, after: float) -> None:
    settings = {"models": 64, "recipe": loops(), "stderr": 0.14}
    whole = small_audit(tmp_path / "whole", **settings)
    with pytest.raises(KeyboardInterrupt):
        small_audit(tmp_path / "run", progress=Interrupting(after), **settings)
    assert Run.open(tmp_path / "run").manifest.stopping["stopped"] is None or after > 32  # type: ignore[index]
    run = small_audit(tmp_path / "run", **settings)
    assert shards(run.folder) == shards(whole.folder)
    assert run.manifest.design == whole.manifest.design
    assert run.manifest.stopping is not None
    assert whole.manifest.stopping is not None
    assert run.manifest.stopping["stopped"] == whole.manifest.stopping["stopped"]
    decided = [[look["stderr"] for look in r.manifest.stopping["reached"]] for r in (run, whole)]  # type: ignore[index]
    assert decided[0] == decided[1]


@pytest.mark.slow
def test_stopped_between_the_design_and_the_manifest_of_a_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is refused with what mends it, and the same call goes on."""
    settings = {"models": 64, "recipe": loops(), "stderr": 0.14}
    write = Manifest.write

    def interrupted(manifest: Manifest, folder: Path) -> None:
        if manifest.design["models"] == 32:
            raise KeyboardInterrupt
        write(manifest, folder)

    monkeypatch.setattr(Manifest, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        small_audit(tmp_path / "run", **settings)
    monkeypatch.undo()
    with pytest.raises(BadInput, match=r"design\.safetensors.* Hint: an audit's command, run again, writes it again"):
        Run.open(tmp_path / "run")
    run = small_audit(tmp_path / "run", **settings)
    assert run.design.models == len(run.manifest.models) == len(run.models()) + 2
    assert shards(run.folder) == shards(small_audit(tmp_path / "whole", **settings).folder)


def test_a_goal_out_of_reach_trains_the_most_models(tmp_path: Path) -> None:
    run = small_audit(tmp_path / "run", models=20, stderr=0.01, full=0)
    assert run.manifest.stopping is not None
    assert run.manifest.stopping["stopped"] == {"models": 20, "why": "no more models were to be trained"}
    assert run.design.models == 20
    assert run.design.name == "half_subset_pairs"


@pytest.mark.slow
def test_a_budget_stops_at_a_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock on which every model takes a second: 16 and 32 models fit into 40 seconds, 48 do not."""
    clock = {"now": 0.0}

    class Ticking(Heard):
        def start(self, models: int, done: int, seconds: float | None) -> None:
            clock["now"] += models - done

    monkeypatch.setattr("byrote.engine.audit.time.monotonic", lambda: clock["now"])
    monkeypatch.setattr("byrote.engine.division.seconds_of_full", lambda *_: 4.0)
    run = small_audit(tmp_path / "run", models=64, budget=40, progress=Ticking())
    stopping = run.manifest.stopping
    assert stopping is not None
    assert stopping["stopped"] == {"models": 32, "why": "the budget is too short for the next stopping point"}
    assert [look["seconds"] for look in stopping["reached"]] == [16.0, 32.0]
    assert (run.design.models, stopping["budget"]) == (34, 40.0)


@pytest.mark.slow
def test_time_before_an_interruption_counts_from_look_to_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = {"now": 100.0}

    class Ticking(Interrupting):
        def start(self, models: int, done: int, seconds: float | None) -> None:
            clock["now"] += models - done

    monkeypatch.setattr("byrote.engine.audit.time.monotonic", lambda: clock["now"])
    monkeypatch.setattr("byrote.engine.division.seconds_of_full", lambda *_: 4.0)
    with pytest.raises(KeyboardInterrupt):
        small_audit(tmp_path / "run", models=64, budget="40s", progress=Ticking(20))
    clock["now"] = 5.0
    run = small_audit(tmp_path / "run", models=64, budget="40s", progress=Ticking(1000))
    assert run.manifest.stopping is not None
    assert run.manifest.stopping["stopped"]["models"] == 32
    assert run.manifest.stopping["reached"][0]["seconds"] == 16.0


def test_an_audit_may_stop_by_the_errors_of_margins(tmp_path: Path) -> None:
    margin = "label_memorization[margin]"
    run = small_audit(tmp_path / "run", models=8, stderr=0.45, full=0, estimate=margin)
    stopping = run.manifest.stopping
    assert stopping is not None
    assert stopping["estimate"] == margin
    result = run.measure(margin)
    assert isinstance(result, PerExample)
    assert stopping["reached"][-1]["stderr"] == percentile_error(result.stderr) != known(run)
    assert f"9 of 10 examples have an error of {margin} of at most" in " ".join(run.manifest.notes)
    with pytest.raises(RunMismatch, match=r"stopping\.estimate"):
        small_audit(tmp_path / "run", models=8, stderr=0.45, full=0)


def test_a_recipe_that_diverges_does_not_train_the_most_models(tmp_path: Path) -> None:
    wild = byrote.Recipe(network=byrote.MLP((16,)), epochs=6, batch_size=8, optimizer=byrote.SGD(lr=1e12))
    run = small_audit(tmp_path / "run", models=64, recipe=wild, stderr=0.05)
    assert run.manifest.stopping is not None
    assert run.manifest.stopping["stopped"] == {"models": 16, "why": "too many models diverged"}
    with pytest.raises(TooFewModels, match=r"reference models diverged, above the limit of 5 %"):
        run.measure("label_memorization")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"stderr": 0.5}, r"must lie in (0, .5). Got 0.5."),
        ({"budget": "ten"}, r"must be a length of time. Got 'ten'."),
        ({"budget": 1e-6}, "is too short for the first stopping point (6 models"),
        ({"stderr": 0.1, "models": 9}, r"an even number of at least 4. Got 9."),
        ({"estimate": "margin"}, r"Label memorization is not estimated by 'margin'"),
        ({"stderr": 0.1, "design": "own"}, r"give no design or executor"),
    ],
)
def test_goals_that_cannot_be_are_refused_before_training(
    tmp_path: Path, changes: dict[str, object], sentence: str
) -> None:
    if "design" in changes:
        changes = {**changes, "design": byrote.half_subset_pairs(60, 4, rng=np.random.default_rng(0))}
    with pytest.raises(BadInput) as caught:
        small_audit(tmp_path / "run", **changes)
    assert sentence in caught.value.message
    assert caught.value.hint
    assert not (tmp_path / "run" / "manifest.json").exists()


def test_the_error_that_progress_shows_counts_what_was_there_already(tmp_path: Path) -> None:
    heard = Heard()
    with pytest.raises(KeyboardInterrupt):
        small_audit(tmp_path / "run", recipe=loops(), full=0, progress=Interrupting(4.1))
    run = small_audit(tmp_path / "run", recipe=loops(), full=0, progress=heard)
    assert heard.started == (6, 4)
    result = run.measure("label_memorization")
    assert isinstance(result, PerExample)
    assert heard.errors[-1] == pytest.approx(np.median(result.stderr))
