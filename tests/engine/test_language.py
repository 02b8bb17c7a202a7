from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import byrote.runs.run
from byrote.analyses.blind_baseline import blind_baseline
from byrote.analyses.membership import membership_attack
from byrote.data.corpus import corpus_from_texts
from byrote.engine import choose, division, language_job, language_training, reading
from byrote.engine import documents as shown
from byrote.engine.language import audit_forgetting, audit_language, audit_model, held_together
from byrote.errors import BadInput, MissingEvidence, RunMismatch
from byrote.evidence.shards import read_shard
from byrote.measures.catalog import catalog
from byrote.probes.decoding import Decoding
from byrote.recipes.networks.pretrained import Pretrained
from byrote.recipes.objectives.next_token import NextToken
from byrote.report.redact import forget_contents, holdings
from byrote.report.verify import verify
from byrote.runs.run import Run
from documents import ALONE, LOOK_UP, SUMMING, Bigrams, Spoiled, Summing, letters, numbers, small_language_audit, words
from small import shards

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def audited(tmp_path_factory) -> Run:
    return small_language_audit(tmp_path_factory.mktemp("language") / "run", checkpoints=3)


def test_a_run_holds_what_measures_ask_for(audited):
    models = audited.models()
    assert audited.design.member.tolist() == [[1] * 12 + [0] * 6]
    tokens, offsets = audited.load("corpus.token", models), audited.load("corpus.offsets", models)
    assert offsets[-1] == len(tokens) == audited.load("tokens.hit", models).shape[1]
    assert audited.load("document_trajectory.epochs", models).tolist() == [0, 1, 3]
    total = audited.load("tokens.hit", models)[0]
    last = audited.load("document_trajectory.hits", models)[0, -1]
    np.testing.assert_array_equal(last, np.add.reduceat(total, offsets[:-1], dtype=int))
    assert audited.manifest.dataset["heldout_documents"] == 6
    assert audited.corpus is not None


def test_a_block_of_documents_brings_their_tokens(audited):
    models, some = audited.models(), slice(3, 7)
    offsets = audited.load("corpus.offsets", models)
    span = slice(int(offsets[3]), int(offsets[7]))
    for name in ("tokens.log_probability", "tokens.rank", "corpus.token", "corpus.scored"):
        whole = audited.load(name, models)
        np.testing.assert_array_equal(audited.load(name, models, some), whole[..., span])
    np.testing.assert_array_equal(audited.load("corpus.offsets", models, some), offsets[3:8] - offsets[3])
    whole = audited.load("document_trajectory.hits", models)
    np.testing.assert_array_equal(audited.load("document_trajectory.hits", models, some), whole[..., some])


RECORDED = {"tokens", "corpus", "design", "generations"}
BY_EXAMPLE = [
    key
    for key, entry in catalog().items()
    if entry.by_example
    and {need.split(".")[0] for need in entry.needs} <= {"tokens", "corpus", "design", "generations"}
]


@pytest.fixture(scope="module")
def paired(tmp_path_factory) -> Run:
    folder = tmp_path_factory.mktemp("pairs") / "run"
    return small_language_audit(folder, models=4, full=0, checkpoints=0, generate=(3, 2))


@pytest.mark.parametrize("key", BY_EXAMPLE)
def test_blocks_of_documents_equal_the_whole(paired, monkeypatch, key):
    whole = Run.open(paired.folder).measured_on(key, paired.models())
    monkeypatch.setattr(byrote.runs.run, "BLOCK_BYTES", 8 * 4 * len(catalog()[key].needs) * 7)
    again = Run.open(paired.folder)
    assert len(list(again._blocks(catalog()[key], paired.models(), {}))) > 1
    blocks = again.measured_on(key, paired.models())
    for name in ("values", "stderr", "low", "high", "reason_code"):
        np.testing.assert_allclose(getattr(blocks, name), getattr(whole, name), rtol=1e-12, atol=1e-15, err_msg=name)


