"""The chapters of docs/course as notebooks: PYTHONPATH=. python tests/support/notebooks.py puts them into the package.

The text of a chapter becomes cells of text, each of its sessions cells of code. A cell ends where the chapter shows
output, so the reader's own run prints the same below it. A picture becomes the code that draws it, from
docs/course/pictures.py. An answer that is hidden stays hidden, with its code.
"""

import ast
import doctest
import json
import re
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[2]
CHAPTERS = ROOT / "docs" / "course"
NOTEBOOKS = ROOT / "tinygrad_edu" / "course" / "notebooks"
PICTURES = "".join(path.read_text(encoding="utf-8") for path in sorted(CHAPTERS.glob("pictures*.py")))
PARTS = re.compile(r"```python\n(>>> .*?)```\n|!\[[^]]*\]\((\d\d)\.\w+\)\n|<details>.*?</details>\n", re.S)
DEFINED = (ast.FunctionDef, ast.ClassDef)
KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def chapters():
    """Return the paths of the chapters, in order."""
    return sorted(CHAPTERS.glob("[0-9][0-9]_*.md"))


def notebook(path):
    """Return a chapter as the text of a notebook."""
    text, cells, at = path.read_text(encoding="utf-8"), [], 0
    for part in PARTS.finditer(text):
        if part[1] or part[2]:
            cells += words(text[at : part.start()])
            cells += sessions(part[1]) if part[1] else [code(drawing(f"chapter_{part[2]}"), hidden=True)]
            at = part.end()  # an answer, whose code stays hidden with it, is text
    cells += words(text[at:])
    cells = [{**cell, "id": f"cell-{i}"} for i, cell in enumerate(cells)]
    found = {"cells": cells, "metadata": KERNEL, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(found, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def words(text):
    """Return a cell of text, or none if there is no text. Links lead to notebooks, or become words."""
    text = re.sub(r"\]\((\d\d_\w+)\.md\)", r"](\1.ipynb)", text)
    text = re.sub(r"!\[([^]]*)\]\([^)]*\)", r"(In the book there is a picture here: \1.)", text)
    text = re.sub(r"\[([^]]*)\]\((?!\d\d_)[^)]*\)", r"\1", text).strip()
    return [{"cell_type": "markdown", "metadata": {}, "source": lines(text)}] if text else []


def sessions(text):
    """Return the cells of a session: each ends where something is printed."""
    cells, source = [], ""
    for example in doctest.DocTestParser().get_examples(text):
        source += example.source
        if example.want:
            cells.append(code(source, ["raises-exception"] if example.exc_msg else []))
            source = ""
    return [*cells, code(source)] if source else cells


def code(source, tags=(), hidden=False):
    """Return a cell of code; a hidden one is folded, in JupyterLab."""
    metadata = {**({"tags": list(tags)} if tags else {}), **({"jupyter": {"source_hidden": True}} if hidden else {})}
    return {"cell_type": "code", "execution_count": None, "metadata": metadata, "outputs": [], "source": lines(source)}


def drawing(name):
    """Return the code that draws a picture: the function of this name, with all that it uses of its file."""
    defined = {}
    body = [node for node in ast.parse(PICTURES).body if getattr(node, "module", "") != "pictures"]
    for node in body:
        names = [node.name] if isinstance(node, DEFINED) else []
        if isinstance(node, ast.Assign):
            names = [target.id for target in ast.walk(node.targets[0]) if isinstance(target, ast.Name)]
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.asname or alias.name for alias in node.names]
        twice = [name for name in names if isinstance(defined.get(name), DEFINED)]
        assert not twice, f"the files of pictures define {twice} twice"
        defined = {**dict.fromkeys(names, node), **defined}
    used, todo = set(), [name]
    while todo:
        node = defined[todo.pop()]
        if node not in used:
            used.add(node)
            todo += free(node) & set(defined)
    parts = ""
    for node in body:
        if node in used:
            parts += "\n" * isinstance(node, DEFINED) + ast.get_source_segment(PICTURES, node) + "\n"
    inside = textwrap.indent(f"{parts}\nreturn {name}()", "    ")  # so the notebook's own names stay as they are
    return f"%matplotlib inline\n\ndef picture():\n{inside}\n\npicture()"


def free(node):
    """Return the names that a piece of code takes from around it."""
    own = {part.arg for part in ast.walk(node) if isinstance(part, ast.arg)} if isinstance(node, DEFINED) else set()
    names = [part for part in ast.walk(node) if isinstance(part, ast.Name)]
    return {part.id for part in names} - {part.id for part in names if isinstance(part.ctx, ast.Store)} - own


def lines(text):
    """Return the lines of a cell, as a notebook has them."""
    return text.rstrip("\n").splitlines(keepends=True)


if __name__ == "__main__":
    NOTEBOOKS.mkdir(exist_ok=True)
    for path in chapters():
        (NOTEBOOKS / f"{path.stem}.ipynb").write_text(notebook(path), encoding="utf-8")
        print(f"wrote {path.stem}.ipynb")
