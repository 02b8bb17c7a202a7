"""Commands about what memorization puts at risk: membership, layers of it, forgetting, and privacy bounds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from byrote.cli.answers import say
from byrote.cli.ask import present, show
from byrote.cli.consoles import err
from byrote.cli.executing import trains
from byrote.cli.language import DOCS, forget_documents, refuse_language, whole_numbers
from byrote.cli.options import DataDir, OwnData, Seed, Source, spread
from byrote.cli.terminal import Given, RunFolder, Workers, say_kept

if TYPE_CHECKING:
    from byrote.cli.sources import Experiment


def attack(
    run_folder: RunFolder,
    with_: Annotated[
        str | None,
        typer.Option(
            "--with",
            help="lira, rmia, loss_attack or another attack; lira, of numbers lira[residual]; of language models "
            "text_loss_attack, reference_attack or lira[text], by the number of models.",
        ),
    ] = None,
) -> None:
    """Attack each model of a run with the help of the others: who can be told to have been trained on?

    Where the run has groups, persons or documents are attacked by all of their examples, too.
    """
    from byrote.analyses.catalog import find_analysis
    from byrote.analyses.groups import all_groups
    from byrote.analyses.membership import default_attack, membership_attack
    from byrote.errors import BadInput
    from byrote.runs.run import Run

    run = Run.open(run_folder)
    key = with_ or default_attack(run)
    targets = sorted(run.folder.glob("results/target-*.parquet"))
    if targets:
        say(
            "The models attacked here are the reference models, not the target that was brought; what `byrote audit … "
            f"--weights` told of that one is in {', '.join(map(str, targets))}."
        )
    membership = find_analysis("membership")
    with err.status(f"Attacking every model with {key}…"):
        found = membership_attack(run, key)
    show(run, membership, found, {})
    if run.groups is None:
        return
    try:
        with err.status(f"Attacking persons or documents with {key}…"):
            found, risk = membership_attack(run, key, by="group"), None if run.of_text else all_groups(run)
    except BadInput as error:
        say(f"Persons or documents are not judged as a whole. {error.message}")
        return
    show(run, membership, found, {})
    if risk is not None:
        show(run, find_analysis("group_risk"), risk, {})


@trains
def onion(
    run_folder: RunFolder,
    share: Annotated[float, typer.Option(help="Share of the examples that is peeled off.")] = 0.05,
    seed: Annotated[int, typer.Option(min=0, help="Of the new models and of the random set.")] = 1,
    workers: Workers = None,
    source: Given = None,
) -> None:
    """Remove the examples at highest membership risk, train again, and see whether the next ones are at risk now."""
    from byrote.analyses.catalog import find_analysis
    from byrote.analyses.onion import privacy_onion
    from byrote.cli.sources import with_contents
    from byrote.runs.run import Run

    run = Run.open(run_folder)
    refuse_language(run, "onion")
    run = with_contents(run, source)
    found = privacy_onion(run, share=share, seed=seed, workers=workers)
    show(run, find_analysis("onion"), found, {})


@trains
@spread
def forgetting(
    source: Source,
    *,
    regime: Annotated[str, typer.Option(help="inject: canaries shown amid training; poison: in a prefix.")] = "inject",
    canaries: Annotated[
        int | None, typer.Option(min=4, help="How many examples are canaries, drawn at random; 200, of docs 40.")
    ] = None,
    repetitions: Annotated[
        str | None, typer.Option(help="How often an epoch shows a canary, as 1,4,16; once, of docs 16 times.")
    ] = None,
    models: Annotated[
        int | None, typer.Option(min=6, help="An even number; 16 unless given, of language models 6.")
    ] = None,
    alpha: Annotated[float, typer.Option(help="The success rate of an attack at which something is forgotten.")] = 0.55,
    with_: Annotated[str, typer.Option("--with", help="loss_attack or lira.")] = "loss_attack",
    out_folder: Annotated[Path | None, typer.Option("--out", help="The run folder.")] = None,
    data_dir: DataDir = None,
    seed: Seed = 0,
    workers: Workers = None,
    own: OwnData,
) -> None:
    """Train with canaries, go on without them, and attack as time goes by: when are they forgotten?

    With SOURCE docs, tiny language models are shown paragraphs for an epoch: what of them is never forgotten?
    """
    import numpy as np

    from byrote.analyses.forgetting import as_table, measure_forgetting
    from byrote.cli.sources import experiment, run_name
    from byrote.errors import BadInput
    from byrote.measures.lira import lira
    from byrote.measures.rate_of_forgetting import log_odds_attack

    if source == DOCS:
        forget_documents(canaries or 40, repetitions or "16", models or 6, out_folder, seed, workers)
        return
    canaries = canaries or 200
    attacks: dict[str, Any] = {"loss_attack": log_odds_attack, "lira": lira}
    if with_ not in attacks:
        raise BadInput(f"Forgetting is not measured with {with_!r}.", hint="--with loss_attack or --with lira.")
    times = whole_numbers(repetitions or "1", hint="--repetitions 1,4,16")
    found = experiment(source, data_dir=data_dir, plants=None, seed=seed, reading=own.reading())
    examples = len(found.dataset)
    if canaries > examples // 2:
        raise BadInput(
            f"At most half of the {examples} examples can be canaries. Got {canaries}.",
            hint=f"--canaries {examples // 2} or fewer.",
        )
    measured = measure_forgetting(
        found.dataset,
        found.recipe,
        regime=regime,
        canaries=np.sort(np.random.default_rng([seed, 7]).choice(examples, canaries, replace=False)),
        repetitions=times,
        models=models or 16,
        alpha=alpha,
        attack=attacks[with_],
        out=out_folder or Path("runs") / f"{run_name(source)}-{regime}",
        seed=seed,
        workers=workers,
    )
    present("forgetting", as_table(measured))


def bound_epsilon(
    found: Experiment,
    *,
    canaries: int,
    models: int,
    delta: float,
    out: Path,
    seed: int,
    workers: int | None,
    device: str | None,
) -> None:
    """Train once with many canaries, or many times with one, and print the bound on ε that guessing them shows."""
    from byrote.analyses.privacy import TABLE, as_table, audit_privacy, audit_privacy_in_many_runs, table_of_many

    asked: dict[str, Any] = {"delta": delta, "heldout": found.heldout, "out": out, "seed": seed}
    asked |= {"workers": workers, "device": device}
    if models > 1:
        many = audit_privacy_in_many_runs(found.dataset, found.recipe, models=models, **asked)
        run, table = many.run, table_of_many(many)
    else:
        one = audit_privacy(found.dataset, found.recipe, canaries=canaries, **asked)
        run, table = one.run, as_table(one)
    present("privacy", table)
    say_kept(run, "Table", run.folder / "results" / f"{TABLE}.parquet")


def attack_weights(
    found: Experiment,
    *,
    weights: Path,
    members: Path,
    attack: str,
    models: int,
    out: Path,
    seed: int,
    workers: int | None,
    device: str | None,
) -> None:
    """Train reference models beside a trained one, attack it, and print figures and warnings."""
    from byrote.analyses.target import as_table, audit_target

    result = audit_target(
        found.dataset,
        found.recipe,
        weights,
        members,
        heldout=found.heldout,
        attack=attack,
        models=models,
        out=out,
        seed=seed,
        workers=workers,
        device=device,
        source=found.source,
    )
    present("target", as_table(result))
    say_kept(result.run, "Table", out / "results" / f"target-{attack}.parquet")