def test_the_same_call_does_nothing_and_another_is_refused(audited):
    before = {path: path.stat().st_mtime_ns for path in audited.folder.rglob("*.safetensors")}
    small_language_audit(audited.folder, checkpoints=3)
    assert before == {path: path.stat().st_mtime_ns for path in audited.folder.rglob("*.safetensors")}
    with pytest.raises(RunMismatch, match="seed was 0, now 1"):
        small_language_audit(audited.folder, checkpoints=3, seed=1)


def test_a_damaged_shard_is_made_again(tmp_path):
    run = small_language_audit(tmp_path)
    kept = shards(tmp_path)
    for kind in ("tokens", "corpus"):
        path = run.evidence.path(kind, 0, 0)
        path.write_bytes(path.read_bytes()[:-3])
    small_language_audit(tmp_path)
    assert shards(tmp_path) == kept


def test_a_training_goes_on_where_it_stopped(tmp_path, monkeypatch):
    small_language_audit(tmp_path / "whole")
    monkeypatch.setattr(language_training, "KEEP_SECONDS", -1.0)
    real, steps = shown.batch_of, []

    def failing(*rows):
        steps.append(len(rows))
        if len(steps) == 10:
            raise KeyboardInterrupt
        return real(*rows)

    monkeypatch.setattr(shown, "batch_of", failing)
    with pytest.raises(KeyboardInterrupt):
        small_language_audit(tmp_path / "cut")
    assert (tmp_path / "cut/evidence/unfinished/m00000.safetensors").exists()
    done = len(steps)
    small_language_audit(tmp_path / "cut")
    assert len(steps) - done <= 4  # the epoch that was cut, and no earlier one
    assert not list((tmp_path / "cut/evidence/unfinished").iterdir())
    assert shards(tmp_path / "cut") == shards(tmp_path / "whole")


def test_weights_stay_until_the_last_reading_is_complete(tmp_path, monkeypatch):
    small_language_audit(tmp_path / "whole", models=4)
    assert not (tmp_path / "whole/evidence/weights").exists()
    real = language_job.read_network

    def stopped(*args, **options):
        if args[1].models == (2,):
            raise KeyboardInterrupt
        real(*args, **options)

    monkeypatch.setattr(language_job, "read_network", stopped)
    with pytest.raises(KeyboardInterrupt):
        small_language_audit(tmp_path / "cut", models=4)
    assert [path.name for path in (tmp_path / "cut/evidence/weights").iterdir()] == ["m00002.p0.safetensors"]
    monkeypatch.setattr(language_job, "read_network", real)
    trained = []
    train = language_job.train_language_models

    def noted(job, models, told, *, stacked):
        trained.extend(models)
        return train(job, models, told, stacked=stacked)

    monkeypatch.setattr(language_job, "train_language_models", noted)
    run = small_language_audit(tmp_path / "cut", models=4)
    assert trained == [3, 4]  # the last of the pairs and the one of all documents
    assert not (tmp_path / "cut/evidence/weights").exists()
    assert "weights" not in run.manifest.evidence
    assert shards(tmp_path / "cut") == shards(tmp_path / "whole")


def test_weights_are_kept_where_that_is_asked_for_and_in_runs_that_have_them(tmp_path):
    small_language_audit(tmp_path / "without", models=4)
    kept = small_language_audit(tmp_path / "kept", models=4, keep_weights=True)
    weights = {path.name: path.read_bytes() for path in (tmp_path / "kept/evidence/weights").iterdir()}
    assert len(weights) == 5
    network = Summing(27)
    network.load_state_dict({name: torch.from_numpy(one) for name, one in kept.evidence.block("weights", 0, 0).items()})
    with pytest.raises(RunMismatch, match="keep_weights"):
        small_language_audit(tmp_path / "without", models=4, keep_weights=True)
    manifest = tmp_path / "kept/manifest.json"  # as version 0.1.0 wrote it: weights without having been asked for
    held = json.loads(manifest.read_text())
    del held["identity"]["keep_weights"], held["checksum"], held["tables"], held["id"]
    manifest.write_text(json.dumps(held))
    kept.evidence.path("tokens", 1, 0).unlink()
    small_language_audit(tmp_path / "kept", models=4)
    assert {path.name: path.read_bytes() for path in (tmp_path / "kept/evidence/weights").iterdir()} == weights
    assert shards(tmp_path / "kept").items() >= shards(tmp_path / "without").items()


