"""Why a network gave no answer to a batch of inputs: its arguments, types of numbers, shapes, or its own code."""

from __future__ import annotations

import re
import traceback
from pathlib import Path

import torch

from byrote.errors import BadInput

#: How torch words a complaint about numbers of another type than the weights', and one about shapes.
_TYPE = re.compile(r"dtype|scalar type|data ?type|expected \w+ but (found|got) \w+", re.IGNORECASE)
_SHAPE = re.compile(r"shape|size|dimension|\bdims?\b|channel|broadcast|out of range|[1-4]D\b", re.IGNORECASE)
#: Errors of these kinds may come from what goes into a layer; any other is one of the code itself.
_OF_INPUTS = (RuntimeError, ValueError, IndexError, AssertionError)
_PACKAGES = (Path(str(torch.__file__)).parent, Path(__file__).parent.parent)


def unfit(error: Exception, shape: tuple[int, ...]) -> BadInput:
    """What a person reads whose network raised `error` when it was given inputs of that shape.

    Example:
        >>> unfit(NameError("name 'y' is not defined"), (20,)).message
        "The recipe's network failed on inputs of shape (20,): NameError: name 'y' is not defined."
    """
    message = first_line(error).rstrip(".")
    if isinstance(error, TypeError) and "forward()" in message and "argument" in message:
        return BadInput(
            f"The recipe's network must take one batch of inputs and nothing else: {message}.",
            hint="forward(self, x); whatever else it needs belongs into __init__.",
        )
    if isinstance(error, _OF_INPUTS) and _TYPE.search(message):
        return BadInput(
            f"The recipe's network uses a dtype other than float32, that of inputs and weights: {message}.",
            hint="leave weights and inputs float32, or turn x into what a layer wants inside forward, as x.long().",
        )
    if isinstance(error, _OF_INPUTS) and _SHAPE.search(message):
        return BadInput(
            f"The recipe's network does not take the dataset's inputs of shape {shape}: {message}.",
            hint="give the network the shape of one example; see `Dataset.inputs.shape`.",
        )
    return BadInput(
        f"The recipe's network failed on inputs of shape {shape}: {message}{where(error)}.",
        hint="fix its forward(); it is given float32 inputs [batch, …] and returns logits [batch, class].",
    )


def first_line(error: Exception) -> str:
    """What went wrong, as short as it can be said; torch's complaints about shapes are plain RuntimeErrors."""
    kind, lines = type(error).__name__, str(error).strip().splitlines()
    if not lines:
        return kind
    return lines[0] if type(error) is RuntimeError else f"{kind}: {lines[0]}"


def where(error: Exception) -> str:
    """The line of the user's own code that raised an error, in brackets; empty where there is none."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not any(Path(frame.filename).is_relative_to(package) for package in _PACKAGES)
    ]
    return f" (line {frames[-1].lineno} of {Path(frames[-1].filename).name})" if frames else ""
