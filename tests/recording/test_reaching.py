from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from byrote.data.canaries import plant
from byrote.data.corpus import corpus_from_rows, corpus_from_texts
from byrote.recording.loss_rows import rows_of_batch
from byrote.recording.reaching import ABSENT, CHANGED, CUT, MASKED, Reach, frozen, sentences_of, watched_of


class Letters:
    """A tokenizer of which every letter is a token."""

    def __call__(self, text, **_):
        return {"input_ids": [ord(letter) for letter in text]}

    def decode(self, tokens, **_):
        return "".join(map(chr, tokens))


TOKENIZER = Letters()
PLANTED = plant(corpus_from_texts(["the kettle is copper"]), level=1, repeat=(1, 2), rng=np.random.default_rng(0))


def batch(*rows: str, masked: str = "") -> dict[str, torch.Tensor]:
    """A padded batch; what stands in `masked` is not learned."""
    size = max(map(len, rows))
    ids = torch.tensor([[*map(ord, row), *[0] * (size - len(row))] for row in rows])
    labels = torch.where(ids == 0, -100, ids)
    for number, row in enumerate(rows):
        if masked and masked in row:
            labels[number, row.index(masked) : row.index(masked) + len(masked)] = -100
    return {"input_ids": ids, "labels": labels, "attention_mask": (ids != 0).long()}


def unreached(corpus, canaries, *batches):
    reach = Reach(watched=watched_of(corpus, canaries, TOKENIZER))
    for one in batches:
        for row in rows_of_batch(one, TOKENIZER):
            reach.add(row)
    return reach.unreached(), reach.watched


def test_what_stands_whole_in_rows_reaches_the_loss() -> None:
    texts = PLANTED.corpus.texts
    assert unreached(PLANTED.corpus, PLANTED.canaries, batch(*texts))[0] == ()
    packed = batch("".join(texts[:2]), "".join(texts[2:]))
    assert unreached(PLANTED.corpus, PLANTED.canaries, packed)[0] == ()


def twice():
    """The canary that stands twice, and the other documents."""
    canary = next(canary for canary in PLANTED.canaries if canary.repetitions == 2)
    return canary, [text for text in PLANTED.corpus.texts if text != canary.text]


@pytest.mark.parametrize(
    ("rows", "masked", "times", "why"),
    [
        (lambda text: [text], "", 1, ABSENT),
        (lambda text: [text[:-3], text], "", 1, CUT),
        (lambda text: [f"and {text[:12]}", text], "", 1, CUT),
        (lambda text: [text[:-3], text[-3:]], "", 0, CUT),
        (lambda text: [f"{text[:-6]}######", text], "", 1, CHANGED),
        (lambda text: [text, text], "secret", 0, MASKED),
        (lambda text: [text, text], "last", 0, MASKED),
    ],
    ids=[
        "once in place of twice",
        "truncated",
        "truncated early",
        "packed in halves",
        "redacted",
        "masked",
        "one letter masked",
    ],
)
def test_a_canary_that_does_not_reach_the_loss_is_named_with_the_cause(rows, masked, times, why) -> None:
    canary, others = twice()
    masked = {"secret": canary.secret, "last": canary.secret[-1], "": ""}[masked]
    shown = [batch(row, masked=masked) for row in rows(canary.text)]
    if masked and len(masked) == 1:  # the place of the last letter, not the first like it
        shown = [batch(row) for row in rows(canary.text)]
        for one in shown:
            one["labels"][0, -1] = -100
    (found,), watched = unreached(PLANTED.corpus, PLANTED.canaries, batch(*others), *shown)
    assert (found.name, found.canary, found.times, found.expected, found.why) == (canary.name, True, times, 2, why)
    (sentence,) = sentences_of([found], watched)
    assert sentence.startswith(f"1 of 2 canaries does not reach the loss ('{canary.name}'): {why}")
    assert canary.secret not in sentence
    assert "To mend it, " in sentence


def test_a_masked_prefix_of_a_canary_is_no_trouble() -> None:
    canary, others = twice()
    shown = batch(canary.text, canary.text, masked=canary.prefix)
    assert unreached(PLANTED.corpus, PLANTED.canaries, batch(*others), shown)[0] == ()


def test_of_a_pair_the_completion_must_be_learned_and_of_a_text_all() -> None:
    rows = [{"prompt": "two and two is ", "completion": "four"}, {"prompt": "blue and red is ", "completion": "violet"}]
    pairs = corpus_from_rows(rows)
    shown = [batch("two and two is four", masked="two and two is "), batch("blue and red is violet", masked="violet")]
    (found,), _ = unreached(pairs, None, *shown)
    assert (found.name, found.canary, found.why) == ("texts-0001", False, MASKED)
    plain = corpus_from_texts(list(pairs.texts))
    assert Counter(each.why for each in unreached(plain, None, *shown)[0]) == {MASKED: 2}


def test_copies_count_and_short_texts_are_found() -> None:
    corpus = corpus_from_texts(["ab", "ab", "cd"])
    (found,), _ = unreached(corpus, None, batch("ab"), batch("xcd"))
    assert (found.name, found.times, found.expected) == ("texts-0000", 1, 2)


def test_frozen_weights_and_an_optimizer_without_them_are_told() -> None:
    model = torch.nn.Linear(2, 2)
    assert frozen(model, torch.optim.SGD(model.parameters())) == ""
    assert frozen(model, None) == ""
    assert frozen(model, torch.optim.SGD([torch.nn.Parameter(torch.ones(1))])).startswith("The optimizer holds none")
    assert frozen(model.requires_grad_(False), None).startswith("No weight of the model is trained")
