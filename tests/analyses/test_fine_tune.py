from __future__ import annotations

from itertools import product

import numpy as np
import pytest

import byrote
from byrote.errors import BadInput
from documents import SUMMING, small_language_audit, words


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A model of three epochs, and one of one epoch in the place of its base."""
    from dataclasses import replace

    folder = tmp_path_factory.mktemp("fine")
    recipes = {"tuned": SUMMING, "base": replace(SUMMING, epochs=1)}
    return [small_language_audit(folder / name, recipe=recipe, generate=None) for name, recipe in recipes.items()]


def test_scores_are_means_over_tokens_and_their_gain_over_the_base(runs):
    tuned, base = runs
    table = byrote.ask(tuned, "fine_tune", base)
    by_text = []
    for run in runs:
        found = {}
        log_p, offsets = run.load("tokens.log_probability", [0])[0], run.offsets
        token = run.load("corpus.token", [0])
        for a, b, member in zip(offsets[:-1], offsets[1:], run.design.member[0], strict=True):
            found[token[a:b].tobytes()] = (log_p[a:b].mean(), member)
        by_text.append(found)
    alone = {text: value for text, (value, _) in by_text[0].items()}
    gains = {text: value - by_text[1][text][0] for text, value in alone.items()}
    for place, score in enumerate((alone, gains)):
        inside, outside = (
            [value for text, value in score.items() if by_text[0][text][1] == member] for member in (1, 0)
        )
        pairs = [(a > b) + (a == b) / 2 for a, b in product(inside, outside)]
        expected = np.mean(inside), np.mean(outside), np.mean(pairs)
        for figure, value in zip(table.figures.values(), expected, strict=True):
            assert figure[place].value == pytest.approx(value, rel=1e-5)
            assert figure[place].low <= figure[place].value <= figure[place].high
    assert "12 different texts were trained on and 6 held out" in table.notes[0]


def test_runs_of_other_documents_are_refused(runs, tmp_path):
    other = small_language_audit(tmp_path / "other", corpus=words(5, seed=4), generate=None)
    with pytest.raises(BadInput, match="are of other documents, or cut into other tokens"):
        byrote.ask(runs[0], "fine_tune", other)


def test_without_held_out_texts_there_is_no_area(tmp_path):
    run = small_language_audit(tmp_path / "alone", heldout=None, generate=None)
    table = byrote.ask(run, "fine_tune", run)
    assert table.figures["AUROC"] == (None, None)
    assert table.figures["mean over texts trained on"][1].value == 0
