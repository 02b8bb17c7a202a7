"""Probes in audits: what they see, what they write, and what they leave alone."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import nn

import byrote
from byrote.axes import CHECKPOINT, EXAMPLE, MODEL
from byrote.data.dataset import Dataset
from byrote.engine.many import Many
from byrote.engine.one import One
from byrote.errors import BadInput, MissingEvidence, RunMismatch
from byrote.evidence.kind import Kind, Quantity
from byrote.evidence.schema import kind_of
from byrote.probes import registry
from byrote.probes.contract import Block, Probe, Shard, When
from byrote.probes.moment import Models, Moment
from byrote.recipes.recipe import Recipe
from byrote.runs.run import Run
from documents import small_language_audit
from engine.toys import RECIPES, bound, data, job
from small import RECIPE, longer, shards, small_audit

SEEN = Kind(
    name="seen",
    says="what a probe of the tests sees",
    quantities={
        "input_gradient": Quantity((MODEL, CHECKPOINT, EXAMPLE), "float32", "nat", "norm at each checkpoint"),
        "weight_gradient": Quantity((MODEL, EXAMPLE), "float32", "nat", "norm at the end"),
        "shown": Quantity((MODEL, EXAMPLE), "int32", "", "how often a step showed it"),
        "weights": Quantity((MODEL, CHECKPOINT), "float64", "", "sum of the squared weights"),
    },
    recorded_by="audit into another folder with --probe seen",
)


@registry.probe
class SeenProbe(Probe):
    """Looks at every moment and takes all that there is."""

    name: ClassVar[str] = "seen"
    when: ClassVar[frozenset[When]] = frozenset({"step", "checkpoint", "end"})
    kinds = (SEEN,)

    def begin(self, block: Block) -> None:
        super().begin(block)
        models, examples = len(block.models), len(block.inputs)
        self.input_gradient = np.zeros((models, len(block.epochs), examples), np.float32)
        self.weights = np.zeros((models, len(block.epochs)))
        self.shown = np.zeros((models, examples), np.int32)

    def look(self, at: Moment) -> None:
        if at.when == "step":
            np.add.at(self.shown, (np.arange(len(at.rows))[:, None], at.rows.numpy()), 1)
            assert at.inputs.shape[:2] == at.logits.shape[:2] == at.targets.shape
            with pytest.raises(BadInput, match="At a step a probe sees its logits"):
                at.gradients("inputs")
        elif at.when == "checkpoint":
            norms = at.gradients("inputs").flatten(2).norm(dim=2)
            self.input_gradient[:, at.checkpoint, at.rows.numpy()] = norms.numpy()
            if at.first:
                assert at.epoch == self.block.epochs[at.checkpoint]
                sums = [sum(float(w.detach().square().sum()) for w in net.parameters()) for net in at.networks()]
                self.weights[:, at.checkpoint] = sums
        else:
            assert at.logits.shape == (len(self.block.models), len(self.block.inputs), self.block.classes)
            self.weight_gradient = at.gradients("norm").numpy()

    def shards(self) -> Iterator[Shard]:
        for row, model in enumerate(self.block.models):
            yield Shard(
                kind=SEEN,
                model=model,
                columns={name: getattr(self, name)[row] for name in SEEN.quantities},
            )


def in_blocks(run: Run, size: int) -> dict[str, Any]:
    """The executor of a run with its models in blocks of so many."""
    models = [tuple(range(first, min(first + size, 6))) for first in range(0, 6, size)]
    blocks = [{"models": list(one), "stacked": size > 1, "compiled": False} for one in models]
    blocks += [{"models": [m], "stacked": False, "compiled": False} for m in range(6, run.design.models)]
    return {**run.manifest.executor, "blocks": blocks}


@pytest.mark.slow
def test_stacked_or_one_by_one_probes_find_the_same(tmp_path: Path) -> None:
    usual = small_audit(tmp_path / "usual")
    found = [small_audit(tmp_path / str(size), probes=("seen",), executor=in_blocks(usual, size)) for size in (1, 3)]
    for name in SEEN.quantities:
        one, many = (run.load(f"seen.{name}", range(6)) for run in found)
        np.testing.assert_allclose(many, one, rtol=2e-3, atol=1e-4, err_msg=name)
        assert np.any(one)


def test_what_is_seen_is_what_was_trained(tmp_path: Path) -> None:
    run = small_audit(tmp_path / "run", probes=("seen", "gradient_norm"), keep_weights=True)
    shown, member = run.load("seen.shown", range(6)), run.design.member[:6]
    np.testing.assert_array_equal(shown, member * RECIPE.epochs)
    np.testing.assert_array_equal(
        run.load("seen.weight_gradient", range(8)), run.load("gradients.gradient_norm", range(8))
    )
    kept = run.evidence.block("weights", 2, 0)
    sums = run.load("seen.weights", [2])[0]
    np.testing.assert_allclose(sums[-1], sum((array**2).sum() for array in kept.values()), rtol=1e-5)
    assert np.all(np.diff(sums) != 0)


class Drawing(nn.Module):
    """A network whose training draws from torch's own generator, so that it is trained one model at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Dropout(0.3), nn.BatchNorm1d(16), nn.Linear(16, 3))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.inner(inputs)


