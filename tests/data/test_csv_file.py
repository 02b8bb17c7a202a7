import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from byrote.data.csv_file import read_csv, separator
from byrote.data.parquet import MOST_COLUMNS
from byrote.data.table import from_table
from byrote.data.text_file import wide_encoding
from byrote.errors import BadInput, NotEnoughRoom

ROWS = "".join(f"{i % 7},{'ab'[i % 2]}\n" for i in range(20))


def file_of(tmp_path, content, name="t.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refusal(path):
    with pytest.raises(BadInput) as caught:
        from_table(path, target="kind")
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("a,b\n1,2\n", ","),
        ("a;b\n1,5;2,5\n", ";"),
        ("a\tb\n1\t2\n", "\t"),
        ("a|b\n1|2\n", "|"),
        ('"size (m; cm; mm)",kind\n1,a\n2,b\n', ","),
        ("size, rounded;kind\n1;a\n2;b\n", ";"),
        ("size, rounded;kind\n1,5;a\n2,5;b\n", ";"),
        ("How big, in m, is it?\tkind\n1\ta\n", "\t"),
        ("score,note; remark\n1.5,warm; dry\n2.5,cold; wet\n", ","),
        ('a,"b\n;c;d",e\n1,2,3\n', ","),
        ("a\n1\n", ","),
        ("", ","),
        ("a,b\n", ","),
    ],
)
def test_the_separator_is_what_gives_rows_of_one_length(text, delimiter):
    assert separator(text) == delimiter


def test_the_line_by_which_excel_names_the_separator(tmp_path):
    for first in ("sep=;\n", "sep=;\r\n", "\ufeffsep=;\n", '"sep=;"\n', "SEP=;\n"):
        path = file_of(tmp_path, f"{first}x, y;kind\n" + ROWS.replace(",", ";"))
        assert from_table(path, target="kind").training.display.feature_names == ("x, y",)


def test_all_cells_are_texts_as_they_are_written(tmp_path):
    table, delimiter = read_csv(file_of(tmp_path, "x,kind\n 1.50,NA\n007,\n"))
    assert delimiter == ","
    assert table.to_pydict() == {"x": [" 1.50", "007"], "kind": ["NA", ""]}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_the_hint_of_other_encodings_mends(tmp_path, encoding):
    text = "x,kind\n" + ROWS
    said = refusal(file_of(tmp_path, text.encode(encoding)))
    named = said.partition("iconv -f ")[2].partition(" ")[0]
    assert text.encode(encoding).decode(named).lstrip("\ufeff") == text
    assert "or convert it: `iconv -f utf-" in said


def test_no_encoding_is_seen_in_plain_text():
    assert wide_encoding(b"") is None
    assert wide_encoding("süß,日本\n".encode() * 50) is None


def test_the_hints_of_wrong_endings_mend(tmp_path):
    text = ("x,kind\n" + ROWS).encode()
    said = refusal(file_of(tmp_path, text, "t.csv.gz"))
    assert "is not packed, although its name ends in .gz. Hint: rename it to 't.csv'" in said
    (tmp_path / "t.csv.gz").rename(tmp_path / "t.csv")
    assert len(from_table(tmp_path / "t.csv", target="kind", heldout=0.0).training) == 20
    said = refusal(file_of(tmp_path, gzip.compress(text), "u.csv"))
    assert "is packed, although its name does not end in .gz. Hint: rename it to 'u.csv.gz'" in said
    (tmp_path / "u.csv").rename(tmp_path / "u.csv.gz")
    assert len(from_table(tmp_path / "u.csv.gz", target="kind", heldout=0.0).training) == 20


def test_other_files_are_called_what_they_are(tmp_path):
    assert "is a Parquet file, not a CSV" in refusal(file_of(tmp_path, b"PAR1...."))
    assert "is a zip archive or an Excel file" in refusal(file_of(tmp_path, b"PK\x03\x04...."))
    packed = gzip.compress(("x,kind\n" + ROWS * 500).encode())
    assert "it is damaged or cut off" in refusal(file_of(tmp_path, packed[: len(packed) // 2], "t.csv.gz"))


def test_too_many_columns_are_refused_before_they_are_read(tmp_path):
    wide = ",".join(f"c{i}" for i in range(MOST_COLUMNS + 1))
    said = refusal(file_of(tmp_path, f"{wide}\n"))
    assert "has 50,001 columns; a table can have 50,000. Hint: write so many numbers as arrays" in said


def test_too_many_columns_of_parquet(tmp_path, monkeypatch):
    monkeypatch.setattr("byrote.data.parquet.MOST_COLUMNS", 2)
    pq.write_table(pa.table({"x": [1], "z": [2], "kind": ["a"]}), tmp_path / "t.parquet")
    assert "has 3 columns; a table can have 2" in refusal(tmp_path / "t.parquet")


def test_a_file_larger_than_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("byrote.data.room.memory", lambda: 50)
    for name, content in (("t.csv", b"x,kind\n" + b"1,a\n" * 20), ("t.csv.gz", gzip.compress(b"1,a\n" * 20))):
        with pytest.raises(NotEnoughRoom):
            from_table(file_of(tmp_path, content, name), target="kind")
