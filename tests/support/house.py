"""The house: rooms, floors and imports, read from the source with ast; and the lines of code of each room.

python tests/support/house.py           # lines of code by room, and what breaks the rules
python tests/support/house.py --draw    # docs/house.svg, the picture of docs/architecture.md
"""

from __future__ import annotations

import ast
import io
import sys
import textwrap
import tokenize
from collections import Counter
from pathlib import Path
from xml.sax.saxutils import escape

PACKAGE = Path(__file__).parents[2] / "tinygrad_edu"
FLOORS = [  # from the ground; a file imports from its own room and from lower floors
    ["core"],
    ["extras"],
    ["guards", "program"],
    ["explain", "doctor", "compile"],
    ["training"],
    ["race", "course"],
    ["lab"],
    ["__init__"],
    ["cli"],
    ["__main__"],
]
FLOOR = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
NOT_CODE = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)


def files(package=PACKAGE):
    """The modules: path by name, "core.ops"; what is handed out as an exercise is not imported and no part of it."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        if "exercises" not in parts:
            found[".".join(parts)] = path
    return found


def room(module):
    return module.partition(".")[0]


def lines_of_code(text):
    """The lines that hold code: no blank line, no comment, no docstring."""
    documentation, code = set(), set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            documentation |= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in NOT_CODE:
            code |= set(range(token.start[0], token.end[0] + 1))
    return len(code - documentation)


def imports(module, tree, modules):
    """(line, module that is imported, name that is taken from it), of all imports: at the top, in functions, for types.

    ``from ..core import ops`` imports the module core.ops; ``from .. import __version__`` the package itself.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").split(".")[0] == PACKAGE.name):
            base = module.split(".")[: -node.level] if node.level else []
            path = [*base, *(node.module or "").split(".")] if node.level else node.module.split(".")[1:]
            for alias in node.names:
                target = ".".join(filter(None, path))
                inner = f"{target}.{alias.name}".strip(".")
                if inner in modules or f"{inner}.__init__" in modules:
                    yield node.lineno, inner, None
                else:
                    yield node.lineno, target or "__init__", alias.name
        elif isinstance(node, ast.Import):
            for alias in node.names:
                first, _, path = alias.name.partition(".")
                if first == PACKAGE.name:
                    yield node.lineno, path or "__init__", None


def violations(package=PACKAGE):
    """Every breach of the rules, as a line of text that says where it is."""
    modules = files(package)
    arrows, found = {}, []
    for module, path in modules.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        arrows[module] = set()
        for line, target, name in imports(module, tree, modules):
            where, there = f"{module}:{line}", f"{target} is in"
            if room(target) not in FLOOR:
                found.append(f"{where}: {there} no room that has a floor")
            elif room(target) != room(module) and FLOOR[room(target)] >= FLOOR[room(module)]:
                found.append(f"{where}: {there} a room that is not on a lower floor")
            if name is not None and name.startswith("_") and not name.startswith("__"):
                found.append(f"{where}: {name} is private to {target}")
            arrows[module].add(target)
        found += [f"{module}:{line}: .{name} is private to another file's class" for line, name in foreign(tree)]
    return found + [f"a circle: {' -> '.join(circle)}" for circle in circles(arrows)]


def foreign(tree):
    """(line, attribute) of each ._attribute that is neither set nor defined in this file, nor one of Python's own."""
    own = {"_replace", "_asdict", "_fields", "_make", "_getframe", "_exit", "_getvalue"}  # Python's and Numba's
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"):
            own.add(node.attr)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            own.add(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            own.add(node.target.id)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            own.add(node.value)  # __slots__
    for node in ast.walk(tree):
        private = isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__")
        if private and node.attr not in own:
            yield node.lineno, node.attr


def circles(arrows):
    """The modules that import one another in a circle, if any do."""
    left = {module: targets - {module} for module, targets in arrows.items()}
    while free := [module for module, targets in left.items() if not targets & left.keys()]:
        for module in free:
            del left[module]
    return [sorted(left)] if left else []


def code_by_room(package=PACKAGE):
    """Lines of code of each room."""
    count = Counter()
    for module, path in files(package).items():
        count[room(module)] += lines_of_code(path.read_text(encoding="utf-8"))
    return count


def between_rooms(package=PACKAGE):
    """(room, room that it imports from) -> how many imports."""
    modules = files(package)
    return Counter(
        (room(module), room(target))
        for module, path in modules.items()
        for _, target, _ in imports(module, ast.parse(path.read_text(encoding="utf-8")), modules)
        if room(target) != room(module)
    )


def drawing(package=PACKAGE):
    """The rooms on their floors as SVG, each with the lower rooms that it imports from."""
    width, height, gap = 960, 100, 26
    floors = [[name for name in rooms if (package / name).is_dir()] for rooms in FLOORS]
    floors = [rooms for rooms in floors if rooms][::-1]
    arrows, shapes = between_rooms(package), []

    def write(x, y, text, kind=""):
        shapes.append(f'<text x="{x:.0f}" y="{y:.0f}" class="{kind}">{escape(text)}</text>')

    for row, rooms in enumerate(floors):
        each = (width - gap * (len(rooms) + 1)) / len(rooms)
        for i, name in enumerate(rooms):
            x, y = gap + i * (each + gap), gap + row * (height + gap)
            shapes.append(f'<rect x="{x:.0f}" y="{y:.0f}" width="{each:.0f}" height="{height}" rx="8"/>')
            write(x + 10, y + 21, f"{name}/", "name")
            purpose = ast.get_docstring(ast.parse((package / name / "__init__.py").read_text(encoding="utf-8")))
            lines = textwrap.wrap(purpose.split("\n")[0].rstrip(".").replace("`", ""), int(each / 7.2))
            for k, line in enumerate(lines):
                write(x + 10, y + 40 + 16 * k, line)
            below = [lower for lower in FLOOR if (name, lower) in arrows and lower != "__init__"]
            if below:
                write(x + 10, y + 40 + 16 * len(lines), f"stands on {', '.join(below)}", "on")
    style = (
        "text { font: 12.5px sans-serif; fill: #333 } .name { font-weight: bold; font-size: 15px; fill: #0b4f71 } "
        ".on { fill: #666 } rect { fill: #eef5f9; stroke: #0072b2 }"
    )
    total = gap + len(floors) * (height + gap)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {total}" role="img">'
    title = "<title>The rooms of tinygrad_edu on their floors, and the lower rooms that each imports from</title>"
    back = f'<rect width="{width}" height="{total}" style="fill: #fff; stroke: none"/>'
    return "\n".join([head, title, f"<style>{style}</style>", back, *shapes, "</svg>"]) + "\n"


if __name__ == "__main__":
    if sys.argv[1:] == ["--draw"]:
        (PACKAGE.parent / "docs" / "house.svg").write_text(drawing(), encoding="utf-8")
    for name, lines in code_by_room().most_common():
        print(f"{name:10} {lines:6,}")
    print(*violations(), sep="\n")