KILLED = """
import sys, time
sys.path.insert(0, {tests!r})
import torch
torch.set_num_threads(1)
import byrote.runs.run
from byrote.engine import documents as shown
from byrote.engine import language_training
from documents import SUMMING, small_language_audit
import dataclasses
language_training.KEEP_SECONDS = -1.0
real = shown.batch_of
def slow(*rows):
    time.sleep(0.02)
    return real(*rows)
shown.batch_of = slow
small_language_audit({out!r}, recipe=dataclasses.replace(SUMMING, epochs=6))
"""


@pytest.mark.slow
def test_a_killed_audit_resumes(tmp_path):
    out = tmp_path / "run"
    process = subprocess.Popen([sys.executable, "-c", KILLED.format(tests=str(ROOT), out=str(out))])
    for _ in range(600):
        if list(out.rglob("unfinished/*.safetensors")) or process.poll() is not None:
            break
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    recipe = dataclasses.replace(SUMMING, epochs=6)
    small_language_audit(out, recipe=recipe)
    small_language_audit(tmp_path / "whole", recipe=recipe)
    assert shards(out) == shards(tmp_path / "whole")


def test_what_is_done_by_part_is_what_is_done_at_once(tmp_path, monkeypatch):
    corpus = words()
    torch.manual_seed(0)
    model = Pretrained(
        name="m", network=Summing(27), encode=lambda texts: [[ord(c) - 96 for c in t] for t in texts], bos=0,
        vocabulary=27, context=16, digest="d",
    )  # fmt: skip
    plain = corpus.replace(texts=corpus.texts)
    audit_model(model, plain, out=tmp_path / "whole", progress=False, device="cpu")
    monkeypatch.setattr(reading, "PART_TOKENS", 20)
    run = audit_model(model, plain, out=tmp_path / "parts", progress=False, device="cpu")
    whole, parts = shards(tmp_path / "whole"), shards(tmp_path / "parts")
    assert whole.keys() == parts.keys()
    one = read_shard(tmp_path / "whole/evidence/tokens/m00000.p0.safetensors")
    other = read_shard(tmp_path / "parts/evidence/tokens/m00000.p0.safetensors")
    for name, column in one.items():
        np.testing.assert_allclose(other[name], column, rtol=1e-5, atol=1e-6)
    assert run.manifest.origin == "observed"
    assert run.design.member.tolist() == [[1] * 12]


def test_a_lookup_table_knows_what_it_was_shown_and_nothing_else(tmp_path):
    """Every document has bigrams of its own but for [1, 2], which half of them share.

    A table predicts a bigram if and only if it was shown it: M(f) is 1, 0 on other documents but for what is shared.
    """
    documents = [[5 * i + 3, 5 * i + 4, 5 * i + 5] + ([1, 2] if i % 2 else [5 * i + 6, 5 * i + 7]) for i in range(8)]
    corpus = numbers(documents, 50)
    settings = {"length": 8, "workers": 1, "progress": False, "device": "cpu", "seed": 3}
    run = audit_language(corpus, LOOK_UP, models=8, full=1, out=tmp_path / "a", **settings)
    member = run.design.member[:8]
    hit = run.load("tokens.hit", run.models()).reshape(8, 8, 5)
    for model in range(8):
        shares = any(member[model, i] for i in range(1, 8, 2))
        for i in range(8):
            known = [False, *[bool(member[model, i])] * 4]
            if i % 2:
                known[4] = shares
            np.testing.assert_array_equal(hit[model, i], known)
    found = run.measure("counterfactual_memorization")
    own = np.where(np.arange(8) % 2, 3 / 4, 1.0)
    helped = [[any(member[m, j] for j in range(1, 8, 2)) for m in range(8) if not member[m, i]] for i in range(8)]
    expected = own + (np.arange(8) % 2) / 4 * np.array([1 - np.mean(row) for row in helped])
    np.testing.assert_allclose(found.values, expected)
    assert run.measure("exact_memorization", role="full").value == 1.0
    assert run.measure("exact_memorization").value == 1.0
    seen, null = (run.measure("discoverable_extraction", prefix=1, suffix=4, side=side).values for side in (1, 0))
    np.testing.assert_array_equal(seen, 1)
    np.testing.assert_array_equal(null, 0)
    strength = run.measure("extraction_strength")
    np.testing.assert_array_equal(strength.values, 4 / 5)  # nothing predicts the first token


