"""What stands in a recipe's slots fits there, and is for the targets that the dataset has."""

from __future__ import annotations

from typing import Any

from torch import nn

from byrote.data.task import TASKS, Task, learned_of
from byrote.errors import BadInput

#: What a recipe's slots must be able to do, and what fits.
_SLOTS = {
    "optimizer": ("build", "byrote.AdamW(lr=0.001) or byrote.SGD(lr=0.05), as a call; not torch's own."),
    "schedule": ("factor", "byrote.Cosine() or byrote.Constant(), as a call."),
    "objective": ("loss", "byrote.CrossEntropy(), as a call; not torch's own."),
    "augmentation": ("apply", "byrote.RandomShift(2) or byrote.HorizontalFlip(), as a call."),
    "gradient_transform": ("apply", "byrote.ClipNorm(1.0), as a call."),
    "input_perturbation": ("apply", "byrote.ProjectedGradient(…), as a call."),
    "mixing": ("apply", "byrote.Mixup() or byrote.CutMix(), as a call."),
    "batches": ("between", "byrote.recipes.private.Poisson(rate=0.05), as a call; leave it out for epochs."),
    "example_gradients": ("factors", "byrote.recipes.private.ClipByExample(1.0), as a call."),
    "sampler": ("order", "leave it out: every epoch shuffles; byrote.ClassBalanced(), as a call, draws."),
}
#: The objective for each task.
OBJECTIVES = {
    "classes": "byrote.CrossEntropy()",
    "labels": "byrote.BinaryCrossEntropy()",
    "regression": "byrote.SquaredError()",
}
#: Slots that change inputs, which tokens cannot be.
_OF_INPUTS = ("augmentation", "input_perturbation", "mixing")


def check_slots(recipe: Any) -> None:
    """Refuse a recipe in which a slot holds something else than a slot's object.

    Raises:
        BadInput: one does.
    """
    make = getattr(recipe.network, "make", None)
    if isinstance(make, nn.Module):
        kind = type(make).__name__
        raise BadInput(
            f"byrote.Network takes what makes a network, and got a {kind} that is made already.",
            hint=f"byrote.Network({kind}), without a call: every model starts from a network of its own.",
        )
    for name, (method, hint) in _SLOTS.items():
        slot = getattr(recipe, name)
        if slot is not None and (isinstance(slot, type) or not hasattr(slot, method)):
            raise BadInput(f"The {name!r} argument of Recipe must have a method {method}. Got {slot!r}.", hint=hint)
    if recipe.mixing is not None and recipe.objective.memory(1, 2) is not None:
        raise BadInput(
            f"The recipe's objective {recipe.objective!r} remembers each example, and {recipe.mixing!r} mixes them.",
            hint="leave out mixing, or take objective=byrote.CrossEntropy().",
        )
    if not hasattr(recipe.sampler, "repeats"):
        raise BadInput(
            f"The 'sampler' argument of Recipe must have a property repeats. Got {recipe.sampler!r}.",
            hint="repeats = True where an epoch may show an example more often than its count, else False.",
        )


def check_task(recipe: Any, task: Task) -> None:
    """Refuse an objective or a sampler that is for other targets than the dataset's.

    Raises:
        BadInput: one of them is.
    """
    meant = getattr(recipe.objective, "task", task)
    if meant != task:
        raise BadInput(
            f"The recipe's objective {recipe.objective!r} is for {learned_of(meant).says}, "
            f"and the dataset has {TASKS[task]}.",
            hint=f"byrote.Recipe(…, objective={OBJECTIVES[task]}).",
        )
    if getattr(recipe.sampler, "task", task) != task:
        raise BadInput(
            f"The recipe's sampler {recipe.sampler!r} is about one class per example, "
            f"and the dataset has {TASKS[task]}.",
            hint="leave the sampler out: every epoch shuffles.",
        )


def check_text(recipe: Any) -> None:
    """Refuse a recipe that cannot train a language model, whose batches are rows of tokens of several documents.

    Raises:
        BadInput: it wraps a recipe of slots, or one of its slots is for examples, one by one.
    """
    if not hasattr(recipe, "network"):
        raise BadInput(
            f"A language model is trained by a recipe of slots. Got {type(recipe).__name__}.",
            hint="give the byrote.Recipe itself.",
        )
    check_slots(recipe)
    if recipe.batches is not None or recipe.example_gradients is not None:
        raise BadInput(
            "A row of a language model's batch holds several documents; the recipe draws or clips examples one by one.",
            hint="leave batches and example_gradients out of the recipe.",
        )
    meant = getattr(recipe.objective, "task", "text")
    if meant != "text" or recipe.objective.memory(1, 2) is not None:
        why = f"is for {learned_of(meant).says}" if meant != "text" else "remembers each example"
        raise BadInput(
            f"The recipe's objective {recipe.objective!r} {why}, and a language model learns the next token.",
            hint="byrote.Recipe(…, objective=byrote.NextToken()); label_smoothing=0.1 smooths it.",
        )
    for name in _OF_INPUTS:
        if getattr(recipe, name) is not None:
            raise BadInput(
                f"The recipe's {name} changes inputs by numbers, and those of a language model are tokens.",
                hint=f"leave {name} out of the recipe.",
            )
    if getattr(recipe.sampler, "task", "text") != "text":
        raise BadInput(
            f"The recipe's sampler {recipe.sampler!r} is about one class per example, and documents have none.",
            hint="leave the sampler out: every epoch shuffles.",
        )


def unstackable(network: nn.Module) -> str:
    """Which layer keeps networks like this one from being stacked; empty where none is known to."""
    for name, module in network.named_modules():
        if isinstance(module, nn.modules.dropout._DropoutNd | nn.modules.rnn.RNNBase):
            kind = type(module).__name__
            return f"layer {name!r} is a torch.nn.{kind}, which cannot be stacked" + (
                " (byrote.Dropout can)" if "Dropout" in kind else ""
            )
    return ""


def mixing(network: nn.Module) -> str:
    """Which layer of a network mixes the examples of a batch; empty where none does."""
    for name, module in network.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            return f"{name!r} of the recipe's network is a torch.nn.{type(module).__name__}"
    return ""


def refuse_mixing(network: nn.Module) -> None:
    """Refuse a network in which an example's answer depends on its batch, or whose examples cannot be told apart.

    Raises:
        BadInput: it has such a layer.
    """
    if layer := mixing(network):
        raise BadInput(
            f"Layer {layer}, which mixes the examples of a batch, and the recipe draws or clips them one by one.",
            hint="take GroupNorm in its place, as in ResNet(norm='group').",
        )
    if reason := unstackable(network):
        raise BadInput(
            f"The recipe takes gradients or batches example by example, but {reason}.",
            hint="take byrote.Dropout for torch's own; recurrent layers need a recipe without batches and clipping.",
        )
