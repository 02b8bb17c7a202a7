import pickle

import pytest

from byrote.errors import QUOTED, SENTENCE, BadInput


@pytest.mark.parametrize(
    "value", ["x" * 340_000, "it's " * 70_000, [{"role": "user", "content": "a b " * 90_000}], "x\n" * 100_000]
)
def test_an_error_never_quotes_more_than_some_lines_of_a_value(value):
    error = BadInput(f"The column 'text' must hold numbers. Got {value!r} in row 7.", hint="remove it.")
    assert len(error.message) <= SENTENCE
    assert error.message.startswith("The column 'text' must hold numbers. Got ")
    assert error.message.endswith(" in row 7.")
    assert pickle.loads(pickle.dumps(error)).message == error.message


def test_what_is_short_stays_as_it_is():
    path = "/" + "folder/" * 33 + "file"
    sentence = f"There is no file {path!r}, and 'b' has {'c' * 50!r}."
    assert len(path) < QUOTED
    assert BadInput(sentence, hint="x").message == sentence


def test_what_is_packed_without_quotes_is_cut_as_well():
    error = BadInput("CSV parse error: Expected 4 columns, got 1: " + "secret " * 60_000, hint="x")
    assert len(error.message) <= SENTENCE
    assert " … " in error.message
