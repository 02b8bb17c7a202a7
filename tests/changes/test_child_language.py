from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import byrote
from byrote.analyses import card_language as language_figures
from byrote.changes.data.remove_most_memorized import RemoveMostMemorized
from byrote.changes.registry import parse_change
from byrote.data.canaries import plant
from byrote.data.corpus import corpus_from_texts
from byrote.data.tokenizers import byte_pairs
from byrote.engine.language import audit_language
from byrote.errors import BadInput
from byrote.recipes.objectives.goldfish import Goldfish
from byrote.runs.run import Run
from documents import SUMMING, small_language_audit, words
from report.made import make_run

TEXTS = [f"the {animal} sat on the {place} all day" for animal in ("cat", "dog", "emu") for place in ("mat", "hat")]


@pytest.fixture(scope="module")
def planted(tmp_path_factory) -> Run:
    """Six texts, one of which stands five times, and two canaries at 1 and 4 times beside two controls."""
    corpus = corpus_from_texts(TEXTS, name="animals")
    copies = corpus_from_texts([TEXTS[0]] * 4, ids=[f"copy-{number}" for number in range(4)])
    made = plant(corpus.joined(copies, "animals"), level=2, repeat=(1, 4), rng=np.random.default_rng(0))
    assert made.controls is not None
    heldout = corpus_from_texts(["a bird sat on a tree", "all day the emu sat"], ids=["h1", "h2"])
    return audit_language(
        made.corpus, SUMMING, heldout=heldout.joined(made.controls, "heldout"), canaries=made.canaries,
        tokenizer=byte_pairs(TEXTS, vocabulary=280), length=80, generate=(2, 3), workers=1, progress=False,
        device="cpu", checkpoints=2, out=tmp_path_factory.mktemp("animals") / "run",
    )  # fmt: skip


def test_deduplication_leaves_one_of_each_and_counts_canaries_anew(planted):
    child = byrote.change(planted, parse_change("remove-exact-duplicates"), workers=1, progress=False)
    assert child.folder.name == "run+remove-exact-duplicates=1"
    kept = child.corpus.subset(np.arange(len(child.ids)) < len(child.ids) - child.manifest.dataset["heldout_documents"])
    assert sorted(kept.texts) == sorted(set(planted.corpus.texts[: -planted.manifest.dataset["heldout_documents"]]))
    assert child.load("canaries.repetitions", child.models()).tolist() == [0, 0, 1, 1, 1, 1]
    assert [entry.seed for entry in child.manifest.models] == [entry.seed for entry in planted.manifest.models]
    assert child.manifest.parent["change"]["name"] == "remove-exact-duplicates"
    found = byrote.card(planted, child)
    rows = {row.name: row for row in found.rows}
    assert "exposure of canaries that stood 4 times" in rows
    assert "exposure of canaries never planted" in rows
    assert "extraction of texts that stood more often" in rows
    assert any("as many epochs are fewer steps" in note for note in found.notes)
    told = language_figures._notes(child, planted, 3)[-1]
    assert told.endswith("as many epochs are more steps, which alone makes it remember more.")
    foreign = dataclasses.replace(planted, manifest=dataclasses.replace(planted.manifest, origin="observed"))
    assert not any("epochs" in note for note in language_figures._notes(foreign, child, 3))
    row = rows["loss on held-out texts"]
    for run, figure in ((planted, row.before), (child, row.after)):
        said, scored = run.load("tokens.log_probability", run.models())[0], run.load("corpus.scored", run.models())
        total = tokens = 0.0
        for index, name in enumerate(run.ids.tolist()):
            if name in ("h1", "h2"):
                span = slice(*run.offsets[index : index + 2].tolist())
                total -= said[span][scored[span]].sum()
                tokens += scored[span].sum()
        assert figure.value == pytest.approx(total / tokens, rel=1e-6)
    row = rows["exposure of planted canaries"]
    for run, figure in ((planted, row.before), (child, row.after)):
        assert figure.value == pytest.approx(run.measure("exposure[best]").values[2:].mean())


def test_new_secrets_leave_all_else_and_the_card_has_exposure_and_held_out_loss(planted):
    child = byrote.change(planted, parse_change("redraw-secrets"), workers=1, progress=False)
    assert child.ids.tolist() == planted.ids.tolist()
    pairs = list(zip(planted.corpus.texts, child.corpus.texts, strict=True))
    held = planted.load("canaries.document", planted.models())
    changed = (held >= 0) & (planted.design.member[0] == 1)
    assert [one != other for one, other in pairs] == changed.tolist()
    assert all(one.rsplit(" ", 1)[0] == other.rsplit(" ", 1)[0] for one, other in pairs)
    assert not child.load("canaries.repetitions", child.models()).any()
    rows = {row.name: row for row in byrote.card(planted, child).rows}
    assert np.isfinite(rows["exposure of canaries that stood 4 times"].after.value)
    assert np.isfinite(rows["loss on held-out texts"].after.value)
    half = byrote.change(planted, parse_change("redraw-secrets=0.5"), workers=1, progress=False)
    assert half.load("canaries.repetitions", half.models()).tolist() == [0, 0, 1, 1, 0, 0]


