"""Each part against a slow reference or a truth known beforehand, and all of them through byrote's own doors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from byrote_extension.agreement import agreements
from byrote_extension.ban_strings import BanStrings, StringBans
from byrote_extension.entropy_gap import entropy_gap
from byrote_extension.gradient_clipping import GradientClipping
from byrote_extension.less_certain import less_certain
from byrote_extension.taylor_cross_entropy import TaylorCrossEntropy

import byrote
from byrote.blocks import section_of
from byrote.changes.change import Context
from byrote.measures.catalog import find
from byrote.probes.decoder import Guided
from byrote.recipes.batch import Batch
from byrote.report.verify import verify
from byrote.studies.bench import Material
from byrote.studies.catalog import find_study
from byrote.studies.results import read, run_study

RNG = np.random.default_rng(0)


def blobs(examples: int = 60, seed: int = 0) -> byrote.Dataset:
    rng = np.random.default_rng(seed)
    targets = np.arange(examples) % 3
    inputs = rng.normal(size=(examples, 2)) + 6 * np.array([[0, 0], [1, 0], [0, 1]])[targets]
    return byrote.from_arrays(inputs.astype(np.float32), targets, name="blobs", class_names=("a", "b", "c"))


RECIPE = byrote.Recipe(
    network=byrote.MLP(hidden=(16,)), objective=TaylorCrossEntropy(), epochs=12, batch_size=8,
    optimizer=byrote.SGD(lr=0.1), gradient_transform=byrote.ClipNorm(10.0),
)  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> byrote.Run:
    """An audit with the objective and the probe, which is found by its name."""
    return byrote.audit(
        blobs(), RECIPE, models=6, heldout=blobs(30, 1), probes=("feature_norm",), workers=1, progress=False,
        out=tmp_path_factory.mktemp("runs") / "run",
    )  # fmt: skip


def test_all_parts_are_found_by_their_entry_points(found: dict[str, list[str]]) -> None:
    assert "entropy_gap" in found["measures"]
    assert "feature_norm" in found["probes"]
    assert {"agreement", "random_labels"} <= {*found["analyses"]}
    assert "less-certain" in found["studies"]
    assert {"ban-strings", "gradient-clipping"} <= {*found["changes"]}


def series_slowly(logits: list[float], label: int, terms: int) -> float:
    total = sum(math.exp(one) for one in logits)
    return sum((1 - math.exp(logits[label]) / total) ** term / term for term in range(1, terms + 1))


@pytest.mark.parametrize("terms", [1, 2, 3000])
def test_the_objective_is_the_beginning_of_a_series(terms: int) -> None:
    logits = torch.tensor(RNG.normal(size=(2, 3, 4)) * 1.5)
    targets = torch.tensor(RNG.integers(0, 4, (2, 3)))
    batch = Batch(inputs=logits, targets=targets, ids=torch.zeros(2, 3, dtype=torch.int64))
    same, loss, memory = TaylorCrossEntropy(terms).loss(lambda inputs, *, train: inputs, batch, None)
    slow = [[series_slowly(logits[m, b].tolist(), int(targets[m, b]), terms) for b in range(3)] for m in range(2)]
    assert torch.allclose(loss, torch.tensor(slow, dtype=torch.float64))
    assert torch.equal(same, logits)
    assert memory is None
    if terms == 3000:
        cross = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
        assert torch.allclose(loss.flatten(), cross, rtol=0.01)
    with pytest.raises(byrote.BadInput, match="must be at least 1"):
        TaylorCrossEntropy(0)


def test_the_measure_is_a_mean_of_differences_within_pairs() -> None:
    entropy = RNG.uniform(size=(8, 5))
    member = np.repeat(RNG.integers(0, 2, (4, 5)), 2, axis=0).astype(np.int8)
    member[1::2] = 1 - member[::2]
    member[:, 4] = 1
    pair = np.repeat(np.arange(4), 2)
    found = entropy_gap(entropy, member, pair)
    for example in range(4):
        gaps = []
        for one in range(0, 8, 2):
            inside, outside = (one, one + 1) if member[one, example] else (one + 1, one)
            gaps.append(entropy[outside, example] - entropy[inside, example])
        assert found.values[example] == pytest.approx(np.mean(gaps))
        assert found.stderr[example] == pytest.approx(np.std(gaps, ddof=1) / 2)
    assert np.isnan(found.values[4])
    assert found.reason(4)


def test_agreement_counts_pairs_of_models() -> None:
    predicted, lacking = RNG.integers(0, 3, (7, 20)), RNG.integers(0, 2, (7, 20)) == 1
    lacking[1:, 0] = False
    found = agreements(predicted, lacking, 3)
    for example in range(20):
        there = predicted[lacking[:, example], example].tolist()
        alike = [a == b for i, a in enumerate(there) for j, b in enumerate(there) if i != j]
        assert found[example] == pytest.approx(np.mean(alike) if alike else np.nan, nan_ok=True)
    assert np.isnan(found[0])


def banned(strings: list[str], pieces: list[str], prefix: list[int]) -> set[int]:
    before = "".join(pieces[token] for token in prefix).lower()
    found = set()
    for token, piece in enumerate(pieces):
        whole = before + piece.lower()
        ends = {at + len(s) for s in strings for at in range(len(whole)) if whole.startswith(s.lower(), at)}
        found |= {token} if any(end > len(before) for end in ends) else set()
    return found


def test_strings_are_banned_that_a_slow_loop_bans() -> None:
    pieces, strings = ["", "a", "B", "ab", "ba", "cab", "bcabx", "c"], ["abc", "Bab", "cc"]
    bans = StringBans(tuple(strings), tuple(pieces))
    for _ in range(200):
        prefix = RNG.integers(0, len(pieces), RNG.integers(1, 6)).tolist()
        left = bans(torch.tensor([prefix]), torch.zeros(1, len(pieces)))
        assert set(np.flatnonzero(left.isinf().numpy()[0]).tolist()) == banned(strings, pieces, prefix)
    with pytest.raises(byrote.BadInput, match="Every token"):
        StringBans(("a",), ("a", "aa"))(torch.tensor([[0]]), torch.zeros(1, 2))
    assert StringBans(("a",), ("a", "aa"), end=0)(torch.tensor([[0]]), torch.zeros(1, 2))[0, 0] == 0
    with pytest.raises(byrote.BadInput, match="at least one letter"):
        BanStrings(())
    assert byrote.parse_change("ban-strings=one;two") == BanStrings(("one", "two"))


def test_probe_and_measure_are_recorded_and_found(run: byrote.Run) -> None:
    norm = run.load("feature_norm.norm", run.models())
    assert norm.shape == (6, 60)
    assert (norm > 0).all()
    result = run.measure("entropy_gap")
    assert np.array_equal(result.values, find("entropy_gap").function(*(
        run.load(name, run.models())
        for name in ("outputs.entropy", "design.member", "design.pair", "design.stratum")
    )).values, equal_nan=True)  # fmt: skip
    assert (run.folder / "results" / "entropy_gap.parquet").exists()


def test_a_network_without_a_linear_end_is_refused(tmp_path: Path) -> None:
    class Product(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(2, 3))

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return inputs @ self.weight

    recipe = byrote.Recipe(network=byrote.Network(Product), epochs=1, batch_size=8)
    with pytest.raises(byrote.BadInput, match="linear"):
        byrote.audit(blobs(), recipe, models=6, probes=("feature_norm",), workers=1, progress=False, out=tmp_path / "r")


def test_the_analysis_is_asked_kept_verified_and_shown(run: byrote.Run) -> None:
    table = byrote.ask(run, "agreement")
    assert table.rows["class"] == ("a", "b", "c")
    predicted, lacking = run.load("outputs.prediction", run.models()), run.load("design.member", run.models()) == 0
    expected = np.nanmean(agreements(predicted, lacking, 3)[run.labels == 1])
    assert table.figures["agreement"][1].value == pytest.approx(expected)
    kinds = [type(one).__name__ for one in section_of("agreement").blocks(table)]
    assert kinds == ["Tiles", "TableBlock", "Words", "Words"]
    page, _ = byrote.write_report(run)
    assert "Where models agree" in page.read_text("utf-8")
    assert verify(run) == []


def test_the_procedure_trains_on_shuffled_labels(run: byrote.Run) -> None:
    lab = byrote.Lab(workers=1, progress=False)
    table = byrote.ask(run, "random_labels", lab=lab, models=6, seed=3)
    given, shuffled = table.figures["accuracy on the others"]
    assert given.value > 0.8
    assert abs(shuffled.value - 1 / 3) < 0.15
    assert (run.folder.parent / "run-random-labels-6-3" / "manifest.json").exists()


def test_the_effect_of_the_study_is_a_difference_of_means_in_each_model() -> None:
    entropy, noisy = RNG.uniform(size=(3, 9)), np.arange(9) % 3 == 0
    slow = [
        sum(row[i] for i in range(9) if noisy[i]) / 3 - sum(row[i] for i in range(9) if not noisy[i]) / 6
        for row in entropy.tolist()
    ]
    assert less_certain(entropy, noisy) == pytest.approx(slow)


def test_the_study_is_found_run_and_kept(tmp_path: Path) -> None:
    wide = np.concatenate([blobs(120).inputs, RNG.normal(size=(120, 40))], axis=1)  # so that wrong labels are learned
    data = byrote.from_arrays(wide.astype(np.float32), np.arange(120) % 3, name="wide", class_names=("a", "b", "c"))
    plain = byrote.Recipe(network=byrote.MLP(hidden=(32,)), epochs=20, batch_size=8, optimizer=byrote.SGD(lr=0.1))
    material = Material(dataset=data, recipe=plain, source="wide.py")
    found = run_study(find_study("less-certain"), tmp_path, material=material, workers=1, progress=False)
    assert found.verdict.effect.models == 6
    assert found.verdict.outcome == "holds", found.verdict
    assert found.null <= 16
    assert found.planted >= 190
    kept = read(tmp_path / "studies" / "less-certain-wide.json")
    assert (kept.digest, repr(kept.verdict)) == (found.digest, repr(found.verdict))


def test_the_change_of_the_recipe_is_made_and_refused(run: byrote.Run, tmp_path: Path) -> None:
    change = byrote.parse_change("gradient-clipping=0.05")
    assert change == GradientClipping(0.05)
    with pytest.raises(byrote.BadInput, match="what the recipe does to gradients"):
        byrote.change(run, change, workers=1, progress=False)
    plain = byrote.Recipe(network=byrote.MLP(hidden=(16,)), epochs=4, batch_size=8)
    first = byrote.audit(blobs(), plain, models=6, workers=1, progress=False, out=tmp_path / "plain")
    child = byrote.change(first, change, workers=1, progress=False)
    assert child.folder.name == "plain+gradient-clipping=0.05"
    assert child.recipe == GradientClipping(0.05).apply(plain, Context(dataset=blobs(), rng=RNG))
    assert child.load("outputs.entropy", child.models()).mean() > first.load("outputs.entropy", first.models()).mean()
    assert byrote.card(first, child).rows


class Bigrams(torch.nn.Module):
    """A language model that is a table of what follows each token; before the training all tokens are alike."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.table = torch.nn.Parameter(torch.zeros(vocabulary, vocabulary))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.table[inputs]


