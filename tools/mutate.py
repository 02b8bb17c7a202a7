"""How well the tests catch small faults: one operator, comparison or number is changed at a time, and tests are run.

    python tools/mutate.py                        100 mutations, seed 0
    python tools/mutate.py --count 10 --seed 3    others, fewer
    python tools/mutate.py --near                 only the tests beside the changed module

A mutation is caught where a test fails or never ends. First the tests of the module's own name run, then those of the
packages that use it, then the default run, each only where the ones before passed. The working tree is not touched:
each mutation stands in a copy. Survivors are listed with what was changed. Tests that
fail without a mutation, too, end it.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("measures", "stats", "designs", "analyses")
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


def stages(file: Path, *, near: bool) -> Iterator[list[str]]:
    """Which tests to run, one stage after another."""
    inside = file.relative_to("src/byrote")
    own = Path("tests") / inside.parent / f"test_{inside.name}"
    doctest = [str(file)]
    yield doctest + ([str(own)] if (ROOT / own).exists() else [])
    yield [f"tests/{inside.parts[0]}"]
    if not near:
        yield ["tests"]


def caught(mutation: Mutation, *, near: bool) -> str:
    """Which tests catch it; empty where none does."""
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / "byrote"
        ignore = shutil.ignore_patterns(".git", ".venv", "__pycache__", "_build", "runs", "*.egg-info")
        shutil.copytree(ROOT, copy, ignore=ignore)
        target = copy / mutation.file
        target.write_text(mutation.applied(target.read_text("utf-8")), "utf-8")
        for tests in stages(mutation.file, near=near):
            what = outcome(copy, tuple(tests))
            if what:
                problem = unchanged(tuple(tests))
                if problem:
                    raise RuntimeError(f"{' '.join(tests)} do not pass without a mutation: {problem}")
                return f"{tests[-1]} ({what})"
    return ""


def outcome(tree: Path, tests: tuple[str, ...]) -> str:
    """What became of tests; empty where all of them pass, or there are none."""
    environment = {**os.environ, "PYTHONPATH": str(tree / "src"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-m", "not slow", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return "never ended"
    if done.returncode in (0, 5):  # 5: these files hold no test
        return ""
    last = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return last[0].partition(" - ")[0] if last else f"pytest ended with {done.returncode}"


@cache
def unchanged(tests: tuple[str, ...]) -> str:
    """What becomes of these tests without any mutation."""
    return outcome(ROOT, tests)


def main() -> None:
    """Draw mutations, try each, and print what was caught."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--near", action="store_true")
    given = parser.parse_args()
    files = sorted(path.relative_to(ROOT) for name in PACKAGES for path in (ROOT / "src/byrote" / name).rglob("*.py"))
    every = [mutation for file in files for mutation in mutations(file)]
    chosen = random.Random(given.seed).sample(every, min(given.count, len(every)))
    survivors = []
    for number, mutation in enumerate(chosen, start=1):
        by = caught(mutation, near=given.near)
        sys.stdout.write(f"{number}/{len(chosen)} {mutation.words()}: {f'caught by {by}' if by else 'SURVIVED'}\n")
        sys.stdout.flush()
        if not by:
            survivors.append(mutation)
    sys.stdout.write(f"{len(chosen) - len(survivors)} of {len(chosen)} caught, of {len(every):,} possible.\n")
    for mutation in survivors:
        sys.stdout.write(f"survived: {mutation.words()}\n")


if __name__ == "__main__":
    main()
