from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

import byrote
from byrote.analyses.catalog import find_analysis, keep
from byrote.blocks import section_of
from byrote.changes.decoder.ngram_guard import LetterBans, NgramGuard, TokenBans
from byrote.data.canaries import plant
from byrote.data.corpus import corpus_from_texts
from byrote.data.index.normal import folded
from byrote.data.tokenizers import byte_pairs
from byrote.engine.language import audit_language, audit_model
from byrote.errors import BadInput, MissingEvidence, RunMismatch
from byrote.evidence.store import Evidence
from byrote.probes.decoder import Guided
from byrote.report.language_report import write_language_report
from byrote.report.verify import verify
from byrote.results import PerExample
from byrote.runs.run import Run
from documents import SUMMING, small_language_audit, words
from small import small_audit

TEXTS = ["the quick brown fox jumps over the lazy dog", "and then it runs away from all of them again"]
OTHERS = ["the lazy dog jumps over the fox", "it runs and runs"]


def banned(guard: Any, prefix: Sequence[int], vocabulary: int) -> set[int]:
    logits = guard(torch.tensor([list(prefix)]), torch.zeros(1, vocabulary))
    return set(np.flatnonzero(logits.isinf().numpy()[0]).tolist())


def test_tokens_are_banned_that_a_slow_loop_bans() -> None:
    rng = np.random.default_rng(0)
    documents = [rng.integers(0, 5, size) for size in (2, 9, 14)]
    for n in (2, 3, 4):
        guard = TokenBans.of(documents, n)
        grams = {tuple(one[at : at + n].tolist()) for one in documents for at in range(len(one) - n + 1)}
        for _ in range(50):
            prefix = rng.integers(0, 5, rng.integers(1, 8)).tolist()
            slow = {token for token in range(6) if len(prefix) >= n - 1 and (*prefix[1 - n :], token) in grams}
            assert banned(guard, prefix, 6) == slow


def test_letters_are_banned_that_a_slow_loop_bans() -> None:
    rng = np.random.default_rng(1)
    texts = ["".join(rng.choice(list("abAB -c"), 30)) for _ in range(3)]
    pieces = ["", "a", "B", " c", "ab", "-", "CAb", "abcabcab", "?"]
    guard = LetterBans.of(texts, pieces, 4)
    grams = {folded(text)[at : at + 4] for text in texts for at in range(len(folded(text)) - 3)}
    for _ in range(100):
        prefix = rng.integers(0, len(pieces), rng.integers(1, 7)).tolist()
        before = "".join(folded(pieces[token]) for token in prefix)
        slow = set()
        for token, piece in enumerate(pieces):
            whole = before + folded(piece)
            ends = range(max(4, len(before) + 1), len(whole) + 1)
            slow |= {token} if any(whole[end - 4 : end] in grams for end in ends) else set()
        assert banned(guard, prefix, len(pieces)) == slow


def test_capitals_pass_by_tokens_and_not_by_letters() -> None:
    lower, upper = [1, 2, 3, 4], [5, 6, 7, 8]
    pieces = ["", *"abcd", *"ABCD"]
    tokens, letters = TokenBans.of([np.array(lower)], 4), LetterBans.of(["abcd"], pieces, 4)
    assert banned(tokens, lower[:3], 9) == {4}
    assert banned(tokens, upper[:3], 9) == set()
    assert banned(letters, upper[:3], 9) == {4, 8}


def test_what_begins_a_document_is_never_banned_and_nothing_left_is_refused() -> None:
    everything = [np.array([1, token]) for token in range(3)]
    assert banned(TokenBans.of(everything, 2, end=0), [1], 3) == {1, 2}
    with pytest.raises(BadInput, match="bans every token"):
        banned(TokenBans.of(everything, 2), [1], 3)


def test_a_run_of_one_token_is_refused() -> None:
    with pytest.raises(BadInput, match=r"must be at least 2\. Got 1"):
        NgramGuard(1)


