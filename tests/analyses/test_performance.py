import numpy as np
import pytest

import byrote
from byrote.analyses.performance import counterfactual_memorization
from byrote.errors import BadInput, MissingEvidence
from byrote.measures.counterfactual_memorization import (
    counterfactual_memorization_absolute_error,
    counterfactual_memorization_squared_error,
)
from byrote.measures.label_memorization import label_memorization_label_accuracy
from byrote.measures.lira import lira, lira_residual
from byrote.measures.membership_risk import membership_risk, membership_risk_absolute_error
from byrote.runs.run import Run
from measures.evidence import half_subset_pairs
from small import blobs, small_audit

FAST = byrote.Recipe(network=byrote.MLP(hidden=(16,)), epochs=4, batch_size=8, optimizer=byrote.SGD(lr=0.02))


def numbers(examples=40, seed=0):
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(examples, 3)).astype(np.float32)
    targets = 50 + 10 * inputs[:, 0] + rng.normal(0, 5, examples)
    groups = np.array([f"p{i % 12}" for i in range(examples)])
    return byrote.from_arrays(inputs, targets, name="prices", task="regression", groups=groups)


def tags(examples=40, seed=0):
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(examples, 3)).astype(np.float32)
    targets = inputs + rng.normal(0, 0.3, (examples, 3)) > 0
    return byrote.from_arrays(inputs, targets, name="tags", class_names=("red", "round", "old"))


def given(name, **slots):
    objective = {"numbers": byrote.SquaredError(), "tags": byrote.BinaryCrossEntropy()}[name]
    return byrote.Recipe(network=FAST.network, epochs=4, batch_size=8, optimizer=FAST.optimizer, objective=objective)


