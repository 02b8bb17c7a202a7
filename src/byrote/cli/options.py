"""Options that several commands share, each stated once, in groups that help shows as panels."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import typer

from byrote.cli.terminal import Workers
from byrote.errors import BadInput

SOURCE = (
    "digits, fashion-mnist, a table (.csv, .tsv, .parquet) with --target, an .npz file, a folder of images with a "
    "subfolder a class or of inputs.npy and targets.npy, .tar shards of images, or a Python file with dataset() and "
    "recipe()."
)
Source = Annotated[str, typer.Argument(help=SOURCE)]
DataDir = Annotated[str | None, typer.Option(help="Where fashion-mnist's four idx .gz files are.")]
Seed = Annotated[int, typer.Option(min=0, help="Integer that fixes all randomness.")]
Plants = Annotated[
    list[str] | None,
    typer.Option(
        "--plant",
        help="Planted control, e.g. label-noise=0.05 (list below). Repeat for several; 'none' plants nothing.",
    ),
]
SelfTest = Annotated[
    bool,
    typer.Option(
        "--self-test/--no-self-test",
        help="Of classes without planted label noise: train 4 models beside the ensemble with labels made wrong on "
        "purpose, to see whether wrong labels are found. Not within --budget.",
    ),
]
Looks = Annotated[
    bool,
    typer.Option(
        "--looks/--no-looks",
        help="Write the report already after one training, and after 4, 8, 16 and 32 models, while the others train; "
        "where that takes less than a tenth of the training to come. Not with --stderr or --budget.",
    ),
]
_ENSEMBLE, _OWN_DATA, _KEPT = "How many models", "Data of your own", "What is recorded"
_GIVEN, _PRIVACY = "A trained model of yours, attacked", "Differential privacy"


@dataclass(frozen=True, kw_only=True)
class Ensemble:
    """How many models are trained, or when to stop."""

    models: Annotated[
        int | None,
        typer.Option(
            help="Number of models, even, at least 4; 64 unless given. With --stderr or --budget, the most that are "
            "trained.",
            rich_help_panel=_ENSEMBLE,
        ),
    ] = None
    stderr: Annotated[
        float | None,
        typer.Option(
            help="Stop at the first stopping point where 9 of 10 examples have a standard error of at most "
            "this, e.g. 0.05.",
            rich_help_panel=_ENSEMBLE,
        ),
    ] = None
    budget: Annotated[
        str | None,
        typer.Option(
            help="Stop at the last stopping point within this training time, e.g. 90s or 10m.",
            rich_help_panel=_ENSEMBLE,
        ),
    ] = None
    estimate: Annotated[
        str,
        typer.Option(
            metavar="MEASURE",
            help="Whose errors --stderr, plans and looks at an audit are about: label_memorization, or "
            "label_memorization[margin], which takes fewer models where margins are normal.",
            rich_help_panel=_ENSEMBLE,
        ),
    ] = "label_memorization"


@dataclass(frozen=True, kw_only=True)
class Training:
    """What is random, and where it is trained."""

    seed: Seed = 0
    workers: Workers = None
    device: Annotated[str | None, typer.Option(help="cpu or cuda (default: cuda if available).")] = None


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What is recorded of each training beside its answers."""

    checkpoints: Annotated[
        int,
        typer.Option(
            min=2,
            help="Maximum number of checkpoints: evaluations of all examples during training.",
            rich_help_panel=_KEPT,
        ),
    ] = 20
    keep_weights: Annotated[
        bool, typer.Option("--keep-weights", help="Keep every model's weights.", rich_help_panel=_KEPT)
    ] = False
    keep_weights_at: Annotated[
        str | None,
        typer.Option(
            help="Also keep weights of 4 pairs during training, for `byrote probe`: checkpoints, best, or epochs as "
            "0,3,last; at most 1 GB.",
            rich_help_panel=_KEPT,
        ),
    ] = None
    probe: Annotated[
        list[str] | None,
        typer.Option(
            help="Extra probes to record: last_layer, gradient_norm; for language models: decoding.",
            rich_help_panel=_KEPT,
        ),
    ] = None

    def settings(self) -> dict[str, Any]:
        """As `byrote.audit` takes them."""
        settings = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "probe"}
        return {**settings, "probes": tuple(self.probe or ())}


@dataclass(frozen=True, kw_only=True)
class GivenModel:
    """A trained model that is attacked, with reference models trained beside it."""

    weights: Annotated[
        Path | None,
        typer.Option(help="Its weights (.safetensors); needs --members.", rich_help_panel=_GIVEN),
    ] = None
    members: Annotated[
        Path | None, typer.Option(help="CSV with the columns example and member (1, 0).", rich_help_panel=_GIVEN)
    ] = None
    attack: Annotated[str, typer.Option(help="The attack on it.", rich_help_panel=_GIVEN)] = "lira"


@dataclass(frozen=True, kw_only=True)
class PrivacyBound:
    """An audit of differential privacy."""

    epsilon: Annotated[
        bool,
        typer.Option(
            "--epsilon",
            help="Train once, with canaries chosen by coins; with --models so many times, with one canary.",
            rich_help_panel=_PRIVACY,
        ),
    ] = False
    epsilon_canaries: Annotated[int, typer.Option(help="So many canaries.", rich_help_panel=_PRIVACY)] = 500
    delta: Annotated[float, typer.Option(help="The delta at which epsilon is bounded.", rich_help_panel=_PRIVACY)] = (
        1e-5
    )


