"""Claim: gradients by example cost little, and find wrong labels as a sheet of figures, made beforehand, says.

It has five parts, each of which can be run alone. Times are CPU seconds; ratios are medians of interleaved rounds.

- `passes`, against a plain backward pass of the same examples through the same eight networks (digits, MLP
  64-256-128-64-10): ghost norms at most 1.0, stacked and one by one; the exact input curvature at most the number of
  classes + 2; input gradients with all that cumulative gradients, their variance and loss sensitivity take at most 1.5
  a checkpoint.
- `audit`: `audit digits` with EL2N, those three and ghost norms on every model at 20 checkpoints takes at most 1.8
  times as long as without.
- `map`: the rewinding map of six models, four layers and eleven checkpoints takes at most 20 CPU seconds.
- `kept`: weights kept at checkpoints take at most the bytes that `plan` counts.
- `figures`: networks on 1,200 digits of which 10 % have a wrong label; of every score the AUC and average precision
  of those, and the rank correlation with label memorization (64 models on halves), mean over trainings on all data.
  The sheet's stand beside; a figure is told where it is more than 3 standard errors, of the difference of two such
  means, away from the sheet's. Then the lines of curves in time. In the sheet's curvature each checkpoint stands for
  the epochs before it, as in the row "…, epochs before"; byrote's is linear between checkpoints, which counts late
  epochs less. Both programs trained on one split and one draw of wrong labels each, so that these errors leave out
  what others would give: an independent program on eight draws had an AUC of .926 for `variance_of_gradients[early]`
  (.035 between networks), where the sheet has .91 and byrote .94. byrote on six draws had AUCs of .961 to .989 for
  `class_cosine`, .899 to .932 for curvature by epochs before, and `gradient_shares` of 3.3 to 6.5 at epoch 40 and 3.3
  to 5.9 at 60, where the whole gradient is nearly 0.

`--quick` audits 8 models, rewinds 2 of 20 epochs, and takes 2 trainings in place of 6 and 16 models on halves.

Usage: python benchmarks/where.py [--quick] [--parts passes,audit,map,kept,figures]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import torch
from _timing import finish
from rewinding import MOST_SECONDS
from rewinding import trained as rewindable
from sklearn.datasets import load_digits
from torch import Tensor, nn

import byrote
from byrote.analyses.comparison import partial_rank_correlation, rank_correlation
from byrote.changes.change import Context
from byrote.changes.data.symmetric_label_noise import SymmetricLabelNoise
from byrote.cli.sources import experiment
from byrote.engine import afterwards
from byrote.engine.preparation import prepare
from byrote.engine.resources import kept_bytes
from byrote.probes.contract import Block, Probe
from byrote.probes.input_curvature import InputCurvatureProbe
from byrote.probes.input_gradients import InputGradientsProbe
from byrote.probes.moment import BATCH, Models, Moment, losses
from byrote.probes.variance_of_gradients import VarianceOfGradientsProbe
from byrote.probes.weight_gradients import WeightGradientsProbe
from byrote.recipes.algorithm import Shape
from byrote.recipes.schedules import Cosine
from byrote.results import Curve
from byrote.stats.ranking import auroc, average_precision

NETWORK = byrote.MLP(hidden=(256, 128, 64))
CLASSES, MODELS = 10, 8
BARS = {
    "ghost norms, stacked": 1.0,
    "ghost norms, one by one": 1.0,
    "exact curvature, stacked": CLASSES + 2.0,
    "input gradients, stacked": 1.5,
    "audit with probes": 1.8,
    "map, CPU seconds": MOST_SECONDS,
    "kept weights, share of the plan": 1.0,
}
PROBES = ("el2n", "input_gradients", "variance_of_gradients", "weight_gradients")
#: Score: AUC, average precision, rank correlation with label memorization, the same given cumulative loss.
SHEET: dict[str, tuple[float | None, ...]] = {
    "cumulative_sample_loss": (0.998, 0.990, 0.67, None),
    "el2n": (None, None, None, 0.18),
    "el2n[mean]": (0.996, 0.982, 0.64, -0.11),
    "cumulative_sample_gradient": (0.976, 0.796, 0.66, 0.12),
    "cumulative_sample_gradient[norm]": (0.986, 0.896, 0.63, None),
    "cumulative_sample_gradient[parameters]": (0.990, 0.920, 0.66, 0.11),
    "gradient_norm": (None, None, None, None),
    "loss_sensitivity": (0.988, None, None, None),
    "variance_of_gradients": (0.98, None, None, None),
    "variance_of_gradients[early]": (0.91, None, None, None),
    "variance_of_gradients[probability]": (0.90, None, None, None),
    "variance_of_gradients[logit]": (0.29, None, None, None),
    "variance_of_gradients[margin]": (0.48, None, None, None),
    "input_curvature": (None, None, None, None),
    "class_cosine": (0.972, None, 0.49, 0.30),
}
#: The same of curvature, averaged as the sheet does.
BEFORE = "input_curvature, epochs before"
SHEET_BEFORE = (0.924, None, 0.56, None)
#: Line of a curve: epochs, and the sheet's figures there.
CURVES: dict[tuple[str, int], dict[int, float]] = {
    ("gradient_shares", 0): {0: 0.31, 1: 0.62, 3: 0.55, 5: 0.76, 8: 0.73, 12: 0.77, 40: 4.6, 60: 4.2},
    ("gradient_shares[cosine]", 0): {0: 0.13, 1: 0.21, 3: -0.19, 5: -0.30, 8: -0.30, 12: -0.24, 40: -0.33, 60: -0.96},
    ("gradient_shares[coherence]", 0): {0: 0.08, 1: 0.23, 3: 0.27, 5: 0.24, 8: 0.22, 12: 0.21, 40: 0.20, 60: 0.19},
    ("gradient_shares[coherence]", 1): {0: 0.07, 1: 0.23, 3: 0.30, 5: 0.29, 8: 0.29, 12: 0.29, 40: 0.25, 60: 0.24},
    ("gradient_shares[alike]", 0): {0: 0.85, 1: 0.57, 3: 0.22, 8: 0.13, 60: 0.11},
    ("gradient_shares[alike]", 1): {0: 0.89, 1: 0.80, 3: 0.68, 8: 0.69, 60: 0.38},
    ("first_layer_misalignment", 0): {0: 2.43, 3: 3.30, 8: 4.15, 60: 4.67},
    ("first_layer_misalignment", 1): {0: 2.43, 3: 4.13, 8: 5.53, 60: 6.47},
}
#: Of costly probes, which look at a few models by default, all models are asked.
FOR_FIGURES = (
    *(name for name in PROBES if name != "variance_of_gradients"),
    "variance_of_gradients,of=loss;probability;logit;margin",
    *(f"{name},checkpoints=12,models=all" for name in ("input_curvature", "class_cosine", "gradient_shares")),
    "first_layer",
)
COLUMNS = ("AUC", "average precision", "rank correlation", "given loss")


def timed(contestants: dict[str, Callable[[], object]], rounds: int, warm: int = 1) -> dict[str, float]:
    """CPU seconds of each by those of the first, the median over rounds; `warm` more rounds do not count."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds + warm):
        for name, run in contestants.items():
            started = time.process_time()
            run()
            if number >= warm:
                seconds[name].append(time.process_time() - started)
    first, *others = contestants
    return {name: median(a / b for a, b in zip(seconds[name], seconds[first], strict=True)) for name in others}


