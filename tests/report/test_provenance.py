from dataclasses import replace
from pathlib import Path

from byrote.report.provenance import compact, provenance
from report.made import make_run


def test_settings_read_as_the_call_that_makes_them() -> None:
    optimizer = {"slot": "SGD", "lr": 0.05, "inner": {"slot": "Shuffle"}, "clip": None}
    assert compact(optimizer) == "SGD(lr=0.05, inner=Shuffle(), clip=none)"


def test_an_imported_run_says_what_it_knows(tmp_path: Path) -> None:
    found = provenance(make_run(tmp_path / "run"))
    sections = {title: dict(rows) for title, rows in found.sections}
    assert sections["Dataset"]["classes"] == "3: cat, dog, emu"
    assert sections["Run"]["origin"] == "imported from arrays"
    assert sections["Design"]["controls"] == "5 label_noise"
    assert "byrote" in sections["Machine and versions"]
    assert "Recipe" not in sections
    assert found.seeds == ()


def test_a_changed_run_names_its_parent_and_recipe(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    change = {"name": "weight-decay", "stage": "recipe", "slot": "WeightDecay", "amount": 0.1}
    run.manifest = replace(
        run.manifest,
        identity={"recipe": {"slot": "Recipe", "epochs": 3, "optimizer": {"slot": "SGD", "lr": 0.1}}, "seed": 7},
        parent={"folder": "/runs/before", "change": change, "forget": ["a", "b"]},
    )
    sections = {title: dict(rows) for title, rows in provenance(run).sections}
    assert sections["Recipe"] == {"kind": "Recipe", "epochs": "3", "optimizer": "SGD(lr=0.1)"}
    assert sections["Run"]["seed"] == "7"
    assert sections["Change"]["changed form of"] == "before"
    assert sections["Change"]["about"] == "2 examples"
