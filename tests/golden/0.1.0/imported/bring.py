"""Answers of models that somebody else trained, brought into a run."""

import numpy as np

import byrote


def make(out):
    with np.load("answers.npz") as answers:
        return byrote.import_arrays(
            out,
            labels=answers["label"],
            member=answers["member"],
            evidence={
                "outputs.logits": answers["logits"],
                "trajectory.log_odds": answers["margins"],
                "heldout.correct": answers["heldout"],
            },
            pair=np.repeat([0, 1, 2], 2),
            ids=[f"row-{row}" for row in range(24)],
            class_names=("a", "b", "c"),
            checkpoints=(0, 2, 5),
            name="theirs",
            notes=("these answers were made up",),
        )
