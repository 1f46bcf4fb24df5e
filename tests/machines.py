"""The suite on other machines than this one, as far as one machine can be another:

    python tests/machines.py [SETTING ...] [-- what pytest is given]

No SETTING means those in the variable MACHINES, or all; nothing for pytest means the variable TESTS, or everything.
What holds by the rounding of one processor, by a number of threads or on a quiet machine alone falls here. A setting
changes every product, every kernel or every clock, and those are in nearly all files.
"""

import os
import shlex
import subprocess
import sys
from contextlib import contextmanager, nullcontext


def numpys_oldest_loops():
    """Without FMA, and with another exp."""
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    return " ".join(name for name in __cpu_dispatch__ if __cpu_features__[name])  # of others NumPy would complain


@contextmanager
def one_core():
    """one core"""
    if not hasattr(os, "sched_setaffinity"):
        raise NotImplementedError("this system binds no process to a core")
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})  # as taskset does; what is started inherits it
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def busy():
    """beside a process for each core that never rests"""
    code = f"import os\nwhile os.getppid() == {os.getpid()}: pass"
    others = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for process in others:
            process.kill()
            process.wait()


ONE, ALL = ["-n", "0"], ["-n", "auto", "--dist", "worksteal"]
SETTINGS = {  # variables, what else holds meanwhile, and the workers
    "haswell": ({"OPENBLAS_CORETYPE": "Haswell"}, nullcontext, ALL),  # AVX2 and FMA, no AVX-512
    "prescott": (  # SSE3: the one that rounds most unlike a new processor, in products and in functions
        {"OPENBLAS_CORETYPE": "Prescott", "NPY_DISABLE_CPU_FEATURES": numpys_oldest_loops},
        nullcontext,
        ALL,
    ),
    "generic": ({"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}, nullcontext, ALL),  # kernels without AVX, FMA
    "threads": ({"OPENBLAS_NUM_THREADS": ""}, nullcontext, ONE),  # as many as there are cores: tox has 1 elsewhere
    "onethread": ({"OPENBLAS_NUM_THREADS": "1"}, nullcontext, ONE),
    "onecore": ({}, one_core, ONE),
    "busy": ({}, busy, ALL),
}


def run(name, arguments):
    """The complaint about a setting; empty if all is well."""
    variables, around, workers = SETTINGS[name]
    values = {variable: value() if callable(value) else value for variable, value in variables.items()}
    said = " ".join(f"{variable}={value!r}" for variable, value in values.items()) or around.__doc__
    print(f"\n== {name}: {said}", flush=True)
    try:
        with around():
            command = [sys.executable, "-m", "pytest", "-q", *workers, *arguments]
            status = subprocess.run(command, env=os.environ | values, check=False).returncode
    except NotImplementedError as error:
        return f"skipped: {error}"
    return f"FAILED, {status}" if status else "passed"


def main(arguments):
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    names = arguments[:cut] or os.environ.get("MACHINES", "").split() or list(SETTINGS)
    if unknown := [name for name in names if name not in SETTINGS]:
        sys.exit(f"no setting {', '.join(unknown)}; there are {', '.join(SETTINGS)}")
    chosen = arguments[cut + 1 :] or shlex.split(os.environ.get("TESTS", ""))
    found = {name: run(name, chosen) for name in names}
    print("", *(f"{name}: {said}" for name, said in found.items()), sep="\n")
    sys.exit(any(said.startswith("FAILED") for said in found.values()))


if __name__ == "__main__":
    main(sys.argv[1:])