def checkpoint(probes: list[Probe], nets: list[nn.Module], inputs: Tensor, targets: Tensor, *, stacked: bool) -> None:
    """Show every example to the probes, as the training loop does at a checkpoint."""
    models = Models(lambda: nets, stacked=stacked, trust=TRUST)
    for rows in torch.split(torch.arange(len(inputs)), BATCH):
        at = Moment(
            "checkpoint",
            models,
            "classes",
            rows=rows,
            inputs=lambda rows=rows: inputs[rows],
            targets=targets[rows],
            checkpoint=1,
            epoch=1,
        )
        for probe in probes:
            probe.look(at)
    models.leave()


#: Whether ghost norms hold is found out once a block, as in a training.
TRUST: dict[str, bool] = {}


def passes(rounds: int) -> dict[str, float]:
    """What readings cost, in plain backward passes."""
    data = byrote.digits()[0]
    inputs, targets = torch.tensor(data.inputs), torch.tensor(data.targets.astype(np.int64))
    shape = Shape(inputs=inputs.shape[1:], classes=CLASSES, examples=len(inputs))
    algorithm = byrote.Recipe(network=NETWORK).bind(shape, torch.device("cpu"))
    nets = [algorithm.network(algorithm.init(seed)) for seed in range(MODELS)]
    block = Block(
        models=tuple(range(MODELS)),
        seeds=tuple(range(MODELS)),
        phase=0,
        epochs=(0, 1, 2, 3, 4, 5),
        inputs=inputs,
        targets=targets,
        member=torch.ones(MODELS, len(inputs), dtype=torch.int8),
        classes=CLASSES,
        task="classes",
        algorithm=algorithm,
    )

    def begun(*probes: Probe) -> list[Probe]:
        for probe in probes:
            probe.begin(block)
        return [*probes]

    def plain() -> None:
        for net in nets:
            for rows in torch.split(torch.arange(len(inputs)), BATCH):
                net.zero_grad(set_to_none=True)
                losses(net(inputs[rows]), targets[rows], "classes").sum().backward()  # type: ignore[no-untyped-call]

    norms, curvature = begun(WeightGradientsProbe()), begun(InputCurvatureProbe())
    steep = begun(InputGradientsProbe(), VarianceOfGradientsProbe())

    def shown(probes: list[Probe], *, stacked: bool) -> Callable[[], None]:
        return lambda: checkpoint(probes, nets, inputs, targets, stacked=stacked)

    return timed(
        {
            "plain": plain,
            "ghost norms, stacked": shown(norms, stacked=True),
            "ghost norms, one by one": shown(norms, stacked=False),
            "exact curvature, stacked": shown(curvature, stacked=True),
            "input gradients, stacked": shown(steep, stacked=True),
            "input gradients, one by one": shown(steep, stacked=False),
        },
        rounds,
    )


