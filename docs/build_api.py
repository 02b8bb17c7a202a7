"""Writes docs/api.md, which names everything of `byrote.__all__` by where it lives; `--check` fails where it is old."""

from __future__ import annotations

import sys
from pathlib import Path

import byrote

PAGE = Path(__file__).parent / "api.md"
HEAD = """# The Python interface

Everything that `import byrote` gives, by what it is for. Classes of results have the methods of
`byrote.tabular.Tabular`, see *Runs and results*. Some examples open a run: the example of `audit` makes `runs/toy`,
that of `import_arrays` makes `runs/tiny`, that of `audit_language` makes `runs/hamlet`, and that of `audit_target`
makes `runs/small-target`.
"""
#: Headings, and the packages whose names stand below them.
PARTS = {
    "Data": ("data",),
    "Audits": ("engine",),
    "Runs and results": ("runs",),
    "Analyses": ("analyses",),
    "Changes": ("changes",),
    "Your own training loop": ("recording",),
    "Reports": ("report",),
    "Designs": ("designs",),
    "Recipes": ("recipes",),
    "Errors": ("errors",),
}
#: What such a name gives: results of measures and analyses, with what all of them become.
RESULTS = (
    "tabular.Tabular",
    "results.PerExample",
    "results.PerPair",
    "results.PerModelExample",
    "results.PerCanary",
    "results.Curve",
    "results.Survival",
    "results.Scalar",
    "results.Table",
    "analyses.card.Card",
    "report.shown.Shown",
)


def page() -> str:
    """The page as it should be."""
    found = [HEAD]
    for title, packages in PARTS.items():
        names = [name for name, home in byrote._HOMES.items() if home.partition(".")[0] in packages]
        blocks = [entry(f"byrote.{byrote._HOMES[name]}.{name}") for name in sorted(names, key=str.lower)]
        if title == "Runs and results":
            blocks += [entry(f"byrote.{name}") for name in RESULTS]
        found.append(f"## {title}\n\n```{{eval-rst}}\n{''.join(blocks).strip()}\n```\n")
    return "\n".join(found)


def entry(place: str) -> str:
    """The directive of a class or a function."""
    module, _, name = place.rpartition(".")
    made = getattr(__import__(module, fromlist=[name]), name)
    kind = "class" if isinstance(made, type) else "function"
    return f".. auto{kind}:: {place}\n" + ("   :members:\n\n" if kind == "class" else "\n")


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(PAGE.read_text("utf-8") != page())
    PAGE.write_text(page(), "utf-8")
