"""A trained model from a file of weights, as one more model of a run: its answers stand beside those of the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int8
from safetensors import SafetensorError
from safetensors.torch import load_file

from byrote.data.members import GO_WHERE, refuse_missing
from byrote.designs.design import NO_PAIR, ROLES, UNKNOWN_COUNT, Design, Phase
from byrote.engine.job import Finished, Labelled, at_last
from byrote.errors import BadInput
from byrote.evidence.kinds.outputs import HELDOUT, OUTPUTS
from byrote.evidence.manifest import ModelEntry
from byrote.probes.contract import Block
from byrote.probes.outputs import OutputsProbe
from byrote.recipes.algorithm import Algorithm, State
from byrote.runs.folder import hold
from byrote.runs.opening import grown
from byrote.runs.run import Run


def load_weights(algorithm: Algorithm, path: str | Path) -> State:
    """A state of the algorithm whose network has these weights.

    Raises:
        BadInput: the file is no safetensors file, or its tensors are not those of the network.
    """
    path = Path(path)
    refuse_missing(path, "weights")
    if path.suffix.lower() in (".csv", ".tsv", ".txt"):
        raise BadInput(f"The file {str(path)!r} is a table and holds no weights.", hint=GO_WHERE)
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise BadInput(
            f"The weights {str(path)!r} cannot be read as safetensors: {str(error).partition(chr(10))[0]}",
            hint="safetensors.torch.save_file(network.state_dict(), 'weights.safetensors') writes them; "
            "pickled files are never opened.",
        ) from None
    state = algorithm.init(0)
    network = algorithm.network(state)
    expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    problems = [f"{name!r} is missing" for name in sorted(expected.keys() - found.keys())]
    problems += [f"{name!r} is not the network's" for name in sorted(found.keys() - expected.keys())]
    problems += [
        f"{name!r} has shape {found[name]} instead of {expected[name]}"
        for name in sorted(expected.keys() & found.keys())
        if expected[name] != found[name]
    ]
    if problems:
        more = f", and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise BadInput(
            f"The weights {str(path)!r} are not those of the recipe's network: {'; '.join(problems[:3])}{more}.",
            hint="the recipe's network must be the one that the target was trained with.",
        )
    network.load_state_dict(tensors)
    return state


def with_target(run: Run, algorithm: Algorithm, state: State, member: Int8[np.ndarray, " example"], digest: str) -> Run:
    """The run with a trained model in the role of the target, its answers recorded beside those of the references.

    Raises:
        BadInput: the run has another target already, or no data at hand.
    """
    if run.dataset is None:
        raise BadInput(f"The run {str(run.folder)!r} was opened without its data.", hint="run.attach(dataset, recipe).")
    design = _with_row(run.design, member)
    there = run.models("target")
    if len(there):
        recorded = run.evidence.header("outputs", int(there[-1]), run.last_phase)["weights"]
        if recorded != digest or not np.array_equal(run.design.member[there[-1]], member):
            raise BadInput(
                f"The run {str(run.folder)!r} is about another target, or other members.",
                hint="give another folder with --out, or remove this one.",
            )
        return run
    model = run.design.models
    for kind, data in ((OUTPUTS, run.dataset), (HELDOUT, run.heldout)):
        if data is None:
            continue
        inputs, targets = Labelled(inputs=data.inputs, targets=data.targets).tensors(torch.device("cpu"))
        block = Block(
            models=(model,),
            seeds=(0,),
            phase=run.last_phase,
            epochs=(0,),
            inputs=inputs,
            targets=targets,
            member=torch.from_numpy(member[None]),
            classes=data.classes,
            task="classes",
            algorithm=algorithm,
        )
        (found,) = at_last(OutputsProbe(kind), block, Finished(algorithm, [state]), stacked=False)
        if not np.isfinite(found.columns["log_odds"]).all():
            raise BadInput(
                "The target's answers are not finite.", hint="give the weights of a training that did not diverge."
            )
        header = {"diverged": "false", "weights": digest}
        run.evidence.write(kind.name, model, run.last_phase, found.columns, header)
    entry = ModelEntry(index=model, origin="observed", role="target", pair=NO_PAIR, seed=None)
    with hold(run.folder):
        grown(run.folder, run.manifest, design, (*run.manifest.models, entry))
    return Run.open(run.folder).attach(run.dataset, run.recipe, run.heldout) if run.recipe else Run.open(run.folder)


def _with_row(design: Design, member: np.ndarray) -> Design:
    row = np.where(member < 0, UNKNOWN_COUNT, member).astype(np.uint8)[None]
    return Design(
        name=f"{design.name}+target",
        phases=tuple(
            Phase(name=p.name, count=np.concatenate([p.count, row]), epochs=p.epochs, labels=p.labels)
            for p in design.phases
        ),
        pair=np.append(design.pair, NO_PAIR),
        role=np.append(design.role, np.int8(ROLES.index("target"))),
        parameters=design.parameters,
        known=False,
    )
