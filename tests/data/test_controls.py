import numpy as np
import pyarrow as pa
import pytest

from byrote.data.controls import EXACT_DUPLICATE, KINDS, LABEL_NOISE, RARE_SUBPOPULATION, Controls, planted
from byrote.errors import BadInput


def both():
    return planted(RARE_SUBPOPULATION, ["a", "c"], ["a", "c"]).merged(planted(LABEL_NOISE, ["a"], ["cat"]))


def test_these_are_the_kinds():
    assert KINDS == (
        "label_noise",
        "exact_duplicate",
        "near_duplicate",
        "conflicting_duplicate",
        "out_of_distribution",
        "rare_subpopulation",
        "ambiguous",
        "backdoor",
        "clean_label_backdoor",
        "input_noise",
    )


def test_none_by_default():
    none = Controls()
    assert len(none) == 0
    assert none.kinds() == ()
    assert repr(none) == "Controls(none)"
    assert not none.mask(np.array(["a"]), LABEL_NOISE).any()


def test_an_example_may_carry_several_kinds():
    ids = np.array(["c", "b", "a"])
    assert both().kinds() == (LABEL_NOISE, RARE_SUBPOPULATION)
    assert both().mask(ids, LABEL_NOISE).tolist() == [False, False, True]
    assert both().mask(ids, RARE_SUBPOPULATION).tolist() == [True, False, True]
    assert not both().mask(ids, EXACT_DUPLICATE).any()


def test_planted_twice_the_first_original_stays():
    twice = planted(LABEL_NOISE, ["a"], ["cat"]).merged(planted(LABEL_NOISE, ["a", "b"], ["dog", "cat"]))
    assert twice.example.tolist() == ["a", "b"]
    assert twice.original.tolist() == ["cat", "cat"]


def test_restricted_to_some_examples():
    assert both().restricted_to(np.array(["c", "x"])).example.tolist() == ["c"]


def test_columns_are_read_only():
    with pytest.raises(ValueError, match="read-only"):
        both().example[0] = "b"


@pytest.mark.parametrize("controls", [Controls(), both(), planted("out_of_distribution", ["é"], [""])])
def test_a_table_holds_all(controls):
    table = controls.to_table()
    assert table.schema == pa.schema([("example", "string"), ("kind", "string"), ("original", "string")])
    again = Controls.from_table(table)
    for column in ("example", "kind", "original"):
        assert getattr(again, column).tolist() == getattr(controls, column).tolist()


def test_an_unknown_kind_is_refused_with_the_kinds():
    with pytest.raises(
        BadInput, match=r"There is no kind of control named 'noise'\. Hint: .*exact_duplicate, input_noise, label"
    ):
        Controls().mask(np.array(["a"]), "noise")
    with pytest.raises(BadInput, match="no kind of control named 'noise'"):
        planted("noise", ["a"], [""])


def test_a_foreign_table_is_refused():
    with pytest.raises(BadInput, match=r"lacks 'kind', 'original'\. Hint: its columns are example, kind, original\."):
        Controls.from_table(pa.table({"example": ["a"]}))
    with pytest.raises(BadInput, match=r"'original' of the table of controls must hold text\. Got None in row 0\."):
        Controls.from_table(pa.table({"example": ["a"], "kind": ["label_noise"], "original": [None]}))
