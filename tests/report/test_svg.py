import re
import xml.etree.ElementTree as ElementTree

from byrote.report import svg


def drawn(name: str = "one") -> str:
    from matplotlib.figure import Figure

    with svg.style():
        figure = Figure(figsize=(3, 2))
        axis = figure.subplots()
        axis.plot([0, 1], [0, 1], color=svg.SERIES[0], marker="o", label="a < b & c")
        axis.legend()
        return svg.inline(figure, name=name, title="up & away")


def test_is_xml_with_a_title_and_text_that_is_text() -> None:
    root = ElementTree.fromstring(drawn())
    assert root.tag == "svg"
    assert root.get("aria-labelledby") == root[0].get("id") == "one-title"
    assert root[0].text == "up & away"
    assert "a < b & c" in [element.text for element in root.iter("text")]


def test_colours_are_the_pages_and_nothing_needs_inline_style() -> None:
    text = drawn()
    assert "var(--series-0)" in text
    assert "var(--ink)" in text
    assert not re.search(r"#0[1-6]0[ab]0", text)
    assert " style=" not in text
    assert "<style" not in text
    assert "http" not in text


def test_every_reference_points_into_its_own_figure_and_two_figures_share_no_id() -> None:
    ids = {name: set(re.findall(r' id="([^"]+)"', drawn(name))) for name in ("one", "two")}
    references = set(re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', drawn("one")))
    assert {a or b for a, b in references} <= ids["one"]
    assert references
    assert not ids["one"] & ids["two"]


def test_the_same_figure_gives_the_same_bytes() -> None:
    assert drawn() == drawn()


def test_global_settings_are_left_alone() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    drawn()
    assert dict(matplotlib.rcParams) == before
