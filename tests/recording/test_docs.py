import re
from pathlib import Path

import byrote
from byrote.analyses.issues import PROBABILITY
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
    wrong = mine.controls.mask(mine.ids, "label_noise")
    assert (len(mine.ids), wrong.sum()) == (330, 30)
    memorized = mine.measure("label_memorization").values
    assert memorized[wrong].mean() > memorized[:300][~wrong[:300]].mean() + 0.2
    table = names["triage"]
    kinds, planted = table.arrays["kind"], table.arrays["planted"]
    for kind in ("label_noise", "conflicting_duplicate"):
        assert (kinds[planted == kind] == kind).mean() > 0.6, kind
    assert names["tested"].figures["flagged"][0].value > 0.6
    assert PROBABILITY in set(names["issues"].arrays["score_is"].tolist())
    attack = membership_attack(mine)
    assert attack.figures["auc"].low > 0.6
    assert names["run"].manifest.evidence == ("presentation", "outputs", "trajectory")
    byrote.write_report(names["run"])
