from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import byrote
from byrote.changes.data.decided import Relabel, Remove, Review, without_mended
from byrote.changes.registry import parse_change
from byrote.data.controls import LABEL_NOISE
from byrote.data.corpus import corpus_from_texts
from byrote.errors import BadInput
from small import blobs

CONTEXT = SimpleNamespace(rng=np.random.default_rng(0))


def decided(tmp_path, lines, header="example,action,models_without_it_say"):
    path = tmp_path / "decisions.csv"
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def test_relabel_remove_and_review_do_what_the_file_says(tmp_path):
    data = blobs()
    first, second, third = data.ids[:3].tolist()
    new = Relabel(decided(tmp_path, [f"{first},relabel,c"])).apply(data, CONTEXT)
    assert new.targets[0] == 2
    assert (new.targets[1:] == data.targets[1:]).all()
    assert Remove(decided(tmp_path, [f"{second},remove,"])).apply(data, CONTEXT).ids.tolist() == [
        one for one in data.ids.tolist() if one != second
    ]
    lines = [f"{first},relabel,b", f"{second},remove,", f"{third},review,a"]
    both = Review(decided(tmp_path, lines)).apply(data, CONTEXT)
    assert len(both) == len(data) - 1
    assert both.targets[0] == 1
    assert both.targets[1] == data.targets[2]


def test_they_are_named_on_the_command_line_with_their_file():
    assert parse_change("relabel=some.csv") == Relabel(file=parse_change("relabel=some.csv").file)
    assert str(parse_change("review=a/b.csv").file) == "a/b.csv"


def test_planted_label_noise_that_is_set_right_is_planted_no_more(tmp_path):
    data = blobs(noise=0.2)
    noisy = data.controls.example[data.controls.kind == LABEL_NOISE].tolist()
    true = dict(zip(data.controls.example.tolist(), data.controls.original.tolist(), strict=True))
    new = Relabel(decided(tmp_path, [f"{one},relabel,{true[one]}" for one in noisy[:3]])).apply(data, CONTEXT)
    assert sorted(new.controls.example.tolist()) == sorted(noisy[3:])
    assert len(without_mended(data)) == len(data.controls)


def test_numbers_are_corrected(tmp_path):
    data = byrote.from_arrays(np.eye(30, 3, dtype=np.float32), np.arange(30) / 7, task="regression")
    path = decided(tmp_path, [f"{data.ids[2]},correct,12.5"])
    assert Relabel(path).apply(data, CONTEXT).targets[2] == 12.5


def test_a_set_of_labels_is_given_by_its_name(tmp_path):
    targets = np.stack([np.arange(30) % 2, np.arange(30) // 2 % 2], axis=1)
    data = byrote.from_arrays(np.eye(30, 3, dtype=np.float32), targets, class_names=("red", "round"))
    new = Relabel(decided(tmp_path, [f"{data.ids[0]},relabel,red + round"])).apply(data, CONTEXT)
    assert new.targets[0].tolist() == [1, 1]
    assert (new.targets[1:] == data.targets[1:]).all()
    with pytest.raises(BadInput, match="have no 'blue'"):
        Relabel(decided(tmp_path, [f"{data.ids[0]},relabel,blue"])).apply(data, CONTEXT)


def test_documents_are_removed_and_have_no_label(tmp_path):
    corpus = corpus_from_texts(["one", "two", "three"], ids=["a", "b", "c"])
    assert Remove(decided(tmp_path, ["b,remove,"])).apply(corpus, CONTEXT).ids.tolist() == ["a", "c"]
    both = Review(decided(tmp_path, ["a,review,", "c,remove,"])).apply(corpus, CONTEXT)
    assert both.ids.tolist() == ["a", "b"]
    with pytest.raises(BadInput, match="Documents of a corpus have no label, and 'a' shall get another"):
        Review(decided(tmp_path, ["a,relabel,x"])).apply(corpus, CONTEXT)
    with pytest.raises(BadInput, match="are not in the corpus 'texts': 'z'"):
        Remove(decided(tmp_path, ["z,remove,"])).apply(corpus, CONTEXT)


@pytest.mark.parametrize(
    ("kind", "line", "sentence"),
    [
        (Relabel, "{},remove,a", "examples to 'remove', where all are to relabel"),
        (Relabel, "{},relabel,zebra", "have no 'zebra'"),
        (Review, "{},review,a", "Nothing is decided"),
        (Remove, "nobody,remove,a", "are not in the dataset"),
    ],
)
def test_what_cannot_be_done_is_refused(tmp_path, kind, line, sentence):
    data = blobs()
    with pytest.raises(BadInput, match=sentence):
        kind(decided(tmp_path, [line.format(data.ids[0])])).apply(data, CONTEXT)
