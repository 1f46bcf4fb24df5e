"""The notebooks are the chapters: made from them, run as they stand, and handed out by a command."""

import json

import notebooks
import pytest

from tinygrad_edu.cli.main import main

EACH = [path.stem for path in notebooks.chapters()]


def cells(chapter, kind):
    found = json.loads((notebooks.NOTEBOOKS / f"{chapter}.ipynb").read_text(encoding="utf-8"))
    return [
        ("".join(cell["source"]), cell["metadata"].get("tags", []))
        for cell in found["cells"]
        if cell["cell_type"] == kind
    ]


def test_the_notebooks_are_those_of_the_chapters():
    written = {path.stem: path.read_text(encoding="utf-8") for path in notebooks.NOTEBOOKS.glob("*.ipynb")}
    assert written == {path.stem: notebooks.notebook(path) for path in notebooks.chapters()}, (
        "PYTHONPATH=. python tests/support/notebooks.py"
    )


@pytest.mark.sample(8)
@pytest.mark.parametrize("chapter", EACH)
def test_a_notebook_runs(chapter):
    place = {}
    for source, tags in cells(chapter, "code"):
        source = source.removeprefix("%matplotlib inline")  # which is for IPython
        if tags:
            with pytest.raises(Exception, match=r"."):
                exec(source, place)
        else:
            exec(source, place)


@pytest.mark.parametrize("chapter", EACH)
def test_a_notebook_holds_no_prompt_no_link_out_of_its_folder_and_whole_answers(chapter):
    for source, _ in cells(chapter, "code"):
        assert ">>> " not in source
    for source, _ in cells(chapter, "markdown"):
        assert "](../" not in source
        assert ".png)" not in source
        assert source.count("<details>") == source.count("</details>")


def test_the_command_writes_notebooks_and_exercises_and_spares_work(tmp_path, capsys):
    folder = tmp_path / "mine"
    assert main(["course", str(folder)]) == 0
    assert "01_slope.ipynb" in capsys.readouterr().out
    assert sorted(path.stem for path in folder.glob("*.ipynb")) == sorted(EACH)
    assert len([*(folder / "exercises").glob("*.py")]) == 16
    (folder / "01_slope.ipynb").write_text("my work")
    assert main(["course", str(folder)]) == 2
    assert "--force" in capsys.readouterr().err
    assert (folder / "01_slope.ipynb").read_text() == "my work"
    assert main(["course", str(folder), "--force"]) == 0
    assert (folder / "01_slope.ipynb").read_text() != "my work"
