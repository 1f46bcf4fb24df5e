"""The command line: it answers at once, and a mistake gets one sentence and exit status 2."""

import pytest
from command_line import one_line, run, status

import tinygrad_edu as tg


@pytest.mark.parametrize("question", [["--version"], ["--help"], ["train", "--help"], ["race", "--help"]])
def test_it_answers_questions_without_numba(question):
    code = f"""
import sys
from tinygrad_edu.cli.main import main
try:
    main({question})
except SystemExit as end:
    print("exit", end.code, sorted({{"numba", "matplotlib", "tqdm"}} & set(sys.modules)))
"""
    answer = run("-c", code)
    assert answer.stderr == ""
    assert answer.stdout.splitlines()[-1] == "exit 0 []"
    assert (tg.__version__ if question == ["--version"] else "usage: tinygrad-edu") in answer.stdout


@pytest.mark.parametrize("command", [[], ["trian"]])
def test_a_command_is_needed(capsys, command):
    assert status(*command) == 2
    one_line(capsys, "required: train" if not command else "trian")


def test_a_mistake_shows_no_traceback_to_the_shell(tmp_path):
    wrong = run("-m", "tinygrad_edu", "train", "--data", "mnist:nowhere", cwd=tmp_path)
    assert wrong.returncode == 2
    assert wrong.stdout == ""
    assert wrong.stderr == "tinygrad-edu train: nowhere has no train-images-idx3-ubyte or train-images-idx3-ubyte.gz\n"
