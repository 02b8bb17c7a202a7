"""How Sphinx makes the site; `make docs` runs it."""

import importlib.metadata
from pathlib import Path

project = "byrote"
author = "The byrote developers"
project_copyright = "The byrote developers, Apache-2.0"
release = importlib.metadata.version("byrote")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
#: Docstrings put code between single backticks, as Markdown does.
default_role = "code"
autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_numpy_docstring = False
napoleon_custom_sections = [(name, "notes_style") for name in ("Formula", "Undefined", "Differs", "Source")]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "notebooks"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = "byrote"
#: The gallery's reports, where docs/build_gallery.py has made them.
html_extra_path = [str(path) for path in (Path(__file__).parent / "_build" / "reports",) if path.exists()]
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
