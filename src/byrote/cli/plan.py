"""The command that tells what an audit will take and give."""

from __future__ import annotations

from typing import Annotated

import typer

from byrote.cli.answers import print_table, say
from byrote.cli.consoles import err
from byrote.cli.language import DOCS
from byrote.cli.options import (
    DataDir,
    Ensemble,
    OwnData,
    Plants,
    Recorded,
    SelfTest,
    Source,
    Training,
    plants_of,
    spread,
)
from byrote.errors import BadInput


@spread
def plan(
    source: Source,
    *,
    plant: Plants = None,
    data_dir: DataDir = None,
    compiled: Annotated[bool, typer.Option("--compile", help="Use torch.compile; pays for long trainings.")] = False,
    self_test: SelfTest = True,
    training: Training,
    ensemble: Ensemble,
    recorded: Recorded,
    own: OwnData,
) -> None:
    """Tell how many models, how much time, disk and memory an audit takes, and which error to expect of it."""
    if source == DOCS:
        raise BadInput(
            "byrote plan supports classifiers and regressions, not language models.",
            hint="`byrote audit docs` trains a model in one to two minutes of one core; with --models 8 it "
            "trains eight.",
        )
    from byrote.analyses.self_test import MODELS
    from byrote.cli.sources import experiment
    from byrote.data.controls import LABEL_NOISE
    from byrote.engine.planning import plan, time_words
    from byrote.engine.resources import size_words

    found = experiment(source, data_dir=data_dir, plants=plants_of(plant), seed=training.seed, reading=own.reading())
    for note in found.notes:
        say(note)
    with err.status("Training a few models to see how long they take and how certain they leave you…"):
        planned = plan(
            found.dataset,
            found.recipe,
            heldout=found.heldout,
            compiled=compiled,
            **vars(training),
            **vars(ensemble),
            **recorded.settings(),
        )
    for sentence in planned.sentences():
        say(sentence)
    if self_test and found.dataset.scale.of_classes and not (found.dataset.controls.kind == LABEL_NOISE).any():
        expected = planned.expected  # a model on all data takes as long as two on halves
        seconds = expected.seconds * MODELS / (expected.models + 2 * planned.full)
        say(f"The self-test trains {MODELS} models more, in about {time_words(seconds)}; --no-self-test leaves it out.")
    rows = [
        [
            f"→ {each.models}" if each == planned.expected else f"{each.models}",
            time_words(each.seconds),
            size_words(each.disk),
            f"{each.error:.3f}",
            f"{each.worst_error:.3f}",
        ]
        for each in planned.others
    ]
    print_table(["models", "training", "disk", "error of 9 in 10", "at worst"], rows)
