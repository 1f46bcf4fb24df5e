# mypy: disable-error-code="no-untyped-call"
"""Functions that only machine code calls: one that Numba types and lowers, and leaves to the function that calls it.

Numba makes each function whole: it optimizes it, together with all that it calls, makes machine code and two functions
around it by which Python could call it. So the loops of a step, which are called by a function that is called by
another, are optimized and made three times. Here they are made once, with the outermost.
"""

from __future__ import annotations

from typing import Any

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase
from numba.core.compiler_machinery import PassManager, register_pass
from numba.core.typed_passes import (
    IRLegalization,
    NativeLowering,
    NoPythonBackend,
    NopythonTypeInference,
    PreLowerStripPhis,
)
from numba.core.untyped_passes import FixupArgs, GenericRewrites, IRProcessing, ReconstructSSA, TranslateByteCode

from ..core.jit import compiled

BODY = "gradients"  # of a step. If LLVM puts it in line in the loop over an epoch's batches, that is slower by a tenth


class Part(JITCodeLibrary):
    """LLVM's module of an inner function, with the quick optimizations alone. No machine code is made of it alone."""

    def add_ir_module(self, ir_module: Any) -> None:
        for function in ir_module.functions:
            if BODY in function.name and not function.is_declaration:
                function.attributes.add("noinline")
        super().add_ir_module(ir_module)

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True


@register_pass(mutates_CFG=True, analysis_only=False)
class Lowering(NativeLowering):
    """Numba's last but one pass, into a `Part`."""

    _name = "lowering_of_an_inner_function"

    def run_pass(self, state: Any) -> bool:
        state.flags.no_compile = True
        state.library = Part(state.targetctx.codegen(), state.func_id.func_qualname)
        super().run_pass(state)
        known_as: Any = [].index  # Numba finds it by a function of C; this one takes no array
        state.targetctx.insert_user_function(known_as, state.cr.fndesc, [state.library])
        state.cr = state.cr._replace(cfunc=known_as)
        return True


class Pipeline(CompilerBase):
    """The passes that a text of ours needs: it has no closures, contexts, or functions to be put in line."""

    def define_pipelines(self) -> list[Any]:
        manager = PassManager("inner")
        for each in (
            *(TranslateByteCode, FixupArgs, IRProcessing, GenericRewrites, ReconstructSSA),
            *(NopythonTypeInference, PreLowerStripPhis, IRLegalization, Lowering, NoPythonBackend),
        ):
            manager.add_pass(each, each.__name__)
        manager.finalize()
        return [manager]


def inner(rule: Any) -> Any:
    """Return Numba's function of a rule, for machine code alone to call."""
    return compiled(pipeline_class=Pipeline, no_cpython_wrapper=True, no_cfunc_wrapper=True)(rule)
