"""Runs with adversarial answers that nobody had to search for: the clean ones, less a fall of each example's own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from byrote.evidence.manifest import Manifest
from byrote.runs.run import Run


def attacked(run: Run, *, radius: float = 0.1, fall: float = 2.0, seed: int = 0) -> Run:
    """The run, as if each answer had fallen by up to so much under an attack of that radius."""
    rng = np.random.default_rng(seed)
    for model in run.models().tolist():
        columns = {name: np.asarray(kind) for name, kind in strength(radius).items()}
        for prefix, kind in (("", "outputs"), ("heldout_", "heldout")):
            clean = {of: run.load(f"{kind}.{of}", [model])[0] for of in ("log_odds", "logit_margin")}
            less = (fall * rng.random(len(clean["log_odds"]))).astype(np.float32)
            columns |= {f"{prefix}{of}": answers - less for of, answers in clean.items()}
        run.evidence.write("adversarial", model, run.last_phase, columns, {})
    manifest = Manifest.read(run.folder)
    replace(manifest, evidence=(*manifest.evidence, "adversarial")).write(run.folder)
    return Run.open(run.folder)


def strength(radius: float) -> dict[str, np.generic]:
    """What an attack records of itself."""
    return {"radius": np.float32(radius), "steps": np.int32(50), "restarts": np.int32(5)}
