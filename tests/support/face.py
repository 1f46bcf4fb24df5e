"""Writes what type checkers and editors cannot see in the source: ``PYTHONPATH=. python tests/support/face.py``.

That is, at the end of each stub, below its line that names this file: the ops as functions of the package
(tinygrad_edu/__init__.pyi); the methods that are bound to Tensor, Layer and Optimizer at run time (core/methods.pyi);
and the update rules with their hyper-parameters as arguments (optimizers.pyi, beside each file of rules). What stands
above that line is written by hand.
"""

import ast
import inspect
from importlib import import_module
from pathlib import Path

import tinygrad_edu as tg

PACKAGE = Path(tg.__file__).parent
TENSOR = tg.Tensor([[1.0]], requires_grad=True)
EXAMPLES = (tg.Tensor, TENSOR), (tg.Layer, tg.ReLU()), (tg.Optimizer, tg.SGD([TENSOR]))
HEAD = "# below this line all is written by tests/support/face.py\n"
CLASSES = ("Tensor", "apply", "no_grad")
FOR_OTHERS = ("__copy__", "__deepcopy__", "__setstate__", "__array_function__", "_repr_html_")  # pickle and others call
RULES = (  # the files of rules in extras
    *("optimizers", "adam_optimizers", "sign_optimizers", "optimizers_of_papers", "schedule_free"),
    *("learning_optimizers", "matrix_optimizers", "whole_optimizers"),
)
RETURNS = {  # of methods without an annotation, that give no Tensor
    **dict.fromkeys(["all", "any", "argpartition", "argsort", "nonzero", "searchsorted", "tolist"], "Any"),
    **dict.fromkeys(["argmax", "argmin", "__invert__", "__array__"], "Any"),
    **dict.fromkeys([f"__{r}{name}__" for r in ("", "r") for name in ("and", "or", "xor")], "Any"),
    **dict.fromkeys(["itemsize", "nbytes", "__len__", "__int__"], "int"),
    "__divmod__": "tuple[Tensor, Tensor]",
    "__float__": "float",
    "__contains__": "bool",
    "__iter__": "Iterator[Tensor]",
    "tobytes": "bytes",
}


def stubs():
    """Each stub's path, and the text that it should have."""
    written = {
        "__init__.pyi": functions,
        "core/methods.pyi": lambda: "".join(methods(*of) for of in EXAMPLES),
        "core/optimizers.pyi": lambda: rules("core.optimizers"),
        **{f"extras/{file}.pyi": lambda file=file: rules(f"extras.{file}") for file in RULES},
    }
    for file, text in written.items():
        path = PACKAGE / file
        yield path, path.read_text(encoding="utf-8").partition(HEAD)[0] + HEAD + text()


def functions():
    """The ops as functions: tg.exp(x) is x.exp()."""
    names = [name for name, (module, _) in tg._TABLE.items() if module == "core.tensor" and name not in CLASSES]
    return "".join(function(name, getattr(tg.Tensor, name)) for name in names)


def methods(cls, example):
    """A class of all that is bound to cls outside its body, but for what an example has not: PyTorch's names."""
    lines = []
    skipped = {*in_the_body(cls), *dir(object), *FOR_OTHERS}
    for name, value in sorted(vars(cls).items()):
        if name in skipped or not hasattr(example, name):
            continue
        if isinstance(value, property):
            lines.append(f"@property\ndef {name}(self) -> {RETURNS.get(name, 'Tensor')}: ...\n")
        elif callable(value := getattr(cls, name)):
            lines.append(function(name, value, "self"))
    return f"\nclass {cls.__name__}Methods:\n{indented(lines)}"


def in_the_body(cls):
    """The names that the class statement itself sets: in its body, on self, or as slots."""
    (tree,) = ast.parse(inspect.getsource(cls)).body
    yield from ["__weakref__", *getattr(cls, "__slots__", ())]
    yield from (node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and is_set_on_self(node))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node.name
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name))


def is_set_on_self(node):
    return isinstance(node.ctx, ast.Store) and isinstance(node.value, ast.Name) and node.value.id == "self"


def rules(module):
    """The classes of update rules in a module: running averages as properties, hyper-parameters as arguments."""
    found = [cls for cls in vars(import_module(f"tinygrad_edu.{module}")).values() if isinstance(cls, type)]
    text = ""
    for cls in found:
        if issubclass(cls, tg.Optimizer) and cls.__module__.endswith(module) and hasattr(cls, "kernel"):
            averages = [f"@property\ndef {name}(self) -> Array: ...\n" for name in cls.state]
            base = cls.__base__.__name__
            base = f"course.{base}" if base == cls.__name__ else base
            text += f"\nclass {cls.__name__}({base}):\n{indented([*averages, init(cls)])}"
    return text


def init(cls):
    """The line for a rule's __init__."""
    given = inspect.signature(cls).parameters.values()
    hyper = [p for p in given if p.default is not p.empty and p.name not in ("l2", "nonfinite")]
    kinds = {p.name: "LearningRate" if p.name == "lr" else type(p.default).__name__ for p in hyper}
    shown = [f"{p.name}: {kinds[p.name]} = {p.default!r}" for p in hyper]
    common = 'l2: float = 0.0, nonfinite: str = "raise"'
    return f"def __init__(self, params: Any, {', '.join(shown)}, *, {common}) -> None: ...\n"


def function(name, call, first=None):
    """The line for a function or a method, whose first parameter has another name then."""
    parameters = list(inspect.signature(call).parameters.values())
    if first and parameters[0].kind is not inspect.Parameter.VAR_POSITIONAL:
        del parameters[0]
    shown = [first] * bool(first) + [parameter(p) for p in parameters]
    returned = inspect.signature(call).return_annotation
    known = RETURNS.get(name, "Tensor") if returned in (inspect.Signature.empty, "Any") else returned
    return f"def {name}({', '.join(shown)}) -> {known}: ...\n"


def parameter(p):
    """A parameter. Only these types are sure: for a whole number there is NumPy's too, for a tuple a list."""
    kind = p.annotation if p.annotation in ("str", "bool", "float") else "Any"
    default = repr(p.default).replace("'", '"') if isinstance(p.default, (str, int, float, type(None))) else "..."
    return f"{str(p).split(':')[0].split('=')[0]}: {kind}" + f" = {default}" * (p.default is not p.empty)


def indented(lines):
    return "".join(f"    {line}\n" for text in lines for line in wrapped(text).splitlines())


def wrapped(line):
    """A line, as ruff formats it: with a parameter a line, if it is too long."""
    if len(line) <= 117:
        return line
    start, _, rest = line.partition("(")
    inside, _, end = rest.rpartition(")")
    return f"{start}(\n" + "".join(f"    {part},\n" for part in inside.split(", ")) + f"){end}"


if __name__ == "__main__":
    for path, text in stubs():
        path.write_text(text, encoding="utf-8")
