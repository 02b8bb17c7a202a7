import contextlib
import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from byrote.data import room
from byrote.data.mapped import place_of
from byrote.data.table import from_table, read_rows, rows_said
from byrote.errors import BadInput, ByroteError, NotEnoughRoom

ROWS = 40


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 2, ROWS)
    return {
        "key": [f"{i:03d}" for i in range(ROWS)],
        "person": [f"p{i % 10}" for i in range(ROWS)],
        "length": [None if i == 3 else float(x) for i, x in enumerate(rng.normal(size=ROWS) + kind)],
        "colour": [["red", "green, dark", None][i % 3] for i in range(ROWS)],
        "kind": [["cat", "dog"][k] for k in kind],
    }


def written(path, frame, delimiter=","):
    def cell(value):
        return "" if value is None else f'"{value}"' if isinstance(value, str) else str(value)

    lines = [delimiter.join(frame), *(delimiter.join(map(cell, row)) for row in zip(*frame.values(), strict=True))]
    text = "\n".join(lines) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def refusal(path, **columns):
    with pytest.raises(BadInput) as caught:
        from_table(path, **({"target": "kind"} | columns))
    return str(caught.value)


def table_of(tmp_path, text):
    path = tmp_path / "t.csv"
    path.write_text(text)
    return path


@pytest.mark.parametrize(("name", "delimiter"), [("t.csv", ","), ("t.csv", ";"), ("t.tsv", "\t"), ("T.CSV.gz", ",")])
def test_text_and_parquet_give_the_same_data(tmp_path, frame, name, delimiter):
    pq.write_table(pa.table(frame), tmp_path / "t.parquet")
    columns = {"target": "kind", "group": "person", "id": "key"}
    one = from_table(written(tmp_path / name, frame, delimiter), **columns)
    other = from_table(tmp_path / "t.parquet", **columns)
    assert one.training.fingerprint() == other.training.fingerprint()
    assert one.heldout.fingerprint() == other.heldout.fingerprint()
    assert one.encoding == other.encoding


def test_what_a_table_becomes(tmp_path, frame):
    made = from_table(written(tmp_path / "animals.csv", frame), target="kind", group="person", id="key")
    names = ("length", "length is missing", "colour = green, dark", "colour = red", "colour = (missing)")
    assert made.training.display.feature_names == names
    assert made.training.class_names == ("cat", "dog")
    assert made.training.name == "animals"
    assert made.heldout.name == "animals-held-out"
    assert len(made.training) + len(made.heldout) == ROWS
    assert not set(made.training.groups) & set(made.heldout.groups)
    assert set(made.training.ids) | set(made.heldout.ids) == set(frame["key"])  # 007 stays 007
    row = int(made.training.ids[0])
    assert made.training.class_names[made.training.targets[0]] == frame["kind"][row]


def test_rows_are_numbered_and_classes_in_the_order_of_their_values(tmp_path):
    path = table_of(tmp_path, "x,y\n" + "".join(f"{i % 7},{[10, 9, 2][i % 3]}\n" for i in range(30)))
    made = from_table(path, target="y", heldout=0.0)
    assert made.training.class_names == ("2", "9", "10")
    assert made.training.ids[1] == "t-0001"
    assert made.heldout is None


def test_truth_values_dates_decimal_commas_and_question_marks(tmp_path):
    lines = [
        f"{1 + i % 5},5;{'?' if i % 5 == 2 else i % 4};{i % 2 == 0};2024-01-0{1 + i % 9};{'ab'[i % 2]}"
        for i in range(30)
    ]
    path = table_of(tmp_path, "size;count;is;day;y\n" + "\n".join(lines))
    made = from_table(path, target="y")
    assert made.training.display.feature_names == ("size", "count", "count is missing", "is", "day")
    assert "The column 'day' holds dates, which are learned as a number of days." in made.notes
    row = int(made.training.ids[0].rsplit("-", 1)[1])
    assert ("day", f"2024-01-0{1 + row % 9}") in made.training.display.cells(
        made.training.ids[0], made.training.inputs[0]
    )


def test_line_breaks_in_cells_and_a_byte_order_mark(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"\xef\xbb\xbfx,y\r\n" + b'1,"a\nb"\r\n2,c\r\n' * 6)
    assert from_table(path, target="y", heldout=0.0).training.class_names == ("a b", "c")


