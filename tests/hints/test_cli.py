"""Hints of the command line are followed: each mends the command that brought it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from byrote.changes.planting import plant
from byrote.cli.app import app
from byrote.cli.audit import _both, _canaries
from byrote.cli.config import read
from byrote.cli.language import LanguageModel, refuse_unread
from byrote.cli.options import GivenModel, PrivacyBound, number
from byrote.cli.sources import _refuse_malformed, experiment, from_file
from byrote.cli.trace import read_text
from byrote.data.source import Reading
from followed import Case, each, follow
from made_once import copied
from small import blobs

MINE = """
import numpy as np
import byrote

def dataset():
    rng = np.random.default_rng(0)
    targets = np.arange(60) % 3
    return byrote.from_arrays((rng.normal(size=(60, 2)) + targets[:, None]).astype(np.float32), targets)

def recipe():
    return byrote.Recipe(network=byrote.MLP(hidden=(8,)), epochs=1, batch_size=16)
"""
QUICK = ("--models", "4", "--workers", "1", "--out", "quick")
TEXTS = "".join(f'{{"text": "the {word} stands here"}}\n' for word in ("one", "two", "three", "four", "five", "six"))


def command(*words: str, **files: str) -> Callable[[Path], Any]:
    """A command that is called in the folder, where there are an experiment, a corpus and these files."""

    def call(folder: Path) -> Any:
        named = {"mine.py": MINE, "train.jsonl": TEXTS, "answer.txt": "the two stands here"}
        for name, content in {**named, **{key.replace("_", "."): text for key, text in files.items()}}.items():
            (folder / name).write_text(content)
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            return app(list(words), standalone_mode=False)

    return call


def on_run(*words: str, kind: str = "classes") -> Callable[[Path], Any]:
    """A command on a run in the folder."""

    def call(folder: Path) -> Any:
        if not (folder / "run").exists():
            copied(kind, folder)
        return command(*words)(folder)

    return call


def written(folder: Path, name: str, content: str) -> Path:
    """A file with that content."""
    (folder / name).write_text(content)
    return folder / name


def described(content: str) -> Callable[[Path], Any]:
    """A Python file that describes data and recipe."""

    def read(folder: Path) -> Any:
        (folder / "other.py").write_text(content)
        return from_file(folder / "other.py")

    return read


def source(**entries: Any) -> Callable[[Path], Any]:
    """What a manifest says of the source of a run."""
    told = {"name": "digits", "data_dir": None, "plants": [], "seed": 0, "reading": {}} | entries
    return lambda _: _refuse_malformed(told)


def reading(name: str, data_dir: str | None = None) -> Callable[[Path], Any]:
    """The experiment of a source."""
    return lambda _: experiment(name, data_dir=data_dir, plants=[], seed=0, reading=Reading())


AUDIT = command("audit", "mine.py", *QUICK)
PLANT = command("plant", "train.jsonl", "--out", "planted.jsonl", "--canaries", "8")
FORGET = ("forgetting", "mine.py", "--models", "6", "--workers", "1", "--out", "forgotten")
RECIPE = "import byrote\n\ndef recipe():\n    return byrote.Recipe(network=byrote.MLP(hidden=(8,)), epochs=1)\n"
DATASET = "\ndef dataset():\n    return byrote.from_arrays([[0.0], [1.0]] * 3, [0, 1] * 3)\n"

CLI = (
    Case(name="no source", wrong=command("audit"), says="byrote audit digits", right=AUDIT, slow=True),
    Case(
        name="a goal of a target",
        wrong=command("audit", "mine.py", "--epsilon", "--stderr", "0.1", *QUICK[2:]),
        says="leave them out",
        right=command("audit", "mine.py", "--epsilon", "--epsilon-canaries", "20", *QUICK[2:]),
        slow=True,
    ),
    Case(
        name="a measure first",
        wrong=on_run("measure", "label_memorization", "run"),
        says="byrote measure run label_memorization",
        right=on_run("measure", "run", "label_memorization"),
    ),
    Case(
        name="shown and taken out",
        wrong=on_run("report", "run", "--redact", "--show-secrets"),
        says="give one of them",
        right=on_run("report", "run", "--redact"),
        slow=True,
    ),
    Case(
        name="no exporter",
        wrong=on_run("export", "pandas", "run", "scores.csv"),
        says="the exporters are cleanlab, csv",
        right=on_run("export", "cleanlab", "run", "p.npz"),
    ),
    Case(
        name="a plant that is there",
        wrong=lambda folder: [PLANT(folder), PLANT(folder)],
        says="give another file with --out",
        right=command("plant", "train.jsonl", "--out", "other/planted.jsonl", "--canaries", "8"),
    ),
    Case(
        name="planted words",
        wrong=command("plant", "train.jsonl", "--out", "planted.txt", "--canaries", "8"),
        says="--out planted.jsonl",
        right=PLANT,
    ),
    Case(
        name="few canaries",
        wrong=command("plant", "train.jsonl", "--out", "planted.jsonl", "--canaries", "2", "--repeat", "1,4"),
        says="--canaries 24",
        right=command("plant", "train.jsonl", "--out", "planted.jsonl", "--canaries", "24", "--repeat", "1,4"),
    ),
    Case(
        name="repeated often",
        wrong=command("plant", "train.jsonl", "--out", "planted.jsonl", "--repeat", "often"),
        says="--repeat 1,4,16",
        right=command("plant", "train.jsonl", "--out", "planted.jsonl", "--canaries", "16", "--repeat", "1,4,16"),
    ),
    Case(
        name="mixed",
        wrong=command("audit", "digits", "--model", "gpt"),
        says="byrote audit docs",
        right=AUDIT,
        slow=True,
    ),
    Case(
        name="a command for classes",
        wrong=on_run("triage", "run", kind="documents"),
        says="byrote measure run",
        right=on_run("measure", "run", "discoverable_extraction", kind="documents"),
        slow=True,
    ),
    Case(
        name="a number",
        wrong=lambda _: number("--heldout", "others.jsonl"),
        says="--heldout 0.2",
        right=lambda _: number("--heldout", "0.2"),
    ),
    Case(
        name="a part of a canary",
        wrong=lambda _: _canaries(PrivacyBound(epsilon=True), LanguageModel(canaries="20.5")),
        says="--epsilon-canaries 500",
        right=lambda _: _canaries(PrivacyBound(epsilon=True, epsilon_canaries=500), LanguageModel()),
    ),
    Case(
        name="options that are not there",
        wrong=lambda folder: read(folder / "mine.toml", ["models"]),
        says="check the path",
        right=lambda folder: read(written(folder, "mine.toml", "[audit]\nmodels = 4\n"), ["models"]),
    ),
    Case(
        name="options that are no TOML",
        wrong=lambda folder: read(written(folder, "mine.toml", "[audit]\nmodels: 4\n"), ["models"]),
        says="models = 32, under [audit]",
        right=lambda folder: read(written(folder, "mine.toml", "[audit]\nmodels = 32\n"), ["models"]),
    ),
    Case(
        name="options without a table",
        wrong=lambda folder: read(written(folder, "mine.toml", "models = 4\n"), ["models"]),
        says="begin it with [audit]",
        right=lambda folder: read(written(folder, "mine.toml", "[audit]\nmodels = 4\n"), ["models"]),
    ),
    Case(
        name="an option that is none",
        wrong=lambda folder: read(written(folder, "mine.toml", "[audit]\nmodel = 4\n"), ["models"]),
        says="did you mean 'models'?",
        right=lambda folder: read(written(folder, "mine.toml", "[audit]\nmodels = 4\n"), ["models"]),
    ),
    Case(
        name="weights alone",
        wrong=lambda _: _both(GivenModel(weights=Path("weights.safetensors"))),
        says="--weights weights.safetensors --members members.csv",
        right=lambda _: _both(GivenModel(weights=Path("weights.safetensors"), members=Path("members.csv"))),
    ),
    Case(
        name="unread",
        wrong=lambda _: refuse_unread(
            {"tolerance": "--tolerance"}, {"source": "docs", "model": None, "tolerance": "1"}
        ),
        says="leave it out",
        right=lambda _: refuse_unread({}, {"source": "docs", "model": None}),
    ),
    Case(
        name="a file that is a number",
        wrong=lambda _: refuse_unread({"canaries": "--canaries"}, {"source": None, "model": "DIR", "canaries": "20"}),
        says="--canaries FILE",
        right=lambda _: refuse_unread(
            {"canaries": "--canaries"}, {"source": None, "model": "DIR", "canaries": "canaries.json"}
        ),
    ),
    Case(
        name="no such attack",
        wrong=command(*FORGET, "--with", "rmia"),
        says="--with loss_attack",
        right=command(*FORGET, "--with", "loss_attack", "--canaries", "20"),
        slow=True,
    ),
    Case(
        name="canaries of all",
        wrong=command(*FORGET, "--canaries", "50"),
        says="--canaries 30 or fewer",
        right=command(*FORGET, "--canaries", "30"),
        slow=True,
    ),
    Case(
        name="repetitions",
        wrong=command(*FORGET, "--regime", "poison", "--repetitions", "often"),
        says="--repetitions 1,4,16",
        right=command(*FORGET, "--regime", "poison", "--canaries", "24", "--repetitions", "1,4,16"),
        slow=True,
    ),
    Case(
        name="a file that raises", wrong=described("import byrote\n1 / 0\n"), says="", right=described(RECIPE + DATASET)
    ),
    Case(
        name="a run as a source",
        slow=True,
        wrong=on_run("audit", "run"),
        says="byrote report run shows it",
        right=on_run("report", "run"),
    ),
    Case(
        name="a reading of none",
        wrong=source(reading={"colour": 1}),
        says="restore the file from a copy",
        right=source(),
    ),
    Case(name="a seed of none", wrong=source(seed="a"), says="restore the file from a copy", right=source()),
    Case(
        name="no recipe",
        wrong=described("import byrote\n" + DATASET),
        says="recipe() a byrote.Recipe",
        right=described(RECIPE + DATASET),
    ),
    Case(
        name="a recipe of words",
        wrong=described("import byrote\n\ndef recipe():\n    return 'slow'\n" + DATASET),
        says="byrote.Recipe(network=",
        right=described(RECIPE + DATASET),
    ),
    Case(
        name="data of words",
        wrong=described(RECIPE + "\ndef dataset():\n    return 'iris'\n"),
        says="byrote.from_arrays(inputs, targets)",
        right=described(RECIPE + DATASET),
    ),
    Case(
        name="no file",
        wrong=lambda folder: from_file(folder / "mine.py"),
        says="work in the folder that holds 'mine.py'",
        right=lambda folder: [(folder / "mine.py").write_text(RECIPE + DATASET), from_file(folder / "mine.py")],
    ),
    Case(
        name="planted weeds",
        wrong=lambda _: plant(blobs(), "label-nose=0.1"),
        says="did you mean",
        right=lambda _: plant(blobs(), "label-noise=0.1"),
    ),
    Case(name="no source of that name", wrong=reading("digit"), says="digits", right=reading("digits")),
    Case(
        name="a corpus as a text",
        wrong=command("trace", "train.jsonl", "--corpus", "train.jsonl"),
        says="byrote trace answer.txt --corpus train.jsonl",
        right=command("trace", "answer.txt", "--corpus", "train.jsonl"),
    ),
    Case(
        name="no text",
        wrong=lambda folder: read_text(folder / "answer.txt"),
        says="check the path",
        right=lambda folder: [(folder / "answer.txt").write_text("one"), read_text(folder / "answer.txt")],
    ),
)


@each(*CLI)
def test_hints_of_commands_are_followed(case, tmp_path):
    follow(case, tmp_path)
