"""The folder of wheels: what only another system needs is found, though pip reads conditions for its own."""

import importlib.util
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("packaging")
spec = importlib.util.spec_from_file_location("wheels", Path(__file__).parents[2] / "docs" / "course" / "wheels.py")
wheels = importlib.util.module_from_spec(spec)
spec.loader.exec_module(wheels)


def wheel(folder, name, *requires):
    about = "\n".join([f"Name: {name}", *(f"Requires-Dist: {text}" for text in requires)])
    with zipfile.ZipFile(folder / f"{name.replace('-', '_')}-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{name}-1.0.dist-info/METADATA", about)
        archive.writestr("vendored/old-0.1.dist-info/METADATA", "Name: old")  # as setuptools has


@pytest.mark.parametrize(("system", "lacks"), [("windows", ["colorama>=0.4"]), ("macos", ["appnope"]), ("linux", [])])
def test_what_a_system_needs_is_read_under_its_own_conditions(tmp_path, system, lacks):
    wheel(tmp_path, "tinygrad-edu", "numpy>=2.0", 'tqdm; extra == "all"', 'torch; extra == "oracle"')
    wheel(tmp_path, "numpy")
    wheel(tmp_path, "tqdm", 'colorama>=0.4; platform_system == "Windows"', 'appnope; sys_platform == "darwin"',
          'old; python_version < "3.10"', 'slack; extra == "slack"')  # fmt: skip
    assert wheels.missing(tmp_path, system, "3.12") == lacks
    assert "old" in wheels.missing(tmp_path, system, "3.9")


def test_every_system_is_downloaded_until_nothing_is_missing(tmp_path, monkeypatch):
    asked = []

    def pip(*words):
        asked.append(list(map(str, words)))
        wheel(tmp_path, "tinygrad-edu", 'colorama; sys_platform == "win32"')
        if "colorama" in words:
            wheel(tmp_path, "colorama")

    monkeypatch.setattr(wheels, "pip", pip)
    monkeypatch.setattr("sys.argv", ["wheels.py", str(tmp_path), "--python", "3.12", "--with", "jupyterlab"])
    wheels.main()
    downloads = [words for words in asked if words[0] == "download"]
    assert [words[-1] for words in downloads] == ["jupyterlab", "colorama", "jupyterlab", "jupyterlab"]
    assert [words[words.index("--platform") + 1] for words in downloads][::3] == ["win_amd64", "manylinux_2_28_x86_64"]
