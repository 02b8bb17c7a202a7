import numpy as np
import pyarrow as pa
import pytest

from byrote.data.problems import Problems
from byrote.data.source import Reading, read_source, refuse_unfit_options
from byrote.data.table import from_table
from byrote.data.targets import read_columns
from byrote.errors import BadInput

RNG = np.random.default_rng(0)
ROWS = 60


def written(tmp_path, **columns):
    given = {"x": RNG.normal(size=ROWS).round(3), "z": RNG.normal(size=ROWS).round(3), **columns}
    path = tmp_path / "t.csv"
    lines = [",".join(given), *(",".join(map(str, row)) for row in zip(*given.values(), strict=True))]
    path.write_text("\n".join(lines))
    return path


def guessed(values):
    return read_columns(pa.table({"y": values}), "y", None, Problems("t")).task


@pytest.mark.parametrize(
    ("values", "task"),
    [
        ([i % 3 for i in range(60)], "classes"),
        ([float(i % 3) for i in range(60)], "classes"),
        ([i % 30 for i in range(60)], "classes"),  # counts up from 0
        ([7 * i for i in range(60)], "regression"),
        ([0.5 * (i % 9) for i in range(60)], "regression"),
        ([float(i) for i in range(60)], "regression"),
        ([0.5, 1.0] * 30, "classes"),
        (["a", "b"] * 30, "classes"),
    ],
)
def test_what_is_guessed(values, task):
    assert guessed(pa.array(values)) == task


def test_a_guess_is_said_and_can_be_overruled(tmp_path):
    path = written(tmp_path, price=np.arange(ROWS) % 30 * 11.0)
    made = from_table(path, target="price")
    assert made.training.task == "regression"
    assert "is learned as a number (--task regression)" in made.notes[0]
    assert from_table(path, target="price", task="classes").training.classes == 30
    assert not any(
        "is learned as a number" in note for note in from_table(path, target="price", task="regression").notes
    )


def test_several_columns_are_labels(tmp_path):
    red, round_ = RNG.integers(0, 2, ROWS), RNG.integers(0, 2, ROWS)
    path = written(tmp_path, red=np.where(red, "Yes", "no"), round=round_)
    made = from_table(path, target=("red", "round"), heldout=0.0)
    assert (made.training.task, made.training.class_names) == ("labels", ("red", "round"))
    np.testing.assert_array_equal(made.training.targets, np.stack([red, round_], 1))
    assert made.training.display.feature_names == ("x", "z")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"target": ("price", "kind")}, "the column 'price' is a label, and holds something else than 0 and 1"),
        ({"target": ("kind", "kind")}, "cannot be the target and the target at once"),
        ({"target": ("kind", "nothing")}, "no column 'nothing' for the target"),
        ({"target": ("kind", "price"), "task": "classes"}, "has one target, and 2 are given"),
        ({"target": ("kind", "price"), "task": "regression"}, "a regression learns numbers"),
        ({"target": "kind", "task": "regression"}, "a regression learns numbers"),
        ({"target": "kind", "tolerance": 2.0}, "A tolerance is for numbers"),
        ({"target": "price", "tolerance": -2.0}, "A tolerance must be a number above 0"),
        ({"target": "gap", "task": "regression"}, "1 row has no number in the column 'gap' (row 4, counted from 1)"),
        ({"target": ()}, "A table needs a column to learn"),
    ],
)
def test_what_is_refused(tmp_path, said, words):
    gap = ["" if i == 3 else i * 1.5 for i in range(ROWS)]
    path = written(tmp_path, price=np.arange(ROWS) * 1.5, kind=["a", "b"] * (ROWS // 2), gap=gap)
    with pytest.raises(BadInput) as caught:
        from_table(path, **said)
    assert words in str(caught.value)


def test_a_reading_takes_lists_and_tells_them_again():
    reading = Reading(target=["a", "b"])
    assert reading.describe()["target"] == ["a", "b"]
    assert Reading(**reading.describe()) == reading
    assert Reading(target=["a"]).target == "a"


@pytest.mark.parametrize(("said", "words"), [({"task": "labels"}, "--task labels"), ({"balanced": True}, "--balanced")])
def test_options_that_fit_no_source(said, words):
    with pytest.raises(BadInput, match=words):
        refuse_unfit_options(Reading(**said), None, "digits")


@pytest.mark.parametrize("task", ["regression", "labels"])
def test_npz_of_any_task(tmp_path, task):
    targets = RNG.normal(size=ROWS) if task == "regression" else RNG.integers(0, 2, (ROWS, 3))
    inputs = RNG.normal(size=(ROWS, 2))
    np.savez(tmp_path / "a.npz", inputs=inputs, targets=targets, heldout_inputs=inputs[:9], heldout_targets=targets[:9])
    made = read_source(str(tmp_path / "a.npz"), Reading(task=task), seed=0)
    assert made.training.task == made.heldout.task == task
    assert made.heldout.scale is made.training.scale
