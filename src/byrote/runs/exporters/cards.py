"""A section for a model card, and one for a data card, as Hugging Face takes them: Markdown with YAML in front."""

from __future__ import annotations

import html
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from byrote.errors import MissingEvidence
from byrote.evidence.made_here import write_own
from byrote.runs.exporters.figures import Figure, figures_of, report_of
from byrote.runs.run import Run

#: What figures are called in a card, by their place in the report, and whether they are shares; in this order.
TITLES: Final[Mapping[str, tuple[str, bool]]] = {
    "memorization/share_corrected": ("Memorized examples, corrected for chance", True),
    "memorization/share": ("Memorized examples, raw share of the estimates", True),
    "memorization/mean/clean": ("Mean memorization of examples without a planted control", False),
    "memorization/mean/label_noise": ("Mean memorization of planted wrong labels", False),
    "memorization/accuracy/member": ("Accuracy on members", True),
    "memorization/accuracy/nonmember": ("Accuracy on non-members", True),
    "memorization/accuracy/heldout": ("Accuracy on held-out data", True),
    "predicted/trained": ("Next tokens predicted, documents trained on", True),
    "predicted/heldout": ("Next tokens predicted, held-out documents", True),
}
#: The figures of an attack that a card shows: AUC, and true-positive rates.
_ATTACK: Final = re.compile(r"attacks/(?P<attack>[^/]+)/(?:auc|tpr_at_fpr_(?P<rate>[\d.]+))")
_ISSUES: Final = "issues.parquet"
_TAGS: Final = ("memorization", "byrote")


def write_model_card(run: Run, path: str | Path) -> int:
    """Write the section on memorization for the card of a model; how many figures it holds.

    Its front matter holds the figures as `model-index`, its text has them with 95 % intervals, and what limits them.

    Raises:
        MissingEvidence: no report was written yet.
        BadInput: the report was changed, or a file of somebody else is where this one is to be.
    """
    report = report_of(run)
    shown = _titled(figures_of(report))
    _write(
        path,
        [
            *_front({"tags": list(_TAGS), "model-index": [_index(report, shown)]}),
            *_model(report, shown, run.manifest.notes),
        ],
    )
    return len(shown)


def write_data_card(run: Run, path: str | Path) -> int:
    """Write the section on known issues for the card of a dataset; how many examples have one.

    It counts the issues that the run keeps, examples with a planted control left out, and names no example.

    Raises:
        MissingEvidence: nothing was asked for issues, or no report was written yet.
        BadInput: a file was changed, or one of somebody else is where this one is to be.
    """
    report = report_of(run)
    if not (run.folder / "results" / _ISSUES).is_file():
        raise MissingEvidence(
            f"The run {str(run.folder)!r} keeps no list of issues.", hint=f"byrote ask {run.folder} issues"
        )
    table = run.kept_table(_ISSUES, "example", "issue")
    own = ~np.isin(np.array(table["example"].to_pylist(), np.str_), run.controls.example)
    issues = Counter(np.array(table["issue"].to_pylist(), np.str_)[own].tolist())
    _write(path, [*_front({"tags": list(_TAGS)}), *_data(report, issues, run)])
    return len(set(np.array(table["example"].to_pylist(), np.str_)[own].tolist()))


def _titled(figures: Mapping[str, Figure]) -> dict[str, tuple[str, Figure, bool]]:
    """The figures of a card by their place, with title, in the order of the titles, attacks last."""
    found = {place: (title, figures[place], share) for place, (title, share) in TITLES.items() if place in figures}
    for place, figure in figures.items():
        attack = _ATTACK.fullmatch(place)
        if attack is not None:
            what = "AUC" if attack["rate"] is None else f"TPR at an FPR of {attack['rate']}"
            name = attack["attack"].replace("_", " ")
            found[place] = (f"Membership attack {name}: {what}", figure, attack["rate"] is not None)
    return found