def test_what_is_refused(tmp_path, frame):
    path = written(tmp_path / "t.csv", frame)
    assert "no column 'sort' for the target. Hint: its columns are 'colour', 'key'" in refusal(path, target="sort")
    assert "Hint: did you mean 'colour'? its columns are" in refusal(path, target="color")
    assert "cannot be the target and the group at once" in refusal(path, group="kind")
    assert "ids must be unique, but 10 are repeated" in refusal(path, id="person")
    assert "the column 'colour' is empty in 13 rows (rows 3, 6, 9, 12, 15, …, counted from 1)" in refusal(
        path, id="colour"
    )
    assert "holds numbers that are no classes" in refusal(table_of(tmp_path, "x,y\n1,.5\n2,.25\n"), target="y")
    assert "13 rows have no class in the column 'colour'" in refusal(written(path, frame), target="colour")
    assert "There is no file" in refusal(tmp_path / "none.csv")
    assert "does not have the ending of a table" in refusal(tmp_path / "t.xlsx")
    assert "different names. Got 'x' more than once" in refusal(table_of(tmp_path, "x,x\n1,2\n"))
    assert "has no rows" in refusal(table_of(tmp_path, "x,kind\n"))
    assert "Row #3: Expected 2 columns" in refusal(table_of(tmp_path, "x,kind\n1,a\n1\n"))
    assert "no column to learn from beside 'kind'" in refusal(table_of(tmp_path, "x,kind\n" + "1,a\n1,b\n" * 5))
    assert "infinite numbers (row 1, counted" in refusal(table_of(tmp_path, "x,kind\n" + "inf,a\n2,b\n3,b\n4,a\n"))


