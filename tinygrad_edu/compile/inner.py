"""Functions that only machine code calls: one that Numba types and lowers, and leaves to the function that calls it.

Numba makes each function whole: it optimizes it, together with all that it calls, makes machine code and two functions
around it by which Python could call it. So the loops of a step, which are called by a function that is called by
another, are optimized and made three times. Here they are made once, with the outermost.
"""

from __future__ import annotations

from typing import Any

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, PassManager
from numba.core.compiler_machinery import register_pass
from numba.core.typed_passes import (
    IRLegalization,
    NativeLowering,
    NoPythonBackend,
    NopythonTypeInference,
    PreLowerStripPhis,
)
from numba.core.untyped_passes import FixupArgs, GenericRewrites, IRProcessing, ReconstructSSA, TranslateByteCode

from ..core.jit import compiled


class Part(JITCodeLibrary):  # type: ignore[misc]
    """LLVM's module of an inner function, as it was written. No machine code is made of it alone."""

    def _optimize_functions(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True


@register_pass(mutates_CFG=True, analysis_only=False)  # type: ignore[untyped-decorator]
class Lowering(NativeLowering):  # type: ignore[misc]
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


class Pipeline(CompilerBase):  # type: ignore[misc]
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
