"""Neighbours by layer, against slow loops, and on runs."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

import byrote
from byrote.engine.afterwards import probe
from byrote.errors import BadInput
from byrote.probes.readout import ReadoutProbe, neighbours_labels
from byrote.report.verify import verify
from documents import SUMMING, small_language_audit, words
from small import RECIPE, small_audit


def slowly(features: np.ndarray, labels: np.ndarray, example: np.ndarray, trained: np.ndarray, k: int) -> np.ndarray:
    made = []
    for at in range(len(labels)):
        found = []
        for other in range(len(labels)):
            if trained[other] and example[other] != example[at]:
                norms = np.linalg.norm(features[at]) * np.linalg.norm(features[other])
                found.append((features[at] @ features[other] / norms, labels[other]))
        near = [label for _, label in sorted(found, key=lambda pair: -pair[0])[:k]]
        most = max(near.count(label) for label in near)
        made.append(next(label for label in near if near.count(label) == most))
    return np.array(made)


@pytest.mark.parametrize("neighbours", [1, 2, 5])
def test_neighbours_against_a_slow_loop(neighbours):
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(60, 4)).astype(np.float32), rng.integers(0, 4, 60)
    example, trained = np.arange(60) // 2, rng.random(60) < 0.7
    found = neighbours_labels(torch.from_numpy(features), labels, example, trained, neighbours)
    np.testing.assert_array_equal(found, slowly(features, labels, example, trained, neighbours))


def test_an_example_is_not_its_own_neighbour():
    features, labels = torch.eye(8).repeat(2, 1)[:8], np.arange(8)
    found = neighbours_labels(features + 0.1, labels, np.arange(8), np.ones(8, bool), 1)
    assert (found != labels).all()


def test_too_few_that_are_trained_on_give_none():
    assert neighbours_labels(torch.ones(4, 2), np.zeros(4, int), np.arange(4), np.ones(4, bool), 4).tolist() == [-1] * 4


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> byrote.Run:
    run = small_audit(tmp_path_factory.mktemp("read") / "run", keep_weights_at="0,last")
    return probe(run, "readout")


def test_every_layer_of_a_run_by_hand(read: byrote.Run) -> None:
    assert read.dataset is not None
    assert read.load("readout.layer", [0]).tolist() == ["inputs", "1", "3"]
    kept, inputs = read.evidence.block("weights_at", 2, 0), torch.tensor(read.dataset.inputs)
    trained, labels = read.design.member[2] == 1, read.labels.astype(int)
    hidden = torch.relu(inputs @ torch.tensor(kept["1.weight"][1]).T + torch.tensor(kept["1.bias"][1]))
    answer = hidden @ torch.tensor(kept["3.weight"][1]).T + torch.tensor(kept["3.bias"][1])
    given = read.load("readout.given", [2])[0]
    for row, features in enumerate((inputs, hidden, answer)):
        votes = slowly(features.numpy(), labels, np.arange(60), trained, 5)
        assert (given[row, 1] == (votes == labels)).mean() > 0.98  # ties of cosines may fall either way
    noise = read.controls.mask(read.ids, "label_noise")
    true = read.load("readout.true", [2])[0]
    np.testing.assert_array_equal(given[:, :, ~noise], true[:, :, ~noise])
    assert not (given[:, :, noise] * true[:, :, noise]).any()
    assert verify(read) == []


def test_of_many_examples_some_are_read_wrong_labels_first(tmp_path: Path, read: byrote.Run) -> None:
    run = probe(small_audit(tmp_path / "run", keep_weights_at="0,last"), "readout,most=20")
    known = ~np.isnan(run.load("readout.given", range(6))).all((1, 2))
    assert known.sum(1).tolist() == [20] * 6
    assert known[:, run.controls.mask(run.ids, "label_noise")].all()


@pytest.mark.slow
def test_layers_by_name(tmp_path: Path) -> None:
    run = small_audit(tmp_path / "run", keep_weights_at="0,last")
    for name in ("readout", "rewinding"):
        with pytest.raises(BadInput, match="The network has no layer '4'") as caught:
            probe(run, f"{name},layers=4")
        assert "its layers are 1; 3" in str(caught.value.hint)
    run = probe(run, "readout,layers=3", "rewinding,layers=3")
    assert run.load("readout.layer", [0]).tolist() == ["inputs", "3"]
    assert run.load("rewinding.layer", [0]).tolist() == ["3"]
    whole = probe(small_audit(tmp_path / "whole", keep_weights_at="0,last"), "rewinding")
    for name in ("wrong", "wrong_permuted"):
        one, all_ = (each.load(f"rewinding.{name}", range(6)) for each in (run, whole))
        np.testing.assert_array_equal(one[:, 0], all_[:, 1])


def test_documents_are_read_by_their_next_token(tmp_path: Path) -> None:
    recipe = dataclasses.replace(SUMMING, epochs=2)
    run = small_language_audit(
        tmp_path / "run", recipe=recipe, corpus=words(12), generate=None, checkpoints=2, keep_weights_at="0,last"
    )
    run = probe(run, "readout,neighbours=1")
    assert run.load("readout.layer", [0]).tolist() == ["embedding", "head"]
    given = run.load("readout.given", [0])[0]
    assert run.corpus is not None
    kept = run.evidence.block("weights_at", 0, 0)
    features, labels, example = [], [], []
    for document in range(len(run.corpus)):
        mine = run.corpus.document(document)
        shown = np.concatenate([[run.corpus.bos], mine[:-1]]).astype(int)
        seen = kept["embedding.weight"][-1][shown].cumsum(0) / np.arange(1, len(shown) + 1)[:, None]
        features += list(seen)
        labels += mine.tolist()
        example += [document] * len(mine)
    where = np.array(example)
    trained = (run.design.member[0] == 1)[where]
    votes = slowly(np.array(features), np.array(labels), where, trained, 1)
    expected = np.array([(votes == labels)[where == document].mean() for document in range(len(run.corpus))])
    assert np.abs(given[0, -1] - expected).mean() < 0.05  # ties of cosines may fall either way


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(BadInput, match="at least 1 neighbour"):
        ReadoutProbe(neighbours=0)
    with pytest.raises(BadInput, match="more predictions than neighbours"):
        ReadoutProbe(most=5)


@pytest.mark.slow
def test_a_resnet_is_read_and_rewound_with_its_running_statistics(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    targets = np.arange(48) % 3
    images = rng.normal(size=(48, 1, 8, 8)) + targets[:, None, None, None]
    data = byrote.from_arrays(images.astype(np.float32), targets, name="images", class_names=("a", "b", "c"))
    recipe = dataclasses.replace(RECIPE, network=byrote.ResNet(depth=8, width=4), epochs=2, batch_size=8)
    run = small_audit(
        tmp_path / "run", dataset=data, heldout=None, recipe=recipe, models=4, keep_weights_at="checkpoints"
    )
    run = probe(run, "rewinding,permutations=1", "readout")
    assert run.load("rewinding.layer", [0]).tolist() == ["0", "1", "3", "4", "5", "8"]
    network = recipe.network.build((1, 8, 8), 3).eval()
    kept = run.evidence.block("weights_at", 1, 0)
    images_, labels = torch.tensor(data.inputs), torch.tensor(targets)

    def right(rewound: str) -> np.ndarray:
        state = {name: array[0 if name.split(".")[0] == rewound else -1] for name, array in kept.items()}
        network.load_state_dict({name: torch.from_numpy(np.asarray(array)) for name, array in state.items()})
        return np.asarray((network(images_).argmax(1) == labels).numpy())

    final, norm = right(""), right("1")
    np.testing.assert_array_equal(run.load("rewinding.wrong", [1])[0, 1, 0], final & ~norm)
    assert np.abs(np.diff(kept["1.running_mean"][[0, -1]], axis=0)).max() > 0
