"""Probes after the training, on networks of which it is known what was written where."""

import dataclasses
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import byrote
from byrote.changes.change import Context
from byrote.changes.data.symmetric_label_noise import SymmetricLabelNoise
from byrote.cli.app import app
from byrote.data.dataset import Dataset
from byrote.engine.afterwards import probe
from byrote.errors import BadInput, MissingEvidence
from byrote.evidence.shards import read_header, read_shard, write_shard
from byrote.probes.layers import layer_of
from byrote.recipes.networks.pretrained import Pretrained
from byrote.recipes.networks.tiny_gpt import TinyGPT
from byrote.report.page import write_report
from byrote.report.verify import verify
from byrote.results import Curve
from byrote.runs.run import Run
from documents import SUMMING, letters, small_language_audit, words
from probes.memories import TOKENS, Memories
from small import RECIPE, shards, small_audit


def linear() -> nn.Module:
    """Two linear layers, of which the second alone is trained."""
    network = nn.Sequential(nn.Linear(2, 16), nn.BatchNorm1d(16, affine=False), nn.Linear(16, 3))
    network[0].requires_grad_(False)
    network[1].eval()
    return network


HALF = dataclasses.replace(RECIPE, network=byrote.Network(linear), epochs=12)


def wide(examples: int, *, seed: int) -> Dataset:
    """Three classes in ten dimensions, where wrong labels can be fitted; three in ten of them are wrong."""
    rng = np.random.default_rng(seed)
    targets = np.arange(examples) % 3
    inputs = rng.normal(size=(examples, 10)) + 2 * np.eye(3, 10)[targets]
    data = byrote.from_arrays(inputs.astype(np.float32), targets, name="wide", class_names=("a", "b", "c"))
    return SymmetricLabelNoise(0.3).apply(data, Context(dataset=data, rng=rng))