def test_latin_letters_are_told_how_to_mend(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes("x,kind\n1,süß\n".encode("latin-1"))
    assert "save it as CSV UTF-8" in refusal(path)


def test_names_and_texts_cannot_act(tmp_path):
    hostile = "\x1b[2J\u202egnp"
    rows = "".join(f'{i % 7},"{hostile}{i}",{"=cmd()" if i % 2 else hostile}\n' for i in range(20))
    path = table_of(tmp_path, f"{hostile},../../etc,y\n{rows}")
    made = from_table(path, target="y", id="../../etc")
    data = made.training
    for text in (*data.ids, *data.class_names, *data.display.feature_names, *made.notes, repr(data)):
        assert str(text).isprintable()
    for name, cell in data.display.cells(data.ids[0], data.inputs[0]):
        assert name.isprintable()
        assert cell.isprintable()


def test_classes_are_whole_numbers_of_any_size(tmp_path):
    large = 2**60
    path = table_of(tmp_path, "x,y\n" + "".join(f"{i % 7},{large + i % 2}\n" for i in range(20)))
    assert from_table(path, target="y").training.class_names == (str(large), str(large + 1))
    path = table_of(tmp_path, "x,y\n" + "1,1\n2,-inf\n" * 5)
    assert "numbers that are no classes, as -inf" in refusal(path, target="y")


def test_rows_said():
    assert rows_said([2]) == "row 3, counted from 1"
    assert rows_said(range(9)) == "rows 1, 2, 3, 4, 5, …, counted from 1"


FUZZ = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
BITS = st.sampled_from(
    [b",", b"\n", b'"', b"a", b"b", b"1", b"-1e400", b"\x00", b"\xff", b";", b"\r", "ü".encode(), b"nan"]
)


@FUZZ
@given(st.lists(BITS, max_size=60).map(b"".join) | st.binary(max_size=80))
def test_any_text_gives_a_dataset_or_our_own_error(tmp_path, content):
    path = tmp_path / "fuzz.csv"
    path.write_bytes(content)
    try:
        names = read_rows(path).column_names
        made = from_table(path, target=names[-1], id=names[0] if len(names) > 2 else None)
    except ByroteError:
        return
    assert np.isfinite(made.training.inputs).all()


@FUZZ
@given(st.data())
def test_any_damage_to_parquet_gives_our_own_error(tmp_path, frame, data):
    path = tmp_path / "fuzz.parquet"
    pq.write_table(pa.table(frame), path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(len(content) // 2, len(content)))])
    with contextlib.suppress(ByroteError):
        from_table(path, target="kind", group="person", id="key")


VALUES = st.sampled_from(
    [
        pa.array([1, 2, None, 4] * 3, pa.uint64()),
        pa.array([[1], None, [2, 3], []] * 3),
        pa.array([{"a": 1}, None, {"a": 2}, {"a": 3}] * 3),
        pa.array([b"a", b"\xff", None, b""] * 3),
        pa.array(["a", "", None, " "] * 3, pa.string_view()),
        pa.array(["a", "b", None, "c"] * 3).dictionary_encode(),
        pa.array([b"a", b"\xff", None, b""] * 3, pa.binary_view()),
        pa.nulls(12),
        pa.array([0, 1, None, 2**40] * 3, pa.duration("s")),
        pa.array([0, 1, None, 86399] * 3, pa.time32("s")),
        pa.array([True, None, False, True] * 3),
        pa.array([1.5, float("nan"), None, 1e300] * 3),
        pa.array(["x", "y", "x", "y"] * 3),
        pa.array([0, 1, 1, 2] * 3, pa.int8()),
    ]
)


@FUZZ
@given(st.lists(VALUES, min_size=2, max_size=4), st.booleans(), st.booleans())
def test_columns_of_every_type_in_every_part(tmp_path, columns, group, named):
    path = tmp_path / "types.parquet"
    names = [f"c{i}" for i in range(len(columns))]
    pq.write_table(pa.table(dict(zip(names, columns, strict=True))), path)
    parts = {"group": "c1" if group else None, "id": "c1" if named and not group else None}
    try:
        made = from_table(path, target="c0", **parts)
    except ByroteError:
        return
    assert np.isfinite(made.training.inputs).all()


def test_what_names_rows_is_not_learned_from(tmp_path):
    rng = np.random.default_rng(0)
    noise = {"x": rng.integers(0, 9, 60), "kind": ["a", "b"] * 30}
    long = [1234567890123456789 + 3 * i for i in range(60)]
    ids = {
        "tweet_id": long,
        "order_id": [float(7 * i) for i in range(60)],
        "key": [*range(3, 118, 2), 3, 5],  # two rows stand there twice
        "number": rng.permutation(60) + 17,
        "large": [10**20 + i for i in range(60)],
        "user_id": [float(1234567890123456789 + 3 * i) for i in range(60)],  # of which float64 holds one
    }
    path = tmp_path / "t.csv"
    columns = ids | noise
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(lines))
    made = from_table(path, target="kind")
    assert made.training.display.feature_names == ("x",)
    for name in ids:
        said = next(note for note in made.notes if repr(name) in note)
        different = {"key": 58, "user_id": len({*ids["user_id"]})}.get(name, 60)
        assert f"looks like an id ({different} different whole numbers in 60 rows)" in said


def test_the_index_of_pandas_is_not_learned_from(tmp_path):
    import pandas as pd

    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=60), "kind": ["a", "b"] * 30})
    frame.index = rng.permutation(900)[:60]
    frame.to_parquet(tmp_path / "t.parquet")
    made = from_table(tmp_path / "t.parquet", target="kind")
    assert made.training.display.feature_names == ("x",)
    assert "The column '__index_level_0__' is left out: it is the index of a pandas table" in made.notes[0]
    named = from_table(tmp_path / "t.parquet", target="kind", id="__index_level_0__", heldout=0.0)
    assert named.training.ids.tolist() == list(map(str, frame.index))
    frame.reset_index(drop=True).to_parquet(tmp_path / "t.parquet")  # an index that only counts is no column
    assert from_table(tmp_path / "t.parquet", target="kind").training.display.feature_names == ("x",)


def test_what_a_file_says_of_pandas_may_be_damaged(tmp_path, frame):
    table = pa.table(frame)
    for said in (b"{", b"[]", b'{"index_columns": 3}', b"[" * 100_000):
        pq.write_table(table.replace_schema_metadata({"pandas": said}), tmp_path / "t.parquet")
        assert "has damaged pandas metadata" in refusal(tmp_path / "t.parquet")


def test_columns_without_a_value_twice_are_named(tmp_path):
    path = table_of(tmp_path, "x,z,y\n" + "".join(f"{i * 1.37},{i % 5},{'ab'[i % 2]}\n" for i in range(40)))
    made = from_table(path, target="y")
    assert any("The column 'x' has no value twice and is learned from" in note for note in made.notes)
    assert from_table(path, target="y", id="x").training.display.feature_names == ("z",)  # as the note says


