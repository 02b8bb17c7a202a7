"""Commands about what memorization puts at risk: membership, layers of it, forgetting, and privacy bounds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from byrote.cli.answers import print_table, say
from byrote.cli.consoles import err
from byrote.cli.language import DOCS, forget_documents, refuse_language, whole_numbers
from byrote.cli.options import DataDir, OwnData, Seed, Source, spread
from byrote.cli.terminal import Given, RunFolder, Workers, say_kept
from byrote.report.text import capital, cut

if TYPE_CHECKING:
    from byrote.analyses.membership import AttackFigures
    from byrote.cli.sources import Experiment
    from byrote.runs.run import Run

WORST_SLICES = 5
RISKIEST = 5


def attack(
    run_folder: RunFolder,
    with_: Annotated[
        str | None,
        typer.Option("--with", help="lira, rmia, loss_attack or another attack; lira, or of numbers lira[residual]."),
    ] = None,
) -> None:
    """Attack each model of a run with the help of the others: who can be told to have been trained on?

    Where the run has groups, persons or documents are attacked by all of their examples, too.
    """
    from byrote.analyses.catalog import keep
    from byrote.analyses.groups import group_risk, keep_risk
    from byrote.analyses.membership import DEFAULT, membership_attack
    from byrote.runs.run import Run

    run = Run.open(run_folder)
    refuse_language(run, "attack")
    key = with_ or DEFAULT[run.task]
    targets = sorted(run.folder.glob("results/target-*.parquet"))
    if targets:
        say(
            "The models attacked here are the reference models, not the target that was brought; what `byrote audit … "
            f"--weights` told of that one is in {', '.join(map(str, targets))}."
        )
    with err.status(f"Attacking every model with {key}…"):
        found = membership_attack(run, key)
        print_attack(run, found, keep(run, "membership", found))
    if run.groups is None:
        return
    with err.status(f"Attacking persons or documents with {key}…"):
        found = membership_attack(run, key, by="group")
        print_attack(run, found, keep(run, "membership", found))
        names, risk = group_risk(run)
        kept = keep_risk(run, names, risk)
    order = [row for row in (-risk.values).argsort(kind="stable") if risk.reason_code[row] == 0][:RISKIEST]
    if order:
        say("Groups most at risk, by the chance that a model trained on one is surer of it than a model that was not:")
        print_table(
            ["group", "risk", "low", "high"],
            [
                [str(names[row]), *(float(getattr(risk, name)[row]) for name in ("values", "low", "high"))]
                for row in order
            ],
        )
    elif risk.undefined:
        say(f"The risk of single groups is {risk.undefined}.")
    say_kept(run, "Table", kept)


def print_attack(run: Run, found: AttackFigures, path: Path) -> None:
    """The figures of one attack."""
    from byrote.results import decimal

    say(
        f"{found.attack} on {found.models} models, each with {found.references} reference models, over "
        f"{found.examples} {found.by}s."
    )
    rows, told = [], set()
    for name, figure in found.figures.items():
        again = bool(figure.reason) and figure.reason in told
        told.add(figure.reason)
        rows.append([name.replace("_", " "), "undefined, as above" if again else figure])
    print_table(["figure", "value"], rows)
    say(f"Where membership was swapped at random the AUC is {decimal(found.null)}.")
    for axis, slices in found.slices.items():
        ranked = sorted(slices.items(), key=lambda item: -item[1]["auc"].value)[:WORST_SLICES]
        words = ", ".join(f"{cut(value, 60)} {decimal(figures['auc'])}" for value, figures in ranked)
        say(f"AUC by {axis}, highest first: {words}.")
    for note in found.notes:
        say(f"{capital(note).rstrip('.')}.")
    say_kept(run, "Figures", path)


def onion(
    run_folder: RunFolder,
    share: Annotated[float, typer.Option(help="Share of the examples that is peeled off.")] = 0.05,
    seed: Annotated[int, typer.Option(min=0, help="Of the new models and of the random set.")] = 1,
    workers: Workers = None,
    source: Given = None,
) -> None:
    """Remove the examples at highest membership risk, train again, and see whether the next ones are at risk now."""
    from byrote.analyses.catalog import keep
    from byrote.analyses.onion import ARMS, privacy_onion
    from byrote.cli.sources import with_contents
    from byrote.engine.progress import measuring
    from byrote.report.page import write_again
    from byrote.runs.run import Run

    run = Run.open(run_folder)
    refuse_language(run, "onion")
    run = with_contents(run, source)
    found = privacy_onion(run, share=share, seed=seed, workers=workers)
    path = keep(run, "onion", found)
    for layer in found.layers:
        say(f"{capital(layer.name)}:")
        print_table(
            ["before", "trained anew", "random set removed", "riskiest removed", "excess over anew", "over random"],
            [[getattr(layer, arm) for arm in ARMS]],
        )
    verdict = "is more at risk than with either control" if found.shown else "is not shown to be more at risk"
    say(f"Without the riskiest layer the one below {verdict}.")
    for note in found.notes:
        say(note)
    with measuring(err) as hear:
        page = write_again(run, hear)
    say_kept(run, "Table", path)
    say("`byrote report` shows it." if page is None else f"Report: {page}")


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

    from byrote.analyses.forgetting import measure_forgetting
    from byrote.cli.sources import experiment, run_name
    from byrote.errors import BadInput
    from byrote.measures.lira import lira
    from byrote.measures.rate_of_forgetting import log_odds_attack
    from byrote.results import decimal

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
    curve = measured.success
    print_table(
        ["epochs since", *curve.groups],
        [
            [float(at), *(f"{v:.3f} ± {e:.3f}" for v, e in zip(values, errors, strict=True))]
            for at, values, errors in zip(curve.at, curve.values.T, curve.stderr.T, strict=True)
        ],
    )
    for group, after in measured.after.items():
        if after.value == 0:
            say(f"{group}: not told apart even right after the last use, success at most {alpha}")
        else:
            say(f"{group}: {after.reason or f'forgotten after {decimal(after)} epochs, success at most {alpha}'}")


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
    from byrote.analyses.privacy import TABLE, audit_privacy, audit_privacy_in_many_runs

    asked: dict[str, Any] = {"delta": delta, "heldout": found.heldout, "out": out, "seed": seed}
    asked |= {"workers": workers, "device": device}
    if models > 1:
        many = audit_privacy_in_many_runs(found.dataset, found.recipe, models=models, **asked)
        bound = many.bound
        say(
            f"Epsilon is at least {bound.epsilon:.2f} at delta {delta:g}, with {bound.confidence:.0%} confidence: in "
            f"{bound.correct} of {bound.guesses} runs it was guessed right whether the canary had joined."
        )
        say(f"So many runs could show {bound.ceiling:.2f} at most. A lower bound is no guarantee, however small it is.")
        say_kept(many.run, "Table", many.run.folder / "results" / f"{TABLE}.parquet")
        return
    result = audit_privacy(found.dataset, found.recipe, canaries=canaries, **asked)
    say(
        f"Epsilon is at least {result.epsilon:.2f} at delta {result.delta:g}, with {result.confidence:.0%} confidence: "
        f"{result.correct} of {result.guesses} guesses about {result.canaries} canaries were right."
    )
    say(f"These guesses could show {result.ceiling:.2f} at most, {result.canaries} canaries {result.limit:.2f}.")
    say(f"Its Gaussian bound is {result.gaussian.epsilon:.2f}, of μ at least {result.gaussian.mu:.2f}.")
    for note in result.notes:
        say(note)
    say_kept(result.run, "Table", result.run.folder / "results" / f"{TABLE}.parquet")


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
    from byrote.analyses.target import audit_target

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
    for warning in result.warnings:
        say(f"Warning: {warning}")
    say(f"{result.attack} on the target with {result.references} reference models:")
    print_table(["figure", "value"], [[name.replace("_", " "), v] for name, v in result.figures.items()])
    say("Guessing has an AUC of .5; errors are over the examples, of this one target.")
    rows = sorted(
        result.table().to_pylist(), key=lambda row: (row["score"] != row["score"], row["false_positive_rate"])
    )
    print_table(
        ["example", "member", "score", "false-positive rate", "risk"],
        [
            [
                r["example"],
                {1: "yes", 0: "no"}.get(r["member"], "unknown"),
                r["score"],
                r["false_positive_rate"],
                r["risk"],
            ]
            for r in rows[:10]
        ],
    )
    say(
        "The false-positive rate is the share of non-members of the reference models that score at least as high. Risk "
        "tells of the example, whether or not the target saw it: the chance that a reference model trained on it is "
        "surer of it than one that was not."
    )
    say(f"Table: {out / 'results' / f'target-{attack}.parquet'}")