def test_the_goldfish_loss_and_weight_decay_change_the_recipe(planted):
    child = byrote.change(planted, parse_change("goldfish=3"), workers=1, progress=False)
    assert isinstance(child.recipe.objective, Goldfish)
    assert child.recipe.objective.one_in == 3
    assert child.ids.tolist() == planted.ids.tolist()
    assert (child.load("corpus.token", [0]) == planted.load("corpus.token", [0])).all()
    again = byrote.change(planted, parse_change("goldfish=3"), workers=1, progress=False)
    assert again.manifest.created == child.manifest.created
    assert byrote.change(planted, parse_change("weight-decay=0.5"), workers=1, progress=False).recipe.optimizer


def test_pairs_keep_who_was_trained_on_what(tmp_path):
    corpus = words()
    doubled = corpus.joined(corpus.subset(np.arange(4)).replace(ids=np.array(list("abcd"))), "words")
    run = small_language_audit(tmp_path / "run", corpus=doubled, models=4, full=0, checkpoints=0)
    child = byrote.change(run, parse_change("remove-exact-duplicates"), workers=1, progress=False)
    rows = [run.ids.tolist().index(name) for name in child.ids.tolist()]
    np.testing.assert_array_equal(child.design.member, run.design.member[:, rows])
    found = byrote.card(run, child)
    assert {row.name for row in found.rows} >= {"next tokens predicted, texts trained on", "loss on held-out texts"}


def test_what_does_not_fit_is_refused(planted, tmp_path):
    with pytest.raises(BadInput, match="'remove-most-memorized' is not for language models") as refused:
        byrote.change(planted, RemoveMostMemorized(), progress=False)
    names = "fine-tune-on-rest, goldfish, gradient-ascent, gradient-difference, label-smoothing, mask-personal-data"
    assert names in refused.value.hint
    with pytest.raises(BadInput, match="without its corpus and recipe"):
        byrote.change(Run.open(planted.folder), parse_change("goldfish"), progress=False)
    alone = dataclasses.replace(planted, folder=tmp_path / "one")
    alone.corpus = planted.corpus.subset(np.arange(1))
    alone.manifest = dataclasses.replace(planted.manifest, dataset={**planted.manifest.dataset, "heldout_documents": 0})
    with pytest.raises(BadInput, match="leaves 1 documents, too few"):
        byrote.change(alone, parse_change("remove-exact-duplicates"), progress=False)


def test_a_card_of_unlike_runs_is_refused(planted, tmp_path):
    other = make_run(tmp_path / "classifiers")
    with pytest.raises(BadInput, match="only one is of language models"):
        byrote.card(planted, other)
    with pytest.raises(BadInput, match="share no text"):
        byrote.card(planted, small_language_audit(tmp_path / "words"))


def test_a_named_document_is_unlearned_and_what_is_recorded_is_of_the_changed_model(planted, tmp_path):
    name = planted.ids[1]
    asked = {"forget": [str(name)], "out": tmp_path / "child", "workers": 1, "progress": False}
    child = byrote.change(planted, parse_change("gradient-ascent=10,rate=1"), **asked)
    assert child.design.fingerprint() == planted.design.fingerprint()
    assert child.manifest.identity["change"]["forget"]["given"] == 1
    offsets = planted.offsets
    loss = [-run.load("tokens.log_probability", run.models())[0] for run in (planted, child)]
    of = [np.add.reduceat(np.where(planted.load("corpus.scored", [0]), one, 0.0), offsets[:-1]) for one in loss]
    risen = of[1] - of[0]  # nats of whole documents
    assert risen[1] > 5
    assert risen[1] > 2 * np.delete(risen[:6], 1).max()
    assert byrote.change(planted, parse_change("gradient-ascent=10,rate=1"), **asked).folder == child.folder
    row = next(row for row in byrote.card(planted, child).rows if row.name == "loss on held-out texts")
    assert np.isfinite(row.difference.value)


def test_a_change_of_language_models_needs_to_know_what_to_forget(planted, tmp_path):
    with pytest.raises(BadInput, match=r"needs the documents that it is to forget\..*--forget FILE"):
        byrote.change(planted, parse_change("fine-tune-on-rest=1"), out=tmp_path / "child", progress=False)
    with pytest.raises(BadInput, match="are not in the training documents"):
        byrote.change(planted, parse_change("fine-tune-on-rest=1"), forget=["h1"], out=tmp_path / "c", progress=False)
