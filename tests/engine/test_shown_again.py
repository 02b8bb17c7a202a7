"""Probes of checkpoints after the training find in kept weights what they would have found in the training."""

import dataclasses
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from torch import nn

import byrote
from byrote.analyses.comparison import compare
from byrote.axes import CHECKPOINT, MODEL
from byrote.engine.afterwards import probe
from byrote.errors import BadInput, MissingEvidence
from byrote.evidence.kind import EVERY_TASK, Kind, Quantity
from byrote.evidence.shards import read_header, read_shard, write_shard
from byrote.probes import registry
from byrote.probes.contract import Block, Probe, Shard, When
from byrote.probes.moment import Moment
from byrote.report.verify import verify
from byrote.runs.run import Run
from documents import small_language_audit
from made_once import opened
from small import RECIPE, blobs, shards, small_audit

#: With the settings under which a probe takes another way.
OTHERS = ("input_curvature,form=difference,draws=2", "variance_of_gradients,of=probability;logit;margin")


def of_checkpoints() -> list[str]:
    """The probes of byrote that look at checkpoints."""
    found = [name for name, one in registry.probes().items() if one.when == {"checkpoint"}]
    return [name for name in found if type(registry.probes()[name]).__module__.startswith("byrote.")]


def smooth() -> nn.Module:
    """A network that bends, so that its curvature is drawn, with statistics of its batches."""
    return nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.GELU(), nn.Linear(8, 3))


def executor(*blocks: range) -> dict[str, Any]:
    """Models that are trained in these blocks, stacked where a block has several."""
    made = [{"models": [*block], "stacked": len(block) > 1, "compiled": False} for block in blocks]
    return {"blocks": made, "reason": "", "seconds_a_model": 1.0, "device": "cpu", "threads": 1}


