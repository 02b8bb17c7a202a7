import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import byrote
import byrote.engine.language_training as training
from byrote.engine import division
from byrote.engine.resources import HEADER_OF_WEIGHTS
from byrote.errors import BadInput, NotEnoughRoom
from byrote.probes import kept_weights
from byrote.probes.kept_weights import Keeping, keeping
from byrote.probes.tokens import signals
from byrote.recipes.optimizers import AdamW
from byrote.report.verify import verify
from documents import LOOK_UP, LookUp, small_language_audit
from small import RECIPE, blobs, shards, small_audit

PAIR = np.repeat(np.arange(6), 2)
POINTS = (0, 1, 2, 3, 4, 5, 6)


def test_four_pairs_at_every_checkpoint_unless_others_are_named():
    assert keeping("checkpoints", POINTS, 100, PAIR, heldout=False) == Keeping(models=tuple(range(8)), epochs=POINTS)
    assert keeping("0,3,last", POINTS, 100, PAIR, heldout=False).epochs == (0, 3, 6)
    best = keeping("best", POINTS, 100, PAIR, heldout=True)
    assert (best.epochs, best.best, best.count) == ((0, 6), True, 3)
    assert keeping("last", POINTS, 100, np.full(3, -1), heldout=False).models == (0, 1, 2)


def test_what_does_not_fit_is_thinned_then_taken_from_models_then_refused(monkeypatch):
    monkeypatch.setattr(kept_weights, "BYTES", 4 * 100 * 8 * 4)
    assert keeping("checkpoints", POINTS, 100, PAIR, heldout=False).epochs == (0, 2, 4, 6)
    assert len(keeping("0,1,2,3,4,last", POINTS, 100, PAIR, heldout=False).models) == 4
    found = keeping("checkpoints", POINTS, 400, PAIR, heldout=False)
    assert (found.models, found.epochs) == ((0, 1), (0, 3, 6))
    with pytest.raises(NotEnoughRoom, match=r"Weights of 2 models at 3 checkpoints take 0\.0 GB") as caught:
        keeping("checkpoints", POINTS, 4000, PAIR, heldout=False)
    assert "--keep-weights-at 0,last" in str(caught.value.hint)


@pytest.mark.parametrize("asked", ["", "first", "0,x", "-1", "0;3"])
def test_other_words_are_refused(asked):
    with pytest.raises(BadInput, match="Weights are kept at checkpoints"):
        keeping(asked, POINTS, 100, PAIR, heldout=False)


def test_an_epoch_without_a_checkpoint_and_a_best_without_held_out_examples_are_refused():
    with pytest.raises(BadInput, match="There is no checkpoint after 9 epochs") as caught:
        keeping("0,9", POINTS, 100, PAIR, heldout=False)
    assert "0, 1, 2, 3, 4, 5, 6" in str(caught.value.hint)
    with pytest.raises(BadInput, match="lowest held-out loss, and this audit has no held-out data"):
        keeping("best", POINTS, 100, PAIR, heldout=False)


def test_weights_at_checkpoints_give_the_recorded_answers(tmp_path: Path) -> None:
    without = small_audit(tmp_path / "without", keep_weights=True)
    run = small_audit(tmp_path / "run", keep_weights_at="0,3,last", executor=without.manifest.executor)
    assert run.dataset is not None
    assert run.evidence.coordinates("weights_at", "checkpoint", 2, 0) == ("0", "3", "6")
    epochs = run.load("trajectory.epochs", [2]).tolist()
    inputs, targets = torch.tensor(run.dataset.inputs), torch.tensor(run.dataset.targets.astype(np.int64))
    kept = run.evidence.block("weights_at", 2, 0)
    network = RECIPE.network.build((2,), 3).eval()
    for place, epoch in enumerate((0, 3, 6)):
        network.load_state_dict({name: torch.from_numpy(array[place]) for name, array in kept.items()})
        right = (network(inputs).argmax(1) == targets).numpy()
        np.testing.assert_array_equal(right, run.load("trajectory.correct", [2])[0, epochs.index(epoch)])
    theirs = shards(run.folder)
    assert {path: theirs[path] for path in shards(without.folder)} == shards(without.folder)
    assert {path.name for path in (run.folder / "evidence" / "weights_at").iterdir()} == {
        f"m{model:05d}.p0.safetensors" for model in range(6)
    }
    assert verify(run) == []


@pytest.mark.slow
@pytest.mark.parametrize("network", [byrote.MLP(hidden=(16,)), byrote.ResNet(depth=8, width=4)])
def test_they_take_the_bytes_that_were_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: byrote.MLP | byrote.ResNet
) -> None:
    said, count = [], division.kept_bytes
    monkeypatch.setattr(division, "kept_bytes", lambda job: said.append(count(job)) or said[-1])
    rng = np.random.default_rng(0)
    images = rng.normal(size=(24, 1, 8, 8)).astype(np.float32)
    data = byrote.from_arrays(images, np.arange(24) % 3, name="images", class_names=("a", "b", "c"))
    recipe = dataclasses.replace(RECIPE, network=network, epochs=2)
    run = small_audit(
        tmp_path / "run", dataset=data, heldout=None, recipe=recipe, models=4, keep_weights_at="checkpoints"
    )
    kept = [run.evidence.block("weights_at", model, 0) for model in range(4)]
    assert [sum(array.nbytes for one in kept for array in one.values()) + 4 * HEADER_OF_WEIGHTS] == said
    files = sum(path.stat().st_size for path in (run.folder / "evidence" / "weights_at").iterdir())
    assert files <= said[0], "beside the tensors there are headers"


