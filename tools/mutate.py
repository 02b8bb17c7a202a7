"""How well the tests catch small faults: one operator, comparison or number is changed at a time, and tests are run.

    python tools/mutate.py                        100 mutations, seed 0
    python tools/mutate.py --count 10 --seed 3    others, fewer
    python tools/mutate.py --first 41             from the 41st on
    python tools/mutate.py --near                 without the default run
    python tools/mutate.py --trust                trust that the default run passes without a mutation

A mutation is caught where a test fails or never ends. First the module's own tests run. Then come the tests of the
modules that import it and the tests that import it themselves, and last the default run. Each stage runs only if those
before passed, and stops at the first failure. The working tree is not touched: mutations are made in a copy, one after
another. Third-party packages are imported once; each run is a fork of that process. Survivors are listed with what was
changed. If tests also fail without a mutation, the program stops.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("measures", "stats", "designs", "analyses")
CONTRACT = "tests/measures/test_contract.py"
#: What is imported before the first fork, so that no run imports it again.
FIRST = (
    "matplotlib.figure", "pyarrow.parquet", "safetensors.torch", "scipy.optimize",
    "scipy.special", "scipy.stats", "sklearn.linear_model", "torch._dynamo", "torch.func", "typer",
)  # fmt: skip
#: Seconds after which a run of the tests counts as one that never ends.
PATIENCE = 900
OPERATORS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.And: ast.Or,
    ast.Or: ast.And,
}


@dataclass(frozen=True)
class Mutation:
    """A place in a file, and what its text becomes."""

    file: Path
    line: int
    before: str
    after: str
    start: int
    end: int

    def applied(self, source: str) -> str:
        """The file's text with the change."""
        return source[: self.start] + self.after + source[self.end :]

    def words(self) -> str:
        """Where, and what."""
        return f"{self.file}:{self.line}: {self.before!r} became {self.after!r}"


def mutations(file: Path) -> Iterator[Mutation]:
    """Every mutation of a file of the source, docstrings, annotations and decorators left out."""
    source = (ROOT / file).read_text("utf-8")
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line.encode()))
    raw = source.encode()

    def text(node: ast.AST) -> tuple[int, int]:
        start = starts[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]
        end = starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]
        return len(raw[:start].decode()), len(raw[:end].decode())

    for node in _code(ast.parse(source)):
        changed = _changed(node)
        if changed is not None:
            start, end = text(node)
            yield Mutation(file, node.lineno, source[start:end], changed, start, end)  # type: ignore[attr-defined]


def _code(module: ast.Module) -> Iterator[ast.AST]:
    """The nodes inside functions that are computed with."""
    for function in ast.walk(module):
        if isinstance(function, ast.FunctionDef):
            for statement in function.body:
                if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                    continue
                for node in ast.walk(statement):
                    if not isinstance(node, ast.FunctionDef | ast.JoinedStr):
                        yield node


def _changed(node: ast.AST) -> str | None:
    """The text of a node after its change; None where there is none to make."""
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS and not _is_text(node):
        return ast.unparse(ast.BinOp(node.left, OPERATORS[type(node.op)](), node.right))
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in OPERATORS:
        return ast.unparse(ast.Compare(node.left, [OPERATORS[type(node.ops[0])]()], node.comparators))
    if isinstance(node, ast.BoolOp):
        return ast.unparse(ast.BoolOp(OPERATORS[type(node.op)](), node.values))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.Invert | ast.USub):
        return ast.unparse(node.operand)
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return repr(node.value + 1)
    return None


def _is_text(node: ast.BinOp) -> bool:
    sides = (node.left, node.right)
    return any(isinstance(side, ast.JoinedStr) or getattr(side, "value", 0).__class__ is str for side in sides)


def stages(file: Path, *, near: bool) -> Iterator[tuple[str, ...]]:
    """Which tests to run, one stage after another."""
    yield (str(file), *_own(file))
    users = [other for other, names in _imports("src").items() if module_name(file) in names]
    tests = [test for test, names in _imports("tests").items() if module_name(file) in names]
    beside = dict.fromkeys([*(test for user in users for test in _own(user)), *map(str, tests)])
    measures = [user.stem for user in (file, *users) if user.parts[2] == "measures" and user.stem[0] != "_"]
    contract = (CONTRACT, "-k", " or ".join(measures)) if measures else ()
    found = tuple(test for test in beside if test not in _own(file) and Path(test).name.startswith("test_"))
    if found:
        yield found
    if contract:
        yield contract
    if not near:
        yield ("tests",)


def _own(file: Path) -> tuple[str, ...]:
    """The test file of a module, where there is one."""
    inside = file.relative_to("src/byrote")
    own = Path("tests") / inside.parent / f"test_{inside.name}"
    return (str(own),) if (ROOT / own).exists() else ()


