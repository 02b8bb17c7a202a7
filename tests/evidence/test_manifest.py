import json
from dataclasses import asdict, replace

import pytest

from byrote.errors import BadInput, RunMismatch
from byrote.evidence.manifest import FILE, Manifest, ModelEntry, differences, refuse_mismatch, short

MANIFEST = Manifest(
    byrote="0.1.0",
    created="2026-01-01T00:00:00+00:00",
    origin="trained",
    dataset={"name": "chats ≠ chiens", "classes": ["chat", "chien"]},
    heldout=None,
    identity={"seed": 0, "recipe": {"epochs": 3, "network": {"slot": "MLP", "hidden": [256]}}},
    design={"name": "half_subset_pairs"},
    models=(
        ModelEntry(index=0, origin="trained", role="reference", pair=0, seed=2**32 - 1),
        ModelEntry(index=1, origin="imported", role="full", pair=-1, seed=None),
    ),
    executor={"blocks": [{"models": [0, 1], "stacked": True}]},
    checkpoints=(0, 1, 3),
    environment={"packages": {"torch": "2"}},
    evidence=("outputs", "trajectory"),
    source={"kind": "digits"},
    parent={"run": "runs/before"},
    notes=("a note",),
)


def test_round_trip(tmp_path):
    MANIFEST.write(tmp_path)
    assert Manifest.read(tmp_path) == MANIFEST
    assert "≠" in (tmp_path / FILE).read_text(encoding="utf-8")
    plain = replace(MANIFEST, source=None, parent=None, notes=(), models=())
    plain.write(tmp_path)
    assert Manifest.read(tmp_path) == plain


def test_what_json_does_not_know_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        replace(MANIFEST, executor={"seconds": float("nan")}).write(tmp_path)
    assert not list(tmp_path.iterdir())


def test_no_manifest(tmp_path):
    with pytest.raises(
        BadInput, match=r"is not a run: it contains no manifest\.json\. Hint: `byrote audit digits` makes one"
    ):
        Manifest.read(tmp_path)
    with pytest.raises(BadInput, match="is not a run"):
        Manifest.read(tmp_path / "nowhere")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"schema": "1"', b"not json"])
def test_damaged(tmp_path, content):
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(BadInput, match="cannot be read as a manifest"):
        Manifest.read(tmp_path)


def test_every_cut_is_refused(tmp_path):
    MANIFEST.write(tmp_path)
    content = (tmp_path / FILE).read_bytes()
    for length in range(0, len(content), 7):
        (tmp_path / FILE).write_bytes(content[:length])
        with pytest.raises(BadInput):
            Manifest.read(tmp_path)


@pytest.mark.parametrize(
    ("content", "found"),
    [({"schema": "2"}, "'2'"), ({}, "None"), ([1], "'list'"), ("1", "'str'"), (None, "'NoneType'")],
)
def test_another_schema(tmp_path, content, found):
    (tmp_path / FILE).write_text(json.dumps(content))
    with pytest.raises(BadInput, match=f"has schema version {found}; this byrote reads version '1'"):
        Manifest.read(tmp_path)


def without(name):
    return {key: value for key, value in asdict(MANIFEST).items() if key != name}


@pytest.mark.parametrize(
    "content",
    [
        without("models"),
        without("dataset"),
        without("checkpoints"),
        without("notes"),
        {**asdict(MANIFEST), "surplus": 1},
        {**asdict(MANIFEST), "models": [{"index": 0}]},
        {**asdict(MANIFEST), "models": 3},
        {**asdict(MANIFEST), "models": ["x"]},
        {**asdict(MANIFEST), "checkpoints": None},
    ],
)
def test_a_manifest_that_is_none(tmp_path, content):
    (tmp_path / FILE).write_text(json.dumps(content))
    with pytest.raises(BadInput, match="is not a manifest of byrote"):
        Manifest.read(tmp_path)


def test_differences_name_what_changed():
    found = {"seed": 0, "recipe": {"epochs": 3, "network": {"slot": "MLP", "hidden": [256]}}, "heldout": None}
    asked = {"seed": 1, "recipe": {"epochs": 3, "network": {"slot": "MLP", "hidden": [64]}}, "heldout": {"n": 3}}
    assert differences(found, asked) == [
        'heldout was null, now {"n": 3}',
        "recipe.network.hidden was [256], now [64]",
        "seed was 0, now 1",
    ]
    assert differences(found, found) == []
    assert differences({"a": 1}, {"b": 1}) == ["a was 1, now null", "b was null, now 1"]


def test_long_values_are_shortened():
    assert short("x" * 64) == '"' + "x" * 11 + "…" + "x" * 7 + '"'
    assert short("a" * 64) == "aaaaaaaa"  # a digest
    assert short("x" * 38) == '"' + "x" * 38 + '"'


def test_another_audit_is_refused_in_a_sentence(tmp_path):
    refuse_mismatch(tmp_path, {"checkpoints": [0, 1]}, {"checkpoints": (0, 1)})
    with pytest.raises(RunMismatch, match=r"belongs to another audit: seed was 0, now 1\. Hint: give another folder"):
        refuse_mismatch(tmp_path, {"seed": 0}, {"seed": 1})


def test_a_manifest_says_whether_it_is_whole(tmp_path):
    MANIFEST.write(tmp_path)
    content = (tmp_path / FILE).read_text()
    (tmp_path / FILE).write_text(content.replace('"created": "20', '"created": "30'))
    with pytest.raises(BadInput, match=r"manifest\.json' does not fit its checksum"):
        Manifest.read(tmp_path)
    (tmp_path / FILE).write_text(json.dumps(json.loads(content)))  # however it is laid out
    assert Manifest.read(tmp_path) == MANIFEST


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "../../x"},
        {"id": 7},
        {"tables": {"../examples.parquet": 64 * "0"}},
        {"tables": {"examples.parquet": "0"}},
        {"tables": ["examples.parquet"]},
        {"design": {"phases": 7}},
        {"models": [{"index": "x", "origin": "trained", "role": "full", "pair": 0, "seed": 1}]},
    ],
)
def test_what_others_write_in_the_place_of_digests_is_refused(tmp_path, changes):
    MANIFEST.write(tmp_path)
    path = tmp_path / FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), "checksum": None, **changes}))
    with pytest.raises(BadInput, match="is not a manifest of byrote"):
        Manifest.read(tmp_path)
