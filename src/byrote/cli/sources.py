"""Experiments by name or file: a dataset, a recipe, and how to find both again."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle
import numpy as np

from byrote.changes.child import refuse_others, refuse_untrained
from byrote.changes.planting import plant
from byrote.cli.language_sources import with_documents
from byrote.data.dataset import Dataset
from byrote.data.digits import digits
from byrote.data.fashion_mnist import fashion_mnist
from byrote.data.inert import inert
from byrote.data.problems import quoted
from byrote.data.source import Reading, kind_of, read_source, refuse_unfit_options
from byrote.data.table import SUFFIXES
from byrote.errors import BadInput, ByroteError
from byrote.evidence.made_here import Files, admitted, known_files, remember
from byrote.evidence.manifest import DAMAGED
from byrote.evidence.manifest import FILE as MANIFEST
from byrote.recipes.algorithm import TrainingRecipe
from byrote.recipes.defaults import recipe_for
from byrote.recipes.networks.mlp import MLP
from byrote.recipes.optimizers import SGD, AdamW
from byrote.recipes.recipe import Recipe
from byrote.runs.run import Run

NAMES = ("digits", "fashion-mnist")
DEFAULT_PLANTS = {"digits": ("label-noise=0.05",), "fashion-mnist": ("label-noise=0.05",)}
DIGITS = Recipe(network=MLP(hidden=(256,)), epochs=100, batch_size=32, optimizer=SGD(lr=0.05, momentum=0.9))
FASHION_MNIST = Recipe(
    network=MLP(hidden=(512, 256)), epochs=60, batch_size=64, optimizer=AdamW(lr=0.001, weight_decay=0.0)
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Experiment:
    """What an audit needs, `source`, from which `rebuild` makes it again, and what to know of how it was read."""

    dataset: Dataset
    heldout: Dataset | None
    recipe: TrainingRecipe
    source: dict[str, Any]
    notes: tuple[str, ...] = ()


def experiment(
    name: str,
    *,
    data_dir: str | None,
    plants: Sequence[str] | None,
    seed: int,
    reading: Reading | None = None,
) -> Experiment:
    """The experiment that a word of the command line stands for, with its controls planted.

    Raises:
        BadInput: nothing goes by that name, or its data cannot be used.
    """
    if os.path.isfile(Path(name) / MANIFEST):
        raise BadInput(
            f"{name!r} is a run already, and no data to audit.",
            hint=f"byrote report {name} shows it; byrote audit takes what it was made from.",
        )
    reading = reading or Reading()
    kind = None if name in NAMES or name.endswith(".py") else kind_of(name)
    refuse_unfit_options(reading, kind, name)
    facts = {}
    if name == "digits":
        dataset, heldout = digits()
        built = Experiment(dataset=dataset, heldout=heldout, recipe=DIGITS, source={})
    elif name == "fashion-mnist":
        if data_dir is None:
            raise BadInput(
                "The source 'fashion-mnist' needs the folder of its four idx .gz files.",
                hint="--data-dir /usr/share/datasets/fashion-mnist after `apt install dataset-fashion-mnist`.",
            )
        dataset, heldout = fashion_mnist(data_dir)
        built = Experiment(dataset=dataset, heldout=heldout, recipe=FASHION_MNIST, source={})
    elif name.endswith(".py"):
        built = from_file(Path(name))
        name = str(Path(name).resolve())
    elif kind is not None:
        read = read_source(name, reading, seed=seed)
        built = Experiment(
            dataset=read.training,
            heldout=read.heldout,
            recipe=recipe_for(read.training, balanced=reading.balanced, epochs=reading.epochs),
            source={},
            notes=read.notes,
        )
        name, facts = str(Path(name).resolve()), {"reading": reading.describe()}
    else:
        raise BadInput(
            f"There is no source {name!r}.",
            hint=f"name one of {', '.join(NAMES)}, a table ({', '.join(SUFFIXES)}), an .npz file, a folder or shards "
            "of images, or a Python file that defines dataset() and recipe().",
        )
    asked = DEFAULT_PLANTS.get(name, ()) if plants is None else plants
    return replace(
        built,
        dataset=plant(built.dataset, *asked, seed=seed),
        source={"name": name, "data_dir": data_dir, "plants": list(asked), "seed": seed, **facts},
    )


def rebuild(source: dict[str, Any] | None, known: Files, given: str | Path | None = None) -> Experiment:
    """The experiment of a run, from the source that its manifest names.

    A program is run, and data outside of the current folder are read, only where they are among the `known` files or
    `given` by the person in place of what the manifest names.

    Raises:
        BadInput: the run was made from Python, or its manifest names no source.
        SourceForeign: the source is neither known nor given.
        SourceGone: it is not there.
    """
    if source is None and given is None:
        raise BadInput(
            "This run was made from Python, so the command line cannot build its data and recipe again.",
            hint="run.attach(dataset, recipe) in Python gives them to it; then byrote.change(run, …), "
            "byrote.privacy_onion(run) or byrote.write_report(run).",
        )
    facts = {"name": str(given), "data_dir": None, "plants": [], "seed": 0} if source is None else source
    _refuse_malformed(facts)
    name, data_dir = facts["name"], facts["data_dir"]
    if given is not None and name == "digits":
        raise BadInput("This run was made from 'digits', which byrote brings.", hint="leave out --source.")
    if given is not None:
        name, data_dir = (name, str(given)) if name in NAMES else (str(given), data_dir)
    name, data_dir = (
        one if one is None or one in NAMES or one == str(given) else str(admitted(Path(one), known))
        for one in (name, data_dir)
    )
    reading = Reading(**facts.get("reading", {}))
    return experiment(name, data_dir=data_dir, plants=facts["plants"], seed=facts["seed"], reading=reading)


def _refuse_malformed(source: dict[str, Any]) -> None:
    """Refuse what stands in the place of a source, as in the manifest of somebody else it may.

    Raises:
        BadInput: it is none.
    """
    kinds: dict[str, Any] = {"name": str, "data_dir": str | None, "plants": list, "seed": int, "reading": dict}
    for entry, kind in kinds.items():
        value = source.get(entry, {} if entry == "reading" else ...)
        if not isinstance(value, kind) or (isinstance(value, str) and "\0" in value):
            raise BadInput(f"The manifest names a source whose {entry!r} is none.", hint=DAMAGED)
    unknown = sorted(source.get("reading", {}).keys() - {field.name for field in fields(Reading)})
    if unknown or not all(isinstance(plant, str) for plant in source["plants"]):
        raise BadInput(f"The manifest names a source with unknown {quoted(unknown) or 'plants'}.", hint=DAMAGED)


def run_name(source: str) -> str:
    """What the run folder of a source is called.

    Example:
        >>> run_name("data/wine.csv.GZ"), run_name("digits"), run_name("pets/")
        ('wine', 'digits', 'pets')
    """
    name = Path(source).resolve().name
    ending = next((one for one in SUFFIXES if name.lower().endswith(one)), "")
    return inert(name[: -len(ending)] if ending else Path(name).stem) or "data"


def with_source(run: Run, given: str | Path | None = None, *, trained_again: bool = True) -> Run:
    """The run with the dataset, or the corpus, and the recipe that its source builds again.

    Models of somebody else cannot be `trained_again`, but what they generate can be changed. A source that is `given`
    in place of the manifest's, and builds the same, is known from then on.

    Raises:
        BadInput: the run was made from Python, or its source is gone, or is that of a run of others.
        RunMismatch: the source builds something else now.
    """
    if run.of_text:
        return with_documents(run, given, trained_again=trained_again)
    if run.manifest.origin == "observed" and not trained_again:
        return _with_recorded(run, given)
    refuse_untrained(run)
    found = rebuild(run.manifest.source, known_files(run.manifest.identifier), given)
    refuse_others(run, found.dataset, found.recipe, found.heldout)
    return _attached(run, found, found.dataset, given)


def _with_recorded(run: Run, given: str | Path | None) -> Run:
    """The run of a recorded training with the dataset and the network that a person's program defines."""
    if given is None:
        raise BadInput(
            f"The run {str(run.folder)!r} was recorded in a training of your own, so byrote does not know its network.",
            hint="--source my_experiment.py, with dataset() and recipe() for the same examples and the same network.",
        )
    found = rebuild(None, known_files(run.manifest.identifier), given)
    return run.attach(found.dataset, found.recipe, found.heldout)


