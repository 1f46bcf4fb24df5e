"""A folder of wheels for a room without a network: python docs/course/wheels.py wheels

It holds this package and all that it needs for Windows, macOS and Linux; in the room pip takes from it what fits:
pip install --no-index --find-links wheels "tinygrad-edu[all]"

pip downloads for another system, but reads the conditions of dependencies, such as `colorama; sys_platform == "win32"`,
for its own. So the conditions are read here once more, and what is missing is fetched.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
SYSTEMS = {  # the tags of wheels, newest first, and what conditions ask for
    "windows": (["win_amd64"], {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt"}),
    "macos": (["macosx_14_0_arm64"], {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix"}),
    "linux": (
        ["manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"],
        {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"},
    ),
}


def main() -> None:
    """Fill the folder, and say how to install from it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--python", nargs="+", default=[f"3.{sys.version_info[1]}"], help="versions, as 3.11 3.12")
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS), choices=list(SYSTEMS))
    parser.add_argument("--with", nargs="+", default=[], dest="more", help="other packages, as jupyterlab")
    options = parser.parse_args()
    pip("wheel", "--no-deps", "-w", options.folder, ROOT)
    for system in options.systems:
        for python in options.python:
            print(f"{system}, Python {python}", flush=True)
            wanted = [f"{ROOT}[all]", *options.more]
            while wanted:
                tags = [part for tag in SYSTEMS[system][0] for part in ("--platform", tag)]
                pip("download", "--only-binary=:all:", *tags, "--python-version", python, "-d", options.folder, *wanted)
                wanted = missing(options.folder, system, python)
    size = sum(path.stat().st_size for path in options.folder.iterdir()) / 1e6
    print(f"{size:.0f} MB. In the room, also on Windows:")
    print(f'  pip install --no-index --find-links {options.folder} "tinygrad-edu[all]"')


def missing(folder: Path, system: str, python: str) -> list[str]:
    """Return what the wheels in a folder require, under a system's conditions, and no wheel there is named by."""
    given = {"python_version": python, "python_full_version": f"{python}.0", **SYSTEMS[system][1]}
    names, needs = set(), []
    for wheel in sorted(folder.glob("*.whl")):
        names.add(canonicalize_name(wheel.name.split("-")[0]))
        with zipfile.ZipFile(wheel) as archive:
            (path,) = (name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))
            about = Parser().parsestr(archive.read(path).decode())
        extra = "all" if about["Name"] == "tinygrad-edu" else ""
        needs += [
            need
            for text in about.get_all("Requires-Dist", [])
            if (need := Requirement(text)).marker is None or need.marker.evaluate({**given, "extra": extra})
        ]
    return sorted({f"{need.name}{need.specifier}" for need in needs if canonicalize_name(need.name) not in names})


def pip(*words: object) -> None:
    """Run pip, and end with its status if it fails."""
    done = subprocess.run([sys.executable, "-m", "pip", *map(str, words), "--quiet", "--disable-pip-version-check"])
    if done.returncode:
        raise SystemExit(done.returncode)


if __name__ == "__main__":
    main()