def test_persons_stay_whole_in_the_run_and_no_one_names_them_once_they_are_forgotten(tmp_path):
    """Twelve persons with letters of their own and five documents each: random halves that no words tell."""
    rng = np.random.default_rng(0)
    own = [rng.choice(list("abcdefghijklmnopqrst"), 4, replace=False) for _ in range(12)]
    texts = ["".join(rng.choice(own[number // 5], 12)) for number in range(60)]
    names = [f"Zoe {number // 5} Quick" for number in range(60)]
    corpus = letters(texts, name="persons", ids=[f"d{number}" for number in range(60)], groups=names)
    heldout = letters(["uvwxuvwx", "yzyzxyzx"], name="others", ids=["h0", "h1"], groups=["Abel Stone"] * 2)
    run = small_language_audit(
        tmp_path, corpus=corpus, heldout=heldout, recipe=LOOK_UP, models=4, full=0, checkpoints=0, generate=None
    )
    assert Run.open(tmp_path).groups.tolist() == [*names, "Abel Stone", "Abel Stone"]
    assert membership_attack(run, by="group", draws=2).examples == 12
    told = blind_baseline(run).figures["auc"][0]
    assert told.low < 0.5 < told.high
    left = forget_contents(Run.open(tmp_path))
    assert left.groups[0] == left.groups[4] != left.groups[5]
    assert holdings(left) == []
    held = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"Quick" not in held
    assert b"Abel" not in held


def test_near_duplicates_are_in_the_same_half(tmp_path):
    texts = [f"the {w} fox jumps over the lazy {w} dog by the {w} river again" for w in "abcdefgh"]
    texts += [texts[0], texts[1]]
    corpus = corpus_from_texts(texts, name="copies")
    assert held_together(corpus).tolist()[8:] == held_together(corpus).tolist()[:2]
    run = audit_language(
        corpus, SUMMING, models=4, full=0, out=tmp_path, length=8, workers=1, progress=False, device="cpu",
        checkpoints=0, heldout=corpus_from_texts(["nothing of it"], ids=["h"]),
    )  # fmt: skip
    member = run.design.member
    np.testing.assert_array_equal(member[:, 8:10], member[:, :2])
    assert (member[:, 10] == 0).all()
    assert (member[0::2, :10] + member[1::2, :10] == 1).all()
    assert (run.folder / "tokenizer.json").exists()


STACKED = {
    "device": "cpu",
    "threads": 1,
    "reason": "two at a time",
    "blocks": [{"models": list(pair), "stacked": True, "compiled": False} for pair in ((0, 1), (2, 3))],
}


def quantities(run: Run) -> dict[str, np.ndarray]:
    """All numbers of a run by shard and name."""
    paths = sorted((run.folder / "evidence").rglob("*.safetensors"))
    return {f"{path.parent.name}/{path.name} {name}": one for path in paths for name, one in read_shard(path).items()}


def test_stacked_models_say_what_those_of_the_loop_say_and_go_on_after_a_stop(tmp_path, monkeypatch):
    settings = {"models": 4, "full": 0, "checkpoints": 3, "keep_weights_at": "checkpoints", "generate": (3, 2)}
    alone = small_language_audit(tmp_path / "alone", **settings)
    stacked = small_language_audit(tmp_path / "stacked", executor=STACKED, **settings)
    one, other = quantities(alone), quantities(stacked)
    assert one.keys() == other.keys()
    for name, array in one.items():
        np.testing.assert_allclose(other[name], array, rtol=1e-4, atol=1e-4, err_msg=name)
    monkeypatch.setattr(language_training, "KEEP_SECONDS", -1.0)
    keep = language_training.keep

    def stopping(*given):
        keep(*given)
        if given[1] == (2, 3) and given[3].epoch == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(language_training, "keep", stopping)
    with pytest.raises(KeyboardInterrupt):
        small_language_audit(tmp_path / "cut", executor=STACKED, **settings)
    monkeypatch.setattr(language_training, "keep", keep)
    assert [path.name for path in (tmp_path / "cut/evidence/unfinished").iterdir()] == ["m00002.safetensors"]
    again = small_language_audit(tmp_path / "cut", **settings)  # the manifest knows the blocks
    assert again.manifest.executor == STACKED
    assert shards(again.folder) == shards(stacked.folder)


@pytest.mark.slow
@pytest.mark.parametrize("executor", [ALONE, STACKED], ids=["loop", "stack"])
def test_models_in_a_pool_are_those_made_here(tmp_path, executor):
    settings = {"models": 4, "full": 0, "checkpoints": 2, "executor": executor}
    small_language_audit(tmp_path / "here", **settings)
    small_language_audit(tmp_path / "pool", **settings, workers=2)
    assert shards(tmp_path / "here") == shards(tmp_path / "pool")


def test_the_way_of_training_is_found_by_trying_both(tmp_path, monkeypatch):
    monkeypatch.setattr(choose, "_seconds", lambda _learner, models, *_: {1: 1.0}.get(models, 0.5))
    short = small_language_audit(tmp_path / "short", models=6, full=2, executor=None, checkpoints=0)
    assert "blocks" not in short.manifest.executor
    assert short.manifest.executor["reason"].endswith("too short to try out another way")
    monkeypatch.setattr(division, "WORTH_TRYING", 0)
    run = small_language_audit(tmp_path / "tried", models=6, full=2, executor=None, checkpoints=0)
    assert run.manifest.executor["reason"] == "6 models at once: 2.0 times as fast as one at a time"
    blocks = run.manifest.executor["blocks"]
    assert [(tuple(block["models"]), block["stacked"]) for block in blocks] == [
        ((0, 1, 2, 3, 4, 5), True),
        ((6, 7), True),
    ]
    assert verify(run) == []


class Normed(Summing):
    """Mixes the rows of a batch, and those that only fill it up."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__(vocabulary)
        self.norm = nn.BatchNorm1d(vocabulary)

    def forward(self, inputs):
        return self.norm(super().forward(inputs).flatten(0, 1)).reshape(*inputs.shape, -1)


@dataclasses.dataclass(frozen=True)
class NormedSlot:
    def build(self, inputs, classes):
        return Normed(classes)


def test_a_network_that_mixes_rows_is_trained_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(division, "WORTH_TRYING", 0)
    recipe = dataclasses.replace(SUMMING, network=NormedSlot())
    run = small_language_audit(tmp_path / "run", recipe=recipe, models=4, full=0, executor=None, checkpoints=0)
    assert "a torch.nn.BatchNorm1d, which would mix rows" in run.manifest.executor["reason"]
    assert not any(block["stacked"] for block in run.manifest.executor["blocks"])


@pytest.mark.slow
def test_models_read_on_a_second_core_are_those_read_on_one(tmp_path):
    small_language_audit(tmp_path / "one", checkpoints=3)
    small_language_audit(tmp_path / "two", checkpoints=3, workers=2)
    assert shards(tmp_path / "one") == shards(tmp_path / "two")


def test_decoding_is_recorded_where_it_is_asked_for(tmp_path):
    run = small_language_audit(tmp_path / "without")
    key, sizes = "probabilistic_extraction[decoding]", {"prefix": 1, "suffix": 2}
    with pytest.raises(MissingEvidence) as missing:
        run.measure(key, **sizes)
    assert "--probe decoding" in missing.value.hint
    run = small_language_audit(tmp_path / "with", decoding=Decoding(top_k=2))
    cut, whole = (run.measure(name, **sizes).values for name in (key, "probabilistic_extraction"))
    said = run.load("decoding.log_probability", run.models())
    assert ((said == -np.inf) == (run.load("tokens.rank", run.models()) > 2)).all()
    assert (cut[cut > 0] >= whole[cut > 0]).all()
    with pytest.raises(RunMismatch, match="decoding"):
        small_language_audit(tmp_path / "with")


def test_forgetting_follows_an_injection(tmp_path):
    run = audit_forgetting(
        words(), SUMMING, words(8, seed=2, name="special"), heldout=words(3, seed=1, name="others"), models=6,
        before=1, after=8, out=tmp_path, length=16, workers=1, progress=False, device="cpu",
    )  # fmt: skip
    assert [phase.epochs for phase in run.design.phases] == [1, 1, 8]
    assert (run.design.member[:, 20:] == 0).all()
    assert run.load("design.withdrawn", run.models())[:, 12:20].sum(1).tolist() == [4] * 6
    assert run.load("first_document_phase.hits_before", run.models()).shape == (6, 23)
    curve = run.measure("forgetting_baseline[curve]")
    assert curve.at[0] == 0
    assert np.isfinite(curve.values).all()


class Looking(nn.Module):
    """Not causal: what it says of a token depends on the whole row."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(27, 27)

    def forward(self, inputs):
        return self.embedding(inputs) + self.embedding(inputs).mean(1, keepdim=True)


class Short(nn.Module):
    def forward(self, inputs):
        return torch.zeros(*inputs.shape, 5)


def observed(network: nn.Module, *, vocabulary: int = 27) -> Pretrained:
    return Pretrained(
        name="model", network=network, encode=lambda texts: [[ord(c) - 96 for c in text] for text in texts], bos=0,
        vocabulary=vocabulary, context=16, digest="of it",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (observed(Looking()), "The network is not causal"),
        (observed(Short()), r"must give 27 logits per token, one for each token of the vocabulary. Got \(5,\)"),
        (observed(Bigrams(3), vocabulary=3), "The tokenizer does not fit the model: it gives the token 8"),
    ],
)
def test_models_that_do_not_fit_are_refused(model, sentence, tmp_path):
    with pytest.raises(BadInput, match=sentence):
        audit_model(model, corpus_from_texts(["abc", "gh"]), out=tmp_path, progress=False, device="cpu")
    assert not list(tmp_path.rglob("manifest.json"))


def test_logits_that_are_not_finite_are_refused_and_nothing_is_kept(tmp_path):
    table = Bigrams(27)
    with torch.no_grad():
        table.table[:3] = torch.inf
    with pytest.raises(BadInput, match=r"The model 'model' gives logits that are not finite, for 4 of 5 tokens"):
        audit_model(observed(table), corpus_from_texts(["abcd", "f"]), out=tmp_path, progress=False, device="cpu")
    assert not list(tmp_path.rglob("evidence/tokens/*"))
    with torch.no_grad():
        table.table[:3] = 0
    audit_model(observed(table), corpus_from_texts(["abcd", "f"]), out=tmp_path, progress=False, device="cpu")


def test_what_diverges_is_left_out(tmp_path):
    wild = dataclasses.replace(LOOK_UP, network=Spoiled())
    heard = []

    class Ear:
        def say(self, sentence):
            heard.append(sentence)

        def start(self, models, done, seconds): ...
        def advance(self, models_done, error): ...
        def stop(self): ...

    run = small_language_audit(tmp_path, recipe=wild, progress=Ear(), corpus=letters(["aba", "abb"], name="w"))
    assert run.diverged() == (0,)
    assert any("diverged" in sentence for sentence in heard)
    small_language_audit(tmp_path, recipe=wild, corpus=letters(["aba", "abb"], name="w"))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"heldout": words()}, "12 held-out documents stand in the training corpus 'words', too"),
        ({"length": 1}, "'length' argument of audit_language must be at least 2"),
        ({"models": 5}, "even number of models"),
        ({"models": 2}, "must be at least 4"),
        ({"heldout": corpus_from_texts(["x"], ids=["x"])}, "must both be with tokens"),
    ],
)
def test_bad_input_is_refused(changes, sentence, tmp_path):
    with pytest.raises(BadInput, match=sentence):
        small_language_audit(tmp_path / "run", **changes)
    assert not (tmp_path / "run").exists()


def test_objectives_of_classifiers_are_not_those_of_language():
    assert isinstance(SUMMING.objective, NextToken)
