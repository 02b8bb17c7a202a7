import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from byrote.data.frame import from_pandas
from byrote.data.table import from_table
from byrote.data.text_table import from_text_table
from byrote.errors import BadInput

COUNT = 40
RNG = np.random.default_rng(0)
COLUMNS = {
    "weight": RNG.normal(size=COUNT),
    "born": pd.to_datetime([datetime.date(1990, 1, 1 + row % 28) for row in range(COUNT)]),
    "smokes": pd.array([True, False, None, True] * (COUNT // 4), dtype="boolean"),
    "visits": pd.array([1, None, 2, 3, 5] * (COUNT // 5), dtype="Int64"),
    "town": pd.Categorical(["Bonn", "Ulm", None, "Bonn"] * (COUNT // 4)),
    "note": ["fine and well", "so so", "a bit ill", "well"] * (COUNT // 4),
    "person": [f"p{row // 2}" for row in range(COUNT)],
    "kind": ["a", "b"] * (COUNT // 2),
}
FRAME = pd.DataFrame(COLUMNS)


def same(one, other):
    for made, read in ((one.training, other.training), (one.heldout, other.heldout)):
        np.testing.assert_array_equal(made.inputs, read.inputs)
        assert made.targets.tolist() == read.targets.tolist()
        assert made.class_names == read.class_names
        assert (made.groups is None) == (read.groups is None)
    assert one.notes == other.notes


@pytest.mark.parametrize(
    "frame",
    [
        FRAME,
        FRAME.sample(frac=1.0, random_state=1),
        FRAME.set_index("note"),
        FRAME.convert_dtypes(dtype_backend="pyarrow"),
    ],
    ids=["as made", "shuffled", "named index", "of Arrow"],
)
def test_a_frame_means_what_it_means_as_parquet(tmp_path, frame):
    frame.to_parquet(tmp_path / "t.parquet")
    same(
        from_pandas(frame, target="kind", group="person"),
        from_table(tmp_path / "t.parquet", target="kind", group="person"),
    )


def test_the_index_names_rows_and_is_not_learned_from():
    frame = FRAME.sample(frac=1.0, random_state=1).rename_axis("row")
    made = from_pandas(frame, target="kind", id="row", heldout=0.0).training
    assert made.ids.tolist() == [str(row) for row in frame.index]
    assert not any("row" in name for name in made.display.feature_names)


def test_names_of_columns_that_are_no_texts():
    made = from_pandas(pd.DataFrame({0: COLUMNS["weight"], 1: COLUMNS["kind"]}), target="1")
    assert made.training.display.feature_names == ("0",)


def test_texts_in_a_frame(tmp_path):
    FRAME.to_parquet(tmp_path / "t.parquet")
    same(
        from_pandas(FRAME, text="note", target="kind"),
        from_text_table(tmp_path / "t.parquet", text="note", target="kind"),
    )


def test_several_labels_and_numbers():
    frame = FRAME.assign(tall=[0, 1] * (COUNT // 2), old=[1, 1, 0, 0] * (COUNT // 4))
    assert from_pandas(frame, target=("tall", "old")).training.task == "labels"
    assert from_pandas(frame, target="weight", task="regression", tolerance=0.5).training.task == "regression"


class OfArrow:
    def __arrow_c_stream__(self, requested_schema=None):
        return pa.table({"weight": COLUMNS["weight"], "kind": COLUMNS["kind"]}).__arrow_c_stream__(requested_schema)


def test_whatever_gives_arrow_is_a_frame():
    same(from_pandas(OfArrow(), target="kind"), from_pandas(FRAME[["weight", "kind"]], target="kind"))


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (pd.DataFrame({"x": [1, "a", 2.5], "kind": ["a", "b", "a"]}), "cannot be read"),
        (pd.DataFrame({"x": [1.0], "kind": ["a"]}).iloc[:0], "has no rows"),
        (pd.DataFrame([[1.0, "a"]], columns=["kind", "kind"]), "more than once"),
        (FRAME.rename(columns={"kind": "sort"}), "no column 'kind'"),
        (FRAME.assign(kind=None), "40 rows have no class"),
        (FRAME.assign(weight=np.inf), "infinite numbers"),
        (42, "must be a data frame. Got int"),
    ],
)
def test_what_cannot_be_used_is_refused(frame, says):
    with pytest.raises(BadInput, match=says):
        from_pandas(frame, target="kind")
