"""Small made-up runs, and a page taken apart."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

import byrote
from byrote.data.controls import LABEL_NOISE, Controls, planted
from byrote.data.dataset import Dataset
from byrote.runs.run import Run

MAIL = "write to jane.roe@mail.example.org now"
EPOCHS = (0, 1, 5, 20)
NOISY = 5
HOSTILE = (
    "<script>alert(1)</script>",
    "\u202egnp.exe\u202c",
    "\"' onmouseover='alert(2)' x=\"",
    "a\x00b\x1b[31m\x7f\u0085c",
    "</style></title><img src=x onerror=alert(3)>",
    "{{ 7 * 7 }} {% raw %}",
    "javascript:alert(4)",
    "x" * 5_000,
    "line\nbreak\u2028\u2066",
)


def make_run(
    folder: Path,
    *,
    models: int = 8,
    examples: int = 40,
    trajectories: bool = True,
    controls: bool = True,
    predictions: bool = True,
    fit: float = 3.0,
    known: bool = False,
    dataset: Dataset | None = None,
) -> Run:
    """Models that fit what they are trained on (margin `fit`), and know all but the first examples without it.

    Where all is `known`, they know the first ones as well.
    """
    rng = np.random.default_rng(0)
    half = np.array([rng.permutation(examples) < examples // 2 for _ in range(models // 2)])
    member = np.stack([half, ~half], axis=1).reshape(models, examples).astype(np.int8)
    labels = np.arange(examples) % 3 if dataset is None else np.asarray(dataset.targets)
    ids = [f"made-{i:02d}" for i in range(examples)] if dataset is None else dataset.ids.tolist()
    names = ("cat", "dog", "emu") if dataset is None else dataset.class_names
    noisy = np.arange(examples) < (0 if known else NOISY)
    margin = np.where(member == 1, fit, np.where(noisy, -2.0, 2.0)) + rng.normal(0, 0.1, (models, examples))
    margin = margin.astype(np.float32)
    evidence = {"outputs.log_odds": margin, "outputs.logit_margin": margin}
    if predictions:
        wrong = (labels + 1) % len(names)
        evidence["outputs.prediction"] = np.where(margin > 0, labels, wrong).astype(np.int32)
    if trajectories:
        course = margin[:, None] * np.array([0.0, 0.3, 0.6, 1.0], np.float32)[None, :, None]
        evidence |= {"trajectory.log_odds": course, "trajectory.logit_margin": course}
    run = byrote.import_arrays(
        folder,
        labels=labels,
        member=member,
        evidence=evidence,
        ids=ids,
        pair=np.repeat(np.arange(models // 2), 2),
        class_names=names,
        checkpoints=EPOCHS if trajectories else (),
        controls=planted(LABEL_NOISE, ids[:NOISY], [names[0]] * NOISY) if controls else Controls(),
        name="made" if dataset is None else dataset.name,
    )
    run.dataset = dataset
    return run


@dataclass
class Element:
    """A start tag."""

    tag: str
    attributes: dict[str, str]


@dataclass
class Page(HTMLParser):
    """The elements and the text of a page."""

    html: str
    elements: list[Element] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    _open: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.feed(self.html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, {name: value or "" for name, value in attrs}))
        if tag in ("style", "title", "script"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1] == tag:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if self._open[-1:] not in (["style"], ["script"]):
            self.texts.append(data)

    @property
    def text(self) -> str:
        """All text with single spaces."""
        return " ".join(" ".join(self.texts).split())

    def all(self, tag: str) -> list[Element]:
        """The elements of that name."""
        return [element for element in self.elements if element.tag == tag]


def secrets(run: Run) -> list[str]:
    """The secrets of a run's canaries."""
    return re.findall(r'"secret": "(\d+)"', (run.folder / "canaries.json").read_text())
