"""How the documentation is built: `python -m sphinx -W docs docs/_build/html`."""

import os
import sys
from pathlib import Path

import mfjax

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_extensions"), str(HERE.parent)]
# The kernels of the gallery read these.
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["PYTHONWARNINGS"] = "ignore"

project = "mfjax"
author = "The mfjax authors"
release = version = mfjax.__version__
extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx-mathjax-offline",
    "sphinx_copybutton",
    "sphinx_design",
    "myst_nb",
    "public_face",
]
exclude_patterns = ["_build", "_extensions"]
highlight_language = "text"
default_role = "py:obj"
suppress_warnings = ["ref.python"]  # a short name in a signature that several modules have

myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "cache"
nb_execution_cache_path = str(HERE / "_build" / ".notebooks")
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_ipywidgets_js = {}
nb_merge_streams = True

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 90
napoleon_attr_annotations = False
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_custom_sections = [("Attributes", "params_style"), "Source"]
viewcode_follow_imported_members = True
viewcode_line_numbers = True

html_theme = "furo"
html_title = f"mfjax {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
copybutton_exclude = ".linenos, .gp, .go"
