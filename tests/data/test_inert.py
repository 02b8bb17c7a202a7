import csv
import io
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from byrote.data.inert import inert, inert_texts, spreadsheet_cell

TEXTS = st.text(st.characters(codec=None), max_size=30)


@given(TEXTS)
def test_nothing_acts_any_more(text):
    made = inert(text)
    acting = {unicodedata.category(one) for one in made} & {"Cc", "Cs", "Zl", "Zp"}
    assert not acting
    assert not set(made) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff\u200b\u200e\u200f")
    made.encode("utf-8")
    assert inert(made) == made


@pytest.mark.parametrize(
    "text", ["naïve café", "日本語", "می\u200cخواهم", "👩\u200d🚀", "<b>&amp;</b>", "a\u00a0b", ""]
)
def test_what_only_is_read_stays(text):
    assert inert(text) == text


def test_texts_and_what_is_none():
    assert inert_texts(np.array(["a\x00b", "c"])).tolist() == ["a\\x00b", "c"]
    assert inert_texts(np.array(["\x1b", None, 3], object)).tolist() == ["\\x1b", None, 3]


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "  =1",
        '"=1',
        "'=1",
        "＝1",
        "＋1",
        "－1",
        "＠A",
        "|cmd",
        "−1",
    ],
)
def test_formulas_become_text(text):
    assert spreadsheet_cell(text).startswith("'")


@given(TEXTS)
def test_a_cell_is_never_a_formula_and_stays_one_cell(text):
    cell = spreadsheet_cell(text)
    stream = io.StringIO()
    csv.writer(stream).writerow([cell, "next"])
    assert list(csv.reader(io.StringIO(stream.getvalue()))) == [[cell, "next"]]
    assert not cell.lstrip(' "').startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


@pytest.mark.parametrize("text", ["cat", "a=b", "3 - 2", "ü", ""])
def test_other_cells_stay(text):
    assert spreadsheet_cell(text) == text
