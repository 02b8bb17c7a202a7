from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from byrote.data.canaries import Canaries, canaries_from_json, plant, read_canaries
from byrote.data.canary_tokens import tokenize_canaries
from byrote.data.corpus import corpus_from_texts, read_corpus, write_corpus
from byrote.data.secret_spaces import KINDS, secret_space
from byrote.errors import BadInput

PLAIN = corpus_from_texts([f"{word} stands here" for word in ("one", "two", "three", "four")], name="plain")


def characters(texts):
    return [[ord(character) for character in text] for text in texts]


def words(texts):
    """Words, each a token."""
    return [[1 + sum(map(ord, word)) % 10**6 for word in text.split()] for text in texts]


def planted(**options):
    chosen = {"level": 3, "repeat": (1, 4), "rng": np.random.default_rng(0)} | options
    return plant(PLAIN, **chosen)


def test_every_level_has_as_many_canaries_and_controls_are_held_out():
    made = planted()
    assert [canary.repetitions for canary in made.canaries] == [0] * 3 + [1] * 3 + [4] * 3
    assert len(made.corpus) == len(PLAIN) + 3 + 12
    assert sorted(made.controls.texts) == sorted(c.text for c in made.canaries if not c.repetitions)
    assert not set(made.controls.texts) & set(made.corpus.texts)
    for canary in made.canaries:
        rows = [row for row, text in enumerate(made.corpus.texts) if text == canary.text]
        assert len(rows) == canary.repetitions
        assert set(made.corpus.groups[rows]) <= {canary.name}


def test_prefixes_and_secrets_differ():
    made = planted(level=700, repeat=(1, 2))
    assert len({canary.prefix for canary in made.canaries}) == 2100  # more than there are single surnames for


def test_the_same_seed_plants_the_same():
    one, other = planted(), planted()
    assert one.canaries == other.canaries
    assert one.corpus.fingerprint() == other.corpus.fingerprint()
    assert planted(rng=np.random.default_rng(1)).canaries != one.canaries


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "random_tokens"])
def test_secrets_have_equally_many_tokens(kind):
    made = planted(kinds=[kind], encode=characters)
    assert len({len(canary.secret) for canary in made.canaries}) == 1


def test_kinds_are_mixed_within_a_level():
    made = planted(kinds=["card", "phone", "email"])
    assert {(c.repetitions, c.kind) for c in made.canaries} == {
        (times, kind) for times in (0, 1, 4) for kind in ("card", "phone", "email")
    }


def test_random_tokens_are_words_of_the_corpus():
    made = planted(kinds=["random_tokens"], encode=words)
    assert set(made.canaries.canaries[0].secret.split()) <= {"stands", "here", "one", "two", "three", "four"}
    with pytest.raises(BadInput, match="tokenizer"):
        planted(kinds=["random_tokens"])


def test_coins_are_fair_and_decide():
    made = planted(level=400, repeat=(2,), coins=True)
    tossed = [canary for canary in made.canaries if canary.repetitions]
    heads = sum(canary.coin for canary in tossed)
    assert 140 < heads < 260  # 200 expected, 6 standard deviations
    assert len(made.corpus) == len(PLAIN) + 2 * heads
    assert len(made.controls) == 800 - heads
    assert all(canary.coin is None for canary in made.canaries if not canary.repetitions)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kinds": ["pin"]}, "'pin'"),
        ({"kinds": []}, "Got none"),
        ({"kinds": ["card", "card"]}, "different"),
        ({"level": 0}, "Got 0"),
        ({"repeat": (0, 1)}, "at least 1"),
        ({"repeat": (2, 2)}, "different"),
        ({"repeat": ()}, "Got none"),
    ],
)
def test_what_cannot_be_planted_is_refused(options, message):
    with pytest.raises(BadInput, match=message):
        planted(**options)


def test_the_manifest_travels(tmp_path):
    made = planted(kinds=["card", "key"], coins=True)
    made.canaries.write(tmp_path / "canaries.json")
    assert read_canaries(tmp_path / "canaries.json") == made.canaries
    write_corpus(made.corpus, tmp_path / "corpus.jsonl")
    read_canaries(tmp_path / "canaries.json").refuse_damaged(read_corpus(tmp_path / "corpus.jsonl"))


def test_secrets_are_not_printed():
    made = planted()
    shown = f"{made.canaries!r} {list(made.canaries)!r}"
    assert not any(canary.secret in shown for canary in made.canaries)


