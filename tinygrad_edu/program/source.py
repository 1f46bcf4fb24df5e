"""Formulas: the expressions in an op's source, in the names of a graph, with what is known beforehand worked out.

The source of `ops.pow` says ``g * b * base ** (b - (b != 0))``; of y = x ** 3 in a graph that is ``d_y * 3 * x ** 2``.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from ..core.tensor import Tensor, unwrap
from .expressions import literal, loaded, renamed, stored, unparsed
from .names import Names, read
from .preamble import global_names
from .simplify import Known, Simplify


class Written(NamedTuple):
    """An expression of an op's source, in the names of a graph.

    Attributes
    ----------
    tree : the expression
    where : (name, expression) of each of the op's own values that it needs, in the order of the source
    """

    tree: ast.expr
    where: tuple[tuple[str, ast.expr], ...]

    def __str__(self) -> str:
        return unparsed(self.tree)


def written(node: Tensor, expression: ast.expr, called: Names) -> Written:
    """Write an expression of a node's op in the names of the graph, and work out what is known beforehand.

    Known are the arguments that are not differentiated, Python numbers, and ``.size`` and ``.ndim``.

    Parameters
    ----------
    node : a computed tensor
    expression : part of the op's source, such as ``read(node.op).vjp(0)``
    called : the names of the graph, from `names`. A value of the op's own gets a "_" if its name is taken

    Raises
    ------
    ValueError : the op assigns to one of its arguments, so the name could mean two values

    Examples
    --------
    >>> from tinygrad_edu.program.names import names
    >>> x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    >>> y = x**3
    >>> print(written(y, read(y.op).vjp(0), names(y)))
    d_v * 3 * x ** 2
    >>> y = x.mean()
    >>> print(written(y, read(y.op).vjp(0), names(y)))
    expand_back(d_loss / 2, x, None, False)
    """
    measured = {called[id(v)]: unwrap(v) for v in (node, *node.parents) if id(v) in called}

    def rename(name: str) -> str:
        return f"{name}_" if name in called.taken else name

    source = Source(node, called, rename, lambda known, given: Simplify(known, given, measured))
    lines = list(source.lines())
    tree = source(expression)
    needed, where = loaded(tree), []
    for target, value in reversed(lines):
        if needed & loaded(target) and not (isinstance(target, ast.Name) and target.id == called[id(node)]):
            where.append((unparsed(target), value))
            needed |= loaded(value)
    return Written(tree, tuple(where[::-1]))


def computed_as(node: Tensor, called: Names) -> str:
    """Return the expression that computes a node: that of its op's source; a call of the op if that takes several.

    Examples
    --------
    >>> from tinygrad_edu.program.names import names
    >>> x = Tensor([[1.0, 2.0]], requires_grad=True, name="x")
    >>> [computed_as(y, names(y)) for y in (x * 2, x.tanh(), x.sum(axis=1), x.softmax())]
    ['x * 2', 'np.tanh(x)', 'x.sum(axis=1)', 'softmax(x)']
    """
    op: Any = node.op
    given: dict[str, Any] = {}
    try:
        recipe = read(op)
        value, given = recipe.value, recipe.defaults
        if isinstance(value, ast.Name):
            value = next((line.value for line in recipe.lines[::-1] if value.id in stored(line.targets[0])), value)
        formula = written(node, value, called)
        if not formula.where:
            return str(formula)
    except ValueError:  # the source cannot be read: a call of the op says enough
        pass
    args = [literal(parent, called) or ast.Name("...") for parent in node.parents]
    rest = {key: value for key, value in node.kwargs.items() if key not in given or given[key] is not value}
    keywords = [ast.keyword(key, literal(value, called) or ast.Name("...")) for key, value in rest.items()]
    return unparsed(ast.Call(ast.Name(getattr(op, "__name__", "op")), args, keywords))


class Source:
    """The source of the op that computed a node, in the names of a graph. Calling it translates one expression.

    Parameters
    ----------
    node, called : a computed tensor, and the names of its graph
    rename : function that names the op's own values
    simplify : function of what the op's names stand for and of its arguments that are not differentiated; returns the
        `Simplify` that translates expressions
    known : what further names stand for
    exact : keep the dtype of NumPy numbers in the text

    Attributes
    ----------
    recipe : the source, as `read` takes it apart
    known : what each name of the op stands for. "g" is the node's gradient; an entry may be replaced
    result : the op's name for its value, if a single assignment computes it; "" otherwise

    Raises
    ------
    ValueError : as for `written` and `read`
    """

    def __init__(
        self,
        node: Tensor,
        called: Names,
        rename: Callable[[str], str],
        simplify: Callable[[Known, Mapping[str, Any]], Simplify],
        known: Known | None = None,
        exact: bool = False,
    ) -> None:
        assert node.op is not None
        self.recipe = recipe = read(node.op)
        self.rename = rename
        assigned = Counter(name for line in recipe.lines for name in stored(line.targets[0]))
        again = next((arg for arg in recipe.args if arg in assigned), None)
        if again:
            raise ValueError(f"{node.op.__name__} assigns to its argument {again}")
        if "g" in {*recipe.args, *assigned, *global_names(node.op)}:
            raise ValueError(f"{node.op.__name__} has a g of its own, and that is what its gradient is called here")
        alone = exact and len(node.parents) == 1  # beside another argument the dtype of a number does not count
        args = [literal(parent, called, alone) or ast.Name("...") for parent in node.parents]
        given = {**recipe.defaults, **node.kwargs}
        self.known = {**(known or {}), **{key: literal(value, called) or ast.Name(key) for key, value in given.items()}}
        self.known |= {recipe.args[0]: ast.Tuple(args)} if recipe.starred else dict(zip(recipe.args, args, strict=True))
        self.known["g"] = ast.Name(f"d_{called[id(node)]}")
        name = recipe.value.id if isinstance(recipe.value, ast.Name) else ""
        self.result = name if assigned[name] == 1 else ""
        if self.result:
            self.known[self.result] = ast.Name(called[id(node)])
        self.simplify = simplify(self.known, given)

    def __call__(self, expression: ast.expr) -> ast.expr:
        return self.simplify(expression)

    def lines(self) -> Iterator[tuple[ast.expr, ast.expr]]:
        """Yield the assignments as (target, value), without those that only rename a value."""
        for line in self.recipe.lines:
            value = self(line.value)
            own = sorted(stored(line.targets[0]) - {self.result})
            if stored(line.targets[0]) == {*own[:1]} and isinstance(value, (ast.Name, ast.Constant)):
                self.known[own[0]] = value
                continue
            self.known |= {name: ast.Name(self.rename(name)) for name in own}
            yield renamed(line.targets[0], self.known), value