ALONE = executor(*(range(model, model + 1) for model in range(12)))
SETTINGS: dict[str, Any] = {
    "recipe": dataclasses.replace(RECIPE, network=byrote.Network(smooth), epochs=5),
    "dataset": blobs(40, noise=0.2),
    "models": 10,
    "checkpoints": 4,
}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Eight of ten models kept their weights at all checkpoints, and nobody looked."""
    folder = tmp_path_factory.mktemp("again") / "kept"
    return small_audit(folder, keep_weights_at="checkpoints", executor=ALONE, **SETTINGS)


def copied(run: Run, folder: Path) -> Run:
    shutil.copytree(run.folder, folder)
    return dataclasses.replace(run, folder=folder, manifest=run.manifest)


def the_same(later: Run, then: Run, names: Sequence[str], **within: float) -> None:
    """Every number of every kind, within this; the axes have the same names."""
    for name in names:
        for kind in registry.made(name).kinds:
            models = later.models_with(kind.name)
            assert models == [model for model in range(8) if then.evidence.has(kind.name, model, 0)]
            for model in models:
                mine, theirs = (run.evidence.block(kind.name, model, 0) for run in (later, then))
                assert {*mine} == {*theirs}
                for column, expected in theirs.items():
                    where = f"{kind.name}.{column}"
                    np.testing.assert_allclose(mine[column], expected, err_msg=where, **{"rtol": 0, **within})
                assert any(np.isfinite(array).any() and np.any(array) for array in mine.values()), kind.name
                for axis in kind.coordinates:
                    mine, theirs = (run.evidence.coordinates(kind.name, axis, model, 0) for run in (later, then))
                    assert mine == theirs


@pytest.mark.slow
@pytest.mark.parametrize("names", [None, OTHERS], ids=["each", "other settings"])
def test_each_probe_of_checkpoints_finds_later_what_it_finds_in_training(
    tmp_path: Path, kept: Run, names: tuple[str, ...] | None
) -> None:
    names = names or of_checkpoints()
    then = small_audit(tmp_path / "then", probes=names, executor=ALONE, **SETTINGS)
    the_same(probe(copied(kept, tmp_path / "later"), *names), then, names)


@pytest.mark.slow
def test_what_it_finds_of_stacked_models_is_the_same_within_rounding(tmp_path: Path) -> None:
    names, how = of_checkpoints(), executor(range(10), range(10, 11), range(11, 12))
    then = small_audit(tmp_path / "then", probes=names, executor=how, **SETTINGS)
    later = small_audit(tmp_path / "later", keep_weights_at="checkpoints", executor=how, **SETTINGS)
    the_same(probe(later, *names), then, names, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_compare_takes_what_was_read_of_some_models_and_leaves_single_trainings_out(tmp_path: Path, kept: Run) -> None:
    comparison = compare(probe(copied(kept, tmp_path / "run"), "el2n"))
    proxies = {proxy.measure.key: proxy for proxy in comparison.proxies}
    assert proxies["el2n[mean]"].rank_correlation.models == 8
    assert proxies["el2n[mean]"].one_training is None, "models on all data kept no weights at checkpoints"
    assert proxies["area_under_margin"].one_training is not None


def test_what_two_probes_find_later_is_what_they_find_in_training(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"recipe": dataclasses.replace(RECIPE, epochs=2), "checkpoints": 2, "heldout": None}
    settings |= {"models": 4, "full": 0, "executor": executor(*(range(model, model + 1) for model in range(4)))}
    names = ("el2n", "input_gradients")
    then = small_audit(tmp_path / "then", probes=names, **settings)
    later = small_audit(tmp_path / "later", keep_weights_at="checkpoints", **settings)
    the_same(probe(later, *names), then, names)


def weights(folder: Path) -> Run:
    """A run of four models with weights before and after the training."""
    return opened("weights", folder).attach(blobs(noise=0.1), RECIPE)


def some_weights(folder: Path) -> Run:
    """The same, of which the last model kept no weights at checkpoints, as of a larger run."""
    run = weights(folder)
    run.evidence.path("weights_at", 3, 0).unlink()
    return run


def test_a_measure_takes_the_models_whose_weights_were_kept(tmp_path: Path) -> None:
    run = some_weights(tmp_path)
    with pytest.raises(MissingEvidence, match="'el2n' needs the probe el2n, which has not read the weights") as told:
        run.measure("el2n")
    assert told.value.hint == f"byrote probe {run.folder} el2n"
    found = probe(run, "el2n")
    assert found.models_with("el2n") == [0, 1, 2]
    assert found.load("el2n.epochs", [0]).tolist() == [0, 6]
    result = found.measure("el2n[mean]")
    assert result.models == 3
    error = found.load("el2n.error", range(3))
    for example in np.flatnonzero(np.isfinite(result.values)):
        assert error[:, :, example].min() <= result.values[example] <= error[:, :, example].max()
    assert np.isfinite(result.values).sum() > 30


def test_verify_knows_which_models_were_read_and_finds_the_one_that_was_not(tmp_path: Path) -> None:
    run = probe(some_weights(tmp_path), "el2n")
    assert verify(run) == []
    before = shards(run.folder)
    assert shards(probe(run, "el2n").folder) == before
    run.evidence.path("el2n", 1, 0).unlink()
    (fault,) = verify(run)
    assert (fault.where, fault.problem) == ("evidence/el2n", "1 of 3 models have no shard, the first of them model 1")
    assert shards(probe(run, "el2n").folder) == before


def test_what_the_audit_recorded_is_not_mixed_with_what_kept_weights_say(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"models": 4, "full": 0, "recipe": dataclasses.replace(RECIPE, epochs=2)}
    run = small_audit(tmp_path / "run", probes=("input_gradients",), keep_weights_at="0,last", **settings)
    before = shards(run.folder)
    assert shards(probe(run, "input_gradients").folder) == before
    run.evidence.path("input_gradients", 2, 0).unlink()
    with pytest.raises(BadInput, match="recorded what the probe 'input_gradients' found, and model 2 lacks it"):
        probe(run, "input_gradients")


def test_the_settings_of_the_audit_are_told_apart(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"models": 4, "full": 0, "recipe": dataclasses.replace(RECIPE, epochs=2)}
    name = "neural_collapse,most=30"
    run = small_audit(tmp_path / "run", probes=(name,), keep_weights_at="0,last", **settings)
    before = shards(run.folder)
    with pytest.raises(BadInput, match=f"holds what the probe '{name}' found, and 'neural_collapse' is asked for"):
        probe(run, "neural_collapse")
    assert shards(probe(run, name).folder) == before


def test_best_checkpoints_differ_between_models_and_cannot_be_compared(tmp_path: Path) -> None:
    run = weights(tmp_path)
    path = run.evidence.path("weights_at", 1, 0)
    columns, header = read_shard(path), read_header(path)
    words = {key: word for key, word in header.items() if key not in ("checksum", "schema")}
    assert words["coordinate.checkpoint"] == '["0", "6"]'
    path.unlink()
    write_shard(path, columns, {**words, "coordinate.checkpoint": '["0", "4"]'})
    with pytest.raises(BadInput, match="are of other checkpoints in each model") as told:
        probe(run, "el2n")
    assert "--keep-weights-at checkpoints" in str(told.value.hint)


STEPS = Kind(
    name="steps",
    says="what a probe of the tests sees of steps",
    quantities={"count": Quantity((MODEL,), "int32", "", "how many there were")},
    recorded_by="audit into another folder with --probe steps",
)
MOMENTS = Kind(
    name="moments",
    says="what a probe of the tests sees of checkpoints and of the end",
    quantities={
        "weights": Quantity((MODEL, CHECKPOINT), "float64", "", "sum of the squared weights at each checkpoint"),
        "end": Quantity((MODEL,), "float64", "", "the same at the end"),
    },
    tasks=EVERY_TASK,
    recorded_by="audit into another folder with --probe moments",
)


class StepsProbe(Probe):
    """Counts steps."""

    name: ClassVar[str] = "steps"
    when: ClassVar[frozenset[When]] = frozenset({"step"})
    kinds = (STEPS,)

    def look(self, at: Moment) -> None:
        raise AssertionError("it is never shown a step")

    def shards(self) -> Iterator[Shard]:
        return iter(())


class MomentsProbe(Probe):
    """Looks at checkpoints and at the end, of classifiers and of language models."""

    name: ClassVar[str] = "moments"
    when: ClassVar[frozenset[When]] = frozenset({"checkpoint", "end"})
    kinds = (MOMENTS,)

    def begin(self, block: Block) -> None:
        super().begin(block)
        assert (block.heldout_corpus is not None) == (block.task == "text")
        self.weights = np.zeros((len(block.models), len(block.epochs)))

    def look(self, at: Moment) -> None:
        sums = [sum(float(w.detach().double().square().sum()) for w in net.parameters()) for net in at.networks()]
        if at.when == "end":
            self.end = np.array(sums)
        elif at.first:
            assert at.epoch == self.block.epochs[at.checkpoint]
            self.weights[:, at.checkpoint] = sums

    def shards(self) -> Iterator[Shard]:
        for row, model in enumerate(self.block.models):
            yield Shard(kind=MOMENTS, model=model, columns={"weights": self.weights[row], "end": self.end[row]})


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two probes of one's own."""
    registry.load()
    monkeypatch.setattr(registry, "_ENTERED", {**registry._ENTERED})
    for each in (StepsProbe, MomentsProbe):
        registry.probe(each)


@pytest.mark.usefixtures("own")
def test_steps_cannot_be_seen_again(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="'steps' looks at the steps of a training, and kept weights have none") as told:
        probe(weights(tmp_path), "steps")
    assert told.value.hint == "audit into another folder with --probe steps."


@pytest.mark.usefixtures("own")
def test_checkpoints_and_the_end_are_seen_in_one_look(tmp_path: Path) -> None:
    run = probe(weights(tmp_path), "moments")
    found = run.load("moments.weights", range(4))
    assert found.shape == (4, 2)
    assert (found[:, 0] != found[:, 1]).all()
    np.testing.assert_array_equal(found[:, 1], run.load("moments.end", range(4)))


@pytest.mark.usefixtures("own")
def test_documents_are_seen_again_as_in_training(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"models": 4, "full": 0, "checkpoints": 3, "generate": None}
    then = small_language_audit(tmp_path / "then", probes=("moments",), **settings)
    later = small_language_audit(tmp_path / "later", keep_weights_at="checkpoints", **settings)
    the_same(probe(later, "moments"), then, ["moments"])
