"""DP-SGD as a change: the noise of the epsilon that is asked for, and what is said of it on pages and cards."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import byrote
from byrote.analyses.card import card
from byrote.changes.change import Context
from byrote.changes.child import change
from byrote.changes.recipe.dp_sgd import DpSgd, members_of
from byrote.changes.registry import parse_change
from byrote.engine import division
from byrote.errors import BadInput
from byrote.evidence.manifest import Manifest
from byrote.recipes.guarantee import epsilon_of
from byrote.report.page import write_report
from byrote.runs.run import Run
from made_once import opened
from small import RECIPE, _chosen, blobs, small_audit

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("opacus") is None, reason="the accountant is opacus', an extra"
)
ALONE = Context(dataset=blobs(), rng=np.random.default_rng(0))


def classes(folder: Path) -> Run:
    return opened("classes", folder).attach(blobs(noise=0.1), RECIPE, blobs(30, seed=1))


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("dp")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(division, "choose", _chosen)
        return change(classes(folder), DpSgd(0.5, clip=0.5), workers=1, progress=False)


def test_the_command_line_names_its_settings() -> None:
    found = parse_change("dp-sgd=8,delta=1e-6,clip=0.5,rate=0.1,lr=0.2,arm=noise")
    assert found == DpSgd(8.0, delta=1e-6, clip=0.5, rate=0.1, lr=0.2, arm="noise")


def test_noise_is_that_of_the_epsilon_for_the_members_of_each_model(tmp_path: Path) -> None:
    run = classes(tmp_path)
    context = Context(dataset=blobs(), rng=np.random.default_rng(0), parent=run)
    found = DpSgd(0.5, clip=0.5, lr=0.3).apply(RECIPE, context)
    assert members_of(context) == 30, "halves of 60"
    assert (found.members, found.rate, found.clip, found.arm) == (30, 8 / 30, 0.5, "both")
    assert found.recipe == replace(RECIPE, optimizer=byrote.SGD(lr=0.3))
    assert found.made(60).batch_size == RECIPE.batch_size
    assert 0.495 <= epsilon_of(found.noise, 8 / 30, 6 * 4, 1 / 600) <= 0.5
    given = DpSgd(0.5, delta=1e-4, rate=0.5, arm="clip").apply(RECIPE, ALONE)
    assert (given.members, given.rate, given.arm, given.delta) == (60, 0.5, "clip", 1e-4)
    assert 0.495 <= epsilon_of(given.noise, 0.5, 6 * 2, 1e-4) <= 0.5


def test_what_is_guaranteed_stands_in_the_manifest_and_on_the_card(child: Run, tmp_path: Path) -> None:
    kept = Manifest.read(child.folder)
    assert kept.privacy is not None
    assert kept.privacy["delta"] == 1 / 600
    assert kept.privacy["models"] == int(child.member.sum(0).max())
    assert 0.495 <= kept.privacy["epsilon"] <= 0.5
    first = kept.guaranteed[0]
    assert first.startswith("Each model is (")
    assert first in kept.notes
    notes = card(classes(tmp_path), child).notes
    assert [note for note in notes if note.startswith(f"Private training after the change: {first}")]
    assert notes[-1] == "What attacks find can contradict a guarantee of privacy; a low figure confirms none."


@pytest.mark.slow
def test_the_page_says_what_is_guaranteed(child: Run) -> None:
    page = write_report(child)[0].read_text("utf-8")
    assert "Private training" in page
    assert page.count("differentially private for adding or removing one example") >= 2, "at risk, and in the notes"


def test_models_that_are_changed_after_it_have_no_guarantee(tmp_path: Path) -> None:
    both = [parse_change("dp-sgd=0.5"), parse_change("gradient-ascent=1")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(division, "choose", _chosen)
        found = change(classes(tmp_path), both, workers=1, progress=False)
    assert found.manifest.privacy is not None
    assert found.manifest.privacy["epsilon"] is None
    assert "changed after their private training" in found.manifest.guaranteed[0]


def test_persons_and_runs_without_privacy(tmp_path: Path) -> None:
    grouped = blobs(noise=0.1).replace(groups=np.char.add("person ", (np.arange(60) // 5).astype(str)))
    recipe = byrote.Private(replace(RECIPE, epochs=1), rate=0.5, noise=3.0)
    run = small_audit(tmp_path / "persons", dataset=grouped, recipe=recipe, models=4, full=0)
    assert "a person or document has up to 5 here" in " ".join(run.manifest.guaranteed)
    assert classes(tmp_path).manifest.guaranteed == ()


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        (byrote.Private(RECIPE), "private already"),
        (byrote.CoTeaching(recipe=RECIPE), "treats each example by itself"),
        (replace(RECIPE, gradient_transform=byrote.ClipNorm(1.0)), "changes gradients already"),
    ],
)
def test_recipes_that_cannot_be_private_are_refused(stage: object, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        DpSgd(8.0).apply(stage, ALONE)
