"""Privacy Meter 2: a log folder.

`models/memberships.npy` `[model, example]`, true for members; models 0 and 1, 2 and 3, … are trained on complementary
halves. `models/models_metadata.json`: by model its facts, of which `num_train` is held against the memberships.
`signals/<algorithm>_signals.npy` `[example, model]`, the probability of the label; `…_signals_pop.npy` the same on
population data. Verified: github.com/privacytrustlab/ml_privacy_meter, models/utils.py and get_signals.py.

The signals of range membership (`…_ramia_signals.npy`) are about several points an example and are not read. The
dataset is pickled there, so labels must be given. Log-odds do not follow from probabilities that round to 1; LiRA
needs logits.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int, Int8

from byrote.errors import BadInput
from byrote.runs.imported import import_arrays
from byrote.runs.readers._checks import UNCHECKED, balance, complementary_pairs, membership, required, some_finite
from byrote.runs.readers._files import read_array
from byrote.runs.run import Run

METADATA = "give the log folder whole: Privacy Meter writes this file beside its models."


def read(
    path: str | Path,
    out: str | Path,
    *,
    labels: Int[np.ndarray, " example"] | None,
    ids: Sequence[str] | None = None,
    algorithm: str = "",
) -> Run:
    """A run of the models' probabilities of the labels, and of those on population data where they are there.

    `algorithm` chooses among signals of several ("rmia", "loss").

    Raises:
        BadInput: a file is missing or does not fit.
    """
    path = Path(path)
    file = _signals_file(path / "signals", algorithm)
    known = required(labels, f"The signals in {str(path)!r}")
    probability = _signals(file, len(known))
    models = len(probability)
    stored = path / "models" / "memberships.npy"
    names = [f"model_{index}" for index in range(models)]
    member = membership(read_array(stored), names, len(known), repr(str(stored)))
    _hold_against_metadata(path / "models" / "models_metadata.json", member)
    evidence = {"outputs.probability": probability}
    population = file.with_name(file.name.replace("_signals.npy", "_signals_pop.npy"))
    if population.exists():
        evidence["heldout.probability"] = _signals(population, None)
    pair = complementary_pairs(member)
    notes = (UNCHECKED, *(() if (pair >= 0).all() else (balance(member),)))
    return import_arrays(
        out, labels=known, member=member, evidence=evidence, ids=ids, pair=pair, name=path.name, notes=notes
    )


def _signals_file(folder: Path, algorithm: str) -> Path:
    files = {
        file.name.removesuffix("_signals.npy"): file
        for file in sorted(folder.glob("*_signals.npy"))
        if not file.name.endswith("_ramia_signals.npy")
    }
    if algorithm in files:
        return files[algorithm]
    if len(files) == 1 and not algorithm:
        return next(iter(files.values()))
    wanted = f"no signals of {algorithm!r}" if algorithm else "signals of several algorithms" if files else "no signals"
    raise BadInput(
        f"The folder {str(folder)!r} holds {wanted}.",
        hint=f"give algorithm=… to byrote.runs.readers.privacy_meter.read, as one of {', '.join(files)}; or move the "
        "files of the others away."
        if files
        else "run Privacy Meter's run_mia.py first.",
    )


def _signals(path: Path, examples: int | None) -> np.ndarray:
    signals = read_array(path)
    if signals.ndim != 2 or (examples is not None and len(signals) != examples):
        wanted = "(query, model)" if examples is None else f"(example={examples}, model)"
        raise BadInput(
            f"The file {str(path)!r} has shape {signals.shape} where {wanted} is wanted.",
            hint="audit all of the data in Privacy Meter (audit.data_size), and pass labels=… of all of them.",
        )
    some_finite(signals, repr(str(path)))
    return signals.T


def _hold_against_metadata(path: Path, member: Int8[np.ndarray, "model example"]) -> None:
    try:
        settings = json.loads(path.read_bytes())
        sizes = [int(settings[str(model)]["num_train"]) for model in range(len(member))]
    except FileNotFoundError:
        raise BadInput(f"There is no file {str(path)!r}.", hint=METADATA) from None
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise BadInput(
            f"The file {str(path)!r} does not say the 'num_train' of {len(member)} models: {error!r}.", hint=METADATA
        ) from None
    for model, (size, row) in enumerate(zip(sizes, member, strict=True)):
        if size != row.sum():
            raise BadInput(
                f"Model {model} has {size} training examples by {path.name!r}, and {row.sum()} by its memberships.",
                hint="the two files are of different runs; take both from one.",
            )
