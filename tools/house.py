"""What the house looks like in numbers: lines, wide modules, long functions, and what starting it costs.

    python tools/house.py                 the working tree
    python tools/house.py cf85434 HEAD    two commits side by side

Lines are those of files as they are; a function's length leaves its docstring out; a module's imports are the
statements that import something when it is loaded.
"""

from __future__ import annotations

import ast
import io
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

LONG, WIDE = 60, 15
ROOT = Path(__file__).parents[1]
KINDS = {
    "source, lines": ("src", (".py",)),
    "templates and schemas, lines": ("src", (".jinja", ".css", ".js", ".json")),
    "tests, lines": ("tests", (".py",)),
}
COMMANDS = {
    "import byrote": ["-c", "import byrote"],
    "byrote --help": ["-c", "from byrote.cli import main; main()", "--help"],
    "byrote audit --help": ["-c", "from byrote.cli import main; main()", "audit", "--help"],
}
#: Runs a command of Python and prints its CPU seconds and its largest memory in MiB.
METER = """
import resource, subprocess, sys
subprocess.run([sys.executable, *sys.argv[1:]], stdout=subprocess.DEVNULL, check=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
"""


def figures(tree: Path) -> dict[str, str]:
    """All of them, by name."""
    found = {
        name: f"{sum(len(path.read_text().splitlines()) for path in _files(tree / top, ends)):,}"
        for name, (top, ends) in KINDS.items()
    }
    modules = {path: ast.parse(path.read_text()) for path in _files(tree / "src", (".py",))}
    imports = [_imports(module) for path, module in modules.items() if path != tree / "src/byrote/__init__.py"]
    lengths = [length for module in modules.values() for length in _lengths(module)]
    found["modules at the top level"] = str(len(list((tree / "src/byrote").glob("*.py"))))
    found["packages at the top level"] = str(len(list((tree / "src/byrote").glob("*/__init__.py"))))
    found[f"modules with more than {WIDE} imports"] = f"{sum(n > WIDE for n in imports)} of {len(imports)}"
    found[f"functions over {LONG} lines"] = f"{sum(length > LONG for length in lengths)} of {len(lengths):,}"
    for name, command in COMMANDS.items():
        seconds, memory = _cost(tree, command)
        found[name] = f"{seconds:.2f} s of CPU, {memory:.0f} MiB"
    return found


def _files(folder: Path, ends: tuple[str, ...]) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in ends and "golden/0.1.0" not in path.as_posix())


def _imports(module: ast.Module) -> int:
    nodes = [node for node in module.body if isinstance(node, ast.Import | ast.ImportFrom)]
    return sum(getattr(node, "module", None) != "__future__" for node in nodes)


def _lengths(module: ast.Module) -> Iterator[int]:
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = node.body[0] if ast.get_docstring(node) is not None else None
            without = 0 if docstring is None else (docstring.end_lineno or 0) - docstring.lineno + 1
            yield (node.end_lineno or node.lineno) - node.lineno + 1 - without


def _cost(tree: Path, command: list[str]) -> tuple[float, float]:
    """The least of three, as others may be at work on the machine."""
    runs = []
    for _ in range(3):
        environment = {"PYTHONPATH": str(tree / "src"), "PATH": "", "OMP_NUM_THREADS": "1", "HOME": str(tree)}
        done = subprocess.run(
            [sys.executable, "-c", METER, *command], env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            return float("nan"), float("nan")
        runs.append(tuple(map(float, done.stdout.split())))
    return min(seconds for seconds, _ in runs), min(memory for _, memory in runs)


def _checked_out(commit: str, folder: Path) -> Path:
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    return folder


def main() -> None:
    """Print a table with a column for each commit, or for the working tree."""
    with tempfile.TemporaryDirectory() as place:
        trees = {commit: _checked_out(commit, Path(place) / str(n)) for n, commit in enumerate(sys.argv[1:])}
        columns = {name: figures(tree) for name, tree in (trees or {"working tree": ROOT}).items()}
    rows = list(dict.fromkeys(row for column in columns.values() for row in column))
    width = max(map(len, rows))
    sys.stdout.write(" " * width + "".join(f"  {name:>26}" for name in columns) + "\n")
    for row in rows:
        sys.stdout.write(row.ljust(width) + "".join(f"  {column.get(row, '-'):>26}" for column in columns.values()))
        sys.stdout.write("\n")


if __name__ == "__main__":
    main()
