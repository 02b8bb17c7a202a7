"""Hints of changes and of models of others are followed: each mends the case that brought it."""

from __future__ import annotations

import dataclasses
import json
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import nn

import byrote
from byrote.changes.change import Context, refuse_unfit
from byrote.changes.child import _refuse_too_few, change
from byrote.changes.common import in_order
from byrote.changes.data._planting import check_rate, chosen, planned_count
from byrote.changes.data.asymmetric_label_noise import AsymmetricLabelNoise
from byrote.changes.data.deduplicate import RemoveExactDuplicates, RemoveNearDuplicates
from byrote.changes.data.rare_subpopulation import RareSubpopulation
from byrote.changes.data.relabel_most_memorized import RelabelMostMemorized
from byrote.changes.forget import named, read_ids, refuse_share
from byrote.changes.recipe.adversarial_training import TradesTraining
from byrote.changes.recipe.early_stopping import best_checkpoint
from byrote.changes.recipe.goldfish import GoldfishLoss
from byrote.changes.recipe.weight_decay import WeightDecay
from byrote.changes.registry import parse_change
from byrote.data.corpus import corpus_from_texts
from byrote.recipes.dropout import Dropout
from byrote.recipes.networks.backbone import Backbone
from byrote.recipes.networks.model_folder import find_model
from byrote.recipes.networks.pretrained import chat_joining, load_pretrained
from byrote.runs.run import Run
from changes.data.test__stamping import pictures
from documents import small_language_audit
from followed import Case, each, follow
from foreign import small_gpt
from made_once import copied
from small import RECIPE, blobs

CONTEXT = Context(dataset=blobs(), rng=np.random.default_rng(0))
PICTURES = dataclasses.replace(CONTEXT, dataset=pictures())
WORDS = dataclasses.replace(CONTEXT, dataset=corpus_from_texts(["one two three", "four five six"], name="said"))


def applied(one: Any, stage: Any, context: Any = CONTEXT) -> Callable[[Path], Any]:
    """A change of data or of a recipe."""
    return lambda _: one.apply(stage, context)


def audited(folder: Path) -> Run:
    """A small audit with its data and recipe at hand."""
    place = folder / "run"
    run = Run.open(place if place.exists() else copied("classes", folder))
    return run.attach(blobs(noise=0.1), RECIPE, blobs(30, seed=1))


def changed(*texts: str, run: Callable[[Path], Run] = audited, **how: Any) -> Callable[[Path], Any]:
    """A run that is changed."""

    def make(folder: Path) -> Any:
        place = folder / f"child-{len(list(folder.iterdir()))}"
        return change(run(folder), [parse_change(text) for text in texts], out=place, progress=False, workers=1, **how)

    return make


def opened(folder: Path) -> Run:
    """The audit as it lies on the disk."""
    return Run.open(copied("classes", folder, "opened"))


def documents(**settings: Any) -> Callable[[Path], Run]:
    """An audit of documents of some letters, as it was handed back."""

    def make(folder: Path) -> Run:
        place = folder / f"documents-{len(list(folder.iterdir()))}"
        return small_language_audit(place, **({"checkpoints": 0, "generate": (2, 2)} | settings))

    return make


def forgotten(*ids: str) -> Callable[[Path], Any]:
    """Examples that are named to be forgotten."""
    return lambda _: named(list(ids), np.array(["a", "b", "c"]), "the run")


