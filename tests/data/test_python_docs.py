import numpy as np

from byrote.data.python_docs import digest, planted_docs, python_docs, split
from byrote.data.tokenizers import byte_pairs, encoder, read_tokenizer


def docs(**changes):
    corpus = python_docs()
    tokenizer = byte_pairs(split(corpus)[0].texts)
    return corpus, tokenizer, planted_docs(corpus, encode=encoder(tokenizer), **changes)


def test_every_paragraph_stands_there_once():
    corpus = python_docs()
    assert len(set(corpus.texts)) == len(corpus) > 500
    assert digest(corpus) == digest(python_docs())
    training, heldout = split(corpus)
    assert not set(training.texts) & set(heldout.texts)
    assert len(training) + len(heldout) == len(corpus)


def test_what_is_planted_stands_there_as_often_as_it_says():
    corpus, tokenizer, made = docs(level=8)
    counts = {text: made.training.texts.count(text) for text in set(made.training.texts)}
    assert made.canaries is not None
    tiers = [canary.repetitions for canary in made.canaries]
    assert np.unique(tiers, return_counts=True)[1].tolist() == [8] * 8
    for canary in made.canaries:
        assert counts.get(canary.text, 0) == canary.repetitions
        assert made.heldout.texts.count(canary.text) == (canary.repetitions == 0)
    secrets = {canary.text for canary in made.canaries}
    copied = sorted(count for text, count in counts.items() if text not in secrets and count > 1)
    assert copied == sorted([2, 4, 8, 16, 32, 64] * 4)
    lengths = {len(ids) for ids in encoder(tokenizer)([f" {canary.secret}" for canary in made.canaries])}
    assert len(lengths) == 1
    assert digest(corpus) in made.notes[0]
    copies = made.training.controls
    originals = dict(zip(made.training.ids.tolist(), made.training.texts, strict=True))
    assert all(originals[a] == originals[b] for a, b in zip(copies.example, copies.original, strict=True))


def test_a_seed_fixes_all():
    one, other = docs(seed=1)[2], docs(seed=1)[2]
    assert one.training.fingerprint() == other.training.fingerprint()
    assert docs(seed=2)[2].training.fingerprint() != one.training.fingerprint()


def test_a_tokenizer_is_kept_and_cuts_digits_singly(tmp_path):
    tokenizer = byte_pairs(["the cat 12345", "the dog 67890"], vocabulary=300)
    tokenizer.save(str(tmp_path / "t.json"))
    again = read_tokenizer(tmp_path / "t.json")
    assert encoder(again)(["a 908"]) == encoder(tokenizer)(["a 908"])
    assert len(encoder(tokenizer)(["908172"])[0]) == 6
    assert tokenizer.decode(encoder(tokenizer)(["the cat 12"])[0]) == "the cat 12"
