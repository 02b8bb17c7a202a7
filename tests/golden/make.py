"""Makes the golden runs of version 0.1.0. It was run at commit cf85434, and must not be run with a later one:

    PYTHONPATH=<checkout of cf85434>/src:tests python tests/golden/make.py

What is made is one small run of each kind, in `0.1.0/<kind>/run`, beside the files that it was made from and
`facts.json`: how it was made, its arrays and texts, and what some measures make of it. Three things differ from what
version 0.1.0 leaves: its pages are deleted, since every version draws its own; so is the lock; and the folder of this
machine is written as /home/someone/project wherever a manifest names it.
"""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from golden.facts import facts

HERE = Path(__file__).parent
PLACE = HERE / "0.1.0"
ELSEWHERE = "/home/someone/project"
COMMON = ("--out", "run", "--workers", "1", "--device", "cpu")
WORDS = ("the", "a", "small", "old", "grey", "cat", "dog", "bird", "sees", "hears", "likes", "house", "tree", "river")

MAKERS: dict[str, Callable[[Path], dict[str, Any]]] = {}


def kind(maker: Callable[[Path], dict[str, Any]]) -> Callable[[Path], dict[str, Any]]:
    """One kind of run: writes its sources into a folder, and says how the run is made and what is measured of it."""
    MAKERS[maker.__name__] = maker
    return maker


@kind
def groups(folder: Path) -> dict[str, Any]:
    """Classes of persons with two visits each; no person is more than a twentieth of the data."""
    rng = np.random.default_rng(0)
    rows = []
    for visit in range(80):
        height, weight = rng.normal(170, 10), rng.normal(70, 12)
        ill = "ill" if height - weight + rng.normal(0, 12) < 100 else "well"
        rows.append(
            [f"visit-{visit}", f"person-{visit // 2}", round(height, 1), round(weight, 1), "abc"[visit % 3], ill]
        )
    write_csv(folder / "visits.csv", ("visit", "person", "height", "weight", "ward", "state"), rows)
    told = ("--target", "state", "--id", "visit", "--group", "person")
    return {
        "command": ["audit", "visits.csv", *told, "--models", "6", "--epochs", "8", "--checkpoints", "4", *COMMON],
        "measures": ["label_memorization", "lira", "cumulative_sample_loss"],
    }


@kind
def large_group(folder: Path) -> dict[str, Any]:
    """A person with two fifths of the rows, so that halves are not of equal size; a design asked for by name."""
    rng = np.random.default_rng(7)
    rows = [["one" if row < 16 else f"other-{row}", *rng.normal(size=2).round(2).tolist()] for row in range(40)]
    rows = [[*row, "up" if row[1] + row[2] > 0 else "down"] for row in rows]
    write_csv(folder / "walks.csv", ("person", "east", "north", "state"), rows)
    told = ("--target", "state", "--group", "person", "--heldout", "0.1", "--design", "half-subset-pairs")
    return {
        "command": ["audit", "walks.csv", *told, "--models", "4", "--epochs", "4", "--checkpoints", "3", *COMMON],
        "measures": ["forgetting_events", "cumulative_sample_loss"],
    }


@kind
def read_otherwise(folder: Path) -> dict[str, Any]:
    """A table that later versions make another dataset of: stray marks, a class of two spellings, long ids."""
    rng = np.random.default_rng(6)
    rows = []
    for row in range(40):
        share = "-" if row == 7 else f"{rng.uniform(0, 100):.1f}"
        score = " NA" if row % 9 == 4 else round(rng.normal(), 2)
        answer = ["no", "yes", "yes "][row % 3]
        rows.append([1234567890123456000 + row * 10**6, int(rng.integers(18, 90)), share, score, answer])
    write_csv(folder / "survey.csv", ("number", "age", "share", "score", "answer"), rows)
    told = ("--models", "4", "--epochs", "4", "--checkpoints", "3")
    return {
        "command": ["audit", "survey.csv", "--target", "answer", *told, *COMMON],
        "measures": ["label_memorization", "forgetting_events"],
        "source": "survey.csv",
    }