def listed(content: str | bytes | pa.Table | None, name: str = "ids.csv") -> Callable[[Path], Any]:
    """The same, of a file."""

    def read(folder: Path) -> Any:
        if isinstance(content, pa.Table):
            pq.write_table(content, folder / name)
        elif content is not None:
            (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return read_ids(folder / name)

    return read


class Own(nn.Module):
    """A training algorithm of one's own, which has no slots."""


@cache
def gpt() -> Path:
    """A small GPT that is saved once."""

    folder = Path(tempfile.mkdtemp(prefix="byrote-gpt-"))
    small_gpt(folder)
    return folder


def model(edit: Callable[[Path], Any] = lambda _: None, **settings: Any) -> Callable[[Path], Any]:
    """A copy of the GPT that is edited and loaded."""

    def load(folder: Path) -> Any:
        place = folder / f"gpt-{len(list(folder.iterdir()))}"
        shutil.copytree(gpt(), place)
        return load_pretrained(edit(place) or place, **settings)

    return load


def without(*patterns: str) -> Callable[[Path], Any]:
    """Files are removed."""
    return lambda place: [path.unlink() for pattern in patterns for path in place.glob(pattern)] and None


def written(name: str, content: str) -> Callable[[Path], Any]:
    """A file says this."""
    return lambda place: (place / name).write_text(content) and None


def configured(**settings: Any) -> Callable[[Path], Any]:
    """The configuration says otherwise."""

    def edit(place: Path) -> None:
        content = json.loads((place / "config.json").read_text()) | settings
        (place / "config.json").write_text(json.dumps(content))

    return edit


def weights(more: dict[str, torch.Tensor] | None = None, *, less: str = "") -> Callable[[Path], Any]:
    """Some weights are added or taken away."""

    def edit(place: Path) -> None:
        from safetensors.torch import load_file, save_file

        held = {
            name: array
            for name, array in load_file(place / "model.safetensors").items()
            if not less or less not in name
        }
        save_file(held | (more or {}), place / "model.safetensors", metadata={"format": "pt"})

    return edit


def folder_of(**files: Any) -> Callable[[Path], Any]:
    """A folder with these files, in which a model is looked for."""

    def find(folder: Path) -> Any:
        place = folder / f"of-{len(list(folder.iterdir()))}"
        place.mkdir()
        for name, content in files.items():
            raw = content if isinstance(content, bytes) else json.dumps(content).encode()
            (place / name.replace("__", ".")).write_bytes(raw)
        return find_model(place)

    return find


BASE = {"config__json": {"architectures": ["GPT2LMHeadModel"]}, "model__safetensors": b""}
LORA = {"peft_type": "LORA", "r": 2}


def adapter(**settings: Any) -> Callable[[Path], Any]:
    """An adapter beside its base."""

    def find(folder: Path) -> Any:
        folder_of(**BASE)(folder)
        base = sorted(folder.iterdir())[-1]
        told = LORA | {"base_model_name_or_path": str(base)} | settings
        return folder_of(adapter_config__json=told, adapter_model__safetensors=b"")(folder)

    return find


def placed(folder: Path) -> Path:
    """The folder of an adapter that is in order."""
    adapter()(folder)
    return sorted(folder.iterdir())[-1]


TEMPLATE = (
    "{% if messages[0]['role'] != 'user' %}{{ raise_exception('the user speaks first') }}{% endif %}"
    "{% for one in messages %}{{ one['role'] }}: {{ one['content'] }} {% endfor %}"
)


def chat(*roles: str) -> Callable[[Path], Any]:
    """A chat of these roles as the template of a model writes it."""

    def write(folder: Path) -> Any:
        place = folder / f"gpt-{len(list(folder.iterdir()))}"
        shutil.copytree(gpt(), place)
        told = json.loads((place / "tokenizer_config.json").read_text()) | {"chat_template": TEMPLATE}
        (place / "tokenizer_config.json").write_text(json.dumps(told))
        return chat_joining(place).render([{"role": role, "content": "to be"} for role in roles], False)

    return write


NUMBERS = byrote.from_arrays(np.arange(12.0).reshape(6, 2), np.arange(6) + 0.5, task="regression")
DOCUMENTS = corpus_from_texts(["one two three four five"] * 2 + ["six seven eight"])
TWO = dataclasses.replace(RECIPE, optimizer=byrote.AdamW(lr=0.01))
ROWS, IMAGES = torch.zeros(2, 3), torch.zeros(2, 1, 4, 4)
NO_DECAY = dataclasses.replace(RECIPE, optimizer=SimpleNamespace(lr=0.1))
GPT = folder_of(**BASE)

CHANGES = (
    Case(
        name="ssd of numbers",
        wrong=lambda _: refuse_unfit(parse_change("ssd"), NUMBERS),
        says="gradient-difference, gradient-ascent and fine-tune-on-rest take any targets",
        right=lambda _: [
            refuse_unfit(parse_change(name), NUMBERS)
            for name in ("gradient-difference", "gradient-ascent", "fine-tune-on-rest")
        ],
    ),
    Case(
        name="a beta of none",
        wrong=lambda _: parse_change("npo=epochs=3,beta=0"),
        says="npo=1 for labels, npo=0.1 for texts",
        right=lambda _: (parse_change("npo=1"), parse_change("npo=0.1")),
    ),
    Case(
        name="scrub without epochs",
        wrong=lambda _: parse_change("scrub=3,climbs=-1"),
        says="scrub=5,climbs=3 is usual",
        right=lambda _: parse_change("scrub=5,climbs=3"),
    ),
    Case(
        name="ssd that shrinks below nothing",
        wrong=lambda _: parse_change("ssd=10,shrink=-1"),
        says="ssd=10,shrink=1 is usual",
        right=lambda _: parse_change("ssd=10,shrink=1"),
    ),
    Case(
        name="no data at hand",
        wrong=changed("weight-decay=0.01", run=opened),
        says="run.attach(dataset, recipe, heldout)",
        right=changed("weight-decay=0.01"),
        slow=True,
    ),
    Case(
        name="members of new examples",
        wrong=changed("exact-duplicates=0.1", keep_members=True),
        says="leave out keep_members",
        right=changed("exact-duplicates=0.1"),
        slow=True,
    ),
    Case(
        name="a recording",
        wrong=changed("weight-decay=0.01", run=lambda folder: recorded(folder)),
        says="train again with the change",
        right=changed("weight-decay=0.01"),
        slow=True,
    ),
    Case(
        name="little that is left",
        wrong=lambda _: _refuse_too_few(blobs(2), parse_change("remove-most-memorized=0.5")),
        says="change less of the data",
        right=lambda _: _refuse_too_few(blobs(30), parse_change("remove-most-memorized=0.5")),
    ),
    Case(
        name="a decoder beside another",
        wrong=changed("ngram-guard=3", "weight-decay=0.01", run=documents(keep_weights=True)),
        says="make the other change first",
        right=changed("ngram-guard=3", run=documents(keep_weights=True)),
        slow=True,
    ),
    Case(
        name="a decoder of classes",
        wrong=changed("ngram-guard=3"),
        says="byrote audit docs",
        right=changed("ngram-guard=3", run=documents(keep_weights=True)),
        slow=True,
    ),
    Case(
        name="a decoder of documents that are not at hand",
        wrong=changed("ngram-guard=3", run=lambda folder: Run.open(documents(keep_weights=True)(folder).folder)),
        says="gave back",
        right=changed("ngram-guard=3", run=documents(keep_weights=True)),
        slow=True,
    ),
    Case(
        name="a decoder without weights",
        wrong=changed("ngram-guard=3", run=documents()),
        says="audit with --keep-weights",
        right=changed("ngram-guard=3", run=documents(keep_weights=True)),
        slow=True,
    ),
    Case(
        name="documents that are not at hand",
        wrong=changed("weight-decay=0.01", run=lambda folder: Run.open(documents()(folder).folder)),
        says="gave back",
        right=changed("weight-decay=0.01", run=documents()),
        slow=True,
    ),
    Case(
        name="documents to forget",
        wrong=changed("gradient-ascent=2", run=documents()),
        says="forget=[…] from Python",
        right=changed("gradient-ascent=2", run=documents(), forget=["words-0"]),
        slow=True,
    ),
    Case(
        name="no change",
        wrong=lambda _: in_order([]),
        says="byrote.parse_change('weight-decay=0.001')",
        right=lambda _: in_order(byrote.parse_change("weight-decay=0.001")),
    ),
    Case(
        name="a change twice",
        wrong=lambda _: in_order([parse_change("weight-decay=0.1")] * 2),
        says="give each once",
        right=lambda _: in_order([parse_change("weight-decay=0.1")]),
    ),
    Case(
        name="a rate of 5",
        wrong=lambda _: check_rate(5, caller="noise"),
        says="0.05 is 5 %",
        right=lambda _: check_rate(0.05, caller="noise"),
    ),
    Case(
        name="a rate of none",
        wrong=lambda _: planned_count(blobs(), 0.001, caller="noise"),
        says="at least 0.017",
        right=lambda _: planned_count(blobs(), 0.017, caller="noise"),
    ),
    Case(
        name="more than there are",
        wrong=lambda _: chosen(np.arange(3), 4, caller="noise", rng=np.random.default_rng(0)),
        says="a smaller amount",
        right=lambda _: chosen(np.arange(3), 3, caller="noise", rng=np.random.default_rng(0)),
    ),
    Case(
        name="mistaken for no class",
        wrong=applied(AsymmetricLabelNoise(0.1, mapping={"a": "z"}), blobs()),
        says="the classes are a, b, c",
        right=applied(AsymmetricLabelNoise(0.1, mapping={"a": "b"}), blobs()),
    ),
    Case(
        name="mistaken for itself",
        wrong=applied(AsymmetricLabelNoise(0.1, mapping={"a": "a"}), blobs()),
        says="or leave the class out",
        right=applied(AsymmetricLabelNoise(0.1, mapping={"a": "c"}), blobs()),
    ),
    Case(
        name="no copy",
        wrong=lambda _: RemoveExactDuplicates(0),
        says="remove-exact-duplicates=1",
        right=lambda _: parse_change("remove-exact-duplicates=1"),
    ),
    Case(
        name="near duplicates of rows",
        wrong=applied(RemoveNearDuplicates(), blobs()),
        says="remove-exact-duplicates is for any data",
        right=applied(RemoveExactDuplicates(), blobs()),
    ),
    Case(
        name="a large subpopulation",
        wrong=applied(RareSubpopulation(0.9), blobs()),
        says="use a smaller amount",
        right=applied(RareSubpopulation(0.1), blobs()),
    ),
    Case(
        name="no parent",
        wrong=applied(RelabelMostMemorized(0.1), blobs()),
        says="byrote change RUN --with",
        right=changed("relabel-most-memorized=0.1"),
        slow=True,
    ),
    Case(name="nothing to forget", wrong=forgotten(), says="name at least one id", right=forgotten("a")),
    Case(name="forgotten twice", wrong=forgotten("a", "a"), says="name each once", right=forgotten("a")),
    Case(name="an unknown id to forget", wrong=forgotten("z"), says="its ids are such as", right=forgotten("a")),
    Case(name="no file to forget", wrong=listed(None), says="check the path", right=listed("example\na\n")),
    Case(name="no column to forget", wrong=listed("id\na\n"), says="'example'", right=listed("example\na\n")),
    Case(
        name="no table to forget",
        wrong=listed("example\na,b\n"),
        says="its first line is example",
        right=listed("example\na\n"),
    ),
    Case(
        name="a spoiled table to forget",
        wrong=listed(b"PAR1", "ids.parquet"),
        says="into a text file, one per line",
        right=listed("a\nb\n", "ids.txt"),
    ),
    Case(
        name="all to forget",
        wrong=lambda _: refuse_share("The share", 1.0),
        says="0.05 is the 5 %",
        right=lambda _: refuse_share("The share", 0.05),
    ),
    Case(
        name="trades of an attacked recipe",
        wrong=applied(TradesTraining(), dataclasses.replace(RECIPE, input_perturbation=byrote.ProjectedGradient())),
        says="objective=byrote.CrossEntropy() and no input_perturbation",
        right=applied(TradesTraining(), dataclasses.replace(RECIPE, objective=byrote.CrossEntropy())),
    ),
    Case(
        name="a loss in place of another",
        wrong=applied(parse_change("gce"), dataclasses.replace(RECIPE, objective=byrote.CrossEntropy(0.1))),
        says="objective=byrote.CrossEntropy().",
        right=applied(parse_change("gce"), dataclasses.replace(RECIPE, objective=byrote.CrossEntropy())),
    ),
    Case(
        name="no labels to smooth",
        wrong=applied(parse_change("label-smoothing"), dataclasses.replace(RECIPE, objective=byrote.Focal())),
        says="objective=byrote.CrossEntropy() or byrote.NextToken()",
        right=applied(parse_change("label-smoothing"), dataclasses.replace(RECIPE, objective=byrote.CrossEntropy())),
    ),
    Case(
        name="no units to drop",
        wrong=applied(parse_change("dropout"), dataclasses.replace(RECIPE, network=byrote.ResNet(depth=8))),
        says="take byrote.MLP",
        right=applied(parse_change("dropout"), dataclasses.replace(RECIPE, network=byrote.MLP())),
    ),
    Case(
        name="a stop after the end",
        wrong=applied(parse_change("early-stopping=9"), RECIPE),
        says="early-stopping=3 stops halfway",
        right=applied(parse_change("early-stopping=3"), RECIPE),
    ),
    Case(
        name="nothing that chooses a stop",
        wrong=applied(parse_change("early-stopping"), RECIPE),
        says="early-stopping=5 stops after 5 epochs.",
        right=applied(parse_change("early-stopping=5"), RECIPE),
    ),
    Case(
        name="best at the end",
        wrong=lambda _: best_checkpoint(np.arange(2).astype(bool)[None, :, None], np.ones((1, 1), bool)),
        says="early-stopping=5 stops after 5 epochs all the same",
        right=applied(parse_change("early-stopping=5"), RECIPE),
    ),
    Case(
        name="a square over rows",
        wrong=applied(parse_change("cutout"), RECIPE),
        says="mixup, dropout or weight-decay",
        right=lambda _: [parse_change(name).apply(RECIPE, CONTEXT) for name in ("mixup", "dropout", "weight-decay")],
    ),
    Case(
        name="a square over all",
        wrong=applied(parse_change("cutout=8"), RECIPE, PICTURES),
        says="cutout=2 is half of a side",
        right=applied(parse_change("cutout=2"), RECIPE, PICTURES),
    ),
    Case(
        name="words to mix",
        wrong=applied(parse_change("mixup"), RECIPE, WORDS),
        says="dropout, label-smoothing or weight-decay",
        right=lambda _: [
            parse_change(one).apply(RECIPE, WORDS) for one in ("dropout", "label-smoothing", "weight-decay")
        ],
    ),
    Case(
        name="rows to cut",
        wrong=applied(parse_change("cutmix"), RECIPE),
        says="mixup mixes rows",
        right=applied(parse_change("mixup"), RECIPE),
    ),
    Case(
        name="mixed twice",
        wrong=applied(parse_change("mixup"), dataclasses.replace(RECIPE, mixing=byrote.Mixup())),
        says="change the run before it",
        right=applied(parse_change("mixup"), RECIPE),
    ),
    Case(
        name="goldfish of classes",
        wrong=applied(GoldfishLoss(), RECIPE),
        says="objective=byrote.NextToken()",
        right=applied(GoldfishLoss(), dataclasses.replace(RECIPE, objective=byrote.NextToken())),
    ),
    Case(
        name="an algorithm of one's own",
        wrong=applied(WeightDecay(0.1), Own()),
        says="and audit it again",
        right=applied(WeightDecay(0.1), RECIPE),
    ),
    Case(
        name="no decay",
        wrong=applied(WeightDecay(0.1), NO_DECAY),
        says="use SGD or AdamW",
        right=applied(WeightDecay(0.1), TWO),
    ),
    Case(
        name="dropout elsewhere",
        wrong=lambda _: Dropout(0.5).train()(ROWS),
        says="call .eval() first",
        right=lambda _: Dropout(0.5).eval()(ROWS),
    ),
    Case(
        name="a backbone of pictures",
        wrong=lambda _: Backbone(lambda: nn.Conv2d(1, 2, 1)).build((1, 4, 4), 3),
        says="nn.Flatten()",
        right=lambda _: Backbone(lambda: nn.Sequential(nn.Conv2d(1, 2, 1), nn.Flatten())).build((1, 4, 4), 3),
    ),
    Case(
        name="a change of others' targets",
        wrong=lambda _: refuse_unfit(parse_change("label-noise=0.1"), NUMBERS),
        says="remove-exact-duplicates",
        right=lambda _: refuse_unfit(parse_change("remove-exact-duplicates"), NUMBERS),
    ),
    Case(
        name="a tokenizer that is none",
        wrong=model(written("tokenizer.json", "[]")),
        says="as save_pretrained(folder) writes it",
        right=model(),
    ),
    Case(
        name="weights of another shape",
        wrong=model(configured(n_embd=48)),
        says="must be of one model",
        right=model(),
    ),
    Case(
        name="a quantized model",
        wrong=model(configured(quantization_config={"quant_method": "gptq", "bits": 4})),
        says="without quantization",
        right=model(),
    ),
    Case(
        name="a chat that the template refuses",
        wrong=chat("assistant", "user"),
        says="mend the order of its roles",
        right=chat("user", "assistant"),
    ),
    Case(
        name="no tokenizer of a model",
        wrong=model(without("tokenizer*", "special*")),
        says="tokenizer.save_pretrained(folder)",
        right=model(),
    ),
    Case(name="a long context", wrong=model(context=999), says="leave the context out", right=model()),
    Case(
        name="a configuration that is none",
        wrong=model(written("config.json", "{")),
        says="restore config.json",
        right=model(),
    ),
    Case(
        name="a configuration of a list",
        wrong=model(written("config.json", "[]")),
        says="restore config.json",
        right=model(),
    ),
    Case(
        name="a model of another kind",
        wrong=model(configured(model_type="vit", architectures=["ViTModel"])),
        says="",
        right=model(),
    ),
    Case(name="fewer weights", wrong=model(weights(less="ln_f")), says="as AutoModelForCausalLM has it", right=model()),
    Case(
        name="more weights",
        wrong=model(weights({"score.weight": torch.zeros(2, 32)})),
        says="save_pretrained(another_folder)",
        right=model(),
    ),
    Case(
        name="a configuration as a model",
        wrong=model(lambda place: place / "config.json"),
        says="give its folder",
        right=model(),
    ),
    Case(name="an empty folder", wrong=folder_of(), says="that save_pretrained wrote", right=GPT),
    Case(
        name="no safetensors",
        wrong=folder_of(config__json=BASE["config__json"], pytorch_model__bin=b""),
        says="model.save_pretrained(folder)",
        right=GPT,
    ),
    Case(name="no folder", wrong=lambda folder: find_model(folder / "gpt"), says="folder", right=GPT),
    Case(
        name="no name of the hub",
        wrong=lambda _: find_model("nobody/no-such-model"),
        says="nothing is downloaded",
        right=GPT,
    ),
    Case(
        name="code of its own",
        wrong=folder_of(**BASE | {"config__json": {"auto_map": {"AutoModel": "code.Own"}}}),
        says="take the entry out of a copy",
        right=GPT,
    ),
    Case(
        name="an adapter beside whole weights",
        wrong=folder_of(**BASE, adapter_config__json=LORA, adapter_model__safetensors=b""),
        says="remove the adapter's files",
        right=GPT,
    ),
    Case(
        name="an adapter of an adapter",
        wrong=lambda folder: adapter(base_model_name_or_path=str(placed(folder)))(folder),
        says="model.merge_and_unload().save_pretrained(folder)",
        right=GPT,
    ),
    Case(
        name="an adapter without settings",
        wrong=folder_of(adapter_model__safetensors=b""),
        says="model.save_pretrained(folder)",
        right=adapter(),
    ),
    Case(
        name="an adapter of nobody",
        wrong=adapter(base_model_name_or_path=None),
        says="base_model_name_or_path",
        right=adapter(),
    ),
    Case(
        name="an adapter of what is gone",
        wrong=adapter(base_model_name_or_path="gone/base"),
        says="base_model_name_or_path",
        right=adapter(),
    ),
)


def recorded(folder: Path) -> Run:
    """A run that a recorder made."""
    made = byrote.Recorder(folder / "recorded", examples=6)
    made.observe(torch.arange(6), torch.randn(6, 2), torch.arange(6) % 2)
    made.epoch_end()
    run = made.close()
    assert isinstance(run, Run)
    return run


@each(*CHANGES)
def test_hints_of_changes_and_models_are_followed(case, tmp_path):
    follow(case, tmp_path)
