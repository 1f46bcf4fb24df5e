"""The names of arguments: those of torch and Keras, and misspelt ones, are refused with the name that they have here.

`known_names` is for a class, before it makes an object; `helped` for a function.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from functools import cache, wraps
from inspect import Parameter, Signature, signature
from typing import Any, TypeVar

PACKAGE = __name__.partition(".")[0]
F = TypeVar("F", bound=Callable[..., Any])

OPTIMIZERS = {  # the name in torch or Keras, or a wish: what to do here
    "learning_rate": "it is lr",
    "momentum": "HeavyBall is SGD with torch's momentum, Nesterov with nesterov=True",
    "nesterov": "Nesterov is the rule",
    "dampening": "HeavyBall has it, and Momentum is the rule whose velocity is an average",
    "weight_decay": "it is l2, which is added to the gradient; AdamW has a weight_decay of its own",
    "betas": "they are beta1 and beta2, a number each",
    "beta_1": "it is beta1",
    "beta_2": "it is beta2",
    "amsgrad": "AMSGrad is the rule",
    "alpha": "it is rho",
    "decay": "a learning rate that falls is a function, see tg.schedules",
    "epsilon": "it is eps",
    "etas": "they are down and up",
    "step_sizes": "they are least and most",
    "maximize": "take the loss with a minus",
    "clipnorm": "fit(clip_norm=1.0), or optimizer.clip_norm(1.0) between backward() and step()",
    "clipvalue": "fit(clip_value=1.0), or optimizer.clip_value(1.0) between backward() and step()",
    "parameters": "it is params, the first argument",
}
LOSSES = {
    "weight": "it is sample_weight, a weight for each sample",
    "class_weight": "it is weight, one for each class",
    "label_smoothing": "cross_entropy has it; elsewhere the targets can be smooth themselves",
    "ignore_index": "give the samples that do not count the sample_weight 0",
    "log_target": "targets are probabilities here: give targets.exp()",
    "size_average": 'reduction="sum" is the sum',
    "from_logits": "the losses take logits, without softmax or sigmoid",
}
ESTIMATORS = {  # the names that scikit-learn's own networks have
    "hidden_layer_sizes": "it is hidden",
    "solver": "it is optimizer",
    **dict.fromkeys(["learning_rate", "learning_rate_init"], "it is lr"),
    "alpha": "it is l2",
    "max_iter": "it is epochs",
    "n_iter_no_change": "it is early_stopping, True or this number",
    "validation_fraction": "early_stopping=True holds a tenth of the samples back",
    "tol": "early_stopping waits for epochs without any gain",
    "warm_start": "partial_fit(X, y) goes on with the network as it is, one epoch",
    "momentum": "optimizer=functools.partial(tg.HeavyBall, momentum=0.9) has it",
    "weight_decay": "it is l2",
    **dict.fromkeys(["seed", "rng"], "it is random_state"),
}
FIT = {  # the names that trainers of torch, Keras and scikit-learn have
    **dict.fromkeys(["max_iter", "max_epochs"], "it is epochs"),
    **dict.fromkeys(["criterion", "loss_fn"], "it is loss"),
    "solver": "it is optimizer",
    "weight_decay": "it belongs to the optimizer: optimizer=tg.AdamW(model, weight_decay=0.01)",
    **dict.fromkeys(
        ["scheduler", "lr_scheduler"],
        "lr of the optimizer may be a function: tg.Adam(model, lr=tg.schedules.cosine(0.01, steps))",
    ),
    **dict.fromkeys(["early_stopping", "patience", "monitor"], "callback=tg.EarlyStopping(patience=10) stops early"),
    **dict.fromkeys(["gradient_accumulation_steps", "accumulate_grad_batches"], "it is accumulate"),
    **dict.fromkeys(["clipnorm", "max_norm", "max_grad_norm"], "it is clip_norm"),
    "clipvalue": "it is clip_value",
    **dict.fromkeys(["resume", "save_path"], "it is checkpoint, a file from which the same call goes on"),
    "initial_epoch": "with checkpoint= a file, the same call goes on, and epochs counts all",
    "steps_per_epoch": "an epoch is once through the data, in batches of batch_size",
    "shuffle": "each epoch has a new order; in a loop of yours tg.batches(X, y, shuffle=False) has none",
    "device": "everything is on the processor",
}
OTHERS = {
    "lr": "the learning rate belongs to the optimizer: optimizer=tg.Adam(model, lr=0.01)",
    "learning_rate": "it belongs to the optimizer: optimizer=tg.Adam(model, lr=0.01)",
    "rate": "it is p, the probability to drop",
    "units": "it is out_features",
    "input_dim": "it is in_features",
    "use_bias": "it is bias",
    **dict.fromkeys(["negative_slope", "alpha"], "it is slope"),
    **dict.fromkeys(["num_features", "normalized_shape"], "it is features"),
    **dict.fromkeys(["seed", "random_state"], "it is rng, a seed or a generator"),
    "validation_data": "it is validation, a pair (X, y)",
    "validation_split": "it is validation, a share, as 0.2",
    "callbacks": "it is callback, one or a list of them",
    "verbose": "it is progress, True or False",
    **dict.fromkeys(["dim", "dims"], "it is axis"),
    "keepdim": "it is keepdims",
    **dict.fromkeys(["unbiased", "correction"], "it is ddof, 1 for the estimate from a sample"),
    "gamma": "it is factor",
    **dict.fromkeys(["T_max", "T_0", "step_size", "total_steps", "total_iters"], "it is steps"),
    "T_mult": "it is growth",
    "eta_min": "it is low",
    "n_samples": "it is n",
    "test_size": "it is test_share",
    "stratify": "leave it out, both parts get the same share of every class",
    "sep": "it is delimiter",
    "index_col": "it is drop, a list of columns that are left out",
    **dict.fromkeys(["save_best_only", "monitor"], "it is best, a column, as 'validation_loss'"),
    "filepath": "it is path",
    "retain_graph": "leave it out, a second backward() is right here",
    "create_graph": "tg.hessian and tg.hvp are the second derivatives",
}


ELSEWHERE = {  # names of torch and Keras for what this package has under another name
    "ModelCheckpoint": "tg.Checkpoint(path, best='validation_loss') is a callback of fit",
    "CSVLogger": "tg.Log('run.csv') is a callback of fit",
    "Dense": "tg.Linear(features_in, features_out) is the same",
    "Module": "tg.Layer is the base of layers",
    "nn": "layers and losses are in the package itself, as tg.Linear and tg.cross_entropy",
    "optim": "the rules are in the package itself, as tg.SGD and tg.Adam",
    "tensor": "tg.Tensor(data, requires_grad=True) makes one",
    "from_numpy": "tg.Tensor(array) makes one",
    **dict.fromkeys(
        ["StandardScaler", "Normalization"], "scale = tg.data.Standardize(X_train) learns it, scale(X) applies it"
    ),
    **dict.fromkeys(["read_csv", "csv"], "tg.data.csv(path, target=...) makes arrays of a table"),
    **dict.fromkeys(["DistributedDataParallel", "DistributedOptimizer"], "tg.distribute(optimizer, comm) is for MPI"),
    "train_test_split": "tg.data.split(X, y, 0.2) does it",
    "manual_seed": "what draws takes rng, a seed or a generator",
    "CrossEntropyLoss": "tg.cross_entropy(logits, labels) is the function",
    "MSELoss": "tg.mse_loss(predictions, targets) is the function",
    "NLLLoss": "tg.nll_loss(log_probabilities, labels) is the function",
    "KLDivLoss": "tg.kl_div(log_probabilities, targets) is the function",
    "BCEWithLogitsLoss": "tg.binary_cross_entropy_with_logits(logits, targets) is the function",
}


def no_attribute(name: str) -> str:
    """Return the message for a name that the package does not have."""
    ours = f"; {ELSEWHERE[name]}" if name in ELSEWHERE else ""
    return f"module {PACKAGE!r} has no attribute {name!r}{ours}"


def is_ours(thing: Any) -> bool:
    """Return whether a function or class is of this package."""
    return str(getattr(thing, "__module__", "")).partition(".")[0] == PACKAGE


def plain(name: str) -> str:
    """Return a name as it is compared, without capitals and underscores: learningRate is learning_rate."""
    return name.replace("_", "").lower()


def fix_of(what: str, name: str, known: list[str]) -> str:
    """Return the words for an argument that does not exist: its name here, or a similar one, or none."""
    of_kinds = [
        (OPTIMIZERS, "params" in known),
        (ESTIMATORS, "random_state" in known),
        (FIT, what == "fit"),
        (LOSSES, what.endswith(("_loss", "cross_entropy", "logits", "kl_div"))),
        ({}, True),
    ]
    kind = next(names for names, fits in of_kinds if fits)
    table = {plain(theirs): ours for theirs, ours in (kind if kind is OPTIMIZERS else {**OTHERS, **kind}).items()}
    fix = table.get(plain(name), "")
    here = re.match(r"(it is|they are) (\w+)", fix)
    if fix and (not here or here[2] in known):
        return f"{here[2]}=, not {name}={fix[here.end() :]}" if here and here[1] == "it is" else fix
    near = [k for k in known if plain(k) == plain(name)] or get_close_matches(name, known, 1)
    return f"is it {near[0]}?" if near else ""


def no_such_name(what: str, named: Iterable[str], known: Iterable[str]) -> TypeError:
    """Return the error for arguments of which some do not exist: their names here, and all that there are."""
    known = list(known)
    unknown = [name for name in named if name not in known]
    said = f"{what} got an unexpected keyword argument {' and '.join(map(repr, unknown))}"
    fix = " and ".join(filter(None, [fix_of(what, name, known) for name in unknown]))
    return TypeError("; ".join(filter(None, [said, fix, f"{what} has {', '.join(known)}" if known else ""])))


def init_of(cls: type) -> Callable[..., Any]:
    """Return the ``__init__`` of a class."""
    init: Callable[..., Any] = getattr(cls, "__init__")  # noqa: B009, mypy takes cls for an object here
    return init


@cache
def parameters_of(cls: type) -> tuple[str, ...] | None:
    """Return the names that a class takes; None if it takes any."""
    said = getattr(cls, "__signature__", None)
    taken = list((said if isinstance(said, Signature) else signature(init_of(cls))).parameters.values())
    if not isinstance(said, Signature):
        taken = taken[1:]  # self
    names = tuple(p.name for p in taken if p.kind not in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD))
    if any(p.kind is Parameter.VAR_KEYWORD for p in taken):  # of ours, those that `Optimizer` takes
        return (*names, "l2", "nonfinite") if cls.__module__.startswith(PACKAGE) and hasattr(cls, "hyper") else None
    return names


def known_names(cls: type, named: dict[str, Any]) -> None:
    """Raise TypeError if a class does not take an argument of one of these names."""
    known = parameters_of(cls) if named else None
    if known is not None and not named.keys() <= set(known):
        raise no_such_name(cls.__name__, named, known)


def helped(function: F, check: Callable[..., None] | None = None, name: str | None = None) -> F:
    """Return function: arguments that do not fit are refused by their name; check sees those that do, and may raise."""
    shape = signature(function)
    words = name or function.__name__

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        arguments_fit(words, shape, args, kwargs)
        if check is not None:
            check(**shape.bind(*args, **kwargs).arguments)
        return function(*args, **kwargs)

    return call  # type: ignore[return-value]


def arguments_fit(what: str, shape: Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Raise TypeError if the arguments do not fit a signature: one that is unknown, missing, given twice, too many."""
    try:
        shape.bind(*args, **kwargs)
    except TypeError as error:
        if not kwargs.keys() <= shape.parameters.keys():
            raise no_such_name(what, kwargs, [name for name in shape.parameters if name != "self"]) from None
        named = [p.name for p in shape.parameters.values() if p.kind is Parameter.KEYWORD_ONLY]
        hint = f"; give by name: {named[0]}=..." if named and "too many positional" in str(error) else ""
        raise TypeError(f"{what}{shape_text(shape)}: {error}{hint}") from None


def shape_text(shape: Signature) -> str:
    """Return the names of a signature in brackets, those with a default as name=value."""
    shown = [
        str(p.replace(annotation=Parameter.empty, default=Parameter.empty))  # with the stars of *args and **more
        if p.default is Parameter.empty
        else f"{p.name}={getattr(p.default, '__name__', repr(p.default))}"
        for p in shape.parameters.values()
    ]
    return f"({', '.join(shown)})"