@kind
def labels(folder: Path) -> dict[str, Any]:
    """Several labels of yes and no an example."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(60, 3)).round(2)
    wet, cold, loud = (x @ rng.normal(size=(3, 3)) + rng.normal(scale=0.7, size=(60, 3)) > 0).astype(int).T
    rows = [[*map(float, row), *map(int, marks)] for row, *marks in zip(x, wet, cold, loud, strict=True)]
    write_csv(folder / "places.csv", ("east", "north", "up", "wet", "cold", "loud"), rows)
    told = ("--target", "wet", "--target", "cold", "--target", "loud", "--task", "labels")
    return {
        "command": ["audit", "places.csv", *told, "--models", "6", "--epochs", "8", "--checkpoints", "3", *COMMON],
        "measures": ["label_memorization", "label_memorization[label_accuracy]", "lira"],
    }


@kind
def regression(folder: Path) -> dict[str, Any]:
    """A number an example."""
    rng = np.random.default_rng(2)
    rows = []
    for _ in range(60):
        rooms, age = int(rng.integers(1, 8)), round(rng.uniform(0, 90), 2)
        rows.append([rooms, age, ["north", "south"][rooms % 2], round(60 * rooms - age + rng.normal(0, 25), 1)])
    write_csv(folder / "houses.csv", ("rooms", "age", "side", "price"), rows)
    told = ("--target", "price", "--task", "regression")
    return {
        "command": ["audit", "houses.csv", *told, "--models", "6", "--epochs", "8", "--checkpoints", "3", *COMMON],
        "measures": ["label_memorization", "counterfactual_memorization[squared_error]", "lira[residual]"],
    }


@kind
def two_splits(folder: Path) -> dict[str, Any]:
    """Two phases: what is forgotten while others are learned; a Python file, with wrong labels planted."""
    (folder / "mine.py").write_text(MINE, "utf-8")
    plant = ("--plant", "label-noise=0.1")
    return {
        "command": [
            "audit",
            "mine.py",
            "--design",
            "two-splits",
            "--models",
            "4",
            "--checkpoints",
            "4",
            *plant,
            *COMMON,
        ],
        "measures": ["first_split_learning_time", "second_split_forgetting_time", "forgetting_events"],
    }


@kind
def recorded(folder: Path) -> dict[str, Any]:
    """A training loop of a person's own, with a recorder."""
    (folder / "train.py").write_text(TRAIN, "utf-8")
    return {
        "script": "train.py",
        "measures": ["area_under_margin", "forgetting_events", "cumulative_sample_loss[presentation]"],
    }


@kind
def imported(folder: Path) -> dict[str, Any]:
    """Arrays that somebody else computed: unknown members, held-out answers, a trajectory."""
    rng = np.random.default_rng(3)
    label = np.arange(24) % 3
    member = np.stack([row for _ in range(3) for half in [rng.permutation(24) < 12] for row in (half, ~half)])
    logits = rng.normal(size=(6, 24, 3)) + (1 + 2 * member[..., None]) * np.eye(3)[label]
    member = member.astype(np.int64)
    member[:, 23] = -1
    np.savez_compressed(
        folder / "answers.npz",
        label=label,
        member=member,
        logits=logits.astype(np.float32),
        margins=rng.normal(size=(6, 3, 24)).cumsum(1).astype(np.float32),
        heldout=rng.uniform(size=(6, 10)) < 0.8,
    )
    (folder / "bring.py").write_text(BRING, "utf-8")
    return {"script": "bring.py", "measures": ["label_memorization", "lira", "influence", "cumulative_sample_loss"]}


@kind
def privacy_meter(folder: Path) -> dict[str, Any]:
    """The log folder of another tool."""
    rng = np.random.default_rng(4)
    member = np.stack([row for _ in range(3) for half in [rng.permutation(24) < 12] for row in (half, ~half)])
    signals = (rng.uniform(0.1, 0.6, size=(24, 6)) + 0.3 * member.T).astype(np.float32)
    (folder / "log" / "models").mkdir(parents=True)
    (folder / "log" / "signals").mkdir()
    np.save(folder / "labels.npy", np.arange(24) % 2)
    np.save(folder / "log" / "models" / "memberships.npy", member)
    told = {str(model): {"num_train": int(row.sum())} for model, row in enumerate(member)}
    (folder / "log" / "models" / "models_metadata.json").write_text(json.dumps(told))
    np.save(folder / "log" / "signals" / "rmia_signals.npy", signals)
    return {
        "command": ["read", "privacy_meter", "log", "--out", "run", "--labels", "labels.npy"],
        "measures": ["label_memorization[probability]"],
    }


@kind
def documents(folder: Path) -> dict[str, Any]:
    """Tiny GPTs on halves of a corpus with canaries."""
    write_documents(folder)
    told = ("--corpus", "planted.jsonl", "--heldout", "others.jsonl", "--canaries", "canaries.json")
    size = ("--width", "8", "--epochs", "6", "--context", "128", "--models", "4")
    return {
        "command": ["audit", *told, *size, *COMMON],
        "measures": [
            "exposure",
            "counterfactual_memorization",
            "discoverable_extraction[generated]",
            "extraction_strength",
        ],
    }


@kind
def foreign_gpt(folder: Path) -> dict[str, Any]:
    """A GPT-2 that somebody else trained, for a moment, on a corpus with canaries."""
    write_documents(folder)
    train_gpt(folder / "model", [line["text"] for line in lines(folder / "planted.jsonl")])
    told = ("--corpus", "planted.jsonl", "--heldout", "others.jsonl", "--canaries", "canaries.json")
    return {
        "command": ["audit", "--model", "model", *told, "--out", "run", "--device", "cpu"],
        "measures": ["exposure", "discoverable_extraction[generated]", "extraction_strength", "exact_memorization"],
    }


