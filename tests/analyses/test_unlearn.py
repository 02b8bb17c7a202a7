"""Four sets of language models on a tiny corpus, one of which unlearns documents."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from typer.testing import CliRunner

from byrote.analyses.lab import Lab
from byrote.analyses.unlearn import _documents, steps_of, unlearn
from byrote.analyses.unlearning import ARMS, _of_documents, unlearning
from byrote.changes.change import Context, TrainedModel
from byrote.changes.model.fine_tune_on_rest import FineTuneOnRest
from byrote.changes.recipe.weight_decay import WeightDecay
from byrote.cli.app import app
from byrote.data.corpus import Corpus
from byrote.errors import BadInput, TooFewModels
from byrote.report.verify import examine
from byrote.results import Table
from byrote.runs.run import Run
from documents import SUMMING, letters, small_language_audit, words

LAB = Lab(workers=1, progress=False, device="cpu")
EPOCHS = 15
#: Documents of a few letters, and one that has a single token.
DOCUMENTS = words(12).joined(letters(["z"], ids=["alone"]), "words")
FORGET = ["words-0", "words-1", "words-2"]


@dataclass(frozen=True)
class Nothing:
    """An unlearning that leaves the model as it is."""

    stage: ClassVar[str] = "model"
    name: ClassVar[str] = "nothing"
    of_text: ClassVar[bool] = True

    def apply(self, stage: TrainedModel, context: Context) -> TrainedModel:
        return stage


@dataclass(frozen=True)
class Exact:
    """An unlearning that trains anew without the documents: what retraining is."""

    epochs: int = EPOCHS
    stage: ClassVar[str] = "model"
    name: ClassVar[str] = "exact"
    of_text: ClassVar[bool] = True

    def apply(self, stage: TrainedModel, context: Context) -> TrainedModel:
        fresh = TrainedModel(algorithm=stage.algorithm, state=stage.algorithm.init(int(context.rng.integers(2**31))))
        return FineTuneOnRest(self.epochs).apply(fresh, context)


def tiny(out: Path, corpus: Corpus = DOCUMENTS) -> Run:
    recipe = replace(SUMMING, epochs=EPOCHS)
    return small_language_audit(out, corpus=corpus, recipe=recipe, models=1, full=0, generate=None, checkpoints=0)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return tiny(tmp_path_factory.mktemp("documents") / "run")


@pytest.fixture(scope="module")
def nothing(run: Run, tmp_path_factory: pytest.TempPathFactory) -> tuple[Table, dict[str, Run]]:
    """The audit of an unlearning that does nothing, and its four runs."""
    out = tmp_path_factory.mktemp("nothing")
    table = unlearn(LAB, run, method=Nothing(), forget=FORGET, models=5, seed=2, out=out)
    return table, {name: Run.open(out / name) for name in ARMS}


def test_a_method_that_does_nothing_is_caught_and_two_retrained_sets_are_alike(
    nothing: tuple[Table, dict[str, Run]],
) -> None:
    table, _ = nothing
    assert table.rows["verdict"] == ("not unlearned: something is left",)
    moved, null = table.figures["shift"][0], table.figures["p, null"][0]
    assert moved is not None
    assert moved.low > 0
    assert null is not None
    assert null.value > 0.05
    assert table.arrays["example"].tolist() == FORGET


def test_a_documents_score_is_the_mean_log_probability_of_its_tokens(nothing: tuple[Table, dict[str, Run]]) -> None:
    table, runs = nothing
    means = {}
    for name in ("unlearned", "retrained"):
        one = runs[name]
        said, span = one.load("tokens.log_probability", one.models()), slice(*one.offsets[1:3].tolist())
        scored = one.load("corpus.scored", one.models())[span]
        means[name] = said[:, span][:, scored].astype(np.float64).mean(1)
    unlearned, retrained = means["unlearned"], means["retrained"]
    expected = (unlearned.mean() - retrained.mean()) / retrained.std(ddof=1)
    assert table.arrays["shift"][1] == pytest.approx(expected, rel=1e-5)
    sizes = np.diff(runs["again"].offsets)
    assert any(f"on {sizes[:3].sum() / sizes[:13].sum():.1%} fewer tokens" in note for note in table.notes)


def test_who_was_trained_on_what(run: Run, nothing: tuple[Table, dict[str, Run]]) -> None:
    _, runs = nothing
    forgotten, held = np.isin(run.ids, FORGET), run.design.member[0] == 0
    assert held.sum() == 6
    for name, one in runs.items():
        assert not one.design.member[:, held].any()
        assert (one.design.member[:, forgotten] == (name == "unlearned")).all()
        assert one.design.member[:, ~forgotten & ~held].all()
    seeds = [entry.seed for one in runs.values() for entry in one.manifest.models]
    assert len(set(seeds)) == len(seeds) == 20
    checked = examine(runs["unlearned"])
    assert not checked.faults
    assert "results/unlearning.parquet" in {one.where for one in checked.unchecked}


@pytest.mark.slow
def test_training_anew_passes(run: Run, tmp_path: Path) -> None:
    table = unlearn(LAB, run, method=Exact(), forget=FORGET, models=5, out=tmp_path / "out")
    assert table.rows["verdict"] == ("no difference shown",)


def test_runs_over_other_texts_are_no_gold(nothing: tuple[Table, dict[str, Run]], tmp_path: Path) -> None:
    _, runs = nothing
    other = tiny(tmp_path / "other", words(13, seed=5))
    renamed = replace(other, manifest=replace(other.manifest, dataset={**other.manifest.dataset, "fingerprint": "x"}))
    with pytest.raises(BadInput, match="is not one of models that were trained without the examples to forget"):
        unlearning(runs["unlearned"], renamed, runs["again"], runs["longer"])


def test_the_steps_of_a_method_are_counted_in_rows_of_documents(run: Run) -> None:
    data = _documents(run, Nothing(), FORGET)
    context = Context(dataset=data.whole, rng=np.random.default_rng(0), forget=data.forget, retain=data.retain)
    tokens = (np.diff(run.offsets)[data.retain] + 1).sum()  # a token begins each document
    rows = -(-tokens // 16)  # of 16 tokens, in batches of two
    taken = steps_of(FineTuneOnRest(3), data.algorithm(), context)
    assert taken % 3 == 0
    assert abs(taken // 3 - rows / 2) <= 1
    assert steps_of(Nothing(), data.algorithm(), context) == 0


def test_a_copy_that_stays_is_told(tmp_path: Path) -> None:
    twice = words(6).joined(letters(list(words(6).texts[:1]), ids=["copy"]), "twice")
    found = _of_documents(tiny(tmp_path / "run", twice), np.array([0, 1]))
    assert any(
        note.startswith("1 of the 2 documents to forget have the same tokens as one that is retained") for note in found
    )


def test_what_cannot_be_judged_is_refused(run: Run, tmp_path: Path) -> None:
    def refused(match: str, kind: type[Exception] = BadInput, *, of: Run = run, **asked: object) -> None:
        settings = {"method": Nothing(), "forget": FORGET, "models": 5, "out": tmp_path / "out", **asked}
        with pytest.raises(kind, match=match):
            unlearn(LAB, of, **settings)  # type: ignore[arg-type]  # the settings of a case have no types of their own

    refused("needs the documents that it is to forget", forget=0.05)
    refused("is a change of the recipe", method=WeightDecay())
    refused("is not for language models", method=_Deaf())
    refused("was opened without its corpus and recipe", of=Run.open(run.folder))
    assert run.corpus is not None
    unread = replace(run, corpus=replace(run.corpus, bos=None))  # so that of a single token nothing is predicted
    refused("'alone', so it cannot be tested", of=unread, forget=["alone", "words-0"])
    refused("no training data is left", forget=[*DOCUMENTS.ids.tolist()[:12], "alone"])
    refused("are not in the training documents", forget=["others-0"])
    refused("Got 4", TooFewModels, models=4)
    assert not (tmp_path / "out").exists()


@dataclass(frozen=True)
class _Deaf:
    """A change that knows no documents."""

    stage: ClassVar[str] = "model"
    name: ClassVar[str] = "no_progress"

    def apply(self, stage: TrainedModel, context: Context) -> TrainedModel:
        return stage


def test_the_command_builds_the_documents_again(run: Run) -> None:
    words = ["ask", str(run.folder), "unlearn", "--set", "method=fine-tune-on-rest=1", "--set", "forget=ids.txt"]
    refused = CliRunner().invoke(app, words).exception
    assert isinstance(refused, BadInput)
    assert (
        refused.message
        == "This run was made from Python, so the command line cannot build its documents and recipe again."
    )
