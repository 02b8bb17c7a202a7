"""What a study said: run, kept as sealed JSON, read back, and judged beside the other studies of a folder."""

from __future__ import annotations

import json
import math
import re
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from byrote.engine.progress import Progress
from byrote.errors import BadInput
from byrote.evidence.seals import BLANK, KEY, has_seal, is_broken, write_sealed
from byrote.results import PARTS, Scalar
from byrote.stats.verdicts import Outcome, Verdict, among_all
from byrote.studies.bench import Bench, Material, on_digits
from byrote.studies.catalog import Study, digest, studies

#: Where results stand in a folder of runs.
FOLDER: Final = "studies"


@dataclass(frozen=True, kw_only=True)
class Found:
    """The result of a study: the verdict, what had been fixed before it ran, the arms, and what it cost."""

    claim: str
    digest: str
    fixed: dict[str, Any]
    source: str
    verdict: Verdict
    null: int
    planted: int
    cpu_seconds: float
    byrote: str

    @property
    def file(self) -> str:
        """What its file is called: after the claim and, of data of one's own, their file."""
        stem = re.sub(r"[^\w-]+", "-", Path(self.source).stem)
        return f"{self.claim}{f'-{stem}' if stem else ''}.json"


def run_study(
    study: Study,
    out: Path,
    *,
    material: Material | None = None,
    workers: int | None = None,
    progress: Progress | bool = True,
) -> Found:
    """Fix the study, try its arms, run it in a folder named after what was fixed, and keep what it says.

    Raises:
        BadInput: the data do not suit it, or its arms show that it cannot judge.
    """
    material = material or on_digits(study.recipe)
    fixed = study.fixed(material.facts())
    named = digest(fixed)
    null, planted = study.refuse_unfit()
    folder = out / FOLDER / study.claim / named[:12]
    bench = Bench(
        workers=workers,
        progress=progress,
        material=material,
        units=study.units,
        seed=study.seed,
        margin=study.margin,
        folder=folder,
    )
    before = _processor_seconds()
    verdict = study.function(bench)
    found = Found(
        claim=study.claim,
        digest=named,
        fixed=fixed,
        source=material.source,
        verdict=verdict,
        null=null,
        planted=planted,
        cpu_seconds=round(_processor_seconds() - before, 1),
        byrote=version("byrote"),
    )
    keep(found, out)
    return found


def _processor_seconds() -> float:
    """Those of this process and of the workers that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime


def keep(found: Found, out: Path) -> Path:
    """Write a result, sealed."""
    facts = {each.name: getattr(found, each.name) for each in fields(found)}
    verdict = {each.name: _plain(getattr(found.verdict, each.name)) for each in fields(Verdict)}
    effect = {name: _plain(getattr(found.verdict.effect, name)) for name in PARTS}
    facts["verdict"] = {**verdict, "effect": effect}
    path = out / FOLDER / found.file
    path.parent.mkdir(parents=True, exist_ok=True)
    write_sealed(path, (json.dumps({KEY: BLANK, **facts}, indent=1, allow_nan=False) + "\n").encode())
    return path


def _plain(value: Any) -> Any:
    """JSON has no NaN: it is null there."""
    return None if isinstance(value, float) and math.isnan(value) else value


def read(path: Path) -> Found:
    """A result that was kept.

    Raises:
        BadInput: the file is none, or was changed since.
    """
    content = path.read_bytes()
    if not has_seal(content) or is_broken(content):
        raise _damaged(path)
    try:
        facts = json.loads(content)
        del facts[KEY]
        verdict = facts["verdict"]
        verdict["p"] = float("nan") if verdict["p"] is None else verdict["p"]
        parts: dict[str, Any] = {
            name: float("nan") if value is None else value for name, value in verdict.pop("effect").items()
        }
        return Found(**{**facts, "verdict": Verdict(**verdict, effect=Scalar(**parts))})
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> BadInput:
    return BadInput(
        f"The file {str(path)!r} is not a result of a study, or was changed since.", hint="remove it and run the study."
    )


def kept(out: Path) -> tuple[Found, ...]:
    """All results of a folder, in the order of the survey."""
    found = [read(path) for path in (out / FOLDER).glob("*.json")]
    return tuple(sorted(found, key=lambda one: (len(one.claim), one.claim, one.source)))


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A result among the others: what it says beside them, or why it does not count."""

    found: Found
    study: Study | None
    among_all: Outcome | None
    why_not: str = ""


def standings(found: Sequence[Found]) -> tuple[Standing, ...]:
    """Each result beside the others; one of another version is not counted, as the study says something else today."""
    known = studies()
    digits = None if all(one.source for one in found) else on_digits()
    made = []
    for one in found:
        study = known.get(one.claim)
        if study is None:
            made.append(Standing(found=one, study=None, among_all=None, why_not="there is no such study here"))
            continue
        data = one.fixed["data"]
        if not one.source and digits is not None:
            data = replace(digits, recipe=study.recipe or digits.recipe).facts()
        other = digest(study.fixed(data)) != one.digest
        made.append(Standing(found=one, study=study, among_all=None, why_not="of another version" if other else ""))
    counted = [one for one in made if not one.why_not]
    outcomes = iter(among_all([one.found.verdict for one in counted]))
    return tuple(one if one.why_not else replace(one, among_all=next(outcomes)) for one in made)
