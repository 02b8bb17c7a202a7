"""Critical samples: how near to an example the trained network answers otherwise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Int, Int8

from byrote.measures._members import side_average
from byrote.measures._over_models import over_models
from byrote.measures.catalog import measure
from byrote.results import Curve, PerExample
from byrote.stats.intervals import UNBOUNDED

_SOURCE = "Arpit et al. 2017, arXiv:1706.05394, section 4"
#: A radius is well chosen where so large a share of held-out examples is critical.
FROM, TO = 0.1, 0.3


@measure(
    needs=("critical_samples.radius", "design.member"),
    unit="input unit",
    range=(-np.inf, 0.0),
    higher="another answer is nearer",
    source=_SOURCE,
    section="4.4",
    domain="generalization",
    level="example",
    evaluation="proxy",
    by_example=True,
)
def critical_samples(
    radius: Float[np.ndarray, "model example"], member: Int8[np.ndarray, "model example"], *, side: int = 1
) -> PerExample:
    r"""How near to an example another answer was found, in models trained on it.

    Formula:
        - mean over members k of the least radius r that was tried at which some x' with max_p |x'_p - x_p| <= r has
        another answer than x; `side=0` takes the models that were not trained on the example
    Undefined:
        nan where none of the models that were looked at was trained on the example, or one of them has no other answer
        within the largest radius; the error is nan below 2 models.

    Example:
        >>> critical_samples(np.array([[0.1, np.inf], [0.2, 0.1]]), np.ones((2, 2), np.int8)).values
        array([-0.15,   nan])

    Differs:
        The source counts critical samples at one radius, which is `critical_samples[ratio]`. The search can miss an
        answer, so that the true radius is at most the one that was found.
    """
    return side_average((-row.astype(np.float64) for row in radius), member, side, bounds=UNBOUNDED)


@measure(
    needs=(
        "critical_samples.radius",
        "critical_samples.heldout_share",
        "critical_samples.radii",
        "design.member",
        "design.pair",
        "controls.label_noise",
    ),
    variant_of="critical_samples",
    variant="ratio",
    unit="share of examples",
    range=(0.0, 1.0),
    higher="more examples have another answer within the radius",
    level="model",
    evaluation="noisy label",
    by_example=False,
)
def critical_samples_ratio(
    radius: Float[np.ndarray, "model example"],
    heldout_share: Float[np.ndarray, "model radius"],
    radii: Float[np.ndarray, " radius"],
    member: Int8[np.ndarray, "model example"],
    pair: Int[np.ndarray, " model"],
    label_noise: Bool[np.ndarray, " example"],
) -> Curve:
    r"""Share of the examples that have another answer within a radius: planted wrong labels, others, held-out ones.

    Formula:
        mean over models k of the share of the members of k in the group whose least radius is at most r, and of the
        held-out examples, with Student's interval over pairs of models
    Undefined:
        nan where no model was trained on an example of the group, or nothing is held out; the error is nan below 3
        pairs.

    Example:
        >>> r, held = np.array([[0.1, np.inf]] * 2), np.array([[0.2, 0.4]] * 2)
        >>> m, noise = np.ones((2, 2), np.int8), np.array([True, False])
        >>> critical_samples_ratio(r, held, np.array([0.1, 0.3]), m, np.array([-1, -1]), noise).values
        array([[1. , 1. ],
               [0. , 0. ],
               [0.2, 0.4]])

    Differs:
        The source names one radius. Large ones saturate: read the groups where the share of held-out examples is .1
        to .3, which the note names. Every share is a lower bound, as a search that finds nothing proves nothing.
    """
    lines = np.full((len(radius), 3, len(radii)), np.nan)
    for row, (own, membership) in enumerate(zip(radius, member, strict=True)):
        for line, group in enumerate((label_noise, ~label_noise)):
            chosen = own[(membership == 1) & group]
            if len(chosen):
                lines[row, line] = (chosen[:, None] <= radii).mean(0)
    lines[:, 2] = heldout_share
    inside = [np.count_nonzero((member == 1) & group) for group in (label_noise, ~label_noise)]
    found = over_models(
        lines,
        np.arange(len(radii)),
        pair,
        ("planted label noise", "other members", "held out"),
        counts=np.array([*inside, 0], np.int64),
        bounds=(0.0, 1.0),
        why="no model was trained on an example of it, or nothing is held out",
    )
    fit = [f"{r:.3g}" for r, share in zip(radii, found.values[2], strict=True) if FROM <= share <= TO]
    note = (
        f"held-out examples have a share of .1 to .3 at {', '.join(fit)}"
        if fit
        else "at no radius is the held-out share .1 to .3"
    )
    return replace(found, axis="radius", at=radii.astype(np.float64), note="; ".join(filter(None, (found.note, note))))
