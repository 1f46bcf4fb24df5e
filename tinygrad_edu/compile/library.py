"""Machine code that Python can call: made by LLVM of what `machine` writes, or of the bytes that it was kept as."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any

from llvmlite import binding, ir
from numba.core.codegen import JITCPUCodegen
from numba.core.compiler_lock import global_compiler_lock

from .kinds import BYTES, FLOAT, INT, WORD, Value, call_by_name, cast, number
from .machine import Made

ENTRY = "tinygrad_edu_entry"
FAST = 0x80  # METH_FASTCALL: the function is given an array of its arguments, and their number


@lru_cache
def codegen() -> Any:
    """Return Numba's door to LLVM, with its settings for this processor."""
    return JITCPUCodegen("tinygrad_edu")


def made(f: Any, kinds: Sequence[type], name: str) -> Any:
    """Return machine code of a function for whole numbers and objects; name is one that no other has."""
    with global_compiler_lock:
        module = ir.Module(name)
        module.triple, module.data_layout = binding.get_process_triple(), str(codegen().target_data)
        _write_entry(module, f, kinds, f"{ENTRY}_{name}")
        library = codegen().create_library(name)
        library.enable_object_caching()
        library.add_ir_module(module)
        library.finalize()
        return library


def kept(library: Any) -> Any:
    """Return what `found` makes the same machine code of."""
    return library.serialize_using_object_code()


def found(state: Any) -> Any:
    """Return machine code that was kept."""
    with global_compiler_lock:
        return codegen().unserialize_library(state)


def _write_entry(module: Any, f: Any, kinds: Sequence[type], name: str) -> None:
    """Write the function that Python calls: it unpacks the arguments, and lets other threads run meanwhile."""
    function = ir.Function(module, ir.FunctionType(BYTES, [BYTES, BYTES.as_pointer(), WORD]), name)
    builder = ir.IRBuilder(function.append_basic_block())

    python = partial(call_by_name, builder)
    values = []
    for i, kind in enumerate(kinds):
        given = builder.load(builder.gep(function.args[1], [WORD(i)]))
        values.append(
            Value(object, (given,)) if kind is object else Value(INT, (python("PyLong_AsLongLong", WORD, given),))
        )
    inside, kind = Made(module).function(f, tuple(value.kind for value in values))
    room = builder.alloca(number(kind or INT))
    builder.store(room.type.pointee(0), room)
    thread = python("PyEval_SaveThread", BYTES)
    builder.call(inside, [*(part for value in values for part in value.parts), builder.bitcast(room, BYTES)])
    python("PyEval_RestoreThread", ir.VoidType(), thread)
    result = Value(kind or INT, (builder.load(room),))
    if result.kind.kind == "f":
        builder.ret(python("PyFloat_FromDouble", BYTES, *cast(builder, result, FLOAT).parts))
    else:
        builder.ret(python("PyLong_FromLongLong", BYTES, *cast(builder, result, INT).parts))


class _Method(ctypes.Structure):
    """CPython's record of a function (PyMethodDef)."""

    _fields_ = (("name", ctypes.c_char_p), ("call", ctypes.c_void_p), ("flags", ctypes.c_int), ("doc", ctypes.c_char_p))


_new = ctypes.PYFUNCTYPE(ctypes.py_object, *[ctypes.c_void_p] * 3)(("PyCFunction_NewEx", ctypes.pythonapi))
_methods: list[_Method] = []  # which functions of Python point to


def function_of(library: Any) -> Any:
    """Return machine code as a function of Python."""
    address = library.get_pointer_to_function(f"{ENTRY}_{library.name}")
    _methods.append(_Method(b"step", address, FAST, None))
    return _new(ctypes.addressof(_methods[-1]), None, None)
