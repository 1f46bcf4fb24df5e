"""Matrix products in compiled steps: by BLAS, and small ones of known width by loops of vectors.

BLAS brings both sides into an order of its own, and multiplies by zero what is there: for 32 x 16 times 16 x 16 that is
three quarters of a microsecond of one. The loops do nothing of the kind. They go through the result in tiles of six
rows and one vector, and add up each tile in registers.
"""

from __future__ import annotations

from llvmlite import ir
from numba import intp, types
from numba.core import cgutils
from numba.extending import intrinsic

from ..extras.one_thread import ALONE, SMALL
from .intrinsics import USUAL, processor

PIECES = "_in_pieces"  # behind the name of BLAS's product
ROW_MAJOR, AS_IT_IS, TRANSPOSED = 101, 111, 112  # of BLAS
VECTOR = 64  # bytes: two registers of a processor with AVX2, one with AVX-512
ROWS = 6, 2, 1  # of a tile: as many as there are left
DEEP = 256  # the most rows of a transposed b, as columns of it are copied
WORD = ir.IntType(64)


def matmul(letter, bits, pieces):
    """Return the function out = a @ b of one dtype, or out += a @ b, by their addresses: a or aᵀ is (n, k), b or bᵀ is
    (k, m). bits are those of BLAS's whole numbers. pieces: a step holds BLAS at one thread (`Plan.run`), and a large
    product is computed in pieces (`numpy_c`)."""

    @intrinsic(prefer_literal=True)
    def multiply(typingctx, a, a_flipped, b, b_flipped, out, n, m, k, add):
        width = m.literal_value if isinstance(m, types.IntegerLiteral) else 0

        def code(context, builder, signature, args):
            def in_loops():
                small = builder.icmp_signed("<=", builder.mul(builder.mul(n, m), k), n.type(ALONE))
                shallow = builder.icmp_signed("<=", k, k.type(DEEP))
                return builder.and_(small, builder.or_(shallow, builder.not_(b_flipped)))

            a, a_flipped, b, b_flipped, out, n, given, k, add = args
            m = WORD(width) if width else given
            args = a, a_flipped, b, b_flipped, out, n, m, k, add
            if not width:
                _by_blas(builder, letter, bits, pieces, *args)
                return context.get_dummy_value()
            with builder.if_else(in_loops()) as (then, otherwise):
                with then:
                    _by_loops(builder, letter, width, *args)
                with otherwise:
                    _by_blas(builder, letter, bits, pieces, *args)
            return context.get_dummy_value()

        flag, known = types.boolean, m if width else intp  # Numba keeps the code by these types
        return types.void(intp, flag, intp, flag, intp, intp, known, intp, flag), code

    return multiply


# --- by BLAS ----------------------------------------------------------------------------------------------------------


def _by_blas(builder, letter, bits, pieces, a, a_flipped, b, b_flipped, out, n, m, k, add):
    """Write a call of BLAS, or of what computes a large product in pieces."""
    real, order, whole = _real(letter), ir.IntType(32), ir.IntType(bits)
    size = builder.mul(builder.mul(n, m), k)
    n, m, k = (builder.trunc(x, whole) if bits < 64 else x for x in (n, m, k))
    turn_a, turn_b = (builder.select(x, order(TRANSPOSED), order(AS_IT_IS)) for x in (a_flipped, b_flipped))
    width_a, width_b = builder.select(a_flipped, n, k), builder.select(b_flipped, k, m)
    beta = builder.select(add, real(1), real(0))
    given = [order(ROW_MAJOR), turn_a, turn_b, n, m, k, real(1), a, width_a, b, width_b, beta, out, m]
    gemm = ir.FunctionType(ir.VoidType(), [x.type for x in given])
    multiply = cgutils.get_or_insert_function(builder.module, gemm, f"tinygrad_edu_{letter}gemm")
    if not pieces:
        builder.call(multiply, given)
        return
    in_pieces = cgutils.get_or_insert_function(builder.module, gemm, f"tinygrad_edu_{letter}gemm{PIECES}")
    with builder.if_else(builder.icmp_signed(">", size, size.type(SMALL)), likely=False) as (large, small):
        with large:  # other threads have the processor's usual mode
            control, place, mode = processor(builder)
            control("st")
            before = builder.load(place)
            builder.store(mode(USUAL), place)
            control("ld")
            builder.call(in_pieces, given)
            builder.store(before, place)
            control("ld")
        with small:
            builder.call(multiply, given)


def _real(letter):
    return ir.FloatType() if letter == "s" else ir.DoubleType()


# --- by loops ---------------------------------------------------------------------------------------------------------


