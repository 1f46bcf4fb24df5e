"""Matrix products in compiled steps: by BLAS, and those of known width by loops of vectors.

BLAS brings both sides into an order of its own, and multiplies by zero what is there: for 32 x 16 times 16 x 16 that is
three quarters of a microsecond of one. The loops go through the result in tiles of six rows, or five, and one vector,
and add up each tile in registers. Only columns of b are copied, where their elements are not neighbours, where many
rows meet them, or where there are fewer than a vector has.

The loops of a large product wait for memory, so there parts of both sides are copied first, and each tile brings near
what the next ones need. Threads share its pieces.
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext, suppress
from functools import partial

from llvmlite import binding, ir
from numba.core import cgutils

from ..extras.one_thread import ALONE, SMALL
from .intrinsics import copies, usual_mode, words
from .kinds import BOOL, BYTES, WORD, Intrinsic, call_by_name, cast, constant
from .large import NUMBER, Ahead, gather, heights, parts

PIECES = "_in_pieces"  # behind the name of BLAS's product
SHARE = "tinygrad_edu_share"  # has threads share the pieces of a product by loops
ROW_MAJOR, AS_IT_IS, TRANSPOSED = 101, 111, 112  # of BLAS
VECTOR = 64  # bytes: two registers of a processor with AVX2, one with AVX-512
DEEP = 400  # the most rows of b at once: what is copied of them stays in the processor's first cache
MANY = 256  # rows of a that make a copy of b worth its while
BROAD = 256  # columns from which on a large product is one of loops
BLOCK = 300  # rows of b at once in a large product
ROOM = 2**17  # bytes of a's copies, which stay in the second cache


def limit():
    """Return how many multiplications a product by loops may have. With AVX-512 BLAS is quicker from 2**18 on, as it is
    without FMA, and with registers of less than 32 bytes."""
    has = {}
    with suppress(RuntimeError):  # nobody knows this processor
        has = binding.get_host_cpu_features()
    return SMALL if has.get("avx2") and has.get("fma") and not has.get("avx512f") else ALONE


LIMIT = limit()


def matmul(letter, bits, pieces):
    """Return the function out = a @ b + row of one dtype, by their addresses: a or aᵀ is (n, k), b or bᵀ is (k, m), and
    at address 0 there is no row. bits are those of BLAS's whole numbers. pieces: a step holds BLAS at one thread
    (`Plan.run`), and a large product is computed in pieces (`numpy_c`)."""

    @Intrinsic
    def multiply(w, a, a_flipped, b, b_flipped, out, n, m, k, row):
        width, builder = m if isinstance(m, int) else 0, w.builder
        a_flipped, b_flipped = (cast(builder, w.lifted(flag), BOOL).parts[0] for flag in (a_flipped, b_flipped))
        a, b, out, n, m, k, row = words(w, a, b, out, n, m, k, row)
        args = a, a_flipped, b, b_flipped, out, n, m, k, row
        if not width:
            _by_blas(builder, letter, bits, pieces, *args)
            return constant(0)
        size = builder.mul(builder.mul(n, m), k)
        with builder.if_else(builder.icmp_signed("<=", size, WORD(LIMIT)), likely=True) as (small, large):
            with small:
                _by_loops(builder, letter, width, *args)
            with large:
                if pieces and width >= BROAD and LIMIT == SMALL:
                    _shared(builder, letter, width, *args)
                else:
                    _by_blas(builder, letter, bits, pieces, *args)
        return constant(0)

    return multiply


def _real(letter):
    return ir.FloatType() if letter == "s" else ir.DoubleType()


def _bytes(letter):
    return 4 if letter == "s" else 8


# --- by BLAS ----------------------------------------------------------------------------------------------------------


def _by_blas(builder, letter, bits, pieces, a, a_flipped, b, b_flipped, out, n, m, k, row):
    """Write a call of BLAS, or of what computes a large product in pieces."""
    real, order, whole = _real(letter), ir.IntType(32), ir.IntType(bits)
    size, starts = builder.mul(builder.mul(n, m), k), builder.icmp_unsigned("!=", row, WORD(0))
    with builder.if_then(starts):
        copies(builder, row, out, n, builder.mul(m, WORD(_bytes(letter))))
    n, m, k = (builder.trunc(x, whole) if bits < 64 else x for x in (n, m, k))
    turn_a, turn_b = (builder.select(x, order(TRANSPOSED), order(AS_IT_IS)) for x in (a_flipped, b_flipped))
    width_a, width_b = builder.select(a_flipped, n, k), builder.select(b_flipped, k, m)
    beta = builder.select(starts, real(1), real(0))
    given = [order(ROW_MAJOR), turn_a, turn_b, n, m, k, real(1), a, width_a, b, width_b, beta, out, m]
    multiply = partial(call_by_name, builder, f"tinygrad_edu_{letter}gemm", ir.VoidType(), *given)
    if not pieces:
        multiply()
        return
    with builder.if_else(builder.icmp_signed(">", size, size.type(SMALL)), likely=False) as (large, small):
        with large, usual_mode(builder):
            call_by_name(builder, f"tinygrad_edu_{letter}gemm{PIECES}", ir.VoidType(), *given)
        with small:
            multiply()


# --- by loops ---------------------------------------------------------------------------------------------------------


def _by_loops(builder, letter, width, *args):
    """Write a product of so many columns: at most DEEP rows of b at once."""
    with _blocks(builder, letter, DEEP, *args) as given:
        _across(builder, letter, width, WORD(width // (VECTOR // _bytes(letter))), None, given)


@contextmanager
def _blocks(builder, letter, deep, a, a_flipped, b, b_flipped, out, n, m, k, row):
    """Write a loop over blocks of so many rows of b; yield what `_columns` is given for each."""
    pointer, one = _real(letter).as_pointer(), WORD(1)
    starts = builder.icmp_unsigned("!=", row, WORD(0))
    a, b, out, row = (builder.inttoptr(address, pointer) for address in (a, b, out, row))
    line, column = builder.select(a_flipped, one, k), builder.select(a_flipped, n, one)
    down, along = builder.select(b_flipped, one, m), builder.select(b_flipped, k, one)
    with parts(builder, k, WORD(deep)) as (block, begin, end):
        again = builder.icmp_signed(">", block, WORD(0))
        start, step = builder.select(again, out, row), builder.select(again, m, WORD(0))
        left, top = builder.gep(a, [builder.mul(begin, column)]), builder.gep(b, [builder.mul(begin, down)])
        add = builder.or_(again, starts)
        yield left, line, column, top, down, along, out, m, start, step, n, builder.sub(end, begin), add


def _across(builder, letter, width, whole, ends, given):
    """Write what computes so many vectors of columns, and behind them, if it ends there, the rest of a width."""
    left, line, column, top, down, along, out, m, start, step, *more = given
    lanes = VECTOR // _bytes(letter)

    def columns(first, count):
        given = [left, line, column, builder.gep(top, [builder.mul(first, along)]), down, along]
        given += [builder.gep(out, [first]), m, builder.gep(start, [first]), step, *more]
        builder.call(_columns(builder.module, letter, lanes, count, given), given)

    if width >= lanes:
        with cgutils.for_range(builder, whole) as loop:
            columns(builder.mul(loop.index, WORD(lanes)), lanes)
    if width % lanes:
        with builder.if_then(ends) if ends else nullcontext():
            columns(builder.mul(whole, WORD(lanes)), width % lanes)


def _columns(module, letter, lanes, count, given):
    """Return the function that computes so many columns of a product: element (i, j) of a side is at i · its first
    number + j · its second. In a large product it is given, too, whether a is a copy (`large.gather`)."""
    name = f"tinygrad_edu_columns_{letter}{count}_{len(given)}"
    if name in module.globals:
        return module.globals[name]
    function = _internal(module, name, [x.type for x in given])
    a, line, column, b, down, along, out, m, start, step, n, k, add, *copy = function.args
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    wide = _Wide(builder, a.type.pointee, lanes, count)
    ahead = Ahead(wide, b, down, along, out, m, n, k) if copy else None
    b, down = _upright(wide, b, down, along, n, k, 0 if copy else MANY)
    for rows, first, times in heights(builder, n):
        with cgutils.for_range(builder, times) as loop:
            i = builder.add(first, builder.mul(loop.index, WORD(rows)))
            given = [builder.gep(side, [builder.mul(i, by)]) for side, by in ((a, line), (start, step), (out, m))]
            to = line, column
            if copy:
                ahead.bring(i, rows)
                to = [builder.select(copy[0], WORD(own), x) for own, x in zip((1, rows), to)]
            _tiles(wide, rows, *given, to[0], step, m, to[1], b, down, k, add)
    builder.ret_void()
    return function


class _Wide:
    """Loads and stores of so many numbers, as a vector that may have more."""

    def __init__(self, builder, real, lanes, count):
        self.builder, self.real, self.lanes, self.count = builder, real, lanes, count
        self.vector, self.bytes = ir.VectorType(real, lanes), 4 if real == ir.FloatType() else 8

    def shuffled(self, a, b, order):
        """Return the vector of these elements of a and b together."""
        return self.builder.shuffle_vector(a, b, ir.VectorType(NUMBER, len(order))([*order]))

    def parts(self):
        """Yield the first and the length of runs that make up the vector: of the lengths that registers have."""
        first, length = 0, self.lanes
        while length:
            if self.count - first >= length:
                yield first, length
                first += length
            length //= 2

    def load(self, place, length=None):
        """Return the numbers at a place, and zeros behind them; or a vector of that length."""
        if length is None:
            total = self.vector(None)
            for first, length in self.parts():
                part = self.load(self.builder.gep(place, [WORD(first)]), length)
                if length == self.lanes:
                    return part
                part = self.shuffled(part, part.type(None), [min(i, length) for i in range(self.lanes)])
                order = [i - first + self.lanes if first <= i < first + length else i for i in range(self.lanes)]
                total = self.shuffled(total, part, order)
            return total
        pointer = ir.VectorType(self.real, length).as_pointer()
        return self.builder.load(self.builder.bitcast(place, pointer), align=self.bytes)

    def store(self, value, place):
        """Store the numbers, without those behind them."""
        for first, length in self.parts():
            part = value if length == self.lanes else self.shuffled(value, value, range(first, first + length))
            to = self.builder.bitcast(self.builder.gep(place, [WORD(first)]), part.type.as_pointer())
            self.builder.store(part, to, align=self.bytes)

    def repeated(self, place):
        """Return the number at a place, as often as the vector has room."""
        one = self.builder.insert_element(self.vector(ir.Undefined), self.builder.load(place), NUMBER(0))
        return self.shuffled(one, one, [0] * self.lanes)


def _upright(wide, b, down, along, n, k, many):
    """Return columns of b whose elements of one row are neighbours, and the way from row to row: b's own, or copies
    where so many rows of a meet them."""
    builder, lanes = wide.builder, wide.lanes
    room = cgutils.alloca_once(builder, wide.vector, DEEP)
    turned = builder.icmp_signed("!=", along, WORD(1))
    whole = wide.count == lanes
    many = builder.icmp_signed(">=", n, WORD(many if whole else 0))
    with builder.if_then(turned):
        _turn(wide, b, along, k, room)
    with builder.if_then(builder.and_(many, builder.not_(turned))), cgutils.for_range(builder, k) as loop:
        row = wide.load(builder.gep(b, [builder.mul(loop.index, down)]))
        builder.store(row, builder.gep(room, [loop.index]))
    copied = builder.or_(turned, many)
    room = builder.bitcast(room, b.type)
    return builder.select(copied, room, b), builder.select(copied, WORD(lanes), down)


def _turn(wide, b, along, k, room):
    """Copy columns whose elements lie side by side: squares of a register's part, and the rows that are left."""
    builder, lanes, side = wide.builder, wide.lanes, 16 // wide.bytes
    done = WORD(0)
    if wide.count == lanes:
        squares = builder.sdiv(k, WORD(side))
        done = builder.mul(squares, WORD(side))
        with cgutils.for_range(builder, squares) as loop:
            i = builder.mul(loop.index, WORD(side))
            rows = []
            for r in range(side):
                places = [builder.gep(b, [builder.add(builder.mul(WORD(j), along), i)]) for j in range(r, lanes, side)]
                parts = [wide.load(place, side) for place in places]
                while len(parts) > 1:
                    length = 2 * parts[0].type.count
                    parts = [wide.shuffled(*pair, range(length)) for pair in zip(parts[::2], parts[1::2])]
                rows += parts
            for r, row in enumerate(_squares(wide, rows, side)):
                builder.store(row, builder.gep(room, [builder.add(i, WORD(r))]))
    with cgutils.for_range(builder, builder.sub(k, done)) as loop:
        i = builder.add(done, loop.index)
        row = wide.vector(None)
        for j in range(wide.count):
            element = builder.load(builder.gep(b, [builder.add(builder.mul(WORD(j), along), i)]))
            row = builder.insert_element(row, element, NUMBER(j))
        builder.store(row, builder.gep(room, [i]))


