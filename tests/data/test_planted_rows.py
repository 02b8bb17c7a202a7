from __future__ import annotations

import numpy as np
import pytest

from byrote.data.corpus import corpus_from_rows
from byrote.data.planted_rows import plant
from byrote.errors import BadInput

ROWS = {
    "texts": ["a kettle", "a river"],
    "column": [{"text": "a kettle", "label": 1}, {"text": "a river", "label": 2}],
    "pairs": [{"prompt": "What is it? ", "completion": "A kettle."}],
    "chats": [{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]}],
    "others' chats": [{"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "hello"}]}],
    "pairs of chats": [
        {"prompt": [{"role": "user", "content": "hi"}], "completion": [{"role": "assistant", "content": "hello"}]}
    ],
}


@pytest.mark.parametrize("form", ROWS)
@pytest.mark.parametrize("of", ["list", "dataset"])
def test_canaries_stand_in_rows_of_every_form_where_they_are_learned(form: str, of: str) -> None:
    rows = ROWS[form]
    if of == "dataset":
        datasets = pytest.importorskip("datasets", reason="needs the extra huggingface")
        rows = datasets.Dataset.from_list([row if isinstance(row, dict) else {"text": row} for row in rows])
    planted, canaries = plant(rows, level=1, repeat=(1, 2), seed=3)
    assert len(planted) == len(rows) + 3
    assert type(planted) is type(rows)
    if of == "dataset":
        assert planted.features == rows.features
    corpus = corpus_from_rows(planted)
    canaries.refuse_damaged(corpus)
    for row in np.flatnonzero(canaries.located(corpus) >= 0).tolist():
        canary = list(canaries)[canaries.located(corpus)[row]]
        spans = [(0, None)] if corpus.answers is None else corpus.answers.spans[row]
        assert any(canary.text in corpus.texts[row][a:b] for a, b in spans)


def test_a_seed_fixes_what_is_planted_and_others_stay_in_the_dataset() -> None:
    first, again, other = (plant(ROWS["texts"], level=2, repeat=(1,), seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first[1].canaries != other[1].canaries
    assert set(ROWS["texts"]) < set(first[0])
    assert [canary.repetitions for canary in first[1]] == [0, 0, 1, 1]


def test_rows_without_a_text_are_refused() -> None:
    with pytest.raises(BadInput, match="Row 1 of 'texts' has no 'text'"):
        plant([{"label": 1}])


@pytest.mark.parametrize("of", ["list", "dataset"])
@pytest.mark.parametrize("ids", [["a", "canary-0"], [3, 8]])
def test_rows_of_canaries_have_an_id_and_a_group_where_others_do(of: str, ids: list[str] | list[int]) -> None:
    rows = [{"id": name, "group": "us", "text": text} for name, text in zip(ids, ROWS["texts"], strict=True)]
    if of == "dataset":
        datasets = pytest.importorskip("datasets", reason="needs the extra huggingface")
        rows = datasets.Dataset.from_list(rows)
    planted, canaries = plant(rows, level=1, repeat=(2,), seed=3)
    corpus = corpus_from_rows(planted)
    canaries.refuse_damaged(corpus)
    assert corpus.groups is not None
    assert len({row["id"] for row in planted}) == 4
    of_canary = canaries.located(corpus) >= 0
    assert set(corpus.groups[~of_canary]) == {"us"}
    assert len(set(corpus.groups[of_canary])) == 1
    assert "us" not in corpus.groups[of_canary]


def test_turns_of_canaries_have_the_names_of_the_conversations_own() -> None:
    chat = [{"from": "user", "value": "hi"}, {"from": "assistant", "value": "hello"}]
    planted, _ = plant([{"conversations": chat}], level=1, repeat=(1,))
    assert {turn["from"] for row in planted for turn in row["conversations"]} == {"user", "assistant"}