def write_csv(path: Path, names: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table as most programs write it."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([names, *rows])


def write_documents(folder: Path) -> None:
    """Sentences of few words, other ones held out, and canaries planted among the first."""
    rng = np.random.default_rng(5)
    for name, count in (("plain", 12), ("others", 5)):
        said = [" ".join(rng.choice(WORDS, 110)) + "." for _ in range(count)]
        with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(json.dumps({"text": text}) + "\n" for text in said)
    told = ("--canaries", "6", "--repeat", "1,4", "--digits", "4")
    byrote(folder, "plant", "plain.jsonl", "--out", "planted.jsonl", *told)


def lines(path: Path) -> list[dict[str, str]]:
    """The documents of a file."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def train_gpt(folder: Path, texts: Sequence[str]) -> None:
    """A GPT-2 of one layer, some steps over the texts."""
    import torch
    import transformers

    from byrote.data.tokenizers import BEGIN, byte_pairs, encoder

    torch.manual_seed(0)
    tokenizer = byte_pairs(texts, vocabulary=300)
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=BEGIN).save_pretrained(folder)
    size = {"n_positions": 160, "n_embd": 16}
    config = transformers.GPT2Config(vocab_size=300, **size, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0)
    model = transformers.GPT2LMHeadModel(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    for _ in range(6):
        for tokens in encoder(tokenizer)(texts):
            row = torch.tensor([tokens[:160]])
            loss = model(input_ids=row, labels=row).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model.save_pretrained(folder)


MINE = '''"""Two noisy blobs a class, and a network that fits them."""

import numpy as np

import byrote


def blobs(examples, seed):
    rng = np.random.default_rng(seed)
    targets = np.arange(examples) % 3
    inputs = rng.normal(size=(examples, 2)) + 3 * np.array([[0, 0], [1, 0], [0, 1]])[targets]
    return byrote.from_arrays(inputs.astype(np.float32), targets, name="blobs", class_names=("a", "b", "c"))


def dataset():
    return blobs(60, 0)


def heldout():
    return blobs(20, 1)


def recipe():
    return byrote.Recipe(network=byrote.MLP(hidden=(8,)), epochs=6, batch_size=8, optimizer=byrote.SGD(lr=0.1))
'''

TRAIN = '''"""A loop of one's own with a recorder: two models on the same examples, clean passes at both ends."""

import numpy as np
import torch

import byrote


def make(out):
    rng = np.random.default_rng(0)
    targets = np.arange(30) % 3
    inputs = rng.normal(size=(30, 2)) + 3 * np.array([[0, 0], [1, 0], [0, 1]])[targets]
    inputs, targets = torch.tensor(inputs, dtype=torch.float32), torch.tensor(targets)
    dataset = byrote.WithIds(list(zip(inputs, targets, strict=True)))
    run = None
    for model in range(2):
        torch.manual_seed(model)
        network = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
        optimizer = torch.optim.SGD(network.parameters(), lr=0.2)
        batches = torch.utils.data.DataLoader(dataset, batch_size=6, shuffle=True)
        clean = torch.utils.data.DataLoader(dataset, batch_size=30)
        recorder = byrote.Recorder(out, examples=30, model=model, class_names=("a", "b", "c"), name="blobs")
        recorder.clean_pass(network, clean)
        for _ in range(4):
            for x, y, ids in batches:
                logits = network(x)
                recorder.observe(ids, logits, y)
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(logits, y).backward()
                optimizer.step()
            recorder.epoch_end()
        recorder.clean_pass(network, clean)
        run = recorder.close()
    return run
'''

BRING = '''"""Answers of models that somebody else trained, brought into a run."""

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
'''


def byrote(folder: Path, *words: str) -> None:
    """Run a command in a folder."""
    subprocess.run([sys.executable, "-m", "byrote.cli", *words], cwd=folder, check=True)


def make(name: str) -> None:
    """Make the golden run of a kind, and write down what it says."""
    from byrote.run import Run

    folder = PLACE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    told = MAKERS[name](folder)
    if "command" in told:
        byrote(folder, *told["command"])
    else:
        code = f"import runpy; runpy.run_path({told['script']!r})['make']('run')"
        subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)
    for left in ("report.html", "report.json", ".lock"):
        (folder / "run" / left).unlink(missing_ok=True)
    manifest = folder / "run" / "manifest.json"
    manifest.write_text(manifest.read_text("utf-8").replace(str(folder.resolve()), ELSEWHERE), "utf-8")
    shutil.rmtree(folder / "run" / "results", ignore_errors=True)
    found = facts(Run.open(folder / "run"), told["measures"])
    text = json.dumps({**told, **found}, ensure_ascii=False, allow_nan=False)
    (folder / "facts.json").write_text(text + "\n", "utf-8")
    byrote(folder, "verify", "run")
    for cache in folder.rglob("__pycache__"):
        shutil.rmtree(cache)


if __name__ == "__main__":
    for each in sys.argv[1:] or MAKERS:
        make(each)
