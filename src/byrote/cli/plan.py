"""The command that tells what an audit will take and give."""

from __future__ import annotations

from typing import Annotated

import typer

from byrote.cli.language import DOCS
from byrote.cli.own_data import Balanced, Epochs, Group, Heldout, Id, Size, Source, Target, Task, Text, Tolerance
from byrote.cli.terminal import Workers, err, print_table, say
from byrote.errors import BadInput

Models = Annotated[
    int | None,
    typer.Option(
        help="Models of the ensemble, an even number of at least 4; 64 unless given. With --stderr or --budget, the "
        "most that are trained."
    ),
]
Stderr = Annotated[
    float | None,
    typer.Option(help="Stop at the first look after which 9 of 10 examples have an error of at most this, as .05."),
]
KeepWeightsAt = Annotated[
    str | None,
    typer.Option(
        help="Also keep weights of 4 pairs during training, for `byrote probe`: checkpoints, best, or epochs as "
        "0,3,last; at most 1 GB.",
    ),
]
Budget = Annotated[str | None, typer.Option(help="Stop at the last look before this time of training, as 90s or 10m.")]


def plan(
    source: Source,
    models: Models = None,
    stderr: Stderr = None,
    budget: Budget = None,
    seed: Annotated[int, typer.Option(min=0, help="As that of the audit.")] = 0,
    workers: Workers = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda; a GPU is taken where there is one.")] = None,
    plant: Annotated[list[str] | None, typer.Option(help="Controls, as label-noise=0.05; 'none' for none.")] = None,
    data_dir: Annotated[str | None, typer.Option(help="Where fashion-mnist's four idx .gz files are.")] = None,
    checkpoints: Annotated[int, typer.Option(min=2, help="Clean passes over the data during training, at most.")] = 20,
    compiled: Annotated[bool, typer.Option("--compile", help="Use torch.compile; pays for long trainings.")] = False,
    keep_weights: Annotated[bool, typer.Option("--keep-weights", help="Keep every model's weights.")] = False,
    keep_weights_at: KeepWeightsAt = None,
    probe: Annotated[list[str] | None, typer.Option(help="What else to read off each network.")] = None,
    target: Target = None,
    task: Task = None,
    tolerance: Tolerance = None,
    balanced: Balanced = False,
    epochs: Epochs = None,
    group: Group = None,
    id_: Id = None,
    text: Text = None,
    size: Size = None,
    heldout: Heldout = 0.2,
) -> None:
    """Tell how many models, how much time, disk and memory an audit takes, and which error to expect of it."""
    if source == DOCS:
        raise BadInput(
            "A plan is of classifiers and regressions; that of language models is not forecast.",
            hint="`byrote audit docs` trains one in one to two minutes of a core, with --models 8 eight of them.",
        )
    from byrote.cli.sources import experiment
    from byrote.data.source import Reading
    from byrote.engine.planning import plan, time_words
    from byrote.engine.resources import size_words

    plants = None if plant is None else [text for text in plant if text != "none"]
    reading = Reading(
        target=target,
        group=group,
        id=id_,
        text=text,
        size=size,
        heldout=heldout,
        task=task,
        tolerance=tolerance,
        balanced=balanced,
        epochs=epochs,
    )
    found = experiment(source, data_dir=data_dir, plants=plants, seed=seed, reading=reading)
    for note in found.notes:
        say(note)
    with err.status("Training a few models to see how long they take and how certain they leave you…"):
        planned = plan(
            found.dataset,
            found.recipe,
            heldout=found.heldout,
            models=models,
            stderr=stderr,
            budget=budget,
            seed=seed,
            workers=workers,
            device=device,
            compiled=compiled,
            checkpoints=checkpoints,
            keep_weights=keep_weights,
            keep_weights_at=keep_weights_at,
            probes=tuple(probe or ()),
        )
    for sentence in planned.sentences():
        say(sentence)
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