@pytest.mark.slow
def test_the_best_checkpoint_is_that_of_the_lowest_held_out_loss(tmp_path: Path) -> None:
    run = small_audit(tmp_path / "run", keep_weights_at="best")
    held = blobs(30, seed=1)
    inputs, targets = torch.tensor(held.inputs), torch.tensor(held.targets.astype(np.int64))
    every = small_audit(tmp_path / "all", keep_weights_at="checkpoints", executor=run.manifest.executor)
    network = RECIPE.network.build((2,), 3).eval()
    for model in range(6):
        kept, loss = every.evidence.block("weights_at", model, 0), []
        for place in range(7):
            network.load_state_dict({name: torch.from_numpy(array[place]) for name, array in kept.items()})
            loss.append(float(torch.nn.functional.cross_entropy(network(inputs), targets).detach()))
        found = run.evidence.coordinates("weights_at", "checkpoint", model, 0)
        assert found == tuple(map(str, sorted({0, int(np.argmin(loss)), 6})))


def test_the_best_checkpoint_of_language_models_is_that_of_the_lowest_loss_on_held_out_documents(
    tmp_path: Path,
) -> None:
    recipe = dataclasses.replace(LOOK_UP, optimizer=AdamW(lr=0.3), epochs=4)  # it soon knows its documents by rote
    settings: dict[str, Any] = {"recipe": recipe, "checkpoints": 5, "generate": None}
    best = small_language_audit(tmp_path / "best", keep_weights_at="best", **settings)
    every = small_language_audit(tmp_path / "every", keep_weights_at="checkpoints", **settings)
    assert best.corpus is not None
    held = best.corpus.subset(best.design.member[0] == 0)
    assert len(held) == 6
    network, kept, losses = LookUp().build((16,), 27), every.evidence.block("weights_at", 0, 0), []
    for place in range(5):
        network.load_state_dict({name: torch.from_numpy(array[place]) for name, array in kept.items()})
        losses.append(-signals(network, held, context=16)["log_probability"][held.scored].mean())
    lowest = int(np.argmin(losses))
    assert 0 < lowest < 4
    assert best.evidence.coordinates("weights_at", "checkpoint", 0, 0) == ("0", str(lowest), "4")
    np.testing.assert_array_equal(best.evidence.block("weights_at", 0, 0)["table"], kept["table"][[0, lowest, 4]])
    theirs = shards(every.folder)
    same = [path for path in shards(best.folder) if "weights_at" not in str(path)]
    assert {path: theirs[path] for path in same} == {path: shards(best.folder)[path] for path in same}
    with pytest.raises(BadInput, match="this audit has no held-out data"):
        small_language_audit(tmp_path / "none", heldout=None, keep_weights_at="best", **settings)


@pytest.mark.slow
def test_a_resume_makes_what_is_missing(tmp_path: Path) -> None:
    run = small_audit(tmp_path / "run", keep_weights_at="0,last")
    before = shards(run.folder)
    run.evidence.path("weights_at", 3, 0).unlink()
    assert shards(small_audit(tmp_path / "run", keep_weights_at="0,last").folder) == before


def test_language_models_keep_them_through_a_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings: dict[str, Any] = {"checkpoints": 4, "keep_weights_at": "checkpoints", "generate": None}
    whole = small_language_audit(tmp_path / "whole", **settings)
    kept, last = whole.evidence.block("weights_at", 0, 0), whole.evidence.block("weights", 0, 0)
    assert whole.evidence.coordinates("weights_at", "checkpoint", 0, 0) == ("0", "1", "2", "3")
    assert kept.keys() == last.keys()
    for name, array in kept.items():
        np.testing.assert_array_equal(array[-1], last[name])
        assert np.abs(np.diff(array, axis=0)).max() > 0
    monkeypatch.setattr(training, "KEEP_SECONDS", -1.0)  # an unfinished training is kept after each epoch
    keep, calls = training.keep, []

    def stopping(*given: Any) -> None:
        keep(*given)
        calls.append(given)
        if len(calls) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(training, "keep", stopping)
    with pytest.raises(KeyboardInterrupt):
        small_language_audit(tmp_path / "run", **settings)
    assert not (tmp_path / "run" / "evidence" / "weights_at").exists()
    again = small_language_audit(tmp_path / "run", **settings)
    assert len(calls) > 2
    assert shards(again.folder) == shards(whole.folder)
    assert verify(again) == []
    with pytest.raises(BadInput, match="checkpoints is 0"):
        small_language_audit(tmp_path / "none", checkpoints=0, keep_weights_at="checkpoints")