def audits(models: int, rounds: int, folder: Path) -> dict[str, float]:
    """An audit of digits with the probes by one without them, after a small one that does not count."""
    made = experiment("digits", data_dir=None, plants=("label-noise=0.05",), seed=0)
    count = iter(range(10**6))

    def audited(probes: tuple[str, ...], size: int = models) -> byrote.Run:
        return byrote.audit(
            made.dataset,
            made.recipe,
            heldout=made.heldout,
            models=size,
            workers=1,
            probes=probes,
            progress=False,
            out=folder / f"audit{next(count)}",
            executor=stacked(size),
        )

    audited(PROBES, 4)
    contestants = {"without": lambda: audited(()), "audit with probes": lambda: audited(PROBES)}
    return timed(contestants, rounds, warm=0)


def stacked(models: int) -> dict[str, object]:
    """The same blocks of at most 16 models side by side for every audit, and the two on all data."""
    sizes = [range(at, min(at + 16, models)) for at in range(0, models, 16)]
    blocks = [{"models": [*one], "stacked": True, "compiled": False} for one in (*sizes, range(models, models + 2))]
    return {"blocks": blocks, "reason": "fixed", "seconds_a_model": 1.0, "device": "cpu", "threads": 1}


def rewound(folder: Path, *, quick: bool) -> dict[str, float]:
    """CPU seconds of the rewinding map."""
    run = rewindable(folder / "rewound", quick=quick)
    started = time.process_time()
    afterwards.probe(run, "rewinding")
    return {"map, CPU seconds": time.process_time() - started}


def kept(folder: Path) -> dict[str, float]:
    """Bytes of the weights that are kept at checkpoints, by those that a plan counts."""
    made = experiment("digits", data_dir=None, plants=(), seed=0)
    recipe = replace(made.recipe, epochs=8)
    settings = {"models": 8, "full": 2, "seed": 0, "workers": 1, "checkpoints": 6, "keep_weights_at": "checkpoints"}
    prepared = prepare(
        made.dataset,
        recipe,
        heldout=made.heldout,
        stderr=None,
        budget=None,
        device="cpu",
        keep_weights=False,
        probes=(),
        **settings,
    )
    run = byrote.audit(
        made.dataset, recipe, heldout=made.heldout, progress=False, out=folder / "kept", device="cpu", **settings
    )
    there = sum(
        run.evidence.path("weights_at", model, 0).stat().st_size
        for model in range(run.design.models)
        if run.evidence.has("weights_at", model, 0)
    )
    return {"kept weights, share of the plan": there / kept_bytes(prepared.job)}


def noisy_digits() -> tuple[byrote.Dataset, byrote.Dataset]:
    """1,200 digits of which 120 have a wrong label, and the others."""
    bunch = load_digits()
    order = np.random.default_rng(0).permutation(len(bunch.target))
    images, labels = (bunch.images / 16).astype(np.float32)[order], bunch.target[order]
    names = tuple(map(str, range(CLASSES)))
    train, held = (
        byrote.from_arrays(images[part], labels[part], name=name, class_names=names)
        for name, part in (("bench", slice(1200)), ("bench-held-out", slice(1200, None)))
    )
    return SymmetricLabelNoise(0.1).apply(train, Context(dataset=train, rng=np.random.default_rng(1))), held


def trained(models: int, full: int, epochs: int, rate: float, probes: tuple[str, ...], out: Path) -> byrote.Run:
    """The sheet's recipe."""
    dataset, heldout = noisy_digits()
    recipe = byrote.Recipe(
        network=NETWORK,
        epochs=epochs,
        batch_size=32,
        optimizer=byrote.SGD(lr=rate, momentum=0.9),
        schedule=Cosine(),
    )
    return byrote.audit(
        dataset,
        recipe,
        heldout=heldout,
        models=models,
        full=full,
        probes=probes,
        checkpoints=12,
        workers=1,
        progress=False,
        out=out,
    )