def _index(report: Mapping[str, Any], shown: Mapping[str, tuple[str, Figure, bool]]) -> dict[str, Any]:
    run = report["run"]
    return {
        "name": run["name"],
        "results": [
            {
                "task": {"type": "text-generation" if "documents" in run else "other"},
                "dataset": {"name": run["dataset"], "type": run["dataset"]},
                "metrics": [
                    {"type": place.replace("/", "."), "name": title, "value": figure.value}
                    for place, (title, figure, _) in shown.items()
                ],
            }
        ],
    }


def _model(report: Mapping[str, Any], shown: Mapping[str, tuple[str, Figure, bool]], notes: Sequence[str]) -> list[str]:
    rows = [(title, _number(figure.value, share), _interval(figure, share)) for title, figure, share in shown.values()]
    recited = report.get("recited")
    if recited is not None:
        trained = recited["trained"]
        rows.append(("Different texts recited word for word", f"{trained['recited']} of {trained['texts']}", "–"))
    secrets = report.get("secrets")
    if secrets is not None:
        planted = secrets["planted"]
        rows.append(("Planted secrets known above chance", f"{planted['known']} of {planted['canaries']}", "–"))
    return [
        "## Memorization",
        "",
        f"{_text(report['headline']['title'])}. {_measured(report)}",
        "",
        *_table(("figure", "value", "95 % interval"), rows),
        "",
        "### Limits",
        "",
        *_limits(report, notes),
    ]


def _data(report: Mapping[str, Any], issues: Mapping[str, int], run: Run) -> list[str]:
    notes = run.manifest.notes
    own = int((~np.isin(run.ids, run.controls.example)).sum())
    rows = [(kind, f"{many:,}", f"{100 * many / own:.1f} %") for kind, many in issues.items()]
    return [
        "## Known issues",
        "",
        f"{_measured(report)} Examples can have several issues; nobody has looked at them one by one.",
        "",
        *(_table(("issue", "examples", "share"), rows) if rows else ["No issue of a single example was found."]),
        "",
        "### Limits",
        "",
        *_limits(report, notes),
    ]


def _measured(report: Mapping[str, Any]) -> str:
    run = report["run"]
    many, what = (run["documents"], "documents") if "documents" in run else (run["examples"], "examples")
    models = f"{run['models']:,} model{'s' * (run['models'] != 1)}"
    return (
        f"Measured with byrote {_text(report['byrote'])} on {_text(run['created'][:10])}: {models}, {many:,} {what} of "
        f"{_text(run['dataset'])}."
    )


def _limits(report: Mapping[str, Any], notes: Sequence[str]) -> list[str]:
    headline = report["headline"]
    warnings = [headline.get("warning") or "", *headline.get("warnings", ())]
    refused = report.get("attacks") or {}
    said = [
        *warnings,
        *notes,
        *([f"No membership attack was made: {refused['reason']}"] if "reason" in refused else []),
        "An interval is about other models or examples like these; it does not hold for other data or recipes.",
        "What was not measured here is not shown to be absent.",
    ]
    return [f"- {_text(one).rstrip('.')}." for one in dict.fromkeys(said) if one]


def _number(value: float, share: bool) -> str:
    return f"{100 * value:.1f} %" if share else f"{value:.3f}"


def _interval(figure: Figure, share: bool) -> str:
    if figure.low is None or figure.high is None:
        return "unknown"
    return f"{_number(figure.low, share)} to {_number(figure.high, share)}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *([_text(cell) for cell in row] for row in rows)]
    return [f"| {' | '.join(line)} |" for line in lines]


def _text(words: str) -> str:
    r"""Words that Markdown shows as they are, on one line.

    Example:
        >>> print(_text("a|b <c> [d](e) _f_"))
        a\|b &lt;c&gt; \[d\](e) \_f\_
    """
    return re.sub(r"([\\`*_\[\]|#~])", r"\\\1", html.escape(" ".join(words.split()), quote=False))


def _front(content: Mapping[str, Any]) -> list[str]:
    """YAML of one line a key; JSON is YAML, and quotes whatever comes from data."""
    return ["---", *(f"{name}: {json.dumps(value)}" for name, value in content.items()), "---", ""]


def _write(path: str | Path, lines: Sequence[str]) -> None:
    write_own(Path(path), ("\n".join(lines) + "\n").encode())
