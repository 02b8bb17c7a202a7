"""The report as a page: one file that needs no network and runs no script."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from byrote.data.controls import LABEL_NOISE
from byrote.errors import MissingEvidence, TooFewModels
from byrote.evidence.shards import write_bytes
from byrote.report.facts import MEMORIZED, NAMED, Detection, Facts, changed, facts
from byrote.report.figures import Figure, distribution, fitted, training
from byrote.report.gallery import Gallery, gallery
from byrote.report.headline import headline
from byrote.report.provenance import provenance
from byrote.report.summary import decimal, percent
from byrote.report.text import kind_words, number, plain
from byrote.report.trajectories import CLEAN, trajectories
from byrote.run import Hear, Run, deaf

if TYPE_CHECKING:
    from jinja2 import Environment

FILE = "report.html"
#: About this share of the time goes into measuring, and the rest into the page.
MEASURING = 0.9


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """How well each score finds one kind of planted control, best first."""

    kind: str
    planted: int
    others: int
    chance: str
    rows: tuple[Detection, ...]


def write_report(run: Run, hear: Hear = deaf) -> tuple[Path, Facts]:
    """Measure a run, write its `report.html`, and say where it is and what was found.

    `hear` is told what share of it is done.

    Raises:
        MissingEvidence, TooFewModels: not even label memorization can be measured.
    """
    found = facts(run, lambda share: hear(MEASURING * share))
    path = run.folder / FILE
    write_bytes(path, page(run, found).encode())
    hear(1.0)
    return path, found


def page(run: Run, found: Facts) -> str:
    """The page of a run whose facts were measured."""
    from markupsafe import Markup

    style = files("byrote.report").joinpath("page.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    figures, missing = _figures(run, found)
    shown, why_no_gallery = _gallery(run, found)
    return (
        _environment()
        .get_template("page.html.jinja")
        .render(
            style=Markup(style),
            policy=Markup(
                f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
            ),
            run=run,
            facts=found,
            memorized=MEMORIZED,
            named=NAMED,
            headline=headline(run, found),
            changed=next(iter(changed(run)), ""),
            gallery=shown,
            why_no_gallery=why_no_gallery,
            figures=figures,
            missing=missing,
            note=found.memorization.note,
            rankings=_rankings(found),
            provenance=provenance(run),
        )
    )


def _figures(run: Run, found: Facts) -> tuple[dict[str, Figure], dict[str, str]]:
    """Figures by name, and why those are missing that are."""
    kinds = run.controls.kinds()
    masks = {kind: run.controls.mask(run.ids, kind) for kind in kinds}
    clean = ~np.any([np.zeros(len(run.ids), bool), *masks.values()], axis=0)
    figures = {"distribution": distribution(found.memorization, {CLEAN: clean, **masks})}
    missing = {}
    try:
        figures["training"] = training(trajectories(run))
    except (MissingEvidence, TooFewModels) as error:
        missing["training"] = error.message
    curve = found.curves.get("noisy_label_memorization")
    if curve is not None and LABEL_NOISE in kinds and not np.isnan(curve.values).all():
        figures["fitted"] = fitted(curve)
    return figures, missing


def _gallery(run: Run, found: Facts) -> tuple[Gallery | None, str]:
    try:
        return gallery(run, found.memorization), ""
    except (MissingEvidence, TooFewModels) as error:
        return None, error.message


def _rankings(found: Facts) -> tuple[Ranking, ...]:
    others = found.mean_memorization[CLEAN].examples if CLEAN in found.mean_memorization else 0
    rankings = []
    for kind in dict.fromkeys(detection.kind for detection in found.detections):
        planted = found.mean_memorization[kind].examples
        rows = tuple(detection for detection in found.detections if detection.kind == kind)
        chance = number(planted / max(planted + others, 1), 3)
        rankings.append(Ranking(kind=kind, planted=planted, others=others, chance=chance, rows=rows))
    return tuple(rankings)


@cache
def _environment() -> Environment:
    """Templates that escape everything: markup by autoescape, whatever else acts on a page by `plain`."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("byrote.report", "."),
        autoescape=True,
        finalize=_inert,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"decimal": decimal, "percent": percent, "words": kind_words, "short": plain}
    return environment


def _inert(value: Any) -> Any:
    return value if hasattr(value, "__html__") or not isinstance(value, str) else plain(value, limit=4_000)
