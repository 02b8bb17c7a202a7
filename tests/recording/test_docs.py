import re
from pathlib import Path

import numpy as np

import byrote

PAGE = Path(__file__).parents[2] / "docs" / "recorder.md"


def test_the_loops_on_the_page_run(tmp_path, monkeypatch):
    """The first two; the others want frameworks and a model of one's own, and have tests beside this one."""
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names = {}
    for block in blocks[:2]:
        exec(block, names)
    mine = byrote.Run.open("runs/mine")
    assert (mine.load("presentation.presentations", [0]) == 3).all()
    assert np.isfinite(mine.measure("area_under_margin").values).all()
    assert names["run"].manifest.evidence == ("presentation", "outputs", "trajectory")
    byrote.write_report(names["run"])
