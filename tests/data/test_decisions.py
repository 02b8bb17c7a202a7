from __future__ import annotations

import pytest

from byrote.data.decisions import Decision, number_of, read_decisions
from byrote.data.inert import spreadsheet_cell
from byrote.errors import BadInput

EXPORTED = "example,row,action,label,models_without_it_say\r\nt-0001,1,relabel,no,yes\r\nt-0003,3,remove,yes,yes\r\n"


def written(path, text):
    path.write_text(text, "utf-8")
    return path


def test_a_file_as_the_page_exports_it_is_read(tmp_path):
    found = read_decisions(written(tmp_path / "d.csv", EXPORTED))
    assert found == (
        Decision(example="t-0001", action="relabel", new="yes", given="no"),
        Decision(example="t-0003", action="remove", new="yes", given="yes"),
    )


def test_a_label_of_ones_own_counts_before_that_of_the_models(tmp_path):
    text = "example,action,models_without_it_say,new_label\na,relabel,yes,maybe\n'=b,keep,yes,\n"
    one, other = read_decisions(written(tmp_path / "d.csv", text))
    assert one.new == "maybe"
    assert (other.example, other.action) == ("=b", "review")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("id,action\na,remove\n", "has no column 'example'"),
        ("example,action\na,delete\n", "has the action 'delete'"),
        ("example,action\na,relabel\n", "gives 'a' no new label"),
        ("example,action\na,remove\na,remove\n", "names 'a' twice"),
        ("", "cannot be read"),
    ],
)
def test_what_cannot_be_decided_is_refused(tmp_path, text, sentence):
    with pytest.raises(BadInput, match=sentence):
        read_decisions(written(tmp_path / "d.csv", text))


@pytest.mark.parametrize("name", ["|x", "'=x", "\uff1dx", "'x", "it's", " -x"])
def test_what_a_spreadsheet_is_kept_from_is_read_as_it_was(tmp_path, name):
    path = written(tmp_path / "d.csv", f"example,action\n{spreadsheet_cell(name)},remove\n")
    assert read_decisions(path)[0].example == name


@pytest.mark.parametrize("text", ["nan", "inf", "12 kg"])
def test_a_new_number_is_finite(text):
    with pytest.raises(BadInput, match="A new number cannot be read"):
        number_of(Decision(example="a", action="relabel", new=text))