@pytest.fixture(scope="module")
def regression(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "r"
    return small_audit(folder, dataset=numbers(), recipe=given("numbers"), heldout=numbers(20, seed=1))


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "l"
    return small_audit(folder, dataset=tags(), recipe=given("tags"), heldout=tags(20, seed=1))


def slow_counterfactual(worth, member):
    """Mean over models with each example minus mean over those without, in a plain loop."""
    found = []
    for i in range(worth.shape[1]):
        inside = [worth[k, i] for k in range(len(worth)) if member[k, i] == 1]
        outside = [worth[k, i] for k in range(len(worth)) if member[k, i] == 0]
        found.append(sum(inside) / len(inside) - sum(outside) / len(outside))
    return np.array(found)


def test_errors_by_a_slow_loop():
    rng = np.random.default_rng(0)
    member, pair = half_subset_pairs(rng, 12, 10)
    error = rng.normal(size=member.shape)
    for measured, worth in (
        (counterfactual_memorization_squared_error(error**2, member, pair), -(error**2)),
        (counterfactual_memorization_absolute_error(np.abs(error), member, pair), -np.abs(error)),
        (label_memorization_label_accuracy(np.abs(error) / 9, member, pair), np.abs(error) / 9),
    ):
        np.testing.assert_allclose(measured.values, slow_counterfactual(worth, member))
        assert ((measured.low <= measured.values) & (measured.values <= measured.high)).all()


def test_a_look_up_learner_in_closed_form():
    """It knows the numbers it saw by heart and says their mean of any other.

    Of n - 1 others a half of s = n/2 is drawn, whose mean has variance S^2/s (1 - s/(n - 1)): the expected squared
    error of a model without example i is (mean of the others - y_i)^2 plus that, and its error with it is 0.
    """
    rng = np.random.default_rng(1)
    examples, models = 12, 4000
    y = rng.normal(10, 3, examples)
    member, pair = half_subset_pairs(rng, models, examples)
    means = (member * y).sum(1, keepdims=True) / member.sum(1, keepdims=True)
    residual = np.where(member == 1, 0.0, means - y)
    measured = counterfactual_memorization_squared_error(residual**2, member, pair)
    for i in range(examples):
        others = np.delete(y, i)
        size = examples // 2
        variance = others.var(ddof=1) / size * (1 - size / (examples - 1))
        truth = (others.mean() - y[i]) ** 2 + variance
        assert abs(measured.values[i] - truth) < 4 * measured.stderr[i]
    close = np.abs(measured.values - measured.low) / measured.stderr
    np.testing.assert_allclose(close, 1.96, atol=0.01)


def test_ridge_regression_in_closed_form():
    """Leaving example 0 out of ridge regression multiplies its residual by 1 / (1 - h), h its leverage."""
    rng = np.random.default_rng(2)
    x, y, penalty = rng.normal(size=(30, 4)), rng.normal(size=30), 0.7
    member = np.zeros((8, 30), np.int8)
    truth = []
    for pair in range(4):
        rows = np.append(0, 1 + rng.choice(29, 14, replace=False))
        member[2 * pair, rows], member[2 * pair + 1, rows[1:]] = 1, 1
        gram = np.linalg.inv(x[rows].T @ x[rows] + penalty * np.eye(4))
        inside = x[0] @ gram @ x[rows].T @ y[rows] - y[0]
        truth.append((inside / (1 - x[0] @ gram @ x[0])) ** 2 - inside**2)
    residual = np.empty((8, 30))
    for model, has in enumerate(member == 1):
        weights = np.linalg.solve(x[has].T @ x[has] + penalty * np.eye(4), x[has].T @ y[has])
        residual[model] = x @ weights - y
    measured = counterfactual_memorization_squared_error(residual**2, member, np.arange(8) // 2)
    assert measured.values[0] == pytest.approx(np.mean(truth))
    assert measured.stderr[0] == pytest.approx(np.std(truth, ddof=1) / 2)


def test_attacks_are_those_of_log_odds():
    rng = np.random.default_rng(3)
    member, pair = half_subset_pairs(rng, 16, 8)
    x = rng.normal(size=member.shape) + 2 * member
    np.testing.assert_array_equal(lira_residual(x, member, pair).values, lira(x, member, pair).values)
    risk = membership_risk_absolute_error(-x, member, pair)
    np.testing.assert_array_equal(risk.values, membership_risk(x, member, pair).values)


@pytest.mark.slow
def test_a_regression_end_to_end(regression):
    assert regression.task == "regression"
    dataset, scale = regression.dataset, regression.dataset.scale
    np.testing.assert_array_equal(regression.numbers, dataset.targets)
    np.testing.assert_array_equal(regression.groups, dataset.groups)
    assert regression.class_names == scale.names
    models = regression.models()
    residual = regression.load("outputs.residual", models)
    np.testing.assert_array_equal(regression.load("outputs.correct", models), np.abs(residual) <= scale.tolerance)
    np.testing.assert_allclose(regression.load("outputs.squared_error", models), residual.astype(float) ** 2)
    np.testing.assert_array_equal(regression.load("trajectory.residual", models)[:, -1], residual)
    assert regression.load("heldout.residual", models).shape == (6, 20)
    said = regression.load("outputs.prediction", models)
    inside = np.stack([scale.index(regression.numbers + row) for row in residual])
    assert (said == inside).mean() > 0.99  # an edge may be missed by rounding
    measured = regression.measure("counterfactual_memorization[squared_error]")
    np.testing.assert_allclose(
        measured.values, slow_counterfactual(-(residual.astype(float) ** 2), regression.design.member[models])
    )
    page, shown = byrote.write_report(regression)
    assert page.exists()
    assert any("an answer counts as right that misses it" in note for note in shown.notes)
    again = small_audit(regression.folder, dataset=numbers(), recipe=given("numbers"), heldout=numbers(20, seed=1))
    assert again.manifest.dataset["tolerance"] == scale.tolerance
    assert Run.open(regression.folder).numbers is not None


def test_any_performance(regression):
    squared = regression.measure("counterfactual_memorization[squared_error]")
    for performance in ("squared-error", lambda said, true: -((said - true) ** 2)):
        mine = counterfactual_memorization(regression, performance)
        np.testing.assert_allclose(mine.values, squared.values, rtol=1e-4)
    tolerance = regression.dataset.scale.tolerance
    within = counterfactual_memorization(regression, f"within-tolerance={tolerance}")
    np.testing.assert_allclose(within.values, regression.measure("label_memorization").values, atol=1e-12)


def test_a_cost_matrix_is_a_performance_of_classes(tmp_path):
    run = small_audit(tmp_path / "run")
    mine = counterfactual_memorization(run, lambda said, true: (said == true).astype(float))
    np.testing.assert_allclose(mine.values, run.measure("label_memorization").values, atol=1e-12)


@pytest.mark.parametrize(
    ("performance", "words"),
    [
        ("r2", "'r2' is a figure of many examples at once"),
        ("mse", "There is no performance measure 'mse'"),
        ("within-tolerance", "There is no performance measure 'within-tolerance'"),
        ("within-tolerance=x", "The tolerance of within-tolerance must be a number above 0"),
        (lambda said, true: 1 - ((said - true) ** 2).sum() / true.var(), "must give a number for each of 40 examples"),
    ],
)
def test_performances_that_are_none(regression, performance, words):
    with pytest.raises(BadInput) as caught:
        counterfactual_memorization(regression, performance)
    assert words in str(caught.value)


@pytest.mark.slow
def test_labels_end_to_end(labelled):
    models = labelled.models()
    assert (labelled.task, labelled.manifest.dataset["label_names"]) == ("labels", ["red", "round", "old"])
    correct = labelled.load("outputs.correct", models)
    right = labelled.load("outputs.label_accuracy", models)
    np.testing.assert_array_equal(correct, right == 1)
    said, label = labelled.load("outputs.prediction", models), labelled.labels
    np.testing.assert_array_equal(correct, said == label)
    presented = labelled.load("presentation.first_learned", models)
    assert (presented > 0).any()
    for key in ("label_memorization", "label_memorization[label_accuracy]", "membership_risk", "forgetting_events"):
        assert (labelled.measure(key).reason_code == 0).any() or key == "membership_risk"
    assert byrote.write_report(labelled)[0].exists()


@pytest.mark.parametrize(
    ("which", "key"),
    [
        ("regression", "label_memorization[probability]"),
        ("regression", "cumulative_sample_loss"),
        ("regression", "label_memorization[label_accuracy]"),
        ("labels", "label_error_probability"),
        ("labels", "counterfactual_memorization[squared_error]"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(request, which, key):
    run = request.getfixturevalue("regression" if which == "regression" else "labelled")
    with pytest.raises(MissingEvidence) as caught:
        run.measure(key)
    assert "is not for the targets of the run" in str(caught.value)
    assert "label_memorization" in (caught.value.hint or "")


@pytest.mark.parametrize(("dataset", "words"), [(numbers(), "one number per example"), (tags(), "several labels")])
def test_an_objective_of_other_targets(tmp_path, dataset, words):
    with pytest.raises(BadInput) as caught:
        byrote.audit(dataset, FAST, models=4, out=tmp_path / "run", progress=False)
    assert words in str(caught.value)
    assert "objective=byrote." in str(caught.value)


def test_what_is_about_classes_alone(tmp_path, regression):
    from byrote.analyses.triage import triage
    from byrote.changes.registry import parse_change

    with pytest.raises(BadInput, match="Triage is about one class per example"):
        triage(regression)
    with pytest.raises(BadInput, match="'label-noise' is about one class"):
        byrote.change(regression, parse_change("label-noise=0.1"), out=tmp_path / "child", progress=False)
    with pytest.raises(BadInput, match="'last_layer' is about one class"):
        byrote.audit(tags(), given("tags"), models=4, probes=("last_layer",), out=tmp_path / "x", progress=False)
    with pytest.raises(BadInput, match="A privacy audit in one training run"):
        byrote.audit_privacy(tags(), given("tags"), canaries=20, out=tmp_path / "y", progress=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["remove-most-memorized=0.1", "exact-duplicates=0.1", "fine-tune-on-rest"])
def test_changes_that_take_any_targets(tmp_path, regression, name):
    child = byrote.change(regression, byrote.parse_change(name), out=tmp_path / "child", workers=1, progress=False)
    assert child.dataset.scale is regression.dataset.scale
    assert byrote.card(regression, child)


def test_balanced_weights():
    dataset = byrote.from_arrays(np.zeros((4, 1)), ["a", "a", "a", "b"])
    assert byrote.recipe_for(dataset, balanced=True).objective.class_weights == pytest.approx((2 / 3, 2.0))
    several = byrote.from_arrays(np.zeros((4, 1)), np.array([[1, 0], [1, 0], [1, 1], [0, 0]]))
    assert byrote.balanced_weights(several) == pytest.approx((1 / 3, 3.0))
    with pytest.raises(BadInput, match="A balanced objective is about one class"):
        byrote.recipe_for(numbers(), balanced=True)
    assert byrote.recipe_for(blobs()).objective == byrote.CrossEntropy()