def test_reading_token_by_token_gives_what_the_guard_makes_of_every_prefix() -> None:
    guard = TokenBans.of([np.array([1, 2, 3, 4])], 3, end=0)

    class Flat(torch.nn.Module):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return torch.zeros(*inputs.shape, 6)

    rows = torch.tensor([[0, 1, 2, 3], [1, 2, 2, 3]])
    read = Guided(Flat(), guard)(rows)
    for at in range(4):
        assert torch.equal(read[:, at], guard(rows[:, : at + 1], torch.zeros(2, 6)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GPT of somebody else that recites its two texts."""
    pytest.importorskip("transformers", reason="transformers is not installed")
    from foreign import saved, small_gpt

    place = tmp_path_factory.mktemp("gpt") / "model"
    model = small_gpt(place)
    from byrote.recipes.networks.pretrained import load_pretrained

    rows = [torch.tensor([[0, *tokens]]) for tokens in load_pretrained(place).encode(TEXTS)]
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(60):
        optimizer.zero_grad()
        sum(model(input_ids=row, labels=row).loss for row in rows).backward()
        optimizer.step()
    saved(place, model)
    return place


@pytest.fixture(scope="module")
def before(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    corpus = corpus_from_texts(TEXTS, ids=["one", "two"], name="texts")
    heldout = corpus_from_texts(OTHERS, ids=["three", "four"], name="others")
    return audit_model(
        folder, corpus, heldout=heldout, bos=True, generate=(3, 6), contexts=(2, 3), device="cpu", progress=False,
        out=tmp_path_factory.mktemp("read") / "run",
    )  # fmt: skip


@pytest.fixture(scope="module")
def after(before: Run, folder: Path) -> Run:
    return byrote.change(before, NgramGuard(4), model=folder, progress=False)


def said(run: Run) -> np.ndarray:
    result = run.measure("discoverable_extraction[generated]")
    assert isinstance(result, PerExample)
    return result.values[:2]


def test_nothing_of_n_tokens_comes_out_and_the_weights_still_hold_it(before: Run, after: Run) -> None:
    assert said(before).tolist() == [1.0, 1.0]
    assert said(after).tolist() == [0.0, 0.0]
    assert after.folder.name == "run+ngram-guard=4"
    tokens, offsets = before.load("corpus.token", [0]), before.offsets
    ends = pairwise(offsets[:3].tolist())
    grams = {tuple(tokens[at : at + 4].tolist()) for low, high in ends for at in range(low, high - 3)}
    assert grams
    for row, answer in enumerate(after.load("generations.token", [0])[0]):
        whole = [*tokens[offsets[row] : offsets[row] + 3].tolist(), *answer.tolist()]
        if answer[0] >= 0:
            assert not any(tuple(whole[at : at + 4]) in grams for at in range(len(whole) - 3))
    assert not after.load("contexts.reached", [0]).any()
    assert np.isneginf(after.load("decoding.log_probability", [0])[0]).sum() > 10
    for name in ("tokens.log_probability", "tokens.hit"):
        assert np.array_equal(before.load(name, [0]), after.load(name, [0]), equal_nan=True)


def test_the_card_says_what_is_the_same_by_construction(before: Run, after: Run) -> None:
    compared = byrote.card(before, after)
    rows = {row.name: row for row in compared.rows}
    extraction = rows["extraction of texts trained on"]
    assert (extraction.before.value, extraction.after.value) == (1.0, 0.0)
    assert rows["chance of one drawn answer to be the text, texts trained on"].after.value == 0.0
    assert rows["similarity of generated answers to the text, texts trained on"].after.value < 1.0
    assert rows["next tokens that can never come, held-out texts"].before.value == 0.0
    loss = rows["loss on texts trained on"]
    assert loss.verdict == "the same"
    assert loss.remark.startswith("by construction")
    assert not extraction.remark
    assert any("the weights still hold what the decoder blocks" in note for note in compared.notes)


def test_measures_that_read_past_the_guard_are_refused_and_the_report_says_what_is_what(after: Run) -> None:
    for key in ("discoverable_extraction", "probabilistic_extraction", "extraction_strength"):
        with pytest.raises(MissingEvidence, match=r"past the decoder.*discoverable_extraction\[generated\]"):
            after.measure(key)
    drawn = after.measured_on("probabilistic_extraction[decoding]", after.models(), prefix=3, suffix=6)
    assert isinstance(drawn, PerExample)
    assert drawn.values[:2].tolist() == [0.0, 0.0]
    page, found = write_language_report(after)
    assert "gone through a changed decoder" in page.read_text("utf-8")
    assert found.recitation.of_trained == (0, 2)
    assert verify(after) == []


def test_the_guard_is_asked_and_shown_in_blocks(before: Run, after: Run) -> None:
    table = find_analysis("guard").ask(after)
    held, out = table.figures["the weights"], table.figures["behind the decoder"]
    assert (held[0].value, out[0].value) == (1.0, 0.0)
    assert held[1].value > 0.5
    assert out[1].value == 0.0
    log_p = after.load("decoding.log_probability", [0])[0].astype(np.float64)
    heldout = np.repeat([False, False, True, True], np.diff(after.offsets)) & after.load("corpus.scored", [0])
    assert out[3].value == pytest.approx(np.isneginf(log_p)[heldout].mean())
    assert out[4].value == pytest.approx(-log_p[heldout & np.isfinite(log_p)].mean())
    keep(after, "guard", table)
    kinds = [type(block).__name__ for block in section_of("guard").blocks(table)]
    assert kinds == ["Tiles", "Words", "TableBlock", "Words"]
    page, _ = write_language_report(after)
    assert "What the decoder lets out" in page.read_text("utf-8")
    assert verify(after) == []
    with pytest.raises(MissingEvidence, match="no changed decoder"):
        find_analysis("guard").ask(before)


def test_the_same_call_goes_on_and_another_model_is_refused(before: Run, after: Run, folder: Path) -> None:
    stamps = {path: path.stat().st_mtime_ns for path in after.folder.rglob("*.safetensors")}
    Evidence(after.folder / "evidence").path("generations", 0, 0).unlink()
    again = byrote.change(before, NgramGuard(4), model=folder, progress=False)
    changed = {path.parent.name for path, stamp in stamps.items() if path.stat().st_mtime_ns != stamp}
    assert changed == {"generations"}
    assert said(again).tolist() == [0.0, 0.0]
    with pytest.raises(RunMismatch):
        byrote.change(before, NgramGuard(5), model=folder, out=after.folder, progress=False)


def test_a_linked_file_that_is_another_is_found(before: Run, folder: Path, tmp_path: Path) -> None:
    made = byrote.change(before, NgramGuard(4), model=folder, out=tmp_path / "run", progress=False)
    path = made.evidence.path("tokens", 0, 0)
    assert os.path.samefile(path, before.evidence.path("tokens", 0, 0))
    columns = dict(made.evidence.block("tokens", 0, 0))
    columns["log_probability"] = columns["log_probability"] - 1.0
    header = {"diverged": "false"}
    path.unlink()
    Evidence(made.folder / "evidence").write("tokens", 0, 0, columns, header)
    found = {fault.where: fault.problem for fault in verify(Run.open(made.folder))}
    assert found["evidence/tokens/m00000.p0.safetensors"] == "it is not the one that was linked from the run before"
    parent = {**(made.manifest.parent or {}), "linked": {"../../somewhere": "0", "tokens/m00009.p0.safetensors": "0"}}
    replace(made.manifest, parent=parent).write(made.folder)
    found = {fault.where: fault.problem for fault in verify(Run.open(made.folder))}
    for name in parent["linked"]:
        assert found[f"evidence/{name}"] == "it was linked from the run before, and is not there"


def test_letters_are_guarded_through_the_model_s_own_tokenizer(before: Run, folder: Path, tmp_path: Path) -> None:
    made = byrote.change(
        before, NgramGuard(3, normalised=True), model=folder, out=tmp_path / "run", forget=["one"], progress=False
    )
    assert said(made).tolist() == [0.0, 1.0]  # only the first document is guarded
    assert made.manifest.parent is not None
    assert made.manifest.parent["forget"] == ["one"]


def test_models_whose_weights_were_kept_are_guarded_and_others_are_refused(tmp_path: Path) -> None:
    persons = words().replace(groups=np.array([f"person {number // 3}" for number in range(12)]))
    kept = small_language_audit(tmp_path / "kept", corpus=persons, keep_weights=True, generate=(2, 1), checkpoints=0)
    made = byrote.change(kept, NgramGuard(3), progress=False)
    assert made.groups is not None
    assert made.groups.tolist() == [*persons.groups.tolist(), *kept.ids[12:].tolist()]
    token, truth = (made.load(f"generations.{name}", made.models()) for name in ("token", "truth"))
    whole = (truth[:12] >= 0).all(1)
    assert whole.any()
    assert not (token[0, :12][whole] == truth[:12][whole]).all(1).any()
    bare = small_language_audit(tmp_path / "bare", corpus=words(4), checkpoints=0)
    with pytest.raises(BadInput, match="did not keep the weights"):
        byrote.change(bare, NgramGuard(3), progress=False)


def test_a_run_without_a_tokenizer_is_guarded_by_tokens_alone(tmp_path: Path) -> None:
    run = small_language_audit(tmp_path / "run", keep_weights=True, generate=(2, 1), checkpoints=0)
    with pytest.raises(BadInput, match=r"holds no tokenizer\. Hint: ngram-guard=3 "):
        byrote.change(run, NgramGuard(3, normalised=True), progress=False)


def test_other_networks_and_other_changes_beside_it_are_refused(tmp_path: Path, before: Run) -> None:
    run = small_audit(tmp_path / "run", models=4)
    with pytest.raises(BadInput, match="is of other networks"):
        byrote.change(run, NgramGuard(3), progress=False)
    with pytest.raises(BadInput, match="cannot be combined with other changes"):
        byrote.change(before, [NgramGuard(3), byrote.parse_change("weight-decay")], progress=False)
    with pytest.raises(BadInput, match=r"The model of the run .* is not at hand"):
        byrote.change(before, NgramGuard(3), out=tmp_path / "other", progress=False)


@dataclass(frozen=True)
class Mute:
    """A decoder that lets nothing but the token that begins a document out."""

    reads: frozenset[str]
    stage: ClassVar[str] = "decoder"
    name: ClassVar[str] = "mute"

    def apply(self, stage: Any, context: Any) -> Any:
        def decoder(prefix: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
            return torch.where(torch.arange(logits.shape[1]) == 0, logits, logits - 50.0)

        return decoder


def test_a_decoder_can_stand_before_the_search_for_secrets(tmp_path: Path) -> None:
    texts = [f"the {animal} sat on the {place} all day" for animal in ("cat", "dog") for place in ("mat", "hat")]
    made = plant(corpus_from_texts(texts, name="t"), level=1, repeat=(4,), rng=np.random.default_rng(0))
    run = audit_language(
        made.corpus, SUMMING, heldout=made.controls, canaries=made.canaries, length=80, generate=(2, 3),
        tokenizer=byte_pairs(texts, vocabulary=280), workers=1, progress=False, device="cpu", checkpoints=0,
        keep_weights=True, out=tmp_path / "run",
    )  # fmt: skip
    quiet = byrote.change(run, Mute(frozenset({"canaries", "generations"})), progress=False)
    assert quiet.guarded == {"canaries", "generations"}
    before, after = (one.load("canaries.log_perplexity", one.models()) for one in (run, quiet))
    assert (after > before + 50).all()  # bits of several tokens, each 50 nats less likely
    rows = {row.name: row.remark for row in byrote.card(run, quiet).rows}
    assert all(not remark for name, remark in rows.items() if name.startswith("exposure of"))
    with pytest.raises(BadInput, match="that no decoder can change: tokens"):
        byrote.change(run, Mute(frozenset({"tokens"})), out=tmp_path / "other", progress=False)
    with pytest.raises(BadInput, match="says that it changes no evidence"):
        byrote.change(run, Mute(frozenset()), out=tmp_path / "other", progress=False)
    with pytest.raises(BadInput, match="is one behind a changed decoder"):
        byrote.change(quiet, NgramGuard(3), progress=False)
