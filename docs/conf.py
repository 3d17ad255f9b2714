"""How the site is built: `sphinx-build -W --keep-going docs build/site`, then open build/site/index.html.

The pages are the Markdown files of this folder, as they stand. What has its source elsewhere is written beside them
when a build begins: `project/` from the Markdown files at the root, `api/` from the docstrings, the references from
REFERENCES.bib.
"""

import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))
sys.path.insert(0, str(DOCS.parent / "src"))

import _pages  # noqa: E402
import _reference  # noqa: E402

import steadygan  # noqa: E402

project, author, copyright = "steadygan", "The steadygan authors", "The steadygan authors"  # noqa: A001
version = release = steadygan.__version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx_copybutton"]
exclude_patterns = ["_*"]
nb_execution_mode = "off"  # a notebook stands here as it was executed; a test executes it

myst_heading_anchors = 4  # links to headings, as Git hosts make them
myst_enable_extensions = ["dollarmath", "html_image"]
autodoc_inherit_docstrings = False
python_maximum_signature_line_length = 90
add_module_names = smartquotes = False
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = f"steadygan {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = html_copy_source = False
html_theme_options = {"navigation_with_keys": True}
pygments_style, pygments_dark_style = "friendly", "monokai"


def setup(app):
    _pages.setup(app)
    _reference.setup(app)
