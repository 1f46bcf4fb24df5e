"""The house stands: floors go one way, what is private stays private, and the core is read in one sitting."""

import pytest
from house import FLOOR, FLOORS, PACKAGE, code_by_room, files, lines_of_code, room, violations


def test_every_file_keeps_the_rules_of_the_floors():
    assert violations() == []


def test_every_room_has_a_floor_and_says_what_it_is_for():
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == {room(module) for module in files() if "." in module} <= FLOOR.keys()
    assert all((PACKAGE / name / "__init__.py").read_text(encoding="utf-8").startswith('"""') for name in folders)
    assert len(FLOOR) == sum(map(len, FLOORS))


def test_the_core_has_at_most_1000_lines_of_code():
    assert code_by_room()["core"] <= 1000


def test_lines_of_code_are_neither_blank_nor_comments_nor_docstrings():
    assert (
        lines_of_code('"""A\nB"""\n\n# c\nx = [\n    1,\n]  # d\n\n\ndef f():\n    """E\n    F"""\n    return 1\n') == 5
    )


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("core/a.py", "from ..training import b\n", "core.a:1: training.b is in a room that is not on a lower floor"),
        ("core/a.py", "def f():\n    from ..program.b import x\n", "core.a:2: program.b is in a room that is not on"),
        (
            "core/a.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..guards.b import x\n",
            "core.a:3: guards.b is in a room that is not on a lower floor",
        ),
        (
            "guards/a.py",
            "from ..program.b import x\n",
            "guards.a:1: program.b is in a room that is not on a lower floor",
        ),
        ("core/a.py", "import tinygrad_edu as tg\n", "core.a:1: __init__ is in a room that is not on a lower floor"),
        (
            "core/a.py",
            "from tinygrad_edu.cli.b import x\n",
            "core.a:1: cli.b is in a room that is not on a lower floor",
        ),
        ("core/a.py", "from .. import __version__\n", "core.a:1: __init__ is in a room that is not on a lower floor"),
        ("attic/a.py", "from .b import x\n", "attic.a:1: attic.b is in no room that has a floor"),
        ("core/a.py", "from .b import _x\n", "core.a:1: _x is private to core.b"),
        ("core/a.py", "def f(t):\n    return t._x\n", "core.a:2: ._x is private to another file's class"),
        ("core/a.py", "from . import b\n", "a circle: core.a -> core.b"),
    ],
)
def test_a_planted_violation_is_found(tmp_path, file, text, said):
    for name in {
        file,
        "core/b.py",
        "guards/b.py",
        "program/b.py",
        "training/b.py",
        "cli/b.py",
        "attic/b.py",
        "__init__.py",
    }:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    assert violations(tmp_path) == []
    (tmp_path / file).write_text(text)
    (tmp_path / "core" / "b.py").write_text("from . import a\n" if "circle" in said else "")
    (found,) = violations(tmp_path)
    assert found.startswith(said)
