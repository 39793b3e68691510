"""Sphinx's settings; docs/build.py says what is built, and starts it."""

from __future__ import annotations

import inspect
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

import docstrings  # noqa: E402
from sphinx.util.inspect import TypeAliasForwardRef  # noqa: E402

project = "minigrad-attacks"
author = "The minigrad-attacks authors"
extensions = ["sphinx.ext.autodoc", "sphinx.ext.viewcode", "sphinx.ext.mathjax", "numpydoc", "myst_parser"]

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header"]  # a page may begin with a second-level heading
highlight_language = "text"  # a literal block is a formula, unless it says otherwise

autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_type_aliases = {"Array": "Array", "ArrayLike": "ArrayLike"}
python_maximum_signature_line_length = 100
python_use_unqualified_type_names = True
add_module_names = False
numpydoc_show_class_members = False

html_theme = "pydata_sphinx_theme"
html_title = project
html_static_path = ["style.css"]
html_css_files = ["style.css"]
html_show_sourcelink = False
html_copy_source = False
html_sidebars = {"index": [], "CONTRIBUTING": [], "CHANGELOG": []}
html_theme_options = {
    "navbar_end": ["theme-switcher"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_prev_next": True,
    "navigation_with_keys": False,
}
html_context = {"default_mode": "auto"}
html_show_copyright = False
# MathJax as the package sphinx-mathjax-offline has it: one file that draws SVG, hence without fonts of its own.
mathjax_path = "mathjax.js"
MATHJAX = Path(find_spec("sphinx-mathjax-offline").origin).parent / "static" / "mathjax" / "tex-svg.js"


TypeAliasForwardRef.__repr__ = lambda self: self.name  # an alias inside a union or a tuple, too, by its name


def setup(app) -> None:
    known = docstrings.links()

    def rewrite(app, what, name, obj, options, lines) -> None:
        if not (inspect.isclass(obj) and obj.__doc__ is None):
            lines[:] = docstrings.to_rst(lines, known)

    def readable(app, what, name, obj, options, signature, returns):
        """No arguments for a protocol, which nobody calls."""
        return ("", None) if what == "class" and getattr(obj, "_is_protocol", False) else None

    def copy_mathjax(app, error) -> None:
        if error is None:
            shutil.copyfile(MATHJAX, Path(app.outdir) / "_static" / mathjax_path)

    app.connect("autodoc-process-docstring", rewrite, priority=100)  # before numpydoc
    app.connect("autodoc-process-signature", readable)
    app.connect("build-finished", copy_mathjax)