def broken_manifest(**changes) -> str:
    content = json.loads(planted().canaries.to_json())
    content["canaries"][1] |= changes
    return json.dumps(content)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not a manifest"),
        ("[]", "not a manifest"),
        ('{"format": "other"}', "'other'"),
        (broken_manifest(secret="12345x"), "not of its space"),
        (broken_manifest(name="canary-0000"), "unique"),
        (broken_manifest(kind="card"), "not whole"),
        (broken_manifest(repetitions=-1), "-1 times"),
        (broken_manifest(coin="heads"), "'heads'"),
        (broken_manifest(unknown=1), "not a manifest"),
    ],
)
def test_a_broken_manifest_is_refused(text, message):
    with pytest.raises(BadInput, match=message):
        canaries_from_json(text)


def test_no_manifest_is_refused(tmp_path):
    with pytest.raises(BadInput, match="no file"):
        read_canaries(tmp_path / "none.json")
    (tmp_path / "latin.json").write_bytes(b"\xe9")
    with pytest.raises(BadInput, match="UTF-8"):
        read_canaries(tmp_path / "latin.json")


def changed(made, change):
    return made.corpus.replace(texts=tuple(change(text) for text in made.corpus.texts))


def test_masked_cut_and_lost_canaries_are_noticed():
    made = planted()
    made.canaries.refuse_damaged(made.corpus)
    often = made.canaries.canaries[-1]
    masked = changed(made, lambda text: text.replace(often.secret, "[CODE]"))
    cut = changed(made, lambda text: text[:-3] if text == often.text else text)
    for damaged in (masked, cut):
        with pytest.raises(BadInput, match=f"{often.name} 0 times in place of 4, 4 masked or cut"):
            made.canaries.refuse_damaged(damaged)
    keep = np.array([text != often.text for text in made.corpus.texts])
    with pytest.raises(BadInput, match=f"{often.name} 0 times in place of 4"):
        made.canaries.refuse_damaged(made.corpus, keep)
    with pytest.raises(BadInput, match="canary-0000 1 time in place of 0"):
        made.canaries.refuse_damaged(made.corpus.joined(made.controls, "both"))


def test_canaries_inside_longer_documents_are_found():
    made = planted()
    wrapped = changed(made, lambda text: f"Note. {text}. End.")
    made.canaries.refuse_damaged(wrapped)
    np.testing.assert_array_equal(made.canaries.located(wrapped), made.canaries.located(made.corpus))


def test_recounted_after_duplicates_are_gone():
    made = planted(coins=True)
    first = {text: row for row, text in reversed(list(enumerate(made.corpus.texts)))}
    once = made.corpus.subset(np.array(sorted(first.values())))
    counted = made.canaries.recounted(once, np.ones(len(once), bool))
    assert [c.planted for c in counted] == [min(c.planted, 1) for c in made.canaries]
    counted.refuse_damaged(once)


def tokenized(made, encode=characters, bos=0):
    return made.corpus.joined(made.controls, "both").tokenized(encode, vocabulary=10**6 + 2, bos=bos)


def test_references_are_other_secrets_of_equal_length():
    made = planted(kinds=["random_digits", "email"], encode=characters)
    asked = tokenize_canaries(made.canaries, tokenized(made), characters, context=200, references=40)
    for canary, tokens in zip(made.canaries, asked.canaries, strict=True):
        texts = ["".join(map(chr, row)) for row in tokens.rows]
        assert texts[0] == canary.text
        assert len(set(texts)) == 41
        space = made.canaries.spaces[canary.kind]
        assert all(space.contains(text.removeprefix(f"{canary.prefix} ")) for text in texts)
        assert tokens.span == len(canary.secret)  # the blank before it is not of the secret
    np.testing.assert_array_equal(asked.repetitions, [0] * 3 + [1] * 3 + [4] * 3)
    assert asked.references == 40


def test_a_small_space_gives_all_its_secrets():
    made = planted(digits=1, level=1)
    asked = tokenize_canaries(made.canaries, tokenized(made), characters, context=200)
    assert asked.references == 9
    assert asked.space_bits == pytest.approx(np.log2(10))


