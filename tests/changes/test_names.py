from __future__ import annotations

from byrote.changes.names import names, stated
from byrote.changes.registry import CONTROLS, REMEDIES


def test_what_is_read_off_the_files_is_what_the_classes_state() -> None:
    classes = {kind.name: kind for kind in (*CONTROLS, *REMEDIES)}
    assert stated().keys() == classes.keys()
    for name, constants in stated().items():
        assert {key: getattr(classes[name], key) for key in constants} == constants


def test_names_are_those_that_state_it() -> None:
    assert names(plants=True) == sorted(kind.name for kind in CONTROLS)
    assert names(stage="decoder") == ["ngram-guard"]
    assert names(any_target=True) == [
        "exact-duplicates",
        "input-noise",
        "near-duplicates",
        "relabel",
        "remove",
        "remove-exact-duplicates",
        "remove-most-memorized",
        "remove-near-duplicates",
        "review",
    ]
    assert names(stage="nowhere") == []
