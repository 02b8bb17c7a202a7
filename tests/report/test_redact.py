from __future__ import annotations

import base64
import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import byrote
from byrote.analyses.card import card
from byrote.analyses.catalog import keep
from byrote.analyses.groups import group_risk, keep_risk
from byrote.analyses.membership import membership_attack
from byrote.cli.app import app
from byrote.data.controls import Controls
from byrote.data.tokenizers import byte_pairs, encoder
from byrote.engine.language import audit_language
from byrote.errors import BadInput, MissingEvidence, RunMismatch
from byrote.evidence.kinds.documents import _own_continuations, same_texts
from byrote.evidence.tables import write_table
from byrote.report.language_facts import BY_COPIES, CURVE
from byrote.report.language_report import write_language_report
from byrote.report.page import write_report
from byrote.report.redact import _about_groups as about_groups
from byrote.report.redact import forget_contents, holdings, kept
from byrote.report.verify import verify
from byrote.runs.opening import Tables, opened
from byrote.runs.run import Run
from documents import SUMMING
from report.made import HOSTILE, Page, make_run
from small import blobs, small_audit

RUNNER = CliRunner()
SAID = "what the doctor wrote about me is nobody's business at all"


def everything(folder: Path) -> bytes:
    """All bytes of a run folder."""
    return b"\n".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def classes(page: Path) -> set[str]:
    """The classes of the elements of a page."""
    return {element.attributes.get("class", "") for element in Page(page.read_text()).elements}


@pytest.fixture(scope="module")
def blob_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = small_audit(tmp_path_factory.mktemp("runs") / "run")
    write_report(run)
    return run.folder


def without_report(folder: Path) -> None:
    """Remove the report, so that it need not be written again."""
    for name in ("report.html", "report.json"):
        (folder / name).unlink()


@pytest.fixture
def folder(blob_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(blob_run, tmp_path / "run"))


def test_a_classifier_forgets_its_digests_and_pictures_and_still_measures(folder: Path) -> None:
    run = Run.open(folder)
    before = run.measure("label_memorization")
    assert {holding.where for holding in holdings(run)} == {"examples.parquet", "report.html", "report.json"}
    assert '<dl class="values">' in (folder / "report.html").read_text()
    left = forget_contents(run)
    assert left.manifest.forgotten is not None
    assert left.manifest.forgotten["from"] == ["examples.parquet", "report.html", "report.json"]
    assert '<dl class="values">' not in (folder / "report.html").read_text()
    np.testing.assert_array_equal(left.measure("label_memorization").values, before.values)
    assert verify(Run.open(folder)) == []
    digest = blobs(noise=0.1).contents()[0]
    assert str(digest).encode() not in everything(folder)
    assert [holding.where for holding in holdings(left)] == ["report.html", "report.json"]


def test_levels_of_columns_that_rare_groups_share_go(folder: Path) -> None:
    path = folder / "results" / "issues.parquet"
    found = pq.read_table(path)
    cells = {name: pa.nulls(1, found.schema.field(name).type) for name in found.column_names}
    table = pa.table({**cells, "group": ["town = Ulm"]}).replace_schema_metadata(found.schema.metadata)
    write_table(path, table)
    assert "results/issues.parquet" in {holding.where for holding in holdings(Run.open(folder))}
    forget_contents(Run.open(folder))
    assert b"Ulm" not in everything(folder)
    assert "results/issues.parquet" not in {holding.where for holding in holdings(Run.open(folder))}


def test_a_second_time_changes_nothing(folder: Path) -> None:
    without_report(folder)
    forget_contents(Run.open(folder))
    once = everything(folder)
    forget_contents(Run.open(folder))
    assert everything(folder) == once


