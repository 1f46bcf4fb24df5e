"""Parts of a large product by loops (`products`): in which order its rows are added up, copied, and brought near."""

from __future__ import annotations

from contextlib import contextmanager

from llvmlite import ir
from numba.core import cgutils

from .kinds import WORD

NUMBER = ir.IntType(32)
SHIFT = 16  # bits behind the point


@contextmanager
def parts(builder, size, most):
    """Write a loop over equal parts of a size, each at most so large: (its number, its begin, its end)."""
    one = WORD(1)
    count = builder.add(builder.sdiv(builder.sub(size, one), most), one)
    with cgutils.for_range(builder, count) as loop:
        begin, end = (builder.sdiv(builder.mul(size, i), count) for i in (loop.index, builder.add(loop.index, one)))
        yield loop.index, begin, end


def heights(builder, n):
    """Return (rows of a tile, the first row, the number of such tiles) for so many rows, in their order."""
    fives = builder.srem(builder.sub(WORD(6), builder.srem(n, WORD(6))), WORD(6))  # so that no row is left
    fives = builder.select(builder.icmp_signed("<=", builder.mul(fives, WORD(5)), n), fives, WORD(0))
    sixes = builder.sdiv(builder.sub(n, builder.mul(fives, WORD(5))), WORD(6))
    six, five = builder.mul(sixes, WORD(6)), builder.mul(fives, WORD(5))
    behind = builder.add(six, five)
    return (6, WORD(0), sixes), (5, six, fives), (1, behind, builder.sub(n, behind))


def gather(builder, a, column, n, k, room):
    """Copy rows of a whose elements of one column are neighbours, so that those of each tile lie together."""
    for rows, first, times in heights(builder, n):
        some = ir.VectorType(a.type.pointee, rows).as_pointer()
        with cgutils.for_range(builder, times) as tile:
            i = builder.add(first, builder.mul(tile.index, WORD(rows)))
            left, to = builder.gep(a, [i]), builder.gep(room, [builder.mul(i, k)])
            with cgutils.for_range(builder, k) as loop:
                given = builder.bitcast(builder.gep(left, [builder.mul(loop.index, column)]), some)
                place = builder.bitcast(builder.gep(to, [builder.mul(loop.index, WORD(rows))]), some)
                builder.store(builder.load(given, align=4), place, align=4)


class Ahead:
    """Memory that is needed next, brought near in equal shares by the tiles: rows of the result, and columns of b."""

    def __init__(self, wide, b, down, along, out, m, n, k):
        self.builder, self.last, self.out, self.m = wide.builder, wide.lanes - 1, out, m
        self.b, self.down, self.along = self.builder.gep(b, [self.builder.mul(WORD(wide.lanes), along)]), down, along
        self.each = self.builder.sdiv(self.builder.shl(k, WORD(SHIFT)), n)  # rows of b for each of a

    def bring(self, i, rows):
        """Bring near what follows a tile of so many rows from row i on."""
        builder, last = self.builder, WORD(self.last)
        for r in range(rows, 2 * rows):
            row = builder.mul(builder.add(i, WORD(r)), self.m)
            self._near(builder.gep(self.out, [builder.add(row, last)]), 1)
        begin, end = (builder.ashr(builder.mul(x, self.each), WORD(SHIFT)) for x in (i, builder.add(i, WORD(rows))))
        with cgutils.for_range(builder, builder.sub(end, begin)) as loop:
            q = builder.add(begin, loop.index)
            side = builder.and_(q, last)
            turned = builder.add(builder.mul(side, self.along), builder.sub(q, side))
            upright = builder.add(builder.mul(q, self.down), last)
            place = builder.select(builder.icmp_signed("!=", self.along, WORD(1)), turned, upright)
            self._near(builder.gep(self.b, [place]), 0)

    def _near(self, place, written):
        """Bring the number at a place near; nothing happens where there is no memory."""
        byte = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte, *[NUMBER] * 3])
        prefetch = self.builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
        given = self.builder.bitcast(place, byte)
        self.builder.call(prefetch, [given, NUMBER(written), NUMBER(3), NUMBER(1)])
