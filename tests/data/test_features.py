import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from byrote.data.features import Categorical, Encoding, Numeric, RowDisplay, fit


def fitted(table, rows=None):
    table = pa.table(table)
    return (*fit(table, np.ones(len(table), bool) if rows is None else np.array(rows)), table)


def test_numbers_are_centred_and_missing_cells_take_the_median():
    encoding, notes, table = fitted({"x": [1.0, 3.0, None, 8.0]})
    filled = np.array([1, 3, 3, 8.0])
    expected = np.stack([(filled - filled.mean()) / filled.std(), [0, 0, 1, 0]], 1)
    np.testing.assert_allclose(encoding.apply(table), expected, rtol=1e-6)
    assert encoding.names() == ("x", "x is missing")
    assert notes == (
        "Missing cells of 'x' take the median of the others, and a feature of their own says where they are.",
        "The column 'x' has no value twice and is learned from. A column that names rows says nothing about new ones: "
        "remove it, or name it with --id.",
    )


def test_names_become_one_feature_a_level_and_missing_is_one():
    encoding, _, table = fitted({"c": ["b", "a", None, "b", "a", "a"]})
    assert encoding.names() == ("c = a", "c = b", "c = (missing)")
    np.testing.assert_array_equal(encoding.apply(table).argmax(1), [1, 0, 2, 1, 0, 0])
    np.testing.assert_array_equal(encoding.apply(table).sum(1), 1)


def test_rare_levels_share_a_feature_and_new_ones_count_as_rare():
    cells = ["a"] * 30 + ["b"] * 25 + ["c", "d", "e"]
    encoding, notes, _ = fitted({"c": cells})
    assert encoding.names() == ("c = a", "c = b", "c = (rare)")
    assert "2 levels have a feature of their own" in notes[0]
    np.testing.assert_array_equal(encoding.apply(pa.table({"c": ["b", "new", "c"]})).argmax(1), [1, 2, 2])


def test_a_new_level_without_rare_ones_is_none():
    encoding, _, _ = fitted({"c": ["a", "b"] * 20})
    assert encoding.apply(pa.table({"c": ["z", None]})).sum() == 0


def test_only_the_training_rows_are_looked_at():
    table = {"x": [1.0, 3.0, 1000.0], "c": ["a", "b", "z"]}
    encoding, _, whole = fitted(table, [True, True, False])
    assert encoding.columns[0] == Numeric("x", 2.0, 2.0, 1.0, False)
    other, _ = fit(pa.table({"x": [1.0, 3.0, -5.0], "c": ["a", "b", "q"]}), np.array([True, True, False]))
    assert other == encoding
    assert encoding.apply(whole)[2, 0] == 998


@pytest.mark.parametrize(
    ("name", "cells", "why"),
    [
        ("x", [None, None, None, None], "it is empty"),
        ("x", [2.0, 2.0, 2.0, 2.0], "every row has the same value (2)"),
        ("c", ["k", "k", "k", "k"], "every row has the same value ('k')"),
        ("user_id", [9, 4, 7, 100], "looks like an id"),
        ("x", [4, 2, 3, 1], "looks like an id"),
        ("c", ["w", "x", "y", "z"], "an id, a name or prose"),
        ("t", pa.array([1, 2, 3, 4], pa.time32("s")), "it holds times"),
        ("t", pa.array([86_400] * 4, pa.timestamp("s")), "every row has the same value (1970-01-02 00:00:00)"),
        ("l", [[1], [2], [3], [4]], "values of the type 'list<"),
    ],
)
def test_what_is_left_out_and_why(name, cells, why):
    encoding, notes, _ = fitted({name: cells})
    assert encoding.columns == ()
    assert why in notes[0]


def test_numbers_of_all_kinds():
    import decimal

    table = {
        "b": [True, False, None, True],
        "d": [decimal.Decimal("1.5"), decimal.Decimal("2.5"), None, decimal.Decimal("1.5")],
        "i": pa.array([1, 1, 5, 5], pa.uint8()),
        "e": pa.array(["u", "v", "u", "v"]).dictionary_encode(),
        "v": pa.array(["u", "v", "u", "v"], pa.large_string()),
    }
    encoding, notes, whole = fitted(table)
    assert notes == (
        "Missing cells of 'b', 'd' take the median of the others, and a feature of their own says where they are.",
    )
    assert np.isfinite(encoding.apply(whole)).all()
    assert [type(one) for one in encoding.columns] == [Numeric, Numeric, Numeric, Categorical, Categorical]


def test_a_row_is_shown_in_its_own_units():
    encoding, _, table = fitted({"x": [1.0, 3.0, None, -8.5], "c": ["a\u202e", "b", None, "a\u202e"]})
    display = RowDisplay(feature_names=encoding.names(), encoding=encoding)
    features = encoding.apply(table)
    assert display.cells("r", features[0]) == (("x", "1"), ("c", "a\\u202e"))
    assert display.cells("r", features[2]) == (("x", "missing"), ("c", "(missing)"))
    assert display.cells("r", features[3])[0] == ("x", "−8.5")


@pytest.mark.parametrize("cells", [[1e308, -1e308], [1e308, 1e308, None], [1e-300, 0.0], [1e9, 1e9 + 1]])
def test_numbers_at_the_ends_of_what_there_is(cells):
    encoding, _, table = fitted({"x": cells})
    features = encoding.apply(table)[:, 0]
    np.testing.assert_allclose(features[:2], [1, -1] if cells[0] > cells[1] else features[:2], atol=1e-6)
    assert np.isfinite(features).all()
    assert np.isfinite(encoding.apply(pa.table({"x": [1.7e308]}))).all()


CELLS = st.one_of(
    st.lists(st.none() | st.floats(allow_infinity=False, width=64), min_size=2, max_size=20),
    st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), min_size=2, max_size=20),
    st.lists(st.none() | st.booleans(), min_size=2, max_size=20),
    st.lists(st.none() | st.text(max_size=4), min_size=2, max_size=20),
)


@pytest.mark.slow
@given(CELLS)
def test_any_column_gives_finite_features_or_a_reason(cells):
    table = pa.table({"x": pa.array(cells, from_pandas=True)})
    encoding, notes = fit(table, np.ones(len(table), bool))
    features = encoding.apply(table)
    assert features.dtype == np.float32
    assert features.shape == (len(table), len(encoding.names()))
    assert np.isfinite(features).all()
    assert isinstance(encoding, Encoding)
    assert encoding.columns or notes


@pytest.mark.parametrize("kind", [pa.date32(), pa.timestamp("s"), pa.timestamp("ms"), pa.timestamp("us", tz="UTC")])
def test_dates_become_days(kind):
    cells = pa.chunked_array([pa.array([0, 10, 20, None], pa.int32()).cast(pa.date32()).cast(kind)])
    encoding, notes = fit(pa.table({"day": cells}), np.ones(4, bool))
    made = encoding.apply(pa.table({"day": cells}))
    np.testing.assert_allclose(
        made[:3, 0] * encoding.columns[0].deviation + encoding.columns[0].mean, [0, 10, 20], atol=1e-4
    )
    assert encoding.cells(made[1]) == (("day", "1970-01-11"),)
    assert encoding.cells(made[3]) == (("day", "missing"),)
    assert notes[0] == "The column 'day' holds dates, which are learned as a number of days."
    assert len(notes) == 3  # the others are about the missing one, and that no day stands there twice
