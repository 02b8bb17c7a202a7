"""Several numbers an example: how they are read, judged and measured."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

import byrote
from byrote.data.arrays import from_arrays
from byrote.data.dataset import notes
from byrote.data.learned.numbers import numbers_of
from byrote.data.learned.several_numbers import SeveralNumbers, several_numbers_of
from byrote.data.npy_folder import from_npy_folder
from byrote.data.npz import from_npz
from byrote.data.table import from_table
from byrote.errors import BadInput, MissingEvidence
from byrote.probes.judging import ByErrors, judge_of
from byrote.recipes.objectives.squared_error import SquaredError
from recipes.objectives.asked import loss_of

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4)).astype(np.float32)
#: A temperature and a price: of very different sizes.
Y = np.stack([20 + 5 * X[:, 0], 1000 - 300 * X[:, 1]], 1) + RNG.normal(size=(60, 2)) * [1, 60]


def test_each_number_is_centred_and_scaled_by_itself():
    made = from_arrays(X, Y, task="regression")
    assert isinstance(made.scale, SeveralNumbers)
    assert (made.task, made.outputs) == ("regression", 2)
    assert repr(made).endswith("2 numbers each)")
    np.testing.assert_allclose(made.learned.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(made.learned.std(0), 1, rtol=1e-5)
    np.testing.assert_allclose(made.numbers, ((Y - Y.mean(0)) / Y.std(0)).mean(1))
    assert np.bincount(made.kinds).tolist() == [12] * 5
    assert "The target is 2 numbers" in notes(made)[0]
    assert made.fingerprint() != made.replace(scale=several_numbers_of(Y + 1)).fingerprint()
    assert from_arrays(X, Y, task="regression", tolerance=0.5).scale.tolerance == 0.5


def test_a_single_column_is_a_number():
    one = from_arrays(X, Y[:, :1], task="regression")
    assert one.outputs == 1
    assert one.fingerprint() == from_arrays(X, Y[:, 0], task="regression").fingerprint()


def test_numbers_that_are_alike_are_judged_as_one():
    """The truth for two equal columns: errors are those of the one, in its deviations."""
    values = RNG.normal(size=30) * 7
    several, one = several_numbers_of(np.stack([values, values], 1), 0.25), numbers_of(values)
    answers = torch.from_numpy(RNG.normal(size=(3, 30)))
    learned = torch.from_numpy(one.learned(values)).expand(3, -1)
    both = judge_of(several).read(answers[..., None].expand(-1, -1, 2), learned[..., None].expand(-1, -1, 2))
    alone = judge_of(one).read(answers[..., None], learned)
    np.testing.assert_array_equal(both["correct"], alone["correct"])
    np.testing.assert_allclose(both["residual"] * one.deviation, alone["residual"], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(both["absolute_error"] * one.deviation, alone["residual"].abs(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(both["squared_error"] * one.deviation**2, alone["residual"] ** 2, rtol=1e-4, atol=1e-5)


def test_errors_against_a_slow_loop():
    scale = several_numbers_of(Y, 0.6)
    judge = judge_of(scale)
    assert isinstance(judge, ByErrors)
    learned, said = scale.learned(Y), RNG.normal(size=(2, 60, 2)).astype(np.float32) * 0.8
    read = judge.read(torch.from_numpy(said), torch.from_numpy(learned).expand(2, -1, -1))
    prediction = judge.answered(torch.from_numpy(said), torch.from_numpy(learned))["prediction"]
    for model in range(2):
        for example in range(60):
            off = [float(said[model, example, k]) - float(learned[example, k]) for k in range(2)]
            assert float(read["residual"][model, example]) == pytest.approx(sum(off) / 2, abs=1e-5)
            assert float(read["absolute_error"][model, example]) == pytest.approx(sum(map(abs, off)) / 2, abs=1e-5)
            mean = sum(one * one for one in off) / 2
            assert float(read["squared_error"][model, example]) == pytest.approx(mean, abs=1e-5)
            assert bool(read["correct"][model, example]) == (mean**0.5 <= 0.6)
        own = said[model].astype(np.float64) * Y.std(0) + Y.mean(0)
        np.testing.assert_array_equal(prediction[model], scale.index(own))


def test_the_loss_is_the_mean_over_the_numbers():
    logits, targets = torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([[0.0, 0.0], [0.0, 1.0]])
    assert loss_of(SquaredError(), logits, targets)[0].tolist() == [2.5, 0.5]


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        (np.where(np.arange(120).reshape(60, 2) == 3, np.nan, Y), "1 example has missing or infinite targets"),
        (Y * [1, 0], "every target in column 1, counted from 0, is 0"),
        (Y > 20, "a regression learns numbers, and its targets are of type 'bool'"),
    ],
)
def test_what_cannot_be_learned(targets, said):
    with pytest.raises(BadInput, match=said):
        from_arrays(X, targets, task="regression")


def written(folder, kind):
    if kind == "table":
        columns = {f"x{i}": X[:, i] for i in range(4)} | {"warm": Y[:, 0], "dear": Y[:, 1]}
        pq.write_table(pa.table(columns), folder / "a.parquet")
        return from_table(folder / "a.parquet", target=("warm", "dear"), task="regression", heldout=0.2)
    if kind == "npz":
        np.savez(folder / "a.npz", inputs=X, targets=Y)
        return from_npz(folder / "a.npz", task="regression", heldout=0.2)
    for name, rows in (("", slice(48)), ("heldout_", slice(48, None))):
        np.save(folder / f"{name}inputs.npy", X[rows])
        np.save(folder / f"{name}targets.npy", Y[rows])
    return from_npy_folder(folder, task="regression")


@pytest.mark.parametrize("kind", ["table", "npz", "npy"])
def test_sources(tmp_path, kind):
    read = written(tmp_path, kind)
    assert len(read.training) + len(read.heldout) == 60
    assert read.training.outputs == 2
    assert read.heldout.scale is read.training.scale
    np.testing.assert_allclose(read.training.scale.means, read.training.targets.mean(0))
    rows = {row.tobytes() for row in Y}
    assert {row.tobytes() for row in np.ascontiguousarray(read.training.targets)} <= rows


def test_columns_that_are_no_numbers(tmp_path):
    pq.write_table(pa.table({"x": X[:, 0], "a": Y[:, 0], "b": ["u", "v"] * 30}), tmp_path / "a.parquet")
    with pytest.raises(BadInput, match=r"column 'b' holds values of the type 'string', and a regression"):
        from_table(tmp_path / "a.parquet", target=("a", "b"), task="regression")
    with pytest.raises(BadInput, match="'classes' has one target, and 2 are given"):
        from_table(tmp_path / "a.parquet", target=("a", "b"), task="classes")


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    """Targets of pure noise, which can only be learned by heart."""
    noise = RNG.normal(size=(40, 2)) * [1, 1000]
    dataset = from_arrays(X[:40], noise, name="several", task="regression")
    recipe = byrote.recipe_for(dataset)
    assert isinstance(recipe.objective, SquaredError)
    small = byrote.Recipe(network=byrote.MLP(hidden=(128,)), epochs=150, batch_size=20, objective=recipe.objective)
    return byrote.audit(
        dataset,
        small,
        heldout=from_arrays(X[40:], Y[40:], name="others", task="regression").replace(scale=dataset.scale),
        models=8,
        full=0,
        out=tmp_path_factory.mktemp("several") / "run",
        workers=1,
        progress=False,
    )


def test_errors_of_members_are_small_and_those_of_others_are_not(audited):
    run, dataset = audited, audited.dataset
    assert run.manifest.dataset["outputs"] == 2
    np.testing.assert_allclose(run.numbers, dataset.numbers)
    models = list(range(8))
    member = run.design.member == 1
    squared, absolute = (run.load(f"outputs.{name}", models) for name in ("squared_error", "absolute_error"))
    residual = run.load("outputs.residual", models)
    assert (absolute**2 <= squared * (1 + 1e-5)).all()
    assert (np.abs(residual) <= absolute * (1 + 1e-5)).all()
    assert absolute[member].mean() < 0.3 < absolute[~member].mean()
    gain = run.measure("counterfactual_memorization[squared_error]").values
    by_hand = [squared[~member[:, i], i].mean() - squared[member[:, i], i].mean() for i in range(40)]
    np.testing.assert_allclose(gain, by_hand, rtol=1e-5)
    assert np.mean(gain) > 0.5
    assert np.nanmean(run.measure("label_memorization").values) > 0.3
    with pytest.raises(MissingEvidence, match="several numbers per example"):
        byrote.counterfactual_memorization(run, "squared-error")


@pytest.mark.slow
def test_a_run_of_them_has_a_report(audited):
    byrote.write_report(audited)
    assert (audited.folder / "report.html").stat().st_size > 10_000
