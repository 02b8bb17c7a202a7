from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import byrote
import byrote.blocks as blocks_of
from byrote.analyses import catalog as analyses
from byrote.cli.app import app, main
from byrote.evidence import schema
from byrote.measures import catalog
from byrote.probes import registry as probes
from byrote.studies import catalog as studies

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
SITE = [page for page in sorted(DOCS.rglob("*.md")) if "_build" not in page.parts]
TEXTS = [*SITE, ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md"]
#: Run elsewhere: examples of the catalog are doctests, and two pages have tests of their own.
ELSEWHERE = ("measures.md", "real_model.md", "recorder.md")
RUN = [page for page in SITE if page.name not in ELSEWHERE]
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path) -> list[tuple[str, str]]:
    return BLOCK.findall(page.read_text("utf-8"))


def commands(block: str) -> list[tuple[list[str], int]]:
    """What stands after `$`, and the status that an `echo $?` right after it tells; 0 otherwise."""
    lines = block.splitlines()
    found: list[tuple[list[str], int]] = []
    for number, line in enumerate(lines):
        if line == "$ echo $?":
            found[-1] = (found[-1][0], int(lines[number + 1]))
        elif line.startswith("$ "):
            found.append((shlex.split(line[2:]), 0))
    return found


UNTAGGED = re.compile(r"^```(?:shell)?\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def lines(page: Path) -> list[list[str]]:
    """Commands of blocks without a language, as they are typed: several in a line, and comments behind them."""
    without_others = BLOCK.sub("", page.read_text("utf-8"))
    typed = [line for block in UNTAGGED.findall(without_others) for line in block.splitlines()]
    split = [one for line in typed for one in line.partition(" # ")[0].split(";") if one.strip().startswith("byrote ")]
    return [shlex.split(one) for one in split]


def small(words: list[str]) -> list[str]:
    """The same command with few models, which an onion can be made of, and in this process."""
    words = words[1:]
    of_ensemble = not {"--epsilon", "--corpus", "--model", "--models", "docs"} & {*words}
    if words[0] == "audit" and of_ensemble:
        words = [*words, "--models", "24"]
    return [*words, *(["--workers", "1"] if words[0] in ("audit", "change", "onion", "plan") else [])]


def test_the_page_of_measures_is_what_the_catalog_makes() -> None:
    script = DOCS / "build_catalog.py"
    assert subprocess.run([sys.executable, script, "--check"]).returncode == 0, "run `make docs`"


@pytest.mark.parametrize("page", [*RUN, ROOT / "README.md"], ids=name)
def test_commands_are_ones_that_there_are(page: Path) -> None:
    """Each parses, with every option known; whether it works, the slow tests tell."""
    from typer.main import get_command

    top = get_command(app)
    for words in lines(page):
        top.commands[words[1]].make_context(words[1], words[2:])  # type: ignore[attr-defined]
    for kind, block in blocks(page):
        if kind == "python":
            compile(block, name(page), "exec", dont_inherit=True)
            continue
        for words, _ in commands(block):
            assert words[0] == "byrote"
            command = top.commands[words[1]]  # type: ignore[attr-defined]
            command.make_context(words[1], small(words)[1:])


def run_page(page: Path, monkeypatch: pytest.MonkeyPatch, folder: Path, *, shrink: bool) -> None:
    """The blocks of a page in their order; what they enter into the catalog leaves it again."""
    catalog.catalog()
    analyses.analyses()
    studies.studies()
    for registry in (catalog, analyses, blocks_of, studies):
        monkeypatch.setattr(registry, "_REGISTERED", dict(registry._REGISTERED))
    schema.every_kind()  # before the registries are copied, so that what is not the page's stays
    for registry, entered in ((probes, "_ENTERED"), (schema, "_KINDS")):
        monkeypatch.setattr(registry, entered, dict(getattr(registry, entered)))
    if "$ byrote audit docs" in page.read_text("utf-8"):
        from few_docs import few_docs

        few_docs(monkeypatch)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    names = {"__name__": "page"}
    for kind, block in blocks(page):
        file = re.match(r"# (\w+\.py)\n", block)
        if kind == "python" and file:
            Path(file[1]).write_text(block)
            sys.modules.pop(Path(file[1]).stem, None)
        elif kind == "python":
            exec(compile(block, name(page), "exec", dont_inherit=True), names)
        else:
            for words, status in commands(block):
                monkeypatch.setattr(sys, "argv", ["byrote", *(small(words) if shrink else words[1:])])
                try:
                    main()
                    ended = 0
                except SystemExit as end:
                    ended = int(end.code or 0)
                assert ended == status, f"{shlex.join(words)} ended with {ended}"


#: Pages that take packages which not everybody has.
PACKAGES = {"language-models.md": ("tokenizers", "transformers")}
WITH_CODE = [page for page in RUN if blocks(page)]
LONG = [page for page in WITH_CODE if any(kind == "console" for kind, _ in blocks(page))]
QUICK = [page for page in WITH_CODE if page not in LONG]


@pytest.mark.parametrize("page", QUICK, ids=name)
def test_examples_run(page: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run_page(page, monkeypatch, tmp_path, shrink=True)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # peft asks transformers
@pytest.mark.filterwarnings("ignore:'pin_memory':UserWarning")  # of Trainer where there is no GPU
@pytest.mark.parametrize("page", LONG, ids=name)
def test_long_pages_run(page: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for package in PACKAGES.get(page.name, ()):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"the package {package} is not installed")
    run_page(page, monkeypatch, tmp_path, shrink=True)


#: Commands of the README that other tests run, or that this run cannot answer.
RUN_ELSEWHERE = {
    ("audit", "docs"): "language-models.md",
    ("audit", "--model"): "language-models.md",
    ("audit", "digits"): "tests/cli/test_where.py",
    ("where", "runs/digits"): "tests/cli/test_where.py",
    ("triage", "RUN"): "it learns from planted controls; tests/analyses/test_triage.py",
    ("ask", "RUN"): "unlearning trains four sets of models; tests/analyses/test_unlearn.py",
}


def readers_files(folder: Path) -> None:
    """The files that the README's reader has: tables, pictures, texts, and a list of decisions."""
    from PIL import Image

    draw = np.random.default_rng(0)
    with (folder / "people.csv").open("w") as people:
        people.write("age,household,income\n")
        people.writelines(
            f"{age},h{n // 2},{'high' if age > 45 else 'low'}\n" for n, age in enumerate(draw.integers(20, 70, 80))
        )
    with (folder / "reviews.csv").open("w") as reviews:
        reviews.write("review,sentiment\n")
        reviews.writelines(f"{word} film number {n},{word}\n" for n in range(40) for word in ("good", "bad"))
    for kind in ("cats", "dogs"):
        (folder / "photos" / kind).mkdir(parents=True)
        for n in range(20):
            Image.fromarray(draw.integers(0, 255, (8, 8), np.uint8)).save(folder / "photos" / kind / f"{n}.png")
    (folder / "train.jsonl").write_text('{"text": "to be or not to be that is the question"}\n')
    (folder / "answer.txt").write_text("It says: to be or not to be that is the question.")


@pytest.mark.slow
def test_the_readme_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its Python and its commands, in their order, with 8 models each."""
    page = ROOT / "README.md"
    monkeypatch.chdir(tmp_path)
    readers_files(tmp_path)
    (own, more) = [block for kind, block in blocks(page) if kind == "python"]
    Path("my_experiment.py").write_text(own)
    for words in lines(page):
        if tuple(words[1:3]) in RUN_ELSEWHERE:
            continue
        words = ["runs/my_experiment" if word == "RUN" else "8" if word == "32" else word for word in words]
        if words[1] == "audit" and "--models" not in words:
            words += ["--models", "8"]
        if words[1] == "apply":
            first = byrote.Run.open("runs/people").ids[0]
            Path("byrote-relabel.csv").write_text(f"example,action,new_label\n{first},relabel,high\n")
        monkeypatch.setattr(sys, "argv", [*words, *(["--workers", "1"] if words[1] in ("audit", "change") else [])])
        try:
            main()
            ended = 0
        except SystemExit as end:
            ended = int(end.code or 0)
        assert ended == 0 or (words[1], ended) == ("check", 1), shlex.join(words)
    names: dict[str, object] = {"__name__": "page"}
    exec(own, names)
    exec(more.replace("models=64", "models=8, workers=1, progress=False, out='runs/python'"), names)


def without_code(page: Path) -> str:
    return re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """The anchors of headings, as GitHub and MyST make them."""
    titles = re.findall(r"^#{1,3} (.*)$", without_code(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", TEXTS, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", without_code(page)):
        where, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", where):
            continue
        target = page.parent / where if where else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert not broken


def test_every_page_is_in_the_table_of_contents() -> None:
    listed = set(re.findall(r"^([\w/-]+)$", (DOCS / "index.md").read_text("utf-8"), re.MULTILINE))
    pages = {str(page.relative_to(DOCS).with_suffix("")) for page in SITE}
    assert {page for page in pages if not re.match(r"decisions/\d", page)} - {"index"} == listed


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    for package in ("sphinx", "myst_parser", "furo"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"the package {package} is not installed")
    options = ["-W", "--keep-going", "-q", "-d", tmp_path / "doctrees"]
    words = [sys.executable, "-m", "sphinx", *options, DOCS, tmp_path / "html"]
    built = subprocess.run(words, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    assert "report-digits.html" in (tmp_path / "html" / "gallery.html").read_text("utf-8")
