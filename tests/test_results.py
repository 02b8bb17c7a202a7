import matplotlib as mpl
import numpy as np
import pyarrow as pa
import pytest

from byrote.errors import BadInput
from byrote.results import Curve, PerCanary, PerExample, PerModelExample, PerPair, Scalar, Survival, Table

mpl.use("agg")

IDS = np.array(["a<b>", "007", "c\0d"])
VALUES = np.array([0.25, np.nan, 0.75])


def by_example(ids=IDS):
    return PerExample(
        values=VALUES,
        stderr=np.array([0.1, np.nan, 0.2]),
        low=VALUES - 0.2,
        high=VALUES + 0.2,
        counts={"members": np.array([4, 0, 3])},
        reasons=("", "no model < saw it"),
        reason_code=np.array([0, 1, 0]),
        models=8,
        ids=ids,
    )


def pairs():
    one = np.array([0.5, 0.25])
    return PerPair(
        example=np.array([2, 0]), query=np.array([0, 0]), values=one, stderr=one, low=one, high=one, models=8, ids=IDS
    )


def scores():
    return PerModelExample(
        values=np.array([[0.5, 1.0, 2.0]]),
        references=np.array([7]),
        reason_code=np.zeros((1, 3), np.int8),
        models=8,
        ids=IDS,
    )


def canaries():
    one = np.array([1.5, 9.0])
    return PerCanary(
        values=one,
        stderr=one,
        low=one - 1,
        high=one + 1,
        at_least=np.array([False, True]),
        p_value=np.array([0.4, 0.001]),
        repetitions=np.array([0, 8]),
        reason_code=np.zeros(2, np.int64),
        models=1,
    )


LINES = {
    "axis": "epoch",
    "at": np.array([0.0, 1.0]),
    "groups": ("rare", "common"),
    "values": np.array([[0.0, 1.0], [0.5, 0.5]]),
    "stderr": np.full((2, 2), 0.1),
    "low": np.zeros((2, 2)),
    "high": np.ones((2, 2)),
    "counts": np.array([3, 5]),
    "models": 4,
}


def curve():
    return Curve(**LINES)


def survival():
    return Survival(**LINES, median=np.array([1.0, np.nan]), censored=np.array([0, 2]))


def figure():
    return Scalar(value=0.5, stderr=0.1, low=0.3, high=0.7, models=8, examples=90)


def table():
    return Table(
        title="<T>",
        rows={"attack": ("lira", "rmia")},
        figures={"AUC": (figure(), None), "TPR": (figure(), figure())},
        arrays={"example": IDS},
    )


ALL = [by_example, pairs, scores, canaries, curve, survival, figure, table]
every = pytest.mark.parametrize("make", ALL)


@every
def test_columns_are_the_same_in_arrow_and_pandas(make):
    pandas = pytest.importorskip("pandas")
    result = make()
    streamed = pa.table(result)
    pandas.testing.assert_frame_equal(result.to_pandas(), streamed.to_pandas())
    assert streamed.column_names == list(result.columns())


def test_rows_have_ids_intervals_counts_and_reasons():
    rows = by_example().to_arrow().to_pylist()
    assert rows[0] == {
        "example": "a<b>",
        "value": 0.25,
        "stderr": 0.1,
        "low": pytest.approx(0.05),
        "high": 0.45,
        "members": 4,
        "reason": "",
    }
    assert [row["example"] for row in rows] == IDS.tolist()
    assert rows[1]["reason"] == "no model < saw it"
    assert pairs().to_arrow()["example"].to_pylist() == ["c\0d", "a<b>"]
    assert scores().to_arrow().to_pylist()[1] == {"example": "007", "model_0": 1.0}


def test_examples_without_names_are_numbered():
    assert by_example(ids=None).to_arrow()["example"].to_pylist() == [0, 1, 2]


def test_a_table_has_a_row_for_each_figure_that_is_there():
    found = table().to_arrow()
    assert found["attack"].to_pylist() == ["lira", "lira", "rmia"]
    assert found["figure"].to_pylist() == ["AUC", "TPR", "TPR"]
    assert Table(arrays={"example": IDS}).to_arrow()["example"].to_pylist() == IDS.tolist()


def test_a_name_of_rows_may_not_take_the_column_of_a_figure():
    for name in ("examples", "figure"):
        with pytest.raises(AssertionError, match="another column of the kept table has that name"):
            Table(rows={name: ("all",)}, figures={"AUC": (None,)})


def test_lines_have_a_row_for_each_point():
    rows = curve().to_arrow().to_pylist()
    assert [(row["group"], row["epoch"], row["value"], row["count"]) for row in rows] == [
        ("rare", 0.0, 0.0, 3),
        ("rare", 1.0, 1.0, 3),
        ("common", 0.0, 0.5, 5),
        ("common", 1.0, 0.5, 5),
    ]


@every
def test_a_notebook_shows_it_escaped_and_runs_nothing(make):
    shown = make()._repr_html_()
    assert shown.count("<table>") == shown.count("</table>") == 1
    assert "<script" not in shown
    assert "<b>" not in shown
    assert "<T>" not in shown


def test_a_notebook_shows_the_highest_first_with_interval_counts_and_reason():
    shown = by_example()._repr_html_()
    assert "<th>95 % interval</th><th>members</th><th>reason</th>" in shown
    assert shown.index("<td>0.55 to 0.95</td><td>3</td>") < shown.index("<td>a&lt;b&gt;</td>")
    assert "<td>007</td><td>–</td><td>–</td><td>0</td><td>no model &lt; saw it</td>" in shown
    assert "undefined for 33.3% of the examples" in shown


@every
def test_every_result_is_drawn(make):
    from matplotlib import pyplot

    axes = make().plot()
    assert axes.has_data()
    assert make().plot(axes) is axes
    pyplot.close("all")


def test_a_forest_has_a_line_for_each_row_and_a_point_for_each_figure():
    from matplotlib import pyplot

    axes = table().plot()
    assert [label.get_text() for label in axes.get_yticklabels()] == ["lira", "rmia"]
    assert [len(points[0].get_xdata()) for points in axes.containers] == [1, 2]
    pyplot.close("all")


def test_arrays_alone_are_not_drawn():
    from matplotlib import pyplot

    with pytest.raises(BadInput, match="without figures"):
        Table(arrays={"example": IDS}).plot()
    pyplot.close("all")