@pytest.mark.parametrize(
    "recipe",
    [RECIPE, pytest.param(dataclasses.replace(RECIPE, network=byrote.Network(Drawing)), marks=pytest.mark.slow)],
    ids=str,
)
def test_all_other_evidence_is_the_same_byte_for_byte(tmp_path: Path, recipe: Recipe) -> None:
    without = small_audit(tmp_path / "without", recipe=recipe)
    names = ("seen", "gradient_norm", "last_layer")
    probed = small_audit(tmp_path / "with", recipe=recipe, probes=names, executor=without.manifest.executor)
    theirs = shards(probed.folder)
    assert {path: theirs[path] for path in shards(without.folder)} == shards(without.folder)


@pytest.mark.parametrize("name", ["mlp", "small cnn", "resnet with batch norm"])
def test_a_moment_computes_once_and_leaves_the_mode_of_layers(name: str) -> None:
    given = data(RECIPES[name][0])
    inputs, targets = given.tensors(torch.device("cpu"))
    algorithm, calls = bound(name), []
    for learner in (Many(algorithm, [1, 2]), One(algorithm, 1)):
        stacked = isinstance(learner, Many)
        networks = [algorithm.network(state).train() for state in learner.states()]
        models = Models(lambda networks=networks: (calls.append(1), networks)[1], stacked=stacked)
        rows = torch.arange(len(inputs))
        at = Moment("end", models, "classes", rows=rows, inputs=lambda: inputs, targets=targets)
        assert at.gradients("inputs") is at.gradients("inputs")
        assert at.logits is at.logits
        assert at.gradients("inputs").shape == (len(networks), *inputs.shape)
        torch.testing.assert_close(at.logits, learner.predict(inputs), rtol=1e-4, atol=1e-5)
        weights = sum(w.numel() for w in networks[0].parameters() if w.requires_grad)
        assert at.gradients("weights").shape == (len(networks), len(inputs), weights)
        torch.testing.assert_close(at.gradients("weights").norm(dim=2), at.gradients("norm"), rtol=1e-4, atol=1e-6)
        layer = [key for key, module in networks[0].named_modules() if isinstance(module, nn.Linear)][-1]
        torch.testing.assert_close(at.features(layer), at.logits, rtol=1e-4, atol=1e-5)
        models.leave()
        assert all(module.training for network in networks for module in network.modules())
    assert len(calls) == 2


@pytest.mark.slow
def test_probes_read_each_trained_network(tmp_path: Path) -> None:
    run = small_audit(tmp_path / "run", keep_weights=True, probes=("last_layer",))
    assert "last_layer" in run.manifest.evidence
    assert run.dataset is not None
    inputs, targets = torch.tensor(run.dataset.inputs), torch.tensor(run.dataset.targets.astype(np.int64))
    probe: Any = registry.made("last_layer")
    for model in (0, 3):
        network = RECIPE.network.build((2,), 3).eval()
        network.load_state_dict({n: torch.from_numpy(a) for n, a in run.evidence.block("weights", model, 0).items()})
        seed = int(run.evidence.header("last_layer", model, 0)["seed"])
        columns = probe.read(network, inputs, targets, seed)
        assert set(columns) == set(kind_of("last_layer").quantities)
        for name, expected in columns.items():
            found = run.load(f"last_layer.{name}", [model])[0]
            np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_the_attacks_run_on_a_run(tmp_path: Path) -> None:
    run = small_audit(tmp_path / "run", probes=("last_layer", "gradient_norm"), models=8, recipe=longer(60))
    for key in ("stolen_memories", "stolen_memories[linear]", "gradient_norm_attack"):
        result = run.measure(key)
        assert result.values.shape == (8, 60)
        assert np.isfinite(result.values).all()


def test_a_resume_must_ask_for_the_same(tmp_path: Path) -> None:
    run = small_audit(tmp_path / "run", probes=("gradient_norm",))
    before = shards(run.folder)
    (run.folder / "evidence" / "gradients" / "m00003.p0.safetensors").unlink()
    again = small_audit(tmp_path / "run", probes=("gradient_norm",))
    assert shards(again.folder) == before
    with pytest.raises(RunMismatch, match="probes"):
        small_audit(tmp_path / "run")
    with pytest.raises(MissingEvidence, match=r"'last_layer\.displacement' is not recorded") as caught:
        run.measure("stolen_memories")
    assert caught.value.hint == "audit into another folder with --probe last_layer."
    (run.folder / "evidence" / "gradients" / "m00003.p0.safetensors").unlink()
    with pytest.raises(MissingEvidence, match=r"'gradients\.gradient_norm' is not recorded for model 3") as caught:
        run.measure("gradient_norm_attack")
    assert "the same `byrote audit` command makes what is missing" in str(caught.value.hint)