def table(alone: byrote.Run, halves: byrote.Run) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Of each score its figures, one a training."""
    noisy = alone.controls.mask(alone.ids, "label_noise")
    memorized = halves.measure("label_memorization").values
    models = alone.models("full")
    of = {key: [alone.measured_on(key, np.array([model])).values for model in models] for key in SHEET}
    of[BEFORE] = [*epochs_before(alone, models)]
    for key in of:
        given = zip(of[key], of["cumulative_sample_loss"], strict=True)
        yield (
            key,
            [
                np.array([auroc(values, noisy) for values in of[key]]),
                np.array([average_precision(values, noisy) for values in of[key]]),
                np.array([rank_correlation(values, memorized) for values in of[key]]),
                np.array([partial_rank_correlation(values, memorized, loss) for values, loss in given]),
            ],
        )


def epochs_before(run: byrote.Run, models: np.ndarray) -> np.ndarray:
    """`[model, example]`, mean curvature over checkpoints by how many epochs went before each since the last one."""
    epochs, trace = (run.load(f"input_curvature.{name}", models) for name in ("epochs", "trace"))
    return np.einsum("c,mce->me", np.diff(epochs, prepend=0) / epochs[-1], trace.astype(np.float64))


def figures(trainings: int, models: int, folder: Path) -> dict[str, float]:
    """Print the table, and say how many figures are far from the sheet's."""
    alone = trained(4, trainings, 60, 0.1, FOR_FIGURES, folder / "alone")
    halves = trained(models, 0, 40, 0.05, (), folder / "halves")
    found: dict[str, float] = {}
    far = 0
    sheets = SHEET | {BEFORE: SHEET_BEFORE}
    for key, columns in table(alone, halves):
        told = []
        for name, values, sheet in zip(COLUMNS, columns, sheets[key], strict=True):
            mean = float(values.mean())
            error = float(values.std(ddof=1) / np.sqrt(len(values)))
            away = sheet is not None and abs(mean - sheet) > 3 * np.sqrt(2) * error + 0.005
            far += int(away)
            beside = "" if sheet is None else f" (sheet {sheet:.3f}{', FAR' if away else ''})"
            told.append(f"{name} {mean:.3f} ± {error:.3f}{beside}")
            found[f"{key} {name}"] = mean
        print(f"{key}: {'; '.join(told)}", file=sys.stderr, flush=True)
    for (key, line), sheet in CURVES.items():
        curve = alone.measure(key, role="full")
        assert isinstance(curve, Curve)
        there = {int(epoch): place for place, epoch in enumerate(curve.at)}
        told = [
            f"{epoch} {curve.values[line, there[epoch]]:.2f} ± {curve.stderr[line, there[epoch]]:.2f} ({value:.2f})"
            for epoch, value in sheet.items()
            if epoch in there
        ]
        print(f"{key}, {curve.groups[line]}, epoch ours (sheet): {', '.join(told)}", file=sys.stderr, flush=True)
    gini = [alone.measured_on("loss_sensitivity[gini]", np.array([model])).value for model in alone.models("full")]
    print(f"loss_sensitivity[gini]: {np.mean(gini):.3f} (sheet .58 ± .01)", file=sys.stderr, flush=True)
    return {**found, "loss_sensitivity[gini]": float(np.mean(gini)), "figures far from the sheet": far}


def main() -> None:
    """Run the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--parts", default=",".join(PARTS))
    asked = parser.parse_args()
    quick, names = asked.quick, asked.parts.split(",")
    if unknown := set(names) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            started = time.process_time()
            found |= (part := PARTS[name](Path(folder), quick))
            print(f"{name}, {time.process_time() - started:.0f} CPU seconds", file=sys.stderr, flush=True)
            for what in part.keys() & BARS.keys():
                print(f"  {what}: {part[what]:.2f} (bar {BARS[what]:g})", file=sys.stderr, flush=True)
    bars = {name: bar for name, bar in BARS.items() if name in found}
    finish(found, bars, at_most=tuple(bars))


PARTS: dict[str, Callable[[Path, bool], dict[str, float]]] = {
    "passes": lambda _, quick: passes(3 if quick else 15),
    "audit": lambda folder, quick: audits(8 if quick else 64, 1 if quick else 3, folder),
    "map": lambda folder, quick: rewound(folder, quick=quick),
    "kept": lambda folder, _: kept(folder),
    "figures": lambda folder, quick: figures(2 if quick else 6, 16 if quick else 64, folder),
}


if __name__ == "__main__":
    main()
