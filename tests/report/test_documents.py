from __future__ import annotations

import json

import numpy as np
import pytest

from byrote.data.corpus import corpus_from_texts
from byrote.data.decisions import read_decisions
from byrote.data.tokenizers import byte_pairs
from byrote.engine.language import audit_language
from byrote.report.documents import STATES, commands, documents
from byrote.report.language_facts import language_facts
from byrote.runs.run import Run
from documents import SUMMING

TEXTS = ["one two three four five six", "hi", "seven eight nine ten eleven", "one two three four five six"]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    """Documents of which two are the same and one is short, and one that no model saw."""
    corpus = corpus_from_texts(TEXTS, name="mine", ids=["a", "b", "c", "d"])
    return audit_language(
        corpus, SUMMING, heldout=corpus_from_texts(["never seen before this"], ids=["h"]), workers=1, progress=False,
        tokenizer=byte_pairs(TEXTS, vocabulary=262), length=32, generate=(2, 3), device="cpu", checkpoints=2,
        out=tmp_path_factory.mktemp("mine") / "run",
    )  # fmt: skip


def told(run, found):
    """The table, and its data by document."""
    table = documents(run, found)
    data = json.loads(table.data)
    return table, {name: at for at, name in enumerate(data["id"])}, data


def test_every_document_trained_on_has_a_row_with_what_became_of_it(run):
    found = language_facts(run)
    table, at, data = told(run, found)
    assert set(at) == {"a", "b", "c", "d"}
    assert (table.shown, table.total, table.whole) == (4, 4, True)
    state = {name: STATES[data["label"][row]] for name, row in at.items()}
    assert state["b"] == "too short"
    assert state["a"] == state["d"] != "too short"
    recited = found.recitation.recited & found.recitation.trained
    texts = {str(run.ids[row]) for row in found.recitation.document[recited]}
    assert {name for name in "ac" if state[name] == "recited"} == texts & {"a", "c"}
    numbers = dict(zip(data["columns"], data["numbers"], strict=True))
    assert [numbers["copies"][at[name]] for name in "abcd"] == [2, 1, 1, 2]
    assert [numbers["tokens"][at[name]] for name in "abcd"] == np.diff(run.offsets)[:4].tolist()
    assert numbers["next_tokens_predicted"] == sorted(numbers["next_tokens_predicted"], key=lambda one: -(one or -1))


def test_the_share_of_tokens_is_that_of_models_trained_on_the_document(run):
    _, at, data = told(run, language_facts(run))
    models, offsets = run.models(), run.offsets
    hit, scored = run.load("tokens.hit", models), run.load("corpus.scored", models)
    shares = dict(zip(data["columns"], data["numbers"], strict=True))["next_tokens_predicted"]
    for name, row in at.items():
        document = run.ids.tolist().index(name)
        span = slice(offsets[document], offsets[document + 1])
        mine = run.design.member[models][:, document] == 1
        counted = scored[span]
        assert shares[row] == pytest.approx(hit[mine][:, span][:, counted].mean(), abs=1e-5), name


def test_a_recited_text_is_recited_in_all_its_copies(run):
    found = language_facts(run)
    row = found.recitation.document.tolist().index(0)
    for recited in (False, True):
        found.recitation.recited[row] = recited
        _, at, data = told(run, found)
        assert {STATES[data["label"][at[name]]] for name in "ad"} == {STATES[0 if recited else 1]}


def test_the_commands_are_those_that_the_run_can_follow(run, tmp_path):
    assert commands(run) == ()  # made from Python
    made = run.manifest.source
    for corpus, ending in (("data/train.jsonl", ".jsonl"), ("saved", ""), ("a.b/saved", "")):
        run.manifest.__dict__["source"] = {"corpus": corpus, "column": "text"}
        apply, change = commands(run)
        assert apply == f"byrote apply RUN byrote-remove.csv --out cleaned{ending}"
        assert change == "byrote change RUN --with remove=byrote-remove.csv"
    run.manifest.__dict__["source"] = made
    path = tmp_path / "byrote-remove.csv"
    path.write_text("example,row,action,state,next_tokens_predicted\na,0,remove,recited,.9\n")
    assert [(one.example, one.action, one.given) for one in read_decisions(path)] == [("a", "remove", "")]