def module_name(file: Path) -> str:
    """The name by which a file of the source is imported."""
    return ".".join(file.relative_to("src").with_suffix("").parts)


@cache
def _imports(folder: str) -> dict[Path, frozenset[str]]:
    """What every file of a folder imports, by name; of `from a import b` both a and a.b."""
    found = {}
    for path in sorted((ROOT / folder).rglob("*.py")):
        names: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        found[path.relative_to(ROOT)] = frozenset(names)
    return found


def copied(place: Path) -> Path:
    """A copy of what the tests read."""
    tree = place / "byrote"
    for name in ("src", "tests", "docs", "examples", "tools", "benchmarks"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("_build"))
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy2(path, tree)
    return tree


@contextmanager
def standing(mutation: Mutation, tree: Path) -> Iterator[None]:
    """Make the mutation in a copy of the tree; each version has its own time, so no compiled file is out of date."""
    target = tree / mutation.file
    source = target.read_text("utf-8")
    _write(target, mutation.applied(source))
    try:
        yield
    finally:
        _write(target, source)


def _write(target: Path, source: str) -> None:
    target.write_text(source, "utf-8")
    stamp = next(_stamps)
    os.utime(target, (stamp, stamp))


_stamps = count(1_000_000_000)


def caught(mutation: Mutation, tree: Path, *, near: bool, trust: bool) -> str:
    """Which tests catch it; empty where none does."""
    for tests in stages(mutation.file, near=near):
        with standing(mutation, tree):
            what = outcome(tree, tests)
        if what:
            problem = "" if trust and what.startswith("FAILED") else unchanged(tree, tests)
            if problem:
                raise RuntimeError(f"{' '.join(tests)} do not pass without a mutation: {problem}")
            return what
    return ""


@cache
def unchanged(tree: Path, tests: tuple[str, ...]) -> str:
    """The outcome of these tests without any mutation."""
    return outcome(tree, tests)


def outcome(tree: Path, tests: tuple[str, ...]) -> str:
    """Which test fails first; empty if all of them pass, or there are none."""
    output = tree.parent / "output.txt"
    child = os.fork()
    if child == 0:
        _run(tree, tests, output)
    started = time.monotonic()
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        if time.monotonic() - started > PATIENCE:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return "never ended"
        time.sleep(0.05)
    code = os.waitstatus_to_exitcode(status)
    if code in (0, 5):  # 5: these files hold no test
        return ""
    text = output.read_text("utf-8")
    last = [line for line in text.splitlines() if line.startswith(("FAILED", "ERROR"))]
    if not last:
        raise RuntimeError(f"pytest ended with {code}, and no test failed: {text[-2000:]}")
    return last[0].partition(" - ")[0]


def _run(tree: Path, tests: tuple[str, ...], output: Path) -> NoReturn:
    """Run tests in this process, which ends with pytest's status."""
    code = 1
    try:
        os.setsid()
        os.chdir(tree)
        handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        sys.path.insert(0, str(tree / "src"))
        os.environ["PYTHONPATH"] = str(tree / "src")
        words = ["-q", "-x", "-m", "not slow", "-p", "no:cacheprovider", "-p", "no:xdist", "--no-header"]
        code = int(pytest.main([*words, *tests]))
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    """Draw mutations, try each, and print what was caught."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--near", action="store_true")
    parser.add_argument("--trust", action="store_true")
    given = parser.parse_args()
    files = sorted(path.relative_to(ROOT) for name in PACKAGES for path in (ROOT / "src/byrote" / name).rglob("*.py"))
    every = [mutation for file in files for mutation in mutations(file)]
    chosen = random.Random(given.seed).sample(every, min(given.count, len(every)))
    os.environ |= {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": ""}
    sys.dont_write_bytecode = False
    for name in FIRST:
        importlib.import_module(name)
    survivors = []
    with tempfile.TemporaryDirectory() as place:
        tree = copied(Path(place))
        for number, mutation in enumerate(chosen, start=1):
            if number < given.first:
                continue
            by = caught(mutation, tree, near=given.near, trust=given.trust)
            sys.stdout.write(f"{number}/{len(chosen)} {mutation.words()}: {f'caught by {by}' if by else 'SURVIVED'}\n")
            sys.stdout.flush()
            survivors += [] if by else [mutation]
    tried = len(chosen) - given.first + 1
    sys.stdout.write(f"{tried - len(survivors)} of {tried} caught, of {len(every):,} possible.\n")
    for mutation in survivors:
        sys.stdout.write(f"survived: {mutation.words()}\n")


if __name__ == "__main__":
    main()
