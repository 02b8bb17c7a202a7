"""The command that audits: an ensemble, a language model, a trained model of one's own, a bound on privacy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from byrote.cli.answers import say, say_file
from byrote.cli.config import Config
from byrote.cli.consoles import err
from byrote.cli.contents import Redact
from byrote.cli.executing import trains_in_parts
from byrote.cli.language import LanguageModel, audit_documents, is_language
from byrote.cli.options import (
    SOURCE,
    DataDir,
    Ensemble,
    GivenModel,
    Looks,
    OwnData,
    Plants,
    PrivacyBound,
    Recorded,
    SelfTest,
    Training,
    is_number,
    plants_of,
    spread,
)
from byrote.cli.risks import attack_weights, bound_epsilon
from byrote.errors import BadInput, ByroteError

if TYPE_CHECKING:
    from byrote.cli.sources import Experiment
    from byrote.report.early import EarlyReport
    from byrote.report.facts import Facts
    from byrote.report.watched import Watched
    from byrote.runs.run import Run


@trains_in_parts
@spread
def audit(
    source: Annotated[str | None, typer.Argument(help=f"{SOURCE} Or docs: a tiny language model.")] = None,
    *,
    design: Annotated[
        str | None,
        typer.Option(
            help="Training sets of the models: half-subset-pairs (default), iid-subsets, ratio-grid, "
            "two-splits, or full-data (one model on all examples)."
        ),
    ] = None,
    out_folder: Annotated[Path | None, typer.Option("--out", help="The run folder; runs/SOURCE unless given.")] = None,
    plant: Plants = None,
    data_dir: DataDir = None,
    compiled: Annotated[bool, typer.Option("--compile", help="Use torch.compile; pays for long trainings.")] = False,
    self_test: SelfTest = True,
    looks: Looks = True,
    redact: Redact = False,
    config: Config = None,
    training: Training,
    ensemble: Ensemble,
    recorded: Recorded,
    own: OwnData,
    given: GivenModel,
    bound: PrivacyBound,
    language: LanguageModel,
) -> Path:
    """Train an ensemble, find what it memorized, and write a report. The same command resumes a stopped audit."""
    from byrote.cli.sources import experiment, run_name

    if is_language(source, language.model, language.corpus):
        return audit_documents(
            source,
            language,
            own=own,
            models=ensemble.models,
            recorded=recorded,
            out=out_folder,
            redact=redact,
            **vars(training),
        )
    if source is None:
        raise BadInput("An audit needs a source.", hint="byrote audit digits, or byrote audit docs.")
    plants = plants_of(plant)
    if bound.epsilon and plants is None:
        plants = []  # its canaries are mislabelled examples, which planted noise would be taken for
    given, own = _as_before(source, given, own)
    found = experiment(source, data_dir=data_dir, plants=plants, seed=training.seed, reading=own.reading())
    attacked = given.weights is not None or given.members is not None
    suffix = "-epsilon" if bound.epsilon else "-target" if attacked else ""
    folder = out_folder or Path("runs") / f"{run_name(source)}{suffix}"
    if bound.epsilon:
        _bound(found, bound, language, ensemble, training, folder)
    elif attacked:
        _attack(found, given, ensemble, training, folder)
    else:
        early = None
        if looks:
            from byrote.report.early import EarlyReport

            early = EarlyReport(redact=redact, estimate=ensemble.estimate)
        run = _train(found, design, folder, training, ensemble, recorded, compiled=compiled, early=early)
        if design != "full-data":
            _reported(run, training if self_test else None, redact=redact)
    return folder


def _bound(
    found: Experiment,
    bound: PrivacyBound,
    language: LanguageModel,
    ensemble: Ensemble,
    training: Training,
    folder: Path,
) -> None:
    """Bound epsilon from below."""
    _refuse_stopping(ensemble)
    canaries, models = _canaries(bound, language), ensemble.models or 1
    bound_epsilon(found, canaries=canaries, models=models, delta=bound.delta, out=folder, **vars(training))


def _attack(found: Experiment, given: GivenModel, ensemble: Ensemble, training: Training, folder: Path) -> None:
    """Attack a trained model of one's own."""
    _refuse_stopping(ensemble)
    weights, members = _both(given)
    attack_weights(
        found,
        weights=weights,
        members=members,
        attack=given.attack,
        models=ensemble.models or 64,
        out=folder,
        **vars(training),
    )