@dataclass(frozen=True, kw_only=True)
class OwnData:
    """How data of one's own are read, and trained on."""

    target: Annotated[
        list[str] | None,
        typer.Option(
            help="Column of a table: the class, or a number to be predicted; given more than once, labels of yes and "
            "no, or with --task regression numbers.",
            rich_help_panel=_OWN_DATA,
        ),
    ] = None
    task: Annotated[
        Literal["classes", "labels", "regression"] | None,
        typer.Option(
            help="Task: classes, labels or regression (default for a table: inferred from the target column).",
            rich_help_panel=_OWN_DATA,
        ),
    ] = None
    tolerance: Annotated[
        float | None,
        typer.Option(
            help="Regression: largest error that counts as correct (default: 1/4 of the target's standard deviation).",
            rich_help_panel=_OWN_DATA,
        ),
    ] = None
    balanced: Annotated[
        bool,
        typer.Option(
            "--balanced",
            help="Weight the loss so that rare classes or labels count as much as frequent ones.",
            rich_help_panel=_OWN_DATA,
        ),
    ] = False
    epochs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="How often each model goes over data of your own, or a tiny GPT over --corpus; as often as they "
            "suggest unless given.",
            rich_help_panel=_OWN_DATA,
        ),
    ] = None
    group: Annotated[
        str | None,
        typer.Option(
            help="Column of a table: the person or document a row belongs to; models train on whole groups.",
            rich_help_panel=_OWN_DATA,
        ),
    ] = None
    id: Annotated[str | None, typer.Option(help="Column of a table: names the rows.", rich_help_panel=_OWN_DATA)] = None
    text: Annotated[
        str | None,
        typer.Option(help="Text column of a table; it becomes the only input.", rich_help_panel=_OWN_DATA),
    ] = None
    size: Annotated[
        int | None,
        typer.Option(
            help="Pixels that images of a folder or shards are brought to, in width and height.",
            rich_help_panel=_OWN_DATA,
        ),
    ] = None
    heldout: Annotated[
        str,
        typer.Option(
            metavar="SHARE",
            help="Share of such data that no model trains on; of whole groups.",
            rich_help_panel=_OWN_DATA,
        ),
    ] = "0.2"

    def reading(self) -> Any:
        """The `Reading` of a source."""
        from byrote.data.source import Reading

        settings = {each.name: getattr(self, each.name) for each in fields(self)}
        return Reading(**{**settings, "heldout": number("--heldout", self.heldout)})


def plants_of(given: list[str] | None) -> list[str] | None:
    """What is planted; None leaves it to the source."""
    return None if given is None else [text for text in given if text != "none"]


def is_number(text: str) -> bool:
    """Whether a text is one."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def number(option: str, text: str) -> float:
    """The number that an option names.

    Raises:
        BadInput: it names none.
    """
    if not is_number(text):
        raise BadInput(
            f"The option {option} takes a number. Got {text!r}.",
            hint=f"{option} 0.2; a file of documents goes with --corpus, as --heldout-documents FILE.",
        )
    return float(text)


def file_of(text: str) -> Path | None:
    """The file that an option names; a number names none."""
    return None if is_number(text) else Path(text)


def spread(command: Callable[..., Any]) -> Callable[..., Any]:
    """A command whose parameters that are groups of options stand there one by one, as Typer reads them.

    Example:
        >>> def plan(ensemble: Ensemble, seed: Seed = 0) -> None: ...
        >>> list(inspect.signature(spread(plan)).parameters)
        ['models', 'stderr', 'budget', 'estimate', 'seed']
    """
    hints = get_type_hints(command, include_extras=True)
    own = inspect.signature(command).parameters
    groups = {name: hints[name] for name in own if is_dataclass(hints[name])}
    found: dict[str, inspect.Parameter] = {}
    for name, parameter in own.items():
        for each in _options(groups[name]) if name in groups else [parameter.replace(annotation=hints[name])]:
            found[each.name] = each.replace(kind=inspect.Parameter.KEYWORD_ONLY)

    @functools.wraps(command)
    def run(**given: Any) -> Any:
        made = {
            name: kind(**{each.name: given.pop(each.name) for each in fields(kind)}) for name, kind in groups.items()
        }
        return command(**given, **made)

    run.__signature__ = inspect.Signature(list(found.values()))  # type: ignore[attr-defined]  # Typer reads it
    run.__annotations__ = {name: each.annotation for name, each in found.items()}
    return run


def _options(group: Any) -> list[inspect.Parameter]:
    """The fields of a group as parameters."""
    hints = get_type_hints(group, include_extras=True)
    keyword = inspect.Parameter.KEYWORD_ONLY
    return [
        inspect.Parameter(
            each.name,
            keyword,
            default=inspect.Parameter.empty if each.default is MISSING else each.default,
            annotation=hints[each.name],
        )
        for each in fields(group)
    ]