def _attached(run: Run, found: Experiment, dataset: Dataset, given: str | Path | None) -> Run:
    attached = replace(run.attach(dataset, found.recipe, found.heldout), source=found.source)
    if given is not None:
        remember(run.manifest.identifier, found.source)  # where it cannot be kept the person is asked again
    return attached


def with_contents(run: Run, given: str | Path | None = None) -> Run:
    """The run with the data and recipe that its source builds, as far as they can be built again.

    A change of the data removed or relabelled examples of what the source builds; where it added or replaced some, and
    for a run made from Python or one whose contents were forgotten, the run is handed back as it is. The recipe of a
    changed run is at hand where the change left it alone.

    Raises:
        SourceGone: the source is not there, or is that of a run of others.
        RunMismatch: the source builds something else now.
    """
    # a language model's run holds the tokens of its documents
    if run.forgotten or (run.manifest.source is None and given is None) or run.of_text:
        return run
    if run.manifest.parent is None:
        return with_source(run, given)
    found = rebuild(run.manifest.source, known_files(run.manifest.identifier), given)
    if not np.isin(run.ids, found.dataset.ids).all():
        return run
    dataset = found.dataset.subset(found.dataset.index_of(run.ids))
    if run.learns.of_classes:  # other targets no change of the data alters
        dataset = dataset.replace(targets=run.labels)
    if dataset.fingerprint() != run.manifest.dataset["fingerprint"]:
        return run
    same = json.loads(json.dumps(found.recipe.describe())) == run.manifest.identity["recipe"]
    whole = _attached(run, found, dataset, given)
    return whole if same else replace(whole, recipe=None)


