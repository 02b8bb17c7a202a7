"""Facts of the design and the data, which are read by the same door as evidence."""

from __future__ import annotations

from functools import partial

from byrote.axes import EXAMPLE, MODEL
from byrote.evidence.kind import EVERY_TASK, Kind, Quantity

_Fact = partial(Quantity, fact=True)

DESIGN = Kind(
    name="design",
    says="who was trained on what",
    quantities={
        "member": _Fact((MODEL, EXAMPLE), "int8", "", "1 trained on, 0 not, -1 unknown"),
        "pair": _Fact((MODEL,), "int64", "", "complementary pair that the model belongs to; -1 = none"),
        "ratio": _Fact((MODEL,), "float64", "share", "share of the examples that the design meant to train on"),
        "stratum": _Fact((MODEL, EXAMPLE), "int16", "", "models of one number are compared; see `designs.strata`"),
        "withdrawn": _Fact((MODEL, EXAMPLE), "bool", "", "shown in an earlier phase and not in the last one"),
        "repetitions": _Fact((EXAMPLE,), "int64", "", "the most times that any epoch of any model shows it"),
    },
    tasks=EVERY_TASK,
)
DATA = Kind(
    name="data",
    says="what the data say of an example",
    quantities={
        "label": _Fact((EXAMPLE,), "int64", "class", "the label trained on"),
        "true_label": _Fact((EXAMPLE,), "int64", "class", "the label before a wrong one was planted"),
    },
    tasks=EVERY_TASK,
)
CONTROLS = Kind(
    name="controls",
    says="what was planted",
    quantities={
        "label_noise": _Fact((EXAMPLE,), "bool", "", "a wrong label was planted"),
        "exact_duplicate": _Fact((EXAMPLE,), "bool", "", "an exact copy was planted"),
        "near_duplicate": _Fact((EXAMPLE,), "bool", "", "a disturbed copy was planted"),
        "conflicting_duplicate": _Fact((EXAMPLE,), "bool", "", "a disturbed copy with another label was planted"),
        "out_of_distribution": _Fact((EXAMPLE,), "bool", "", "an example from elsewhere was planted"),
        "rare_subpopulation": _Fact((EXAMPLE,), "bool", "", "made a member of a rare subpopulation"),
        "ambiguous": _Fact((EXAMPLE,), "bool", "", "made the mean of two examples of different classes"),
        "backdoor": _Fact((EXAMPLE,), "bool", "", "a trigger and the attacker's label were planted"),
        "clean_label_backdoor": _Fact((EXAMPLE,), "bool", "", "a trigger was planted, the label is true"),
        "input_noise": _Fact((EXAMPLE,), "bool", "", "the input was mixed with noise"),
    },
    tasks=EVERY_TASK,
)