def test_a_removal_that_was_stopped_goes_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import byrote.report.redact as module

    without_report(folder)
    with monkeypatch.context() as patched:
        patched.setattr(module, "forget_examples", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            forget_contents(Run.open(folder))
    assert Run.open(folder).forgotten
    assert {holding.where for holding in holdings(Run.open(folder))} == {"examples.parquet"}
    forget_contents(Run.open(folder))
    assert holdings(Run.open(folder)) == []


def test_half_written_files_go_and_files_of_others_are_named(folder: Path) -> None:
    without_report(folder)
    (folder / "evidence" / "outputs" / ".m.part").write_bytes(b"half")
    (folder / "mine.txt").write_text("a note")
    assert "evidence/outputs/.m.part" in {holding.where for holding in holdings(Run.open(folder))}
    left = forget_contents(Run.open(folder))
    assert not list(folder.rglob("*.part"))
    assert [holding.where for holding in kept(left)] == ["mine.txt"]


PERSONS = ("Zora Quick", "Abel Stone", "Mia Brand")


@pytest.fixture(scope="module")
def person_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run about persons, with their risk, an attack, notes that name one, and paths in its manifest."""
    rng = np.random.default_rng(0)
    persons = [*(PERSONS[i % 3] for i in range(36)), *(f"Bea {i // 2} Long" for i in range(24))]
    inputs = rng.normal(size=(60, 2)).astype(np.float32)
    data = byrote.from_arrays(inputs, inputs.sum(1) * 100, task="regression", name="pay", groups=persons)
    network = byrote.Recipe(network=byrote.MLP(hidden=(4,)), objective=byrote.SquaredError(), epochs=2)
    run = byrote.audit(
        data, network, models=8, workers=1, progress=False, out=tmp_path_factory.mktemp("runs") / "run",
        source={"name": "/home/ann/private/pay.csv", "data_dir": None, "plants": []},
    )  # fmt: skip
    notes = ("'abel  stone' and 'Abel Stone' are one group of 'pay'.",)
    dataclasses.replace(run.manifest, notes=notes, parent={"folder": "/home/ann/runs/old", "forget": []}).write(
        run.folder
    )
    run = Run.open(run.folder)
    keep_risk(run, *group_risk(run))
    keep(run, "membership", membership_attack(run, "lira[residual]"))
    write_report(run)
    return run.folder


def test_names_of_persons_and_paths_go_and_what_was_measured_stays(person_run: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(person_run, tmp_path / "run"))
    run = Run.open(folder)
    names, risk = group_risk(run)
    held = {holding.where: holding.what for holding in holdings(run)}
    assert held["examples.parquet"] == "digests of the inputs and names of groups"
    assert {"results/group_risk.parquet", "results/attack-lira[residual].json", "manifest.json"} <= {*held}
    attack = json.loads((folder / "results" / "attack-lira[residual].json").read_bytes())
    assert set(attack["slices"]["group"]) == {*PERSONS}
    left = forget_contents(run)
    found = everything(folder)
    for name in (*PERSONS, "Bea ", "abel  stone", "/home/ann"):
        assert name.encode() not in found, name
    assert left.manifest.source == {"name": "pay.csv", "data_dir": None, "plants": []}
    assert left.manifest.parent == {"folder": "old", "forget": []}
    assert left.manifest.notes == ("'…' and '…' are one group of 'pay'.",)
    assert np.unique(left.groups, return_inverse=True)[1].tolist() == numbered(run.groups, start=0)
    again_names, again = group_risk(left)
    order = [again_names.tolist().index(left.groups[run.groups.tolist().index(name)]) for name in names.tolist()]
    np.testing.assert_array_equal(again.values[order], risk.values)
    table = pq.read_table(folder / "results" / "group_risk.parquet")
    assert table["group"].to_pylist() == again_names.tolist()
    figures = json.loads((folder / "results" / "attack-lira[residual].json").read_bytes())
    assert figures["figures"] == attack["figures"]
    assert sorted(map(str, figures["slices"]["group"].values())) == sorted(map(str, attack["slices"]["group"].values()))
    assert verify(Run.open(folder)) == []
    assert {holding.where for holding in holdings(left)} == {"report.html", "report.json"}


def numbered(groups: np.ndarray, start: int) -> list[int]:
    """The number of each group in the order in which they first come."""
    order = list(dict.fromkeys(groups.tolist()))
    return [start + order.index(name) for name in groups.tolist()]


@pytest.mark.parametrize("content", ["", '{"slices": ', "[1, 2]", '{"slices": {"group": 3}}', "\\xff"])
def test_a_damaged_attack_of_a_run_without_digests_may_name_persons(tmp_path: Path, content: str) -> None:
    path = tmp_path / "results" / "attack-lira.json"
    path.parent.mkdir()
    path.write_text(content, encoding="latin1")
    assert about_groups(tmp_path) == [path]
    path.write_text('{"slices": {"group": {}}}')
    assert about_groups(tmp_path) == []


@pytest.mark.slow
def test_a_redacted_report_names_no_person_in_its_notes(person_run: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(person_run, tmp_path / "run"))
    assert "abel  stone" in (folder / "report.html").read_text()
    write_report(Run.open(folder).without_contents())
    page = (folder / "report.html").read_text() + (folder / "report.json").read_text()
    assert not any(name in page for name in (*PERSONS, "abel  stone"))


@pytest.mark.slow
def test_a_run_of_before_forgets_what_was_left(person_run: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(person_run, tmp_path / "run"))
    before = {"at": "2026-01-01T00:00:00+00:00", "from": ["examples.parquet"]}
    dataclasses.replace(Run.open(folder).manifest, forgotten=before).write(folder)
    done = RUNNER.invoke(app, ["forget-contents", str(folder), "--yes"])
    assert done.exit_code == 0, done.output
    assert "examples.parquet: digests of the inputs and names of groups" in done.output
    assert "numbers that are learned" in " ".join(done.output.split())
    assert PERSONS[0].encode() not in everything(folder)
    assert Run.open(folder).manifest.forgotten == before


def test_the_command_asks_and_tells(folder: Path) -> None:
    without_report(folder)
    asked = RUNNER.invoke(app, ["forget-contents", str(folder)], input="n\n")
    assert asked.exit_code == 1
    assert "examples.parquet: digests of the inputs" in asked.output
    assert not Run.open(folder).forgotten
    done = RUNNER.invoke(app, ["forget-contents", str(folder), "--yes"])
    assert done.exit_code == 0, done.output
    assert Run.open(folder).forgotten
    again = RUNNER.invoke(app, ["forget-contents", str(folder), "--yes"])
    assert "were forgotten before" in again.output


@pytest.fixture(scope="module")
def text_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A language model's run with a tokenizer, two copies of a text, generations and canaries."""
    texts = [f"the {word} sat on the mat and looked at the rain outside" for word in ("cat", "dog", "emu", "hen")]
    corpus = byrote.corpus_from_texts([*texts, SAID, SAID], name="notes")
    made = byrote.data.canaries.plant(corpus, ("random_digits",), level=2, repeat=(1,), rng=np.random.default_rng(0))
    tokenizer = byte_pairs(made.corpus.texts, vocabulary=300)
    assert len(encoder(tokenizer)([SAID])[0]) > 8
    run = audit_language(
        made.corpus, SUMMING, heldout=byrote.corpus_from_texts(["nothing of this was seen by it before"], name="held"),
        canaries=made.canaries, tokenizer=tokenizer, out=tmp_path_factory.mktemp("runs") / "run", length=64,
        generate=(4, 4), workers=1, progress=False, device="cpu", checkpoints=0,
    )  # fmt: skip
    write_language_report(run, show_secrets=True)
    return run.folder


@pytest.fixture
def text_folder(text_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(text_run, tmp_path / "run"))


SAME = (
    "exact_memorization",
    "exact_memorization[heldout]",
    "discoverable_extraction[by_copies]",
    "discoverable_extraction[by_prefix]",
    "discoverable_extraction[generated]",
    "discoverable_extraction[confirmed]",
    "probabilistic_extraction[curve]",
    "positional_match",
    "exposure",
)


def test_a_language_model_forgets_texts_and_secrets_and_measures_the_same(text_folder: Path) -> None:
    run = Run.open(text_folder)
    sizes = {name: {"prefix": 4, "suffix": 4} for name in SAME if name in (BY_COPIES, CURVE)}
    before = {name: run.measure(name, **sizes.get(name, {})) for name in SAME}
    secrets = [canary["secret"] for canary in json.loads((text_folder / "canaries.json").read_text())["canaries"]]
    tokens = run.load("corpus.token", [0])
    assert any(secret.encode() in everything(text_folder) for secret in secrets)
    left = forget_contents(run)
    for name, was in before.items():
        now = left.measure(name, **sizes.get(name, {}))
        if hasattr(was, "values"):
            np.testing.assert_array_equal(now.values, was.values, err_msg=name)
        else:
            np.testing.assert_equal(now.value, was.value, err_msg=name)
    assert not np.array_equal(left.load("corpus.token", [0]), tokens)
    held = everything(text_folder)
    assert not any(secret.encode() in held for secret in secrets)
    assert tokens[:9].tobytes() not in held
    assert b"doctor" not in held
    assert verify(Run.open(text_folder)) == []
    assert "The texts of this run were forgotten." in Page((text_folder / "report.html").read_text()).text


def test_measures_that_read_texts_say_that_they_are_gone(text_folder: Path) -> None:
    run = Run.open(text_folder)
    run.measure("approximate_extraction")
    left = forget_contents(run)
    for name in ("approximate_extraction", "k_eidetic_memorization"):
        with pytest.raises(MissingEvidence, match="were forgotten"):
            left.measure(name)
    assert (text_folder / "results" / "approximate_extraction.parquet").exists()
    assert verify(Run.open(text_folder)) == []
    with pytest.raises(BadInput, match="were forgotten"):
        card(left, left)


def test_texts_do_not_come_back_by_a_resume(text_folder: Path) -> None:
    def go_on() -> None:
        run, files = Run.open(text_folder), ("tokenizer.json", "canaries.json")
        there = {name: (text_folder / name).read_bytes() for name in files if (text_folder / name).exists()}
        tables = Tables(ids=run.ids, labels=run.labels, controls=run.controls, files=there, of_text=True)
        with opened(text_folder, run.design, tables, lambda: run.manifest, identity=run.manifest.identity):
            pass

    go_on()
    forget_contents(Run.open(text_folder))
    with pytest.raises(RunMismatch, match="were forgotten, so it cannot go on"):
        go_on()


def test_a_redacted_report_of_a_language_model_holds_no_text(text_folder: Path) -> None:
    write_language_report(Run.open(text_folder))
    assert "recited" in classes(text_folder / "report.html")
    done = RUNNER.invoke(app, ["report", str(text_folder), "--redact"])
    assert done.exit_code == 0, done.output
    page = Page((text_folder / "report.html").read_text()).text
    assert "Texts are left out of this page." in page
    assert "recited" not in classes(text_folder / "report.html")
    assert "access code" not in page
    assert verify(Run.open(text_folder)) == []
    both = RUNNER.invoke(app, ["report", str(text_folder), "--redact", "--show-secrets"])
    assert both.exit_code != 0


def test_numbers_of_the_same_texts() -> None:
    rng = np.random.default_rng(0)
    documents = [rng.integers(0, 2, rng.integers(0, 4)) for _ in range(60)]
    offsets = np.concatenate([[0], np.cumsum([len(one) for one in documents])])
    made = np.split(same_texts(np.concatenate(documents), offsets), offsets[1:-1])
    for one, this in zip(documents, made, strict=True):
        for other, that in zip(documents, made, strict=True):
            assert np.array_equal(one, other) == np.array_equal(this, that)
            if not np.array_equal(one, other):
                assert not set(this) & set(that), "of different texts no token tells whether it is the same"


def test_continuations_keep_where_they_agree() -> None:
    truth = np.array([[5, 6, 7], [-1, -1, -1], [7, 7, 5]], np.int32)
    token = np.array([[5, 7, 7], [-1, -1, -1], [1, 7, 2]], np.int32)
    made = _own_continuations({"token": token, "truth": truth})
    np.testing.assert_array_equal(made["token"] == made["truth"], token == truth)
    np.testing.assert_array_equal(made["truth"][0], made["truth"][2])
    np.testing.assert_array_equal(made["truth"] < 0, truth < 0)


@pytest.mark.slow
def test_a_redacted_report_has_neither_pictures_nor_rows(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pictures = byrote.from_arrays(rng.random((40, 8, 8)).astype(np.float32), np.arange(40) % 2, name="pictures")
    run = make_run(tmp_path / "pictures", dataset=pictures, controls=False)
    write_report(run)
    assert "data:image/png;base64," in (run.folder / "report.html").read_text()
    write_report(run.without_contents())
    page = (run.folder / "report.html").read_text()
    assert "data:image" not in page
    assert base64.b64encode(b"\x89PNG")[:5].decode() not in page


@pytest.mark.slow
def test_a_redacted_report_of_texts_holds_none(tmp_path: Path) -> None:
    lines = ["text,label", *(f"a {'fine' if i % 2 else 'poor'} film zanzibar{i},{i % 2}" for i in range(40))]
    (tmp_path / "reviews.csv").write_text("\n".join(lines) + "\n")
    found = byrote.from_text_table(tmp_path / "reviews.csv", text="text", target="label").training
    run = make_run(tmp_path / "texts", examples=len(found), dataset=found, controls=False)
    write_report(run)
    assert "zanzibar" in (run.folder / "report.html").read_text()
    write_report(run.without_contents())
    assert b"zanzibar" not in everything(run.folder)


def test_hostile_names_are_inert_in_every_output(tmp_path: Path) -> None:
    """As class names and ids, through report, card of the command line, CSV and the terminal."""
    formulas = ('=HYPERLINK("http://x")', "+1+cmd|' /C calc'!A0", "@SUM(A1)", "-2+3", "\t=1", "＝1", "../../etc/passwd")
    names = (*HOSTILE, *formulas)
    ids = [f"{name[:200]}{number}" for number, name in enumerate((*names, *names, *names))]
    made = make_run(tmp_path / "run", examples=len(ids), controls=False)
    table = byrote.import_arrays(
        tmp_path / "hostile",
        labels=np.arange(len(ids)) % len(names),
        member=made.design.member,
        evidence={name: made.load(name, made.models()) for name in ("outputs.log_odds", "outputs.logit_margin")},
        ids=ids,
        pair=made.design.pair,
        class_names=names,
        controls=Controls(),
        name="=1+1\u202e",
    )
    dataclasses.replace(table.manifest, notes=("<script>alert(1)</script>\u202e",)).write(table.folder)
    page, _ = write_report(Run.open(table.folder))
    shown = Page(page.read_text())
    assert "\u202e" not in page.read_text()
    assert all("alert(" not in element.attributes.get("src", "") for element in shown.elements)
    assert all(element.attributes["src"].startswith("data:") for element in shown.all("img"))
    policy = next(e.attributes["content"] for e in shown.all("meta") if "http-equiv" in e.attributes)
    assert "unsafe-inline" not in policy.partition("script-src")[2]
    for element in shown.elements:
        assert element.tag not in ("iframe", "object", "embed", "base")
        assert not any(name.startswith("on") or "javascript:" in value for name, value in element.attributes.items())
    done = RUNNER.invoke(app, ["export", "csv", str(table.folder), str(tmp_path / "out.csv")])
    assert done.exit_code == 0, done.output
    import csv

    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert len(rows) == 1 + len(ids)
    for row in rows:
        for cell in row[:2]:
            assert cell.isprintable()
            assert cell.lstrip(" \"'")[:1] not in "=+-@|＝" or cell.startswith("'")
    assert "".join(rows[1 + len(HOSTILE)][:1]).startswith("'=HYPERLINK")
    printed = RUNNER.invoke(app, ["measure", str(table.folder), "label_memorization"])
    assert printed.exit_code == 0, printed.output
    assert "\x1b" not in printed.output
    assert "\u202e" not in printed.output