def test_a_stray_text_costs_no_column(tmp_path):
    cells = [f"{1.37 * i:.2f}" for i in range(60)]
    cells[3] = "<5"
    path = table_of(tmp_path, "x,y\n" + "".join(f"{cell},{'ab'[i % 2]}\n" for i, cell in enumerate(cells)))
    made = from_table(path, target="y")
    assert made.training.display.feature_names[0] == "x"
    assert "1 cell of the column 'x' is no number and counts as missing: '<5' (row 4, counted from 1)." in made.notes


def test_a_stray_text_among_numbers_to_be_predicted(tmp_path):
    cells = [f"{1.37 * i:.2f}" for i in range(60)]
    cells[3] = "<5"
    path = table_of(tmp_path, "x,y\n" + "".join(f"{i % 7},{cell}\n" for i, cell in enumerate(cells)))
    said = refusal(path, target="y")
    assert "1 row has no number in the column 'y' (row 4, counted from 1): '<5' is read as missing" in said
    assert "Hint: leave these rows out, or put a number there" in said
    path.write_text(path.read_text().replace("<5", "5"))
    assert from_table(path, target="y").training.task == "regression"


def test_classes_of_few_numbers_and_a_word_stay_classes(tmp_path):
    path = table_of(tmp_path, "x,y\n" + "".join(f"{i % 7},{'-' if i == 5 else i % 3}\n" for i in range(60)))
    assert from_table(path, target="y").training.class_names == ("-", "0", "1", "2")


def test_levels_that_differ_in_blanks_are_one_and_in_case_are_told(tmp_path):
    levels = ["red", "red ", "Red", "blue"]
    path = table_of(tmp_path, "c,y\n" + "".join(f"{levels[i % 4]},{'ab'[i // 4 % 2]}\n" for i in range(80)))
    made = from_table(path, target="y", heldout=0.0)
    assert made.training.display.feature_names == ("c = Red", "c = blue", "c = red")
    assert "The levels of the column 'c' 'Red' (20 training rows) and 'red' (40 training rows) differ only" in " ".join(
        made.notes
    )


def test_thousands_where_other_columns_have_decimal_commas(tmp_path):
    amounts = [900 + 7 * i for i in range(40)]
    rows = "".join(f"{f'{a:,}'.replace(',', '.')};{i},5;{'ab'[i % 2]}\n" for i, a in enumerate(amounts))
    path = table_of(tmp_path, f"amount;share;y\n{rows}")
    assert read_rows(path).column("amount").to_pylist() == amounts
    assert "'.' separates thousands: 1.000 is 1000" in " ".join(from_table(path, target="y").notes)


def test_many_columns_of_one_fault_are_told_together(tmp_path):
    path = table_of(tmp_path, "a,b,c,d,e,f,x,y\n" + "".join(f"1,1,1,1,1,1,{i % 7},{'ab'[i % 2]}\n" for i in range(30)))
    assert (
        "6 columns are left out ('a', 'b', 'c', …): of each, every row has the same value (1)."
        in from_table(path, target="y").notes
    )


def test_a_large_parquet_file_is_read_by_row_group_and_gives_the_same_data(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    columns = {f"x{number}": rng.normal(size=2000).cumsum() for number in range(40)}
    columns["x3"][::7] = np.nan
    table = pa.table({**columns, "on": rng.random(2000) < 0.5, "town": rng.choice(["A", "B", "C"], 2000)})
    table = table.append_column("kind", pa.array(rng.choice(["yes", "no"], 2000)).dictionary_encode())
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=300)
    expected = from_table(tmp_path / "t.parquet", target="kind")
    monkeypatch.setattr(room, "memory", lambda: 2**20)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    made = from_table(tmp_path / "t.parquet", target="kind")
    assert place_of(expected.training.inputs) is None
    assert place_of(made.training.inputs) is not None
    assert made.notes == expected.notes
    for one, other in ((made.training, expected.training), (made.heldout, expected.heldout)):
        assert one.fingerprint() == other.fingerprint()
        assert one.display.cells(one.ids[5], one.inputs[5]) == other.display.cells(other.ids[5], other.inputs[5])
    assert not list(tmp_path.glob("*.arrow"))
    monkeypatch.setattr(room, "memory", lambda: 2**18)
    with pytest.raises(NotEnoughRoom, match="The table"):  # ids and digests of so many rows do not fit
        from_table(tmp_path / "t.parquet", target="kind")
