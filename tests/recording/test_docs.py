import re
from pathlib import Path

import byrote
from byrote.analyses.membership import membership_attack

PAGE = Path(__file__).parents[2] / "docs" / "recorder.md"


def test_the_loops_on_the_page_run(tmp_path, monkeypatch):
    """The first two; the others want frameworks and a model of one's own, and have tests beside this one."""
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names = {}
    for block in blocks[:2]:
        exec(block, names)
    mine = byrote.Run.open("runs/mine")
    shown = mine.load("presentation.presentations", range(8))
    assert (shown[::2] + shown[1::2] == 20).all()  # a pair shows each example, one of the two in all its epochs
    assert mine.design.pair.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    memorized = mine.measure("label_memorization").values
    assert memorized[:15].mean() > memorized[15:].mean() + 0.4  # the first labels are wrong
    attack = membership_attack(mine)
    assert attack.figures["auc"].low > 0.6
    assert names["run"].manifest.evidence == ("presentation", "outputs", "trajectory")
    byrote.write_report(names["run"])
