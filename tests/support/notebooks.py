"""The chapters of docs/course as notebooks: PYTHONPATH=. python tests/support/notebooks.py puts them into the package.

The text of a chapter becomes cells of text, each of its sessions cells of code. A cell ends where the chapter shows
output, so the reader's own run prints the same below it. A picture becomes the code that draws it, from
docs/course/pictures.py. An answer that is hidden stays hidden, with its code.
"""

import ast
import doctest
import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
CHAPTERS = ROOT / "docs" / "course"
NOTEBOOKS = ROOT / "tinygrad_edu" / "course" / "notebooks"
PICTURES = ast.parse((CHAPTERS / "pictures.py").read_text(encoding="utf-8"))
PARTS = re.compile(r"```python\n(>>> .*?)```\n|!\[[^]]*\]\((\d\d)\.\w+\)\n|<details>.*?</details>\n", re.S)
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
            cells += sessions(part[1]) if part[1] else [code(drawing(f"chapter_{part[2]}"))]
            at = part.end()  # an answer, whose code stays hidden with it, is text
    cells += words(text[at:])
    cells = [{**cell, "id": f"cell-{i}"} for i, cell in enumerate(cells)]
    found = {"cells": cells, "metadata": KERNEL, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(found, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def words(text):
    """Return a cell of text, or none if there is no text. Links lead to notebooks, or become words."""
    text = re.sub(r"\]\((\d\d_\w+)\.md\)", r"](\1.ipynb)", text)
    text = re.sub(r"(?<!!)\[([^]]*)\]\((?!\d\d_)[^)]*\)", r"\1", text).strip()
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


def code(source, tags=()):
    """Return a cell of code."""
    metadata = {"tags": list(tags)} if tags else {}
    return {"cell_type": "code", "execution_count": None, "metadata": metadata, "outputs": [], "source": lines(source)}


def drawing(name):
    """Return the code that draws a picture: the function of this name, with all that it uses of its file."""
    defined = {}
    for node in PICTURES.body:
        names = [node.name] if isinstance(node, ast.FunctionDef) else []
        if isinstance(node, ast.Assign):
            names = [target.id for target in ast.walk(node.targets[0]) if isinstance(target, ast.Name)]
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.asname or alias.name for alias in node.names]
        defined |= dict.fromkeys(names, node)
    used, todo = set(), [name]
    while todo:
        node = defined[todo.pop()]
        if node not in used:
            used.add(node)
            todo += [part.id for part in ast.walk(node) if isinstance(part, ast.Name) and part.id in defined]
    source = (CHAPTERS / "pictures.py").read_text(encoding="utf-8")
    parts = ["%matplotlib inline"]
    for node in PICTURES.body:
        if node in used:
            gap = "\n\n\n" if isinstance(node, ast.FunctionDef) else "\n"
            parts.append(gap + ast.get_source_segment(source, node))
    return "".join(parts) + f"\n\n\n{name}()"


def lines(text):
    """Return the lines of a cell, as a notebook has them."""
    return text.rstrip("\n").splitlines(keepends=True)


if __name__ == "__main__":
    NOTEBOOKS.mkdir(exist_ok=True)
    for path in chapters():
        (NOTEBOOKS / f"{path.stem}.ipynb").write_text(notebook(path), encoding="utf-8")
        print(f"wrote {path.stem}.ipynb")
