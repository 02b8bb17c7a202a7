"""Hints of procedures that go on from kept weights are followed, as far as nothing has to be trained for that."""

from __future__ import annotations

from pathlib import Path

import byrote
from byrote.analyses.continued import refuse_many
from byrote.analyses.critical_period import _known, with_blurred
from byrote.analyses.holdout_retraining import constant
from byrote.analyses.learning_order import learning_order
from followed import Case, each, follow
from small import RECIPE, blobs, small_audit

PROCEDURES = (
    Case(
        name="few models",
        wrong=lambda _: refuse_many(2, "layer_retraining"),
        says="--set models=3",
        right=lambda _: refuse_many(3, "layer_retraining"),
    ),
    Case(
        name="no slots",
        wrong=lambda _: constant(object(), "holdout_retraining"),
        says="a byrote.Recipe",
        right=lambda _: constant(RECIPE, "holdout_retraining"),
    ),
    Case(
        name="no such deficit",
        wrong=lambda _: _known("noise"),
        says="--set deficit=blur",
        right=lambda _: _known("blur"),
    ),
    Case(
        name="no images to blur",
        wrong=lambda _: with_blurred(blobs()),
        says="--set deficit=labels",
        right=lambda _: _known("labels"),
    ),
    Case(
        name="one model",
        slow=True,
        wrong=lambda folder: learning_order(small_audit(folder / "one", models=4, full=1), role="full"),
        says="--models 8",
        right=lambda folder: learning_order(byrote.Run.open(small_audit(folder / "many", models=8, full=0).folder)),
    ),
)


@each(*PROCEDURES)
def test_hints_of_procedures_are_followed(case: Case, tmp_path: Path) -> None:
    follow(case, tmp_path)
