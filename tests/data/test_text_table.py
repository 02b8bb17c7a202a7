import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from byrote.data.text_table import from_text_table
from byrote.errors import BadInput, ByroteError


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "posts.csv"
    rows = [f'{i},u{i % 6},"word{i % 3} and, more{i % 7}",{"ab"[i % 2]}' for i in range(30)]
    path.write_text("\n".join(["n,user,body,topic", *rows]) + "\n")
    return path


def test_texts_become_word_numbers(path):
    made = from_text_table(path, text="body", target="topic", group="user", id="n")
    data = made.training
    assert data.inputs.shape[1] == 3
    assert data.class_names == ("a", "b")
    assert not set(data.groups) & set(made.heldout.groups)
    number = int(data.ids[0])
    assert data.display.text(data.ids[0], data.inputs[0]) == f"word{number % 3} and, more{number % 7}"
    assert made.encoding.text(data.inputs[0]) == f"word{number % 3} and more{number % 7}"
    (held,) = made.notes
    assert held.startswith("5 of 30 examples are held out")


def test_only_training_texts_make_the_vocabulary(path):
    made = from_text_table(path, text="body", target="topic")
    trained = {word for row in made.training.inputs for word in made.encoding.text(row).split()}
    assert set(made.encoding.words) == trained


def test_what_is_said(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("body,other,y\n" + "a b c d,1,x\n,2,y\n" * 5)
    made = from_text_table(path, text="body", target="y", length=2, heldout=0.0)
    assert made.training.inputs.shape == (10, 2)
    assert [note[:30] for note in made.notes] == [
        "5 texts are longer than 2 word",
        "5 texts have no word and are k",
        "1 other column is left out: th",
        "No example is held out.",
    ]


def test_numbers_in_a_column_of_texts_are_texts(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("body,y\n" + "007,x\n12,y\n" * 5)
    assert from_text_table(path, text="body", target="y").encoding.words == ("007", "12")


def test_what_is_refused(path, tmp_path):
    for columns, said in (
        ({"text": "bodi", "target": "topic"}, "no column 'bodi' for the text"),
        ({"text": "topic", "target": "topic"}, "cannot be the text and the target at once"),
    ):
        with pytest.raises(BadInput, match=said):
            from_text_table(path, **columns)
    empty = tmp_path / "t.csv"
    empty.write_text("body,y\n" + "...,x\n!,y\n" * 5)
    with pytest.raises(BadInput, match="holds no word"):
        from_text_table(empty, text="body", target="y")


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.text(max_size=12), st.sampled_from("ab")), min_size=2, max_size=12))
def test_any_texts_give_a_dataset_or_our_own_error(tmp_path, rows):
    path = tmp_path / "fuzz.csv"
    cells = [(text.replace('"', '""'), label) for text, label in rows]
    lines = ["body,y", *(f'"{text}",{label}' for text, label in cells)]
    path.write_text("\n".join(lines), encoding="utf-8", errors="replace", newline="")
    try:
        made = from_text_table(path, text="body", target="y")
    except ByroteError:
        return
    data = made.training
    assert (data.inputs < made.encoding.size).all()
    shown = data.display.text(data.ids[0], np.asarray(data.inputs[0]))
    assert all(line.isprintable() or not set(line) & set("\x00\x1b\u202e") for line in shown.splitlines())