def _by_loops(builder, letter, width, a, a_flipped, b, b_flipped, out, n, m, k, add):
    """Write a product of so many columns: whole vectors, then halves, quarters ... of one."""
    pointer, one = _real(letter).as_pointer(), WORD(1)
    a, b, out = (builder.inttoptr(address, pointer) for address in (a, b, out))
    row, column = builder.select(a_flipped, one, k), builder.select(a_flipped, n, one)
    down, along = builder.select(b_flipped, one, m), builder.select(b_flipped, k, one)

    def columns(first, count):
        given = [a, row, column, builder.gep(b, [builder.mul(first, along)]), down, along]
        given += [builder.gep(out, [first]), m, n, k, add]
        builder.call(_columns(builder.module, letter, count, given), given)

    lanes = VECTOR // (4 if letter == "s" else 8)
    with cgutils.for_range(builder, WORD(width // lanes)) as loop:
        columns(builder.mul(loop.index, WORD(lanes)), lanes)
    first, rest = width // lanes * lanes, width % lanes
    while lanes := lanes // 2:
        if rest & lanes:
            columns(WORD(first), lanes)
            first += lanes


def _columns(module, letter, count, given):
    """Return the function that computes so many columns of a product: element (i, j) of a side is at i · its first
    number + j · its second."""
    name = f"tinygrad_edu_columns_{letter}{count}"
    if name in module.globals:
        return module.globals[name]
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [x.type for x in given]), name)
    function.linkage = "internal"
    function.attributes.add("noinline")
    a, row, column, b, down, along, out, m, n, k, add = function.args
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    b, down = _upright(builder, count, b, down, along, k)
    start, left = WORD(0), n
    for rows in ROWS:
        with cgutils.for_range(builder, builder.sdiv(left, WORD(rows))) as loop:
            i = builder.add(start, builder.mul(loop.index, WORD(rows)))
            lines = [builder.add(i, WORD(r)) for r in range(rows)]
            sides = [builder.gep(a, [builder.mul(line, row)]) for line in lines]
            ends = [builder.gep(out, [builder.mul(line, m)]) for line in lines]
            _tile(builder, count, sides, column, b, down, ends, k, add)
        left = builder.srem(left, WORD(rows))
        start = builder.sub(n, left)
    builder.ret_void()
    return function


def _upright(builder, count, b, down, along, k):
    """Return columns of b whose elements of one row are neighbours, and the way from row to row: b's own, or copies."""
    vector, number = ir.VectorType(b.type.pointee, count), ir.IntType(32)
    room = builder.bitcast(cgutils.alloca_once(builder, vector, DEEP), b.type)
    neighbours = builder.icmp_signed("==", along, WORD(1))
    with builder.if_then(builder.not_(neighbours)), cgutils.for_range(builder, k) as loop:
        first = builder.gep(b, [builder.mul(loop.index, down)])
        line = vector(ir.Undefined)
        for j in range(count):
            element = builder.load(builder.gep(first, [builder.mul(WORD(j), along)]))
            line = builder.insert_element(line, element, number(j))
        to = builder.gep(room, [builder.mul(loop.index, WORD(count))])
        builder.store(line, builder.bitcast(to, vector.as_pointer()))  # in one piece, as it is read
    return builder.select(neighbours, b, room), builder.select(neighbours, down, WORD(count))


def _tile(builder, count, sides, column, b, down, ends, k, add):
    """Add up the products for some rows, a vector of columns at once."""
    real = b.type.pointee
    vector, number = ir.VectorType(real, count), ir.IntType(32)
    kind = ir.FunctionType(vector, [vector] * 3)
    name = f"llvm.fmuladd.v{count}{real.intrinsic_name}"  # one rounding where the processor has that
    fused = cgutils.get_or_insert_function(builder.module, kind, name)
    ends = [builder.bitcast(end, vector.as_pointer()) for end in ends]
    align = 4 if real == ir.FloatType() else 8
    totals = [cgutils.alloca_once(builder, vector) for _ in ends]
    for total, end in zip(totals, ends):
        builder.store(vector(None), total)
        with builder.if_then(add):
            builder.store(builder.load(end, align=align), total)
    with cgutils.for_range(builder, k) as loop:
        place = builder.gep(b, [builder.mul(loop.index, down)])
        line = builder.load(builder.bitcast(place, vector.as_pointer()), align=align)
        for total, side in zip(totals, sides):
            element = builder.load(builder.gep(side, [builder.mul(loop.index, column)]))
            first = builder.insert_element(vector(ir.Undefined), element, number(0))
            many = builder.shuffle_vector(first, vector(ir.Undefined), ir.VectorType(number, count)(None))
            builder.store(builder.call(fused, [many, line, builder.load(total)]), total)
    for total, end in zip(totals, ends):
        builder.store(builder.load(total), end, align=align)