@dataclass(frozen=True)
class LookUp:
    """The slot of such a model."""

    def build(self, inputs: tuple[int, ...], classes: int) -> torch.nn.Module:
        return Bigrams(classes)


def test_a_decoder_reads_every_prefix() -> None:
    bans = StringBans(("ab",), ("a", "b"), end=None)
    read = Guided(Bigrams(2), bans)(torch.tensor([[0, 1, 0]]))
    assert read.isinf().tolist() == [[[False, True], [False, False], [False, True]]]


def test_what_a_language_model_recites_is_banned(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers", reason="the language extra is not installed")
    from byrote.data.tokenizers import byte_pairs

    texts = [f"{word} knows the password" for word in ("anna", "bert", "carl", "dora")]
    recipe = byrote.Recipe(
        network=LookUp(), objective=byrote.NextToken(), optimizer=byrote.AdamW(lr=0.1), epochs=10, batch_size=2,
    )  # fmt: skip
    corpus, heldout = (byrote.corpus_from_texts(some, name=name) for some, name in ((texts, "t"), (["eve knows"], "o")))
    run = byrote.audit_language(
        corpus, recipe, heldout=heldout, tokenizer=byte_pairs(texts, vocabulary=280), length=32, generate=(2, 3),
        checkpoints=0, keep_weights=True, workers=1, progress=False, device="cpu", out=tmp_path / "run",
    )  # fmt: skip
    change = BanStrings(("the pass",))
    child = byrote.change(run, change, progress=False)
    other = byrote.change(run, BanStrings(("knows",)), progress=False)
    assert child.folder != other.folder
    assert said(run)[:4] == texts
    assert not any("the pass" in text for text in said(child))
    assert all("knows the" in text for text in said(child)[:4])
    assert not any("knows" in text for text in said(other))
    assert verify(child) == []


def said(run: byrote.Run) -> list[str]:
    """What the models generate, after the beginnings that they were given."""
    from byrote.data.tokenizers import read_tokenizer

    tokenizer = read_tokenizer(run.folder / "tokenizer.json")
    found = []
    for row, answer in enumerate(run.load("generations.token", run.models())[0]):
        start = run.offsets[row]
        begun = run.load("corpus.token", run.models()[:1])[start : start + 2].tolist()
        found.append(tokenizer.decode([*begun, *answer[answer >= 0].tolist()]))
    return found
