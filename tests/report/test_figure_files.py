from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image

from byrote.errors import BadInput
from byrote.report import svg
from byrote.report.figure_files import write_figures
from byrote.report.page import write_report
from byrote.runs.run import Run
from report.made import make_run

#: What stands for the page's colours must not be left in a file.
STAND_INS = (svg.INK, svg.MUTED, svg.LINE, *svg.SERIES)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    made = make_run(tmp_path_factory.mktemp("drawn") / "run")
    write_report(made, figures=made.folder / "figures")
    return made


@pytest.mark.slow
def test_every_figure_becomes_a_png_and_an_svg_in_colours_of_paper(run: Run) -> None:
    folder = run.folder / "figures"
    names = {"distribution", "roc", "slices", "training", "fitted", "scores-map"}
    assert {path.name for path in folder.iterdir()} == {f"{n}.{kind}" for n in names for kind in ("png", "svg")}
    for name in names:
        text = (folder / f"{name}.svg").read_text("utf-8")
        ElementTree.fromstring(text)
        assert not [colour for colour in STAND_INS if colour in text]
        assert "<text" in text
        picture = np.asarray(Image.open(folder / f"{name}.png").convert("RGB")).astype(int)
        assert picture.shape[1] > 1_000
        assert (picture[0, 0] == 255).all()
    blue = np.array([0x00, 0x72, 0xB2])
    picture = np.asarray(Image.open(folder / "distribution.png").convert("RGB")).astype(int)
    assert (np.abs(picture - blue).sum(-1) < 10).mean() > 0.001


@pytest.mark.slow
def test_the_page_keeps_its_own_colours(run: Run) -> None:
    path = run.folder / "report.html"
    with_files = path.read_text("utf-8")
    write_report(run)
    assert path.read_text("utf-8") == with_files


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(BadInput, match="cannot be made"):
        write_figures([], tmp_path / "taken")