def _squares(wide, rows, side):
    """Return the vectors in which part q of the r-th has the r-th elements of part q of all rows."""
    parts = range(0, wide.lanes, side)
    halves = [[q + half + i // 2 + i % 2 * wide.lanes for q in parts for i in range(side)] for half in (0, side // 2)]
    for _ in range(side.bit_length() - 1):
        pairs = zip(rows[: side // 2], rows[side // 2 :])
        rows = [wide.shuffled(*pair, half) for pair in pairs for half in halves]
    return rows


def _tiles(wide, rows, a, start, out, line, step, m, column, b, down, k, add):
    """Write a call for some rows of the result. A part of a vector has a whole one's room meanwhile."""
    builder = wide.builder
    if wide.count == wide.lanes:
        builder.call(_tile(wide, rows), [a, start, out, line, step, m, column, b, down, k, add])
        return
    room = builder.bitcast(cgutils.alloca_once(builder, wide.vector, rows), a.type)
    lanes = WORD(wide.lanes)
    with builder.if_then(add), cgutils.for_range(builder, WORD(rows)) as loop:
        row = wide.load(builder.gep(start, [builder.mul(loop.index, step)]))
        builder.store(row, builder.bitcast(builder.gep(room, [builder.mul(loop.index, lanes)]), row.type.as_pointer()))
    builder.call(_tile(wide, rows), [a, room, room, line, lanes, lanes, column, b, down, k, add])
    with cgutils.for_range(builder, WORD(rows)) as loop:
        row = wide.load(builder.gep(room, [builder.mul(loop.index, lanes)]), wide.lanes)
        wide.store(row, builder.gep(out, [builder.mul(loop.index, m)]))


def _tile(wide, rows):
    """Return the function that adds up the products for some rows, a vector of columns at once."""
    module, pointer = wide.builder.module, wide.real.as_pointer()
    name = f"tinygrad_edu_tile_{wide.real.intrinsic_name}_{rows}"
    if name in module.globals:
        return module.globals[name]
    given = [pointer] * 3 + [WORD] * 4 + [pointer, WORD, WORD, ir.IntType(1)]
    function = _internal(module, name, given)
    a, start, out, line, step, m, column, b, down, k, add = function.args
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    vector, byte = wide.vector, ir.IntType(8).as_pointer()
    wide = _Wide(builder, wide.real, wide.lanes, wide.lanes)
    kind = ir.FunctionType(vector, [vector] * 3)
    name = f"llvm.fmuladd.v{wide.lanes}{wide.real.intrinsic_name}"  # one rounding where the processor has that
    fused = cgutils.get_or_insert_function(module, kind, name)
    totals = [cgutils.alloca_once_value(builder, vector(None)) for _ in range(rows)]
    with builder.if_then(add):
        for r, total in enumerate(totals):
            builder.store(wide.load(builder.gep(start, [builder.mul(WORD(r), step)])), total)
    ways = [builder.mul(WORD(r * wide.bytes), line) for r in range(rows)]
    left, right = (cgutils.alloca_once_value(builder, side) for side in (a, b))
    with cgutils.for_range(builder, k):
        here, row = builder.load(left), wide.load(builder.load(right))
        for total, way in zip(totals, ways):
            place = builder.bitcast(builder.gep(builder.bitcast(here, byte), [way]), pointer)
            builder.store(builder.call(fused, [wide.repeated(place), row, builder.load(total)]), total)
        builder.store(builder.gep(here, [column]), left)
        builder.store(builder.gep(builder.load(right), [down]), right)
    for r, total in enumerate(totals):
        wide.store(builder.load(total), builder.gep(out, [builder.mul(WORD(r), m)]))
    builder.ret_void()
    return function


def _internal(module, name, given):
    """Return a function of the module's own, for arguments of these types."""
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), given), name)
    function.linkage = "internal"
    function.attributes.add("noinline")
    return function


# --- large products, by loops -----------------------------------------------------------------------------------------


def _shared(builder, letter, width, *args):
    """Write a call of what has threads share the pieces of a product of so many columns (`numpy_c`)."""
    _, _, _, _, _, n, m, k, _ = args
    given = cgutils.alloca_once(builder, WORD, len(args))
    for i, value in enumerate(args):
        builder.store(builder.zext(value, WORD), builder.gep(given, [WORD(i)]))
    addresses = [builder.ptrtoint(x, WORD) for x in (_piece(builder.module, letter, width), given)]
    with usual_mode(builder):
        call_by_name(builder, SHARE, ir.VoidType(), *addresses, n, m, k)


def _piece(module, letter, width):
    """Return the function that computes some rows and columns of a product: whole vectors of these, or up to the end.
    It is given the address of what `matmul` is given."""
    name = f"tinygrad_edu_piece_{letter}{width}"
    if name in module.globals:
        return module.globals[name]
    function = _internal(module, name, [WORD] * 5)
    given, top, bottom, first, last = function.args
    builder, lanes = ir.IRBuilder(function.append_basic_block("entry")), VECTOR // _bytes(letter)
    given = builder.inttoptr(given, WORD.as_pointer())
    args = [builder.load(builder.gep(given, [WORD(i)])) for i in range(9)]
    for i in (1, 3):
        args[i] = builder.trunc(args[i], ir.IntType(1))
    copy, size, m = args[1], ROOM // _bytes(letter), args[6]
    # not on the stack, which is small in some threads
    memory = call_by_name(builder, "malloc", BYTES, builder.select(copy, WORD(ROOM), WORD(0)))
    copy = builder.and_(copy, builder.icmp_unsigned("!=", memory, BYTES(None)))
    room = builder.bitcast(memory, _real(letter).as_pointer())
    whole, ends = builder.sdiv(builder.sub(last, first), WORD(lanes)), builder.icmp_signed("==", last, m)
    with _blocks(builder, letter, BLOCK, *args) as (a, line, column, b, down, along, out, _, start, step, _, k, add):
        b = builder.gep(b, [builder.mul(first, along)])
        with parts(builder, builder.sub(bottom, top), builder.sdiv(WORD(size), k)) as (_, begin, end):
            i, n = builder.add(top, begin), builder.sub(end, begin)
            left = builder.gep(a, [builder.mul(i, line)])
            with builder.if_then(copy):
                gather(builder, left, column, n, k, room)
            left, line = builder.select(copy, room, left), builder.select(copy, k, line)
            to, start = (
                builder.gep(x, [builder.add(builder.mul(i, by), first)]) for x, by in ((out, m), (start, step))
            )
            more = left, line, column, b, down, along, to, m, start, step, n, k, add, copy
            _across(builder, letter, width, whole, ends, more)
    call_by_name(builder, "free", ir.VoidType(), memory)
    builder.ret_void()
    return function
