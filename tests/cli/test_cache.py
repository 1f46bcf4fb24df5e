"""``tinygrad-edu cache``: what is kept on disk is listed and cleared, and nothing else."""

import pytest
from command_line import run, status

from tinygrad_edu.compile import store


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYGRAD_EDU_CACHE", str(tmp_path))
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    store.write(store.code_folder() / f"module.step-{1:032x}.nbc", bytes(2000))
    store.write(tmp_path / f"tinygrad_edu_step_{1:032x}.py", b"text", sealed=False)
    (tmp_path / "of the user").write_text("stays")
    return tmp_path


def test_it_lists_and_clears(place, capsys):
    assert status("cache") == 0
    listed = capsys.readouterr().out
    assert "2.0 kB  module.step-" in listed
    assert listed.splitlines()[-1] == f"2 files, 0.0 MB of at most 256 MB, in {store.code_folder()}"
    assert status("cache", "clear") == 0
    assert capsys.readouterr().out == "removed 2 files, 0.0 MB\n"
    assert status("cache", "list") == 0
    assert capsys.readouterr().out.startswith("0 files")
    assert (place / "of the user").exists()


def test_it_says_why_a_folder_is_not_used(place, capsys):
    place.chmod(0o777)
    status("cache")
    assert capsys.readouterr().out.splitlines()[-1] == f"not used: {place} can be written by others"


def test_it_needs_no_numba(place):
    code = "import sys; from tinygrad_edu.cli.main import main; main(['cache']); print('numba' in sys.modules)"
    assert run("-c", code).stdout.splitlines()[-1] == "False"
