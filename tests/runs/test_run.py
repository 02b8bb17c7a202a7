from __future__ import annotations

import dataclasses
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import nn

import byrote
import byrote.runs.run
from byrote.errors import BadInput, MissingEvidence, TooFewModels
from byrote.evidence.schema import kind_of, quantity
from byrote.evidence.shards import read_header, read_shard, write_shard
from byrote.measures.catalog import catalog, find
from byrote.results import PerExample, PerPair
from byrote.runs.run import Run
from small import RECIPE, blobs, small_audit

LOOKING = ("dilation", "el2n", "input_gradients", "variance_of_gradients", "weight_gradients")
#: Those that a run of every model's answers and of these probes records; what looks at a few models is as any other.
BY_EXAMPLE = [
    key
    for key, entry in catalog().items()
    if entry.by_example
    and entry.suits("classes")
    and not entry.of_text
    and "design.withdrawn" not in entry.needs
    and not any(kind_of(f"{name}.x").sampled for name in entry.kinds)
    and not {"adversarial", "poison_signatures"} & {*entry.kinds}
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return small_audit(tmp_path_factory.mktemp("run") / "run", models=8, probes=LOOKING)


def defined_mean(values: np.ndarray) -> float:
    return float(np.nanmean(values))


def test_a_measure_leaves_its_table_by_example(run: Run) -> None:
    result = run.measure("label_memorization")
    assert isinstance(result, PerExample)
    kept = pq.read_table(run.folder / "results" / "label_memorization.parquet")
    assert kept.column_names == ["example", "value", "stderr", "low", "high", "members", "nonmembers", "reason"]
    assert kept["example"].to_pylist() == run.ids.tolist()
    for column, values in (("value", result.values), ("stderr", result.stderr), ("low", result.low)):
        np.testing.assert_array_equal(kept[column].to_numpy(), values)
    np.testing.assert_array_equal(kept["members"].to_numpy(), (run.design.member[run.models()] == 1).sum(0))
    assert set(kept["reason"].to_pylist()) == {""}


class Blind(nn.Module):
    """A network that has no answer, once it is trained, to whatever lies far out."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(2, 3)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        far = inputs.abs().amax(-1, keepdim=True) > 50
        return torch.where(far & (not self.training), torch.nan, self.body(inputs.clamp(-5, 5)))


def blind_audit(folder: Path, **settings: Any) -> Run:
    data, held = blobs(noise=0.1), blobs(30, seed=1)
    inputs, outside = data.inputs.copy(), held.inputs.copy()
    inputs[7], outside[3] = 100.0, 100.0
    recipe = dataclasses.replace(RECIPE, network=byrote.Network(Blind))
    data, held = data.replace(inputs=inputs), held.replace(inputs=outside)
    return small_audit(folder, dataset=data, heldout=held, recipe=recipe, models=8, **settings)


def test_an_example_without_finite_answers_is_undefined_and_the_models_are_not_diverged(tmp_path: Path) -> None:
    run = blind_audit(tmp_path / "run")
    assert run.diverged() == ()
    assert run.evidence.header("outputs", 0, 0)["not_finite"] == "1"
    assert np.flatnonzero(run.undefined).tolist() == [7]
    assert len(run.models()) == 8
    others = np.arange(60) != 7
    for key in ("label_memorization", "forgetting_events", "membership_risk", "cumulative_sample_loss"):
        found = run.measure(key)
        assert isinstance(found, PerExample)
        assert found.reason(7) == "a model's answer is not a finite number", key
        assert np.isfinite(found.values[others]).all(), key
    found = run.measure("label_memorization")
    assert isinstance(found, PerExample)
    right, member = run.load("outputs.correct", run.models()), run.design.member[run.models()]
    expected = [right[member[:, i] == 1, i].mean() - right[member[:, i] == 0, i].mean() for i in range(60)]
    np.testing.assert_allclose(found.values[others], np.array(expected)[others])
    each = [right[row, others & (member[row] == 1)].mean() for row in range(8)]
    assert run.accuracy(member=1).value == pytest.approx(np.mean(each)), "it does not count as a wrong answer"
    pairs = run.measure("influence")
    assert isinstance(pairs, PerPair)
    assert 7 not in pairs.example
    pooled = run.pooled("label_memorization", defined_mean, examples=59)
    assert pooled.value == pytest.approx(np.mean(np.array(expected)[others]))
    assert np.isfinite(pooled.stderr)


def test_a_held_out_example_without_finite_answers_does_not_count(tmp_path: Path) -> None:
    run = blind_audit(tmp_path / "run")
    right = run.load("heldout.correct", run.models())
    assert not right[:, 3].any()
    found = run.heldout_accuracy()
    assert found is not None
    assert found.value == pytest.approx(np.delete(right, 3, axis=1).mean())


def test_an_attack_leaves_out_what_has_no_finite_answer(tmp_path: Path) -> None:
    run = blind_audit(tmp_path / "run")
    whole = byrote.membership_attack(run, "loss_attack", draws=2)
    scores, member = -run.load("outputs.loss", run.models()), run.design.member[run.models()]
    others = np.arange(60) != 7
    expected = roc_auc_score(member[:, others].ravel(), scores[:, others].ravel())
    assert whole.figures["auc"].value == pytest.approx(expected, abs=1e-6)
    assert "8 of 480 scores are undefined and left out" in whole.notes


def test_a_run_of_before_that_calls_every_model_diverged_for_one_answer_can_be_measured(tmp_path: Path) -> None:
    run = blind_audit(tmp_path / "run")
    for path in (run.folder / "evidence").rglob("*.safetensors"):
        header = {**read_header(path), "diverged": "true"}
        words = {name: word for name, word in header.items() if name not in ("checksum", "schema", "not_finite")}
        write_shard(path, read_shard(path), words)
    again = Run.open(run.folder)
    assert again.diverged() == ()
    assert np.flatnonzero(again.undefined).tolist() == [7]


def test_tables_of_pairs_and_curves(run: Run) -> None:
    run.measure("influence")
    kept = pq.read_table(run.folder / "results" / "influence.parquet")
    assert kept.column_names == [
        "example", "query", "value", "stderr", "low", "high", "members", "nonmembers", "reason"
    ]  # fmt: skip
    assert set(kept["members"].to_pylist()) == {4}
    assert set(kept["reason"].to_pylist()) == {""}
    assert set(kept["example"].to_pylist()) <= set(run.ids.tolist())
    run.measure("noisy_label_memorization")
    kept = pq.read_table(run.folder / "results" / "noisy_label_memorization.parquet")
    assert kept.column_names == ["group", "epoch", "value", "stderr", "low", "high", "count", "reason"]
    assert kept["epoch"].to_pylist() == 2 * list(run.manifest.checkpoints)
    assert set(kept["reason"].to_pylist()) == {""}


def test_an_unknown_error_of_a_curve_has_its_reason_in_the_table(tmp_path: Path) -> None:
    few = small_audit(tmp_path / "run", models=4)
    few.measure("noisy_label_memorization")
    kept = pq.read_table(few.folder / "results" / "noisy_label_memorization.parquet")
    assert np.isnan(kept["stderr"].to_numpy()).all()
    assert all("fewer than 3 pairs of models" in reason for reason in kept["reason"].to_pylist())


@pytest.mark.parametrize("key", BY_EXAMPLE)
def test_blocks_of_examples_equal_the_whole(run: Run, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    whole = Run.open(run.folder).measure(key)
    cells = len(run.models()) * len(find(key).needs)
    if any("checkpoint" in quantity(need).dims for need in find(key).needs):
        cells *= len(run.manifest.checkpoints)
    monkeypatch.setattr(byrote.runs.run, "BLOCK_BYTES", 8 * cells * 25)  # 60 examples are 2 blocks of 25 and one of 10
    again = Run.open(run.folder)
    assert [len(r.values) for _, r in again._blocks(find(key), run.models(), {})] == [25, 25, 10]
    blocks = again.measure(key)
    assert isinstance(whole, PerExample)
    assert isinstance(blocks, PerExample)
    for name in ("values", "stderr", "low", "high", "reason_code"):
        np.testing.assert_allclose(getattr(blocks, name), getattr(whole, name), rtol=1e-12, atol=1e-15, err_msg=name)
    assert blocks.counts.keys() == whole.counts.keys()
    for name, counts in whole.counts.items():
        np.testing.assert_array_equal(blocks.counts[name], counts)


def test_reasons_of_blocks_point_to_the_right_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    member = np.add.outer(np.arange(4), np.arange(6)) % 2  # 2 models in, 2 out
    member[:, 1], member[:, 4] = 1, 0
    member[:, 5] = -1
    correct = np.ones((4, 6), bool)
    given = {"labels": np.arange(6) % 2, "member": member, "evidence": {"outputs.correct": correct}}
    run = byrote.import_arrays(tmp_path / "run", **given)
    expected = ["", "every model was trained on it", "", "", "no model was trained on it"]
    expected += ["its membership is known in no model"]
    for size in (byrote.runs.run.BLOCK_BYTES, 1):
        monkeypatch.setattr(byrote.runs.run, "BLOCK_BYTES", size)
        result = run.measure("label_memorization")
        assert isinstance(result, PerExample)
        assert [result.reason(i) for i in range(6)] == expected
        kept = pq.read_table(run.folder / "results" / "label_memorization.parquet")
        assert kept["reason"].to_pylist() == expected


@pytest.mark.parametrize("key", ["label_memorization", "label_memorization[probability]", "cumulative_sample_loss"])
def test_pooled_is_the_jackknife_over_pairs(run: Run, key: str) -> None:
    found = run.pooled(key, defined_mean, examples=60)
    entry, models = find(key), run.models()
    pairs = run.design.pair[models]

    def of(chosen: np.ndarray) -> float:
        arguments = {name: run.load(need, chosen) for name, need in entry.parameters.items()}
        return defined_mean(entry.function(**arguments).values)

    left_out = np.array([of(models[pairs != pair]) for pair in np.unique(pairs)])
    assert len(left_out) == 4
    assert found.value == pytest.approx(of(models), rel=1e-12)
    np.testing.assert_allclose(found.replicates, left_out, rtol=1e-12)
    # sqrt((G - 1) / G * sum (theta_g - mean)^2), and the 97.5 % point of Student's t with 3 degrees of freedom
    stderr = np.sqrt(3 / 4 * ((left_out - left_out.mean()) ** 2).sum())
    assert found.stderr == pytest.approx(stderr, rel=1e-9)
    assert found.high - found.value == pytest.approx(3.182446 * stderr, rel=1e-6)
    assert (found.models, found.examples) == (8, 60)


def test_replicates_in_blocks_are_those_of_the_whole(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    _, whole = Run.open(run.folder).replicates("label_memorization")
    monkeypatch.setattr(byrote.runs.run, "BLOCK_BYTES", 1)
    _, blocks = Run.open(run.folder).replicates("label_memorization")
    assert whole.shape == (4, 60)
    np.testing.assert_array_equal(blocks, whole)


def test_many_pairs_are_left_out_in_parts(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(byrote.runs.run, "JACKKNIFE_PARTS", 3)
    _, replicates = Run.open(run.folder).replicates("label_memorization")
    assert len(replicates) == 3


def test_share_is_a_mean_over_models_with_pairs_left_out(run: Run) -> None:
    def of_members(right: np.ndarray, member: np.ndarray) -> float:
        return float(right[member == 1].mean())

    found = run.share("outputs.correct", of_members, examples=60)
    correct, member = run.load("outputs.correct", run.models()), run.design.member[run.models()]
    each = np.array([correct[k][member[k] == 1].mean() for k in range(8)])
    pair = run.design.pair[run.models()]
    assert found.value == pytest.approx(each.mean())
    np.testing.assert_allclose(found.replicates, [each[pair != p].mean() for p in np.unique(pair)])


def test_models_where_a_share_is_undefined_do_not_count(run: Run) -> None:
    first = run.design.member[0]

    def but_the_first(right: np.ndarray, member: np.ndarray) -> float:
        return float("nan") if np.array_equal(member, first) else float(right.mean())

    found = run.share("outputs.correct", but_the_first, examples=60)
    each = run.load("outputs.correct", run.models()[1:]).mean(1)
    assert found.value == pytest.approx(each.mean())
    assert found.models == 7
    none = run.share("outputs.correct", lambda right, member: float("nan"), examples=60)
    assert np.isnan(none.value)
    assert none.reason


def test_share_of_held_out_answers(run: Run) -> None:
    found = run.share("heldout.correct", lambda right, member: float(right.mean()), examples=30)
    assert found.value == pytest.approx(run.load("heldout.correct", run.models()).mean())
    full = run.share("heldout.correct", lambda right, member: float(right.mean()), examples=30, role="full")
    assert full.value == pytest.approx(run.load("heldout.correct", run.models("full")).mean())


def test_votes_are_those_of_models_without_the_example(run: Run) -> None:
    rows = np.array([3, 17, 40])
    expected = np.zeros((3, 3), np.int64)
    for model in run.models():
        for number, row in enumerate(rows):
            if run.design.member[model, row] == 0:
                expected[number, run.load("outputs.prediction", [int(model)])[0, row]] += 1
    np.testing.assert_array_equal(run.votes(rows), expected)


def test_names_that_are_none_get_a_sentence_with_the_valid_ones(run: Run) -> None:
    with pytest.raises(BadInput, match=r"^There is no evidence named 'outputs\.lost'\. Hint: the names are .*loss"):
        run.load("outputs.lost", [0])
    with pytest.raises(BadInput, match=r"^There is no measure 'loudness'\. Hint: `byrote measures` lists all"):
        run.measure("loudness")
    with pytest.raises(BadInput, match=r"'influence' gives no score per example, so it cannot be pooled"):
        run.pooled("influence", defined_mean, examples=60)


def test_what_was_not_recorded_is_named(tmp_path: Path) -> None:
    run = small_audit(tmp_path / "run", heldout=None, full=0)
    with pytest.raises(MissingEvidence, match=r"'heldout\.correct' is not recorded.*held-out.*Hint: pass heldout="):
        run.measure("influence")
    with pytest.raises(TooFewModels, match="no models of role 'full'"):
        run.measure("cumulative_sample_loss", role="full")


def test_models_on_all_data_measure_what_needs_no_outsiders(run: Run) -> None:
    full = run.measure("cumulative_sample_loss", role="full")
    assert isinstance(full, PerExample)
    assert full.models == 2
    entry = find("cumulative_sample_loss")
    arguments = {name: run.load(need, run.models("full")) for name, need in entry.parameters.items()}
    np.testing.assert_array_equal(full.values, entry.function(**arguments).values)
    assert (run.folder / "results" / "cumulative_sample_loss@full.parquet").is_file()


def test_models_on_all_data_say_why_they_cannot_compare(run: Run) -> None:
    full = run.measure("label_memorization", role="full")
    assert isinstance(full, PerExample)
    assert np.isnan(full.values).all()
    assert {full.reason(i) for i in range(60)} == {"every model was trained on it"}


def test_a_dataset_that_is_another_is_refused(run: Run) -> None:
    assert run.recipe is not None
    opened = Run.open(run.folder)
    assert opened.attach(blobs(noise=0.1), run.recipe).dataset is not None
    with pytest.raises(BadInput, match=r"is not the one that the run .* was made from\. Hint: pass the same examples"):
        opened.attach(blobs(noise=0.1, seed=1), run.recipe)
    with pytest.raises(BadInput):
        Run.open(run.folder.parent)


def test_bounded_figures_have_bounded_intervals(run: Run) -> None:
    wide = run.pooled("label_memorization", lambda values: float(values[:3].mean()), examples=3)
    cut = run.pooled(
        "label_memorization",
        lambda values: float(values[:3].mean()),
        examples=3,
        bounds=(wide.value, wide.value + 0.01),
    )
    assert wide.low < cut.low == wide.value
    assert cut.high == pytest.approx(min(wide.high, wide.value + 0.01))
    all_right = run.share("outputs.correct", lambda right, member: float(right[:4].mean()) ** 0.1, examples=4)
    assert all_right.high <= 1.0


@pytest.mark.parametrize("blocks", [1, 3])
@pytest.mark.parametrize("steps", [1, 5])  # from sums at once, or again without each of 4 pairs
def test_tells_what_share_of_a_measure_is_done(
    run: Run, monkeypatch: pytest.MonkeyPatch, blocks: int, steps: int
) -> None:
    entry = find("label_memorization")
    monkeypatch.setattr(byrote.runs.run, "find", lambda key: entry if steps == 1 else replace(entry, without=None))
    cells = len(run.models()) * len(find("label_memorization").needs)
    monkeypatch.setattr(byrote.runs.run, "BLOCK_BYTES", 8 * cells * 60 // blocks)
    heard: list[float] = []
    again = Run.open(run.folder)
    again.on_progress = heard.append
    again.replicates("label_memorization")
    assert len(heard) == blocks * steps
    assert heard == sorted(heard)
    assert heard[-1] == 1.0
    assert heard[0] == pytest.approx(1 / (blocks * max(1, steps - 1)))


def test_a_result_names_its_examples_as_its_file_does(run: Run) -> None:
    found = run.measure("label_memorization")
    assert isinstance(found, PerExample)
    kept = run.kept_table("label_memorization.parquet")
    assert repr(found.to_arrow().to_pylist()) == repr(kept.to_pylist())
    assert found.to_arrow()["example"].to_pylist() == run.ids.tolist()


def test_a_notebook_shows_what_a_run_holds(run: Run) -> None:
    shown = run._repr_html_()
    assert "<td>models</td><td>8 reference" in shown
    assert f"<td>examples</td><td>{len(run.ids)}</td>" in shown
    odd = dataclasses.replace(run, folder=Path("<script>"))
    assert "<script" not in odd._repr_html_()