@pytest.fixture(scope="module")
def rewound(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Data with wrong labels, fitted, and rewound."""
    recipe = dataclasses.replace(RECIPE, network=byrote.MLP(hidden=(64, 64)), epochs=30)
    run = small_audit(
        tmp_path_factory.mktemp("rewound") / "run",
        dataset=wide(200, seed=0),
        heldout=None,
        recipe=recipe,
        checkpoints=6,
        keep_weights_at="checkpoints",
    )
    return probe(run, "rewinding")


def test_a_layer_that_was_never_trained_loses_nothing(tmp_path: Path) -> None:
    run = probe(small_audit(tmp_path / "run", recipe=HALF, keep_weights_at="0,2,last", checkpoints=7), "rewinding")
    names = run.load("rewinding.layer", [0]).tolist()
    wrong = run.load("rewinding.wrong", range(6))
    assert names == ["0", "1", "2"]
    assert not wrong[:, 0].any(), "the first layer is as it was"
    assert not wrong[:, :, -1].any(), "at the last checkpoint nothing is rewound"
    assert wrong[:, 2, 0].sum() > 50
    assert not run.load("rewinding.wrong_permuted", range(6))[:, 0].any()


def test_what_is_right_is_what_was_recorded(rewound: Run) -> None:
    np.testing.assert_array_equal(
        rewound.load("rewinding.right", range(6)), rewound.load("outputs.correct", range(6)).astype(int)
    )
    margin, right = rewound.load("rewinding.confidence", range(6)), rewound.load("rewinding.right", range(6)) == 1
    recorded = rewound.load("outputs.logit_margin", range(6))
    np.testing.assert_allclose(margin[right], recorded[right], rtol=1e-3, atol=1e-4)
    assert (margin[~right] <= 0).all()


def test_one_cell_by_hand(rewound: Run) -> None:
    assert rewound.dataset is not None
    assert rewound.recipe is not None
    inputs, targets = torch.tensor(rewound.dataset.inputs), torch.tensor(rewound.dataset.targets.astype(np.int64))
    kept = rewound.evidence.block("weights_at", 3, 0)
    names = rewound.load("rewinding.layer", [3]).tolist()
    network = rewound.recipe.network.build((10,), 3).eval()  # type: ignore[attr-defined]

    def right(layer: str, checkpoint: int) -> np.ndarray:
        state = {name: array[checkpoint if layer_of(name) == layer else -1] for name, array in kept.items()}
        network.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()})
        return (network(inputs).argmax(1) == targets).numpy()

    final = right("", -1)
    for row, layer in enumerate(names):
        for checkpoint in (0, 2):
            expected = final & ~right(layer, checkpoint)
            np.testing.assert_array_equal(rewound.load("rewinding.wrong", [3])[0, row, checkpoint], expected)


@pytest.mark.slow
def test_the_measure_the_report_and_verify_take_it(rewound: Run) -> None:
    for key in ("rewinding", "rewinding[members]"):
        found = rewound.measure(key)
        assert isinstance(found, Curve)
        assert found.models == 6
        assert np.isfinite(found.values).all()
    write_report(rewound)
    assert verify(rewound) == []


def test_a_second_look_makes_nothing_again_and_other_settings_are_refused(rewound: Run) -> None:
    before = shards(rewound.folder)
    assert shards(probe(rewound, "rewinding").folder) == before
    with pytest.raises(BadInput, match="holds what the probe 'rewinding' found, and 'rewinding,permutations=2'"):
        probe(rewound, "rewinding,permutations=2")
    rewound.evidence.path("rewinding", 2, 0).unlink()
    assert shards(probe(rewound, "rewinding").folder) == before


@pytest.mark.slow
def test_stacked_or_one_by_one_the_map_is_the_same(tmp_path: Path) -> None:
    found = []
    for stacked in (True, False):
        blocks = [{"models": list(range(6)), "stacked": stacked, "compiled": False}]
        blocks += [{"models": [m], "stacked": False, "compiled": False} for m in (6, 7)]
        executor = {"blocks": blocks, "reason": "", "seconds_a_model": 1.0, "device": "cpu", "threads": 1}
        run = small_audit(tmp_path / str(stacked), keep_weights_at="0,3,last", executor=executor)
        found.append(probe(run, "rewinding").load("rewinding.wrong", range(6)))
    assert (found[0] != found[1]).mean() < 0.01


@dataclass(frozen=True)
class HalfGPT:
    """A two-layer GPT whose first block is as it was at its birth."""

    def build(self, inputs: tuple[int, ...], classes: int) -> nn.Module:
        network = TinyGPT(layers=2, width=32, heads=2, hidden=64).build(inputs, classes)
        for name, weight in network.named_parameters():
            weight.requires_grad_("layers.0." not in name)
        return network


@pytest.mark.slow
def test_a_two_layer_gpt_of_which_one_block_is_trained(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="transformers is not installed")
    recipe = dataclasses.replace(SUMMING, network=HalfGPT(), epochs=20)
    run = small_language_audit(
        tmp_path / "run", recipe=recipe, corpus=words(24), generate=None, checkpoints=5, keep_weights_at="checkpoints"
    )
    run = probe(run, "rewinding,permutations=2")
    layers = run.load("rewinding.layer", [0]).tolist()
    assert layers == ["model.model.embed_tokens", "model.model.layers.0", "model.model.layers.1", "model.model.norm"]
    wrong, permuted = (run.load(f"rewinding.{name}", [0])[0] for name in ("wrong", "wrong_permuted"))
    assert not wrong[1].any()
    assert not permuted[1].any()
    assert not wrong[:, -1].any()
    assert wrong[2, 0].sum() > 20
    assert wrong[0, 0].sum() > 20
    hits = np.add.reduceat(run.load("tokens.hit", [0])[0], run.offsets[:-1], dtype=int)
    np.testing.assert_array_equal(run.load("rewinding.right", [0])[0], hits)
    found = run.measure("rewinding[members]")
    assert isinstance(found, Curve)
    assert found.groups == tuple(layers)
    assert verify(run) == []


def theirs(name: str, network: nn.Module) -> Pretrained:
    """A language model of letters that somebody else trained."""
    return Pretrained(
        name=name, network=network, encode=lambda texts: [[ord(c) - 96 for c in text] for text in texts],
        bos=0, vocabulary=TOKENS, context=16, digest=name,
    )  # fmt: skip


def test_of_a_fine_tune_by_somebody_else_the_layer_is_found_that_it_wrote_to(tmp_path: Path) -> None:
    """It wrote to one matrix alone, without which nothing is foreseen."""
    tuned, base = theirs("tuned", Memories()), theirs("base", Memories())
    torch.nn.init.zeros_(base.network.down_proj.weight)
    run = byrote.audit_model(
        tuned, letters(["abcd", "efgh", "quu"]), heldout=letters(["mnop"], name="aside"), generate=None, device="cpu",
        out=tmp_path / "run", progress=False,
    )  # fmt: skip
    with pytest.raises(BadInput, match="only the end is known") as told:
        probe(run, "rewinding", model=tuned)
    assert "--base DIR" in told.value.hint
    alone = probe(run, "knowledge_neurons,neurons=1", model=tuned)
    assert alone.load("knowledge_neurons.neuron", [0])[0, :, 0].tolist() == [3, 7, -1, -1]
    run = probe(run, "rewinding", "readout", model=tuned, base=base)
    right, lost = run.load("rewinding.right", [0])[0], run.load("rewinding.wrong", [0])[0]
    layers = run.load("rewinding.layer", [0]).tolist()
    assert right.tolist() == [4, 3, 0, 3], "a is foreseen at the beginning, too"
    for place, layer in enumerate(layers):
        assert lost[place, 0].tolist() == (right.tolist() if layer == "down_proj" else [0] * 4)
        assert not lost[place, 1].any()
    assert run.load("readout.given", [0]).shape[2] == 2
    assert torch.equal(tuned.network.down_proj.weight, Memories().down_proj.weight), "the model is as it was"
    table = byrote.ask(run, "where")
    assert table.notes[0] == "Epoch 0 is the model before its fine-tune, epoch 1 the model."
    assert verify(run) == []
    with pytest.raises(BadInput, match="found with another base"):
        probe(run, "rewinding", model=tuned, base=theirs("another", base.network))
    for wrong, why in ((Memories(), "are the same"), (nn.Linear(2, 2), "differ in name or shape")):
        with pytest.raises(BadInput, match=why):
            probe(run, "rewinding", model=tuned, base=theirs("wrong", wrong))


def test_runs_without_kept_weights_or_data_are_refused_in_a_sentence(tmp_path: Path, rewound: Run) -> None:
    run = small_audit(tmp_path / "run")
    with pytest.raises(MissingEvidence, match="kept no weights at checkpoints") as caught:
        probe(run, "rewinding")
    assert caught.value.hint == "audit into another folder with --keep-weights-at checkpoints."
    with pytest.raises(MissingEvidence, match="kept no weights at checkpoints"):
        probe(run, "input_curvature")
    with pytest.raises(BadInput, match="There is no probe 'curvature' that looks after the training"):
        probe(run, "curvature")
    with pytest.raises(BadInput, match="reads a run after its training") as later:
        small_audit(tmp_path / "other", probes=("rewinding",))
    assert "byrote probe RUN rewinding" in str(later.value.hint)
    with pytest.raises(BadInput, match="without its data and recipe"):
        probe(Run.open(rewound.folder), "rewinding")
    with pytest.raises(BadInput, match="no setting 'draws'"):
        probe(rewound, "rewinding,draws=3")
    with pytest.raises(BadInput, match=r"must be like 4\. Got 'many'"):
        probe(rewound, "rewinding,permutations=many")
    with pytest.raises(MissingEvidence, match=r"'rewinding\.wrong' is not recorded"):
        run.measure("rewinding")


def test_weights_of_another_network_are_refused(tmp_path: Path, rewound: Run) -> None:
    shutil.copytree(rewound.folder, tmp_path / "run")
    run = dataclasses.replace(rewound, folder=tmp_path / "run")
    path = run.evidence.path("weights_at", 1, 0)
    columns, header = read_shard(path), read_header(path)
    name = next(iter(columns))
    words = {key: word for key, word in header.items() if key not in ("checksum", "schema")}
    write_shard(path, {**columns, name: columns[name][..., :-1]}, words)
    with pytest.raises(BadInput, match=r"weights of model 1 .* are not those of its recipe's network"):
        probe(run, "rewinding")


@pytest.mark.slow
def test_the_command_rebuilds_the_run_and_names_the_measures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(
        "import numpy as np, byrote\n"
        "def dataset():\n"
        "    rng = np.random.default_rng(0)\n"
        "    return byrote.from_arrays(rng.normal(size=(40, 2)), np.arange(40) % 2, name='mine')\n"
        "def recipe():\n"
        "    return byrote.Recipe(network=byrote.MLP(hidden=(8,)), epochs=3, batch_size=10)\n"
    )
    audit = "audit mine.py --models 4 --workers 1 --keep-weights-at 0,last --out run --plant none"
    app(audit.split(), standalone_mode=False)
    capsys.readouterr()
    app(["probe", "run", "rewinding"], standalone_mode=False)
    said = " ".join(capsys.readouterr().out.split())
    assert "Recorded: run/evidence/rewinding" in said
    assert "rewinding, rewinding[members]" in said