def test_the_number_of_secrets_of_a_length_is_exact_where_pieces_are_tokens():
    made = planted(kinds=["sentence_typical"], encode=characters)
    asked = tokenize_canaries(made.canaries, tokenized(made), characters, context=200)
    length = len(made.canaries.canaries[0].secret)
    slots = secret_space("sentence_typical").slots
    sizes = np.ones(1, np.int64)
    for choices in slots:  # naive convolution of the lengths of pieces
        sizes = np.convolve(sizes, np.bincount([len(choice) for choice in choices]))
    assert asked.space_bits == pytest.approx(np.log2(sizes[length]))
    assert not asked.canaries[0].estimated


def test_a_tokenizer_that_joins_pieces_has_no_tree_but_references():
    def pairs(texts):
        return [[ord(a) * 200 + ord(b) for a, b in zip(t[::2], t[1::2] + " ", strict=False)] for t in texts]

    made = planted(encode=pairs)
    asked = tokenize_canaries(made.canaries, tokenized(made, pairs), pairs, context=200, references=20)
    assert all(canary.tree is None and len(canary.rows) == 21 for canary in asked.canaries)


def test_references_come_from_the_seed_alone():
    made = planted()
    corpus = tokenized(made)
    one, other = (tokenize_canaries(made.canaries, corpus, characters, context=200) for _ in range(2))
    for a, b in zip(one.canaries, other.canaries, strict=True):
        np.testing.assert_array_equal(a.rows, b.rows)


def test_canaries_that_do_not_survive_tokenisation_are_refused():
    made = planted()
    corpus = tokenized(made)
    with pytest.raises(BadInput, match="do not fit into the context of 20"):
        tokenize_canaries(made.canaries, corpus, characters, context=20)
    with pytest.raises(BadInput, match="not those that the tokenizer gives"):
        tokenize_canaries(made.canaries, corpus, words, context=200)
    spoiled = corpus.tokens.copy()
    row = int(np.flatnonzero(made.canaries.located(corpus) >= 0)[0])
    spoiled[corpus.offsets[row + 1] - 1] += 1
    with pytest.raises(BadInput, match="not those"):
        tokenize_canaries(made.canaries, dataclasses.replace(corpus, tokens=spoiled), characters, context=200)
    with pytest.raises(BadInput, match="Got 0"):
        tokenize_canaries(made.canaries, corpus, characters, context=200, references=0)


def test_a_canary_of_a_rare_length_is_refused():
    def odd(texts):
        return [[ord(c) for c in t] + [1] * (5 if t.endswith("31415") else 0) for t in texts]

    made = planted(digits=5, level=1, repeat=(1,))
    canary = dataclasses.replace(made.canaries.canaries[1], secret="31415")
    canaries = Canaries(canaries=(canary,), spaces=made.canaries.spaces)
    corpus = corpus_from_texts([canary.text]).tokenized(odd, vocabulary=300, bos=0)
    with pytest.raises(BadInput, match="Too few secrets"):
        tokenize_canaries(canaries, corpus, odd, context=200)


@pytest.mark.parametrize(
    ("text", "why"),
    [("{}{}", "it is no JSON"), ('{"format": "byrote canaries 1"}', "it has no 'spaces'")],
)
def test_what_is_wrong_with_a_manifest_is_said_in_words(text, why):
    with pytest.raises(BadInput, match=rf"is not a manifest of canaries: {why}\."):
        canaries_from_json(text)


def test_a_canary_in_a_chat_is_asked_about_after_what_stands_before_it_in_all_its_documents():
    made = plant(PLAIN, level=2, repeat=(2,), rng=np.random.default_rng(0))
    chats = [f"user: what?\nnote: {text}!" if text.startswith("The access") else text for text in made.corpus.texts]
    corpus = corpus_from_texts(chats).tokenized(characters, vocabulary=200)
    asked = tokenize_canaries(made.canaries, corpus, characters, context=200, references=10)
    for canary, tokens in zip(made.canaries, asked.canaries, strict=True):
        assert "".join(map(chr, tokens.rows[0])) == f"user: what?\nnote: {canary.text}"
        assert tokens.span == len(canary.secret)
    mixed = corpus_from_texts([text.replace("what?", "which?", 1) if not row % 2 else text for row, text in
        enumerate(chats)]).tokenized(characters, vocabulary=200)  # fmt: skip
    assert {text.partition("note:")[0] for text in mixed.texts if "note:" in text} == {
        "user: what?\n",
        "user: which?\n",
    }
    asked = tokenize_canaries(made.canaries, mixed, characters, context=200, references=10)
    assert "".join(map(chr, asked.canaries[0].rows[0])) == made.canaries.canaries[0].text
