import datetime

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from byrote.data.cells import spelled, typed


def read(cells, *, comma=False, sure=False):
    return typed(
        "x", pa.chunked_array([cells[: len(cells) // 2], cells[len(cells) // 2 :]], pa.string()), comma=comma, sure=sure
    )


def amounts(count):
    return [f"{1.37 * i:.2f}" for i in range(count)]


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        ([" 1", "2 ", "\u00a03", " ?", "NA "], [1, 2, 3, None, None]),
        (["1.5", "", "-2"], [1.5, None, -2.0]),
        (["9007199254740993", "9007199254740992"], [2**53 + 1, 2**53]),
        (["12345678901234567890", "12345678901234567891"], [12345678901234567890, 12345678901234567891]),
        (["true", "FALSE", "n/a"], [True, False, None]),
        (["2024-01-02", "2024-03-01", "NA"], [datetime.datetime(2024, 1, 2), datetime.datetime(2024, 3, 1), None]),
        (["a ", "b", "?"], ["a", "b", None]),
        (["1", "x", "2", "y"], ["1", "x", "2", "y"]),
    ],
)
def test_the_type_that_all_cells_have(cells, values):
    made = read(cells)
    assert made.cells.to_pylist() == values
    assert made.notes == ()


@pytest.mark.parametrize("stray", ["-", "<5", "12%", "\u20ac5", "none", ".", "#DIV/0!"])
def test_a_few_cells_that_are_no_numbers_are_missing_and_told(stray):
    cells = amounts(60)
    cells[3] = cells[44] = stray
    made = read(cells)
    assert made.cells.null_count == 2
    assert [made.cells[row].is_valid for row in (2, 3, 44)] == [True, False, False]
    assert made.notes == (
        f"2 cells of the column 'x' are no numbers and count as missing: '{stray}' (rows 4, 45, counted from 1).",
    )
    assert not made.whole


def test_long_texts_are_counted_and_not_repeated():
    made = read([*amounts(60), "ask Dr Example about it"])
    assert made.notes == ("1 cell of the column 'x' is no number and counts as missing (row 61, counted from 1).",)


def test_one_mark_may_stand_in_many_cells_of_amounts_and_not_of_codes():
    assert pa.types.is_floating(read([*amounts(40), *["-"] * 30]).cells.type)
    assert pa.types.is_string(read([*map(str, range(5)), "-"] * 8).cells.type)
    assert pa.types.is_string(read([*amounts(40), *[f"A/{i}" for i in range(30)]]).cells.type)


@pytest.mark.parametrize(
    ("cells", "values", "note"),
    [
        (["12%", "3.5 %", "0%"], [12, 3.5, 0], "are written with '%': 12% is read as 12"),
        (["\u20ac5", "\u20ac 1,200.50", "-\u20ac3"], [5, 1200.5, -3], "',' separates thousands"),
        (["5 \u20ac", "7.5\u20ac", "9\u20ac"], [5, 7.5, 9], "are written with '\u20ac'"),
        (["1,234", "999", "12,345.5"], [1234, 999, 12345.5], "',' separates thousands: 1,000 is 1000"),
        (["1 234", "5\u202f678", "9"], [1234, 5678, 9], "separates thousands"),
        (["1'234.5", "17"], [1234.5, 17], "separates thousands"),
        (["\u22125", "5,0", "3"], [-5, 5, 3], "a comma is a decimal comma"),
        (["1,5", "2,25", "3"], [1.5, 2.25, 3], "a comma is a decimal comma"),
    ],
)
def test_units_and_thousands(cells, values, note):
    made = read(cells)
    assert made.cells.to_pylist() == values
    assert note in " ".join(made.notes)


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["1,5", "2", "1.234,75"], [1.5, 2, 1234.75]),
        (["1,234", "2,5"], [1.234, 2.5]),
        (["1.5", "2.25"], [1.5, 2.25]),
    ],
)
def test_decimal_commas(cells, values):
    assert read(cells, comma=True).cells.to_pylist() == values


def test_a_point_before_three_digits():
    cells = ["998", "999", "1.000", "1.001", "12.345.678"]
    sure = read(cells, comma=True, sure=True)
    assert sure.cells.to_pylist() == [998, 999, 1000, 1001, 12345678]
    assert "'.' separates thousands: 1.000 is 1000" in sure.notes[0]
    doubtful = read(cells[:4], comma=True)
    assert doubtful.cells.to_pylist() == [998, 999, 1, 1.001]
    assert "write the numbers without it" in doubtful.notes[0]
    decimal = ["0.125", "1.000", "12"]
    assert read(decimal, comma=True, sure=True).cells.to_pylist() == [0.125, 1, 12]
    assert read(decimal, comma=True).notes == ()


def test_dates_with_a_mark():
    days = [str(datetime.date(2024, 1, 1) + datetime.timedelta(3 * i)) for i in range(30)]
    made = read([*days, "-"])
    assert pa.types.is_timestamp(made.cells.type)
    assert made.notes == ("1 cell of the column 'x' is no date and counts as missing: '-' (row 31, counted from 1).",)


def test_names_are_spelled():
    assert spelled(pa.chunked_array([["a ", "a"], [" cafe\u0301", "NA", None]])).to_pylist() == [
        "a", "a", "caf\u00e9", None, None,
    ]  # fmt: skip


@given(
    st.lists(st.text(alphabet="0123456789.,-%<a ", max_size=6), min_size=1, max_size=30), st.booleans(), st.booleans()
)
def test_any_texts_give_a_column_as_long(cells, comma, sure):
    made = read(cells, comma=comma, sure=sure)
    assert len(made.cells) == len(cells)
    if pa.types.is_floating(made.cells.type):
        assert pc.all(pc.is_finite(made.cells)).as_py() is not False


@given(
    st.lists(
        st.integers(-(10**12), 10**12) | st.floats(-1e12, 1e12).map(lambda x: round(x, 4)), min_size=2, max_size=30
    )
)
def test_numbers_read_as_written_by_any_country(values):
    point = [f"{value:,}" for value in values]
    comma = [text.translate(str.maketrans(",.", ".,")) for text in point]
    expected = [float(value) for value in values]
    assert [float(one) for one in read([*point, "0.5"]).cells.to_pylist()[:-1]] == expected
    assert [float(one) for one in read([*comma, "0,5"], comma=True).cells.to_pylist()[:-1]] == expected
