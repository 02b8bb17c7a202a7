"""Controls planted in a dataset, by the names that they have on the command line."""

from __future__ import annotations

from typing import Final

import numpy as np

from byrote.changes.change import Context, refuse_unfit
from byrote.changes.registry import CONTROLS, parse_change
from byrote.data.dataset import Dataset
from byrote.errors import BadInput, meant

LIKE: Final = "label-noise=0.05"
#: What `triage` stands for: some of every kind that triage tells apart, in eight classes rare ones.
TRIAGE: Final = (
    "label-noise=0.03",
    "conflicting-duplicates=0.03",
    "ambiguous-examples=0.04",
    *("rare-subpopulation=0.006",) * 8,
)


def plant(dataset: Dataset, *plants: str, seed: int = 0) -> Dataset:
    """The dataset with controls, planted in this order: examples whose problem is known.

    Args:
        dataset: of classes; it stays as it is.
        plants: each a kind and a share of the examples, as `label-noise=0.05`; `triage` stands for some of every kind.
        seed: fixes everything that is random.

    Returns:
        A dataset with other inputs or labels, or with copies at its end. Its `controls` say what was planted, for
        `Recorder(…, ids=planted.ids, controls=planted.controls)`.

    Raises:
        BadInput: a name is not that of a control, or too few examples are left for one.

    Example:
        >>> import byrote
        >>> data = byrote.from_arrays([[float(n)] for n in range(10)], [n % 3 for n in range(10)], name="ten")
        >>> plant(data, "label-noise=0.2", "conflicting-duplicates=0.1").controls
        Controls(2 label_noise, 1 conflicting_duplicate)
    """
    known = {control.name for control in CONTROLS}
    for index, text in enumerate(one for each in plants for one in (TRIAGE if each == "triage" else (each,))):
        name = text.partition("=")[0]
        if name not in known:
            raise BadInput(
                f"{text!r} cannot be planted.",
                hint=f"{meant(name, [*known, 'triage'])}plant {', '.join(sorted(known))}, as {LIKE}.",
            )
        context = Context(dataset=dataset, rng=np.random.default_rng([seed, 3, index]))
        control = parse_change(text)
        refuse_unfit(control, dataset)
        dataset = control.apply(dataset, context)
    return dataset