def from_file(path: Path) -> Experiment:
    """The experiment of a Python file that defines `dataset()`, `recipe()` and, if it likes, `heldout()`.

    Raises:
        BadInput: the file is not there, does not run, or lacks one of them.
    """
    module = _imported(path)
    lacking = [name for name in ("dataset", "recipe") if not callable(getattr(module, name, None))]
    if lacking:
        raise BadInput(
            f"The file {str(path)!r} does not define {' and '.join(f'{name}()' for name in lacking)}.",
            hint="dataset() returns a byrote.Dataset (byrote.from_arrays makes one), recipe() a byrote.Recipe.",
        )
    made = {name: _called(module, name, path) for name in ("dataset", "recipe", "heldout") if hasattr(module, name)}
    for name in ("dataset", "heldout"):
        if name in made and not isinstance(made[name], Dataset):
            raise BadInput(
                f"{name}() of {str(path)!r} must return a byrote.Dataset. Got {type(made[name]).__name__}.",
                hint="byrote.from_arrays(inputs, targets), byrote.from_torch(…) or byrote.from_hugging_face(…).",
            )
    recipe = made["recipe"]
    if not (hasattr(recipe, "bind") and hasattr(recipe, "describe")):
        raise BadInput(
            f"recipe() of {str(path)!r} must return a byrote.Recipe. Got {type(recipe).__name__}.",
            hint="byrote.Recipe(network=byrote.Network(MyNet), epochs=…).",
        )
    return Experiment(dataset=made["dataset"], heldout=made.get("heldout"), recipe=recipe, source={})


def _imported(path: Path) -> ModuleType:
    if not os.path.isfile(path):
        here = sorted(str(other) for other in Path().glob("*.py"))
        raise BadInput(
            f"There is no file {str(path)!r}.",
            hint=f"work in the folder that holds {path.name!r}"
            + (f"; this one holds {', '.join(here[:5])}." if here else "."),
        )
    name = f"byrote_experiment_{path.stem}"  # it enters the recipe's identity, where the path must not
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except ByroteError:
        raise
    except Exception as error:
        raise _raised(path, "Running", error) from error
    finally:
        sys.path.remove(str(path.resolve().parent))
    cloudpickle.register_pickle_by_value(module)  # workers have no such module
    return module


def _called(module: ModuleType, name: str, path: Path) -> Any:
    try:
        return getattr(module, name)()
    except ByroteError:
        raise
    except Exception as error:
        raise _raised(path, f"{name}() of", error) from error


def _raised(path: Path, what: str, error: Exception) -> BadInput:
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename).resolve() == path.resolve()]
    line = lines[-1] if lines else getattr(error, "lineno", None)
    where = f" (line {line})" if line else ""
    message = error.msg if isinstance(error, SyntaxError) and not lines else str(error).rstrip(".") or "no message"
    return BadInput(f"{what} {str(path)!r} raised {type(error).__name__}: {message}{where}.", hint=_mend(path, error))


def _mend(path: Path, error: Exception) -> str:
    if isinstance(error, SyntaxError):
        return f"`python -m py_compile {error.filename or path}` shows the place."
    if isinstance(error, ImportError):
        return "install it where byrote is installed, or put the module beside the file."
    return f"`python -i {path}` runs the file by itself; call its functions there."
