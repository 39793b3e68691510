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
from accessible import repair  # noqa: E402
from jinja2.sandbox import SandboxedEnvironment  # noqa: E402
from numpydoc import docscrape_sphinx  # noqa: E402
from sphinx.util.inspect import TypeAliasForwardRef  # noqa: E402

project = "minigrad-attacks"
author = "The minigrad-attacks authors"
extensions = [
    "sphinx.ext.autodoc", "sphinx.ext.viewcode", "sphinx.ext.mathjax", "numpydoc", "myst_nb",
    "sphinx_gallery.gen_gallery",
]  # fmt: skip

sphinx_gallery_conf = {
    "examples_dirs": str(ROOT / "docs" / "examples"),
    "gallery_dirs": "gallery",
    "filename_pattern": r"\.py$",  # run them all, in the order of their names, where build.py is told to run any
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "capture_repr": (),
    "image_srcset": ["2x"],
    "show_signature": False,
    "min_reported_time": 600,  # seconds: how long an example took is this machine's affair
    "write_computation_times": False,
}
exclude_patterns = ["gallery/*.ipynb"]  # they are for download
nb_execution_mode = "off"  # the notebook has its outputs: `make notebook` runs it
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
html_sidebars = {"index": [], "CONTRIBUTING": [], "CHANGELOG": [], "notebooks/companion": []}
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


# numpydoc compiles its template anew for each docstring, a sixth of the whole build: here once.
environments = []


def one_environment(loader):
    if not environments:
        environments.append(SandboxedEnvironment(loader=loader))
    return environments[0]


docscrape_sphinx.SandboxedEnvironment = one_environment

TypeAliasForwardRef.__repr__ = lambda self: self.name  # an alias inside a union or a tuple, too, by its name


def setup(app) -> None:
    known = docstrings.links()

    def rewrite(app, what, name, obj, options, lines) -> None:
        if not (inspect.isclass(obj) and obj.__doc__ is None):
            lines[:] = docstrings.to_rst(lines, known)

    def readable(app, what, name, obj, options, signature, returns):
        """No arguments for a protocol, which nobody calls."""
        return ("", None) if what == "class" and getattr(obj, "_is_protocol", False) else None

    def finish(app, error) -> None:
        if error is None:
            shutil.copyfile(MATHJAX, Path(app.outdir) / "_static" / mathjax_path)
            repair(Path(app.outdir))

    app.connect("autodoc-process-docstring", rewrite, priority=100)  # before numpydoc
    app.connect("autodoc-process-signature", readable)
    app.connect("build-finished", finish)