def test_each_probe_is_named_by_the_evidence_that_it_records() -> None:
    usual = ("generations", "contexts", "canaries")  # every audit of a language model records them
    kinds = [(name, kind) for name, probe in registry.probes().items() for kind in probe.kinds if name not in usual]
    assert [name for name, kind in kinds if f"--probe {name}" not in kind.recorded_by] == []


def test_only_the_last_phase_is_read(tmp_path: Path) -> None:
    two = byrote.two_splits(40, 6, rng=np.random.default_rng(0))
    given = job(tmp_path, design=two, probes=("gradient_norm",))
    assert "gradients" not in given.kinds(0)
    assert "gradients" in given.kinds(1)


@pytest.mark.parametrize("probes", ["last_layer", ("curvature",), ("last_layer", "last_layer")])
def test_other_names_are_refused(tmp_path: Path, probes) -> None:
    with pytest.raises(BadInput, match="must be different names of probes") as caught:
        small_audit(tmp_path / "run", probes=probes)
    assert all(name in str(caught.value.hint) for name in ("gradient_norm", "last_layer", "seen"))


def test_a_network_that_a_probe_cannot_read_is_refused_before_training(tmp_path: Path) -> None:
    recipe = byrote.Recipe(network=byrote.Network(lambda: nn.Sequential(nn.Linear(2, 3), nn.Tanh())), epochs=1)
    with pytest.raises(BadInput, match="straight out of a linear layer"):
        small_audit(tmp_path / "run", recipe=recipe, probes=("last_layer",))
    assert not (tmp_path / "run" / "manifest.json").exists()


def test_a_probe_for_other_targets_is_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    data: Dataset = byrote.from_arrays(rng.normal(size=(40, 2)), rng.normal(size=40), task="regression")
    recipe = dataclasses.replace(RECIPE, objective=byrote.SquaredError())
    with pytest.raises(BadInput, match="'last_layer' is about one class per example"):
        small_audit(tmp_path / "run", dataset=data, recipe=recipe, heldout=None, probes=("last_layer",))


READ = Kind(
    name="read",
    says="what a probe of language models of the tests sees",
    quantities={
        "learned": Quantity((MODEL, EXAMPLE), "int64", "token", "how many of its tokens steps learned"),
        "weights": Quantity((MODEL, CHECKPOINT), "float64", "", "sum of the squared weights"),
        "end": Quantity((MODEL,), "float64", "", "the same at the end"),
    },
    tasks=frozenset({"text"}),
    recorded_by="audit into another folder with --probe read",
)


@registry.probe
class ReadProbe(Probe):
    """Looks at every moment of the training of language models."""

    name: ClassVar[str] = "read"
    when: ClassVar[frozenset[When]] = frozenset({"step", "checkpoint", "end"})
    kinds = (READ,)

    def begin(self, block: Block) -> None:
        super().begin(block)
        assert block.corpus is not None
        self.learned = np.zeros((len(block.models), len(block.corpus)), np.int64)
        self.weights = np.zeros((len(block.models), len(block.epochs)))

    def look(self, at: Moment) -> None:
        assert at.when == "step" or len(at.rows) == self.learned.shape[1]
        if at.when == "step":
            assert at.inputs.shape == at.targets.shape == at.rows.shape == at.logits.shape[:3]
            for model, rows in enumerate(at.rows):
                np.add.at(self.learned[model], rows[rows >= 0].numpy(), 1)
            return
        with pytest.raises(BadInput, match="a probe of them is shown no inputs and no logits"):
            _ = at.logits
        sums = [sum(float(w.detach().square().sum()) for w in net.parameters()) for net in at.networks()]
        if at.when == "checkpoint":
            assert at.epoch == self.block.epochs[at.checkpoint]
            self.weights[:, at.checkpoint] = sums
        else:
            self.end = np.array(sums)

    def shards(self) -> Iterator[Shard]:
        for row, model in enumerate(self.block.models):
            yield Shard(
                kind=READ, model=model, columns={name: np.asarray(getattr(self, name)[row]) for name in READ.quantities}
            )


def test_probes_of_language_models_see_steps_checkpoints_and_the_end(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"models": 4, "full": 0, "checkpoints": 3, "generate": None}
    without = small_language_audit(tmp_path / "without", **settings)
    run = small_language_audit(tmp_path / "run", probes=("read",), **settings)
    assert run.manifest.identity["probes"] == ["read"]
    theirs = shards(run.folder)
    assert {path: theirs[path] for path in shards(without.folder)} == shards(without.folder)
    assert run.corpus is not None
    tokens = run.corpus.lengths[None] * run.design.member  # and the ends of documents, where another follows
    learned = run.load("read.learned", range(4))
    assert ((3 * tokens <= learned) & (learned <= 3 * (tokens + run.design.member))).all()
    np.testing.assert_array_equal(run.load("read.weights", range(4))[:, -1], run.load("read.end", range(4)))
    assert (np.diff(run.load("read.weights", range(4)), axis=1) != 0).all()
    again = small_language_audit(tmp_path / "tried", probes=("read",), **{**settings, "executor": None})
    assert "blocks" not in again.manifest.executor