def _train(
    found: Experiment,
    design: str | None,
    folder: Path,
    training: Training,
    ensemble: Ensemble,
    recorded: Recorded,
    *,
    compiled: bool,
    early: EarlyReport | None,
) -> Run:
    """Audit an ensemble; `early` writes its report while it trains."""
    from byrote import audit as run_audit
    from byrote.designs.named import named_design
    from byrote.engine.preparation import large_first_in
    from byrote.engine.progress import listening

    asked = None
    if design is not None:
        large_first = large_first_in(folder)
        asked = named_design(design, found.dataset, models=ensemble.models, seed=training.seed, large_first=large_first)
    listener = listening(True)
    if early is not None:
        early.say = listener.say
    try:
        run = run_audit(
            found.dataset,
            found.recipe,
            heldout=found.heldout,
            design=asked,
            out=folder,
            compiled=compiled,
            progress=listener,
            source=found.source,
            remarks=found.notes,
            look=early,
            **vars(training),
            **vars(ensemble),
            **recorded.settings(),
        )
    except KeyboardInterrupt:
        if early is not None and early.page is not None:
            listener.say(f"The report of the last look stays: {early.page}")
        raise
    if design == "full-data":
        say(f"{run!r}")
        say(
            "Of models that all train on the same data no label memorization can be measured; `byrote calibrate RUN "
            f"--apply {folder}` estimates it from RUN, an audit of an ensemble."
        )
    return run


def _reported(run: Run, training: Training | None, *, redact: bool) -> None:
    """Test whether models like these find wrong labels, unless `training` is None; write and print the report."""
    from byrote.engine.progress import measuring
    from byrote.report.page import write_report

    if training is not None:
        _self_test(run, training)
    with measuring(err) as on_progress:
        page, shown = write_report(run.without_contents() if redact or run.forgotten else run, on_progress)
    print_summary(shown)
    say_file("Report", page)


def _self_test(run: Run, training: Training) -> None:
    """Train models beside the ensemble that are given wrong labels, and keep how many of them are flagged."""
    from byrote.analyses.catalog import ask
    from byrote.analyses.lab import Lab
    from byrote.analyses.label_errors import SELF_TEST, self_tested, untested

    if untested(run) or self_tested(run) is not None:
        return
    try:
        found = ask(run, SELF_TEST, lab=Lab(workers=training.workers, device=training.device), seed=training.seed)
    except ByroteError as error:  # the audit itself is done, and its report is due
        say(f"No self-test: {error.message}")
        return
    say(f"Self-test: {found.notes[0]}")


def print_summary(shown: Facts | Watched) -> None:
    """The sentences that a report begins with."""
    from byrote.report.watched import report_sentences

    for sentence in report_sentences(shown):
        say(sentence)


def _as_before(source: str, given: GivenModel, own: OwnData) -> tuple[GivenModel, OwnData]:
    """What an earlier spelling means: `--target weights.safetensors` of a source that is no table names weights."""
    from dataclasses import replace

    from byrote.data.source import kind_of

    target = own.target or []
    if target and given.weights is None and kind_of(source) != "table" and target[0].lower().endswith(".safetensors"):
        return replace(given, weights=Path(target[0])), replace(own, target=None)
    return given, own


def _canaries(bound: PrivacyBound, language: LanguageModel) -> int:
    """How many canaries; a number that `--canaries` gives, as in an earlier spelling, counts."""
    if language.canaries is None:
        return bound.epsilon_canaries
    if not is_number(language.canaries) or not float(language.canaries).is_integer():
        raise BadInput(
            f"The option --canaries names a file of secrets, and goes with --corpus. Got {language.canaries!r}.",
            hint="--epsilon-canaries 500 is how many canaries --epsilon has.",
        )
    return int(float(language.canaries))


def _refuse_stopping(ensemble: Ensemble) -> None:
    if ensemble.stderr is not None or ensemble.budget is not None:
        raise BadInput(
            "--stderr and --budget stop only the audit of an ensemble, not an audit of a target or with --epsilon.",
            hint="leave them out, and give --models.",
        )


def _both(given: GivenModel) -> tuple[Path, Path]:
    if given.weights is None or given.members is None:
        raise BadInput(
            "--weights and --members go together.", hint="--weights weights.safetensors --members members.csv"
        )
    return given.weights, given.members
