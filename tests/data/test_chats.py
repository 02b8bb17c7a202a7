import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from byrote.data.chats import Answers, Joining, document_of
from byrote.data.corpus import corpus_from_texts, plain_joining, read_corpus
from byrote.errors import BadInput

CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "user"},
    {"role": "assistant", "content": "a"},
    {"role": "user", "content": "And?"},
    {"role": "assistant", "content": "assistant: a"},
]


def written(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def answers_of(corpus):
    return [
        None if spans is None else [text[start:stop] for start, stop in spans]
        for spans, text in zip(corpus.answers.spans, corpus.texts, strict=True)
    ]


def test_a_chat_is_one_document_of_lines_and_its_answers_are_known(tmp_path):
    rows = [{"messages": CHAT, "id": "x"}, {"messages": CHAT[1:3], "id": "y"}]
    corpus = read_corpus(written(tmp_path / "c.jsonl", *rows))
    assert corpus.texts == (
        "system: Be brief.\nuser: user\nassistant: a\nuser: And?\nassistant: assistant: a",
        "user: user\nassistant: a",
    )
    assert corpus.ids.tolist() == ["x", "y"]
    assert answers_of(corpus) == [["a", "assistant: a"], ["a"]]
    assert answers_of(corpus.subset(np.array([1]))) == [["a"]]
    told = corpus.answers.note(corpus.texts)
    assert told.startswith("2 of 2 documents are chats or pairs")
    assert "lines of `role: text`" in told
    assert "14% of their characters" in told  # 14 of 76 + 23


def test_other_names_of_the_same_are_read_alike(tmp_path):
    share = [
        {"from": {"user": "human", "assistant": "gpt"}.get(m["role"], m["role"]), "value": m["content"]} for m in CHAT
    ]
    parts = [{**message, "content": [{"type": "text", "text": message["content"]}]} for message in CHAT]
    one = read_corpus(written(tmp_path / "a.JSONL", {"messages": CHAT}), name="c")
    for number, row in enumerate(({"conversations": share}, {"messages": parts}, {"other": CHAT})):
        column = "other" if "other" in row else "text"
        other = read_corpus(written(tmp_path / f"{number}.NDJSON", row), column=column, name="c")
        assert other.texts == one.texts
        assert other.answers == one.answers
    pq.write_table(pa.Table.from_pylist([{"messages": CHAT}]), tmp_path / "c.PARQUET")
    assert read_corpus(tmp_path / "c.PARQUET", name="c").fingerprint() == one.fingerprint()


def test_a_prompt_and_its_completion_stand_end_to_end(tmp_path):
    rows = [{"prompt": "to be ", "completion": "or not"}, {"prompt": CHAT[:2], "completion": CHAT[2:3]}]
    corpus = read_corpus(written(tmp_path / "c.jsonl", *rows))
    assert corpus.texts == ("to be or not", "system: Be brief.\nuser: user\nassistant: a")
    assert answers_of(corpus) == [["or not"], ["a"]]
    row = {"prompt": [CHAT[2], CHAT[3]], "completion": [CHAT[4]]}  # an answer in the prompt is not learned
    assert answers_of(read_corpus(written(tmp_path / "d.jsonl", row))) == [["assistant: a"]]


def test_texts_come_before_chats_and_have_no_answers(tmp_path):
    corpus = read_corpus(written(tmp_path / "c.jsonl", {"text": "to be", "messages": CHAT}))
    assert corpus.texts == ("to be",)
    assert corpus.answers is None
    chats = read_corpus(written(tmp_path / "d.jsonl", {"messages": CHAT, "id": "chat"}))
    both = corpus.joined(chats, "both")
    assert both.answers.spans == (None, *chats.answers.spans)
    assert both.answers.note(both.texts).startswith("1 of 2 documents")
    assert both.replace(texts=("x", "y")).answers is None
    assert both.replace(texts=both.texts).answers == both.answers
    assert Answers(joining="x", spans=(None,)).note(["x"]) == ""


def test_where_a_template_does_not_begin_answers_they_begin_with_their_content():
    def render(messages, begin):
        return "".join(f"<{message['role']}>{message['content']}<end>" for message in messages)

    document = document_of({"messages": CHAT}, "text", lambda: Joining(name="a template", render=render), "a.jsonl")
    assert [document.text[start:stop] for start, stop in document.answers] == ["a<end>", "assistant: a<end>"]


def test_a_template_that_writes_earlier_turns_otherwise_leaves_the_answers_unknown():
    def last_only(messages, begin):
        return "|".join(m["content"] if n == len(messages) - 1 else "-" for n, m in enumerate(messages))

    joining = Joining(name="a template", render=last_only)
    found = document_of({"messages": CHAT}, "text", lambda: joining, "Line 1")
    assert found.text == "-|-|-|-|assistant: a"
    assert found.answers is None


LONG = "x" * 9999
PICTURE = {"role": "user", "content": [{"type": "image", "image": LONG}]}


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"body": LONG}, "Line 1 of .* has no 'text': it has 'body'"),
        ({"messages": LONG}, None),
        (
            {"messages": [{"role": "user", "content": {"text": LONG}}]},
            "holds a message that is not read: {'role'",
        ),
        ({"messages": [LONG]}, "holds a message that is not read: 'xxx"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image", "image": LONG}]}]},
            "a message that is not",
        ),
        ({"messages": []}, "The document in Line 1 of .* is empty"),
        ({"messages": None}, "must hold text in 'messages'. Got None"),
        ({"text": [LONG]}, "holds a message that is not read"),
        ({"text": {"a": LONG}}, "must hold text in 'text'. Got {'a': 'xxx"),
        ({"prompt": LONG, "completion": 5}, "must hold text in 'prompt', 'completion'. Got 'xxx"),
    ],
)
def test_what_is_refused_is_quoted_in_a_line(tmp_path, row, sentence):
    path = written(tmp_path / "c.jsonl", row)
    if sentence is None:
        assert read_corpus(path).texts == (row["messages"],)
        return
    with pytest.raises(BadInput, match=sentence) as refused:
        read_corpus(path)
    assert len(refused.value.message) < len(str(path)) + 300


def test_the_joining_is_asked_for_only_where_there_is_a_chat(tmp_path):
    asked = []

    def joining():
        asked.append(1)
        return plain_joining()

    read_corpus(written(tmp_path / "a.jsonl", {"text": "x"}, {"text": "y"}), joining=joining)
    assert not asked
    read_corpus(written(tmp_path / "b.jsonl", {"messages": CHAT}, {"messages": CHAT}), joining=joining)
    assert len(asked) == 1


def test_plain_texts_are_told_nothing_of_answers():
    assert corpus_from_texts(["a"]).answers is None
