from __future__ import annotations

import numpy as np
import pytest

from byrote.probes.decoding import Decoding
from byrote.report.language_facts import language_facts, recited
from documents import LOOK_UP, numbers, small_language_audit


def looked_up(folder, **changes):
    """A table that knows every pair of neighbours it was shown: documents of pairs of their own come out whole."""
    documents = [[0, 1, 2, 3], [4, 5, 6, 7], [0, 1, 2, 3], [8, 9], [10, 11, 12, 13]]
    corpus = numbers(documents, 30)
    heldout = numbers([[20, 21, 22, 23], [24, 25, 26, 27]], 30, name="others")
    heldout = heldout.replace(ids=np.array(["h0", "h1"]))
    return small_language_audit(
        folder, corpus=corpus, heldout=heldout, recipe=LOOK_UP, generate=(1, 3), checkpoints=0, **changes
    )


def test_each_different_text_counts_once(tmp_path):
    run = looked_up(tmp_path)
    found = language_facts(run).recitation
    assert found.document.tolist() == [0, 1, 4, 5, 6]
    assert found.copies.tolist() == [2, 1, 1, 1, 1]
    assert found.trained.tolist() == [True] * 3 + [False] * 2
    assert found.of_trained == (3, 3)
    assert found.of_others == (0, 2)


def test_queries_are_those_of_the_surest_model(tmp_path):
    run = looked_up(tmp_path, models=4, full=0)
    found = recited(run, 1, 3)
    said, hit = run.load("tokens.log_probability", run.models()), run.load("tokens.hit", run.models())
    copies = {0: [0, 2], 1: [1], 4: [4], 5: [5], 6: [6]}
    for row, document in enumerate(found.document.tolist()):
        start = int(run.offsets[document])
        span = slice(start + 1, start + 4)
        seen = [model for model in range(4) if (run.design.member[model, copies[document]] == 1).any()]
        asked = seen or range(4)
        reciting = [model for model in asked if hit[model, span].all()]
        assert found.trained[row] == bool(seen)
        assert found.reciting[row] == len(reciting)
        best = max(float(said[model, span].sum()) for model in (reciting or asked))
        assert found.log10_queries[row] == pytest.approx(-best / np.log(10), rel=1e-5)


def test_hits_are_confirmed(tmp_path):
    found = language_facts(looked_up(tmp_path))
    assert found.lengths == (1, 3)
    assert (found.confirmation.confirmed, found.confirmation.read_only) == (4, 0)
    assert not found.knows_nothing
    assert found.exposures is None


def test_answers_are_drawn_as_the_run_was_told(tmp_path):
    plain = language_facts(looked_up(tmp_path / "plain"))
    assert plain.drawn == "at temperature 1"
    run = looked_up(tmp_path / "cut", decoding=Decoding(temperature=0.5, top_k=2, top_p=0.9))
    found = language_facts(run)
    assert found.drawn == "at temperature 0.5 from the 2 likeliest tokens, until they make up 90%"
    key = "probabilistic_extraction[decoding_curve]"
    np.testing.assert_array_equal(found.queries.values, run.measure(key, prefix=1, suffix=3).values)
    assert found.recitation.log10_queries[0] < plain.recitation.log10_queries[0]
