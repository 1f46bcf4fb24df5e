"""The book: these pages and the docstrings as HTML, by `tox -e docs`. It is read from a folder and asks for nothing."""

import inspect
import re
from pathlib import Path
from xml.etree import ElementTree

import latex2mathml.converter
from docutils import nodes
from pygments.lexers import TextLexer
from sphinx.errors import ExtensionError

import tinygrad_edu as tg

project, author, language, release = "tinygrad_edu", "the tinygrad_edu authors", "en", tg.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions, myst_heading_anchors = ["dollarmath"], 4
suppress_warnings = ["ref.python"]  # a parameter may be called as an average of several rules is
default_role, napoleon_use_ivar, autodoc_typehints = "code", True, "none"
html_theme, html_math_renderer, html_title = "furo", "mathml", f"tinygrad_edu {release}"
html_static_path, html_css_files = ["_static"], ["book.css"]
html_show_sphinx = html_show_copyright = False
html_theme_options = {"light_css_variables": {"code-font-size": "75%"}}  # 100 columns of code beside the sidebar

MATHML = "http://www.w3.org/1998/Math/MathML"
ElementTree.register_namespace("", MATHML)
NAMES = [name for name in dir(tg) if not name.startswith("_")]
TOCTREE = """
```{{toctree}}
:hidden:
:glob:
:caption: {caption}
{pages}
```
"""


def room(name):
    """Return the room of a public name, as "core"; that of an op is "core", too."""
    thing = getattr(tg, name)
    where = thing.__name__ if inspect.ismodule(thing) else thing.__module__
    return where.split(".")[1]


def documented(name):
    """Return the directive that makes an entry of a public name's docstring."""
    thing = getattr(tg, name)
    kind = "module" if inspect.ismodule(thing) else "class" if inspect.isclass(thing) else "function"
    members = "" if kind == "function" else "\n   :members:"
    return f".. auto{kind}:: tinygrad_edu.{name}{members}\n"


def api():
    """Return the entries of all public names, a section for each room."""
    text = ""
    for found in sorted({room(name) for name in NAMES}):
        entries = "\n".join(documented(name) for name in NAMES if room(name) == found)
        text += f"\n## {found}\n\n```{{eval-rst}}\n{entries}\n```\n"
    return text


def read(app, page, source):
    """Add to a page what is derived: its tree of pages, the entries of names; links that leave docs/ become words."""
    text = re.sub(r"\[([^]]+)\]\((?:\.\./)+(?:\w+\.md|[\w/]+)(?:#[^)]*)?\)", r"\1", source[0])
    text = re.sub(r"(```python\n(?:(?!```).)*?)\n\n```\n", r"\1\n```\n", text, flags=re.S)  # a doctest's last line
    if page == "index":
        linked = dict.fromkeys(re.findall(r"\]\((\w+)\.md", text))
        text += TOCTREE.format(caption="The course", pages="course\ncourse/*")
        text += TOCTREE.format(caption="Pages", pages="\n".join(page for page in linked if page != "course"))
    source[0] = text + api() if page == "api" else text


def plain(app, what, name, thing, options, lines):
    """Keep bars, stars and underscores of a docstring from being markup, and what follows a name from being a type."""
    for i, line in enumerate(lines):
        parts = re.split(r"(``.*?``|`.*?`)", line)
        line = "".join(p if k % 2 else re.sub(r"([*|]|\w_\b)", r"\\\1", p) for k, p in enumerate(parts))
        lines[i] = re.sub(r"^([^\s>][^:]*) : ", "\\1\n    ", line) if "-----" in "".join(lines[:i]) else line
    lines[:] = "\n".join(lines).split("\n")


def foreign(app, what, name, thing, skip, options):
    """Leave out what a class has from other packages."""
    return True if not getattr(thing, "__module__", "tinygrad_edu").startswith("tinygrad_edu") else None


def formula(translator, node):
    """Write a formula as MathML, which browsers draw by themselves."""
    block = isinstance(node, nodes.math_block)
    tree = ElementTree.fromstring(latex2mathml.converter.convert(node.astext(), display="block" if block else "inline"))
    for place in (place for kind in ("msub", "msubsup") for place in tree.iter(f"{{{MATHML}}}{kind}")):
        base = place[0]  # it gets a depth: without a font for mathematics an index stands as low as its letter reaches
        place.remove(base)
        padded = ElementTree.Element(f"{{{MATHML}}}mpadded", depth="0.25em")
        padded.append(base)
        place.insert(0, padded)
    text = ElementTree.tostring(tree, encoding="unicode")
    opened = '<math style="padding: 0.3em 0" ' if block else "<math "  # else a font without mathematics cuts powers off
    translator.body.append(text.replace("<math ", opened, 1))
    raise nodes.SkipNode


def check(app, error):
    """Refuse a book without one of the public names, or one that loads something from elsewhere."""
    if error:
        return
    entries = {name for name, *_ in app.env.get_domain("py").get_objects()}
    if missing := [name for name in NAMES if f"tinygrad_edu.{name}" not in entries]:
        raise ExtensionError(f"the page of all names has no {', '.join(missing)}")
    request = re.compile(r"""<(?:script|link|img|iframe)[^>]*(?:src|href)=["']?(?:https?:)?//[^>]*>""")
    for path in Path(app.outdir).rglob("*.html"):
        if asked := request.search(path.read_text(encoding="utf-8")):
            raise ExtensionError(f"{path.name} asks for something: {asked.group()}")


def setup(app):
    app.add_html_math_renderer("mathml", (formula, None), (formula, None))
    app.add_lexer("csv", TextLexer)
    app.connect("source-read", read)
    app.connect("build-finished", check)
    app.connect("autodoc-skip-member", foreign)
    app.connect("autodoc-process-docstring", plain, priority=400)  # before the sections are read
