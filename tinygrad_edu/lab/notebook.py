"""The lab for what a notebook holds: in the notebook, or as a file."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np

from ..core.init import Rng
from ..core.layers import Layer
from ..core.optimizer import Optimizer
from ..core.tensor import Tensor
from ..guards import kinds
from .graphs import explorer
from .own import own
from .page import TABS, page

WORDS = {**{name: name for name in TABS}, "race": "optimizers"}


class Lab:
    """A page of the lab: a notebook shows it in place, and `save` writes it.

    Attributes
    ----------
    html : the page, which asks for nothing else
    height : of the frame in a notebook, in pixels
    """

    def __init__(self, html: str, height: int = 900) -> None:
        self.html, self.height = html, height

    def save(self, path: Any) -> Path:
        """Write the page into a file, and return its path."""
        kinds.path("path", path)
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.html, encoding="utf-8")
        return path

    def __repr__(self) -> str:
        return f"<a page of the lab, {len(self.html.encode()) / 1000:.0f} kB: save('lab.html') writes it>"

    def _repr_html_(self) -> str:
        """Return the page in a frame of its own, which can neither read nor change the notebook."""
        rights = 'sandbox="allow-scripts allow-downloads" allow="clipboard-write"'
        style = f"width: 100%; height: {self.height}px; border: 0"
        return f'<iframe title="tinygrad_edu lab" {rights} style="{style}" srcdoc="{escape(self.html)}"></iframe>'


def lab(
    what: Any = None,
    X: Any = None,
    y: Any = None,
    optimizer: Optimizer | None = None,
    *,
    formula: str | None = None,
    rng: Rng = 0,
) -> Lab:
    """Return the lab, the page on which the numbers of this library can be touched, for what you have.

    Parameters
    ----------
    what : a loss that has been computed: the Backprop tab steps through its graph. Or a network as `tg.mlp` builds it:
        the playground trains it on X and y, from the weights that it has. A word opens a tab: "playground", "race" or
        "optimizers", "backprop"; so does a link that was copied from the page, from # on. None: the page as
        ``tinygrad-edu lab`` writes it
    X, y : points of two numbers, with labels of up to 3 classes or with one number each; or points of one number with
        one number each. A fifth of them is held out
    optimizer : the rule that the playground begins with, with its numbers and l2; None for Adam
    formula : a surface for the optimizers, as "x**2 + 10*y**2"
    rng : generator or seed, of the page's data and first weights, and of the order of the batches

    Raises
    ------
    TypeError : what is none of these
    ValueError : an unknown word; a formula that cannot be read; a network, data or a rule that the playground does not
        have; a graph of more than 200 computed tensors or 5,000 numbers, or with a line that cannot be written in
        JavaScript

    Examples
    --------
    ``lab(loss)`` in a notebook shows the page below the cell; ``lab(loss).save("lab.html")`` writes it.

    >>> lab("rase")
    Traceback (most recent call last):
        ...
    ValueError: the lab has no tab 'rase': playground, optimizers, backprop, race
    """
    if isinstance(what, Tensor):
        return Lab(page(rng, formula, explorer(what, "your graph"), "tab=backprop&graph=own"))
    if isinstance(what, Layer):
        if X is None or y is None:
            raise TypeError("tg.lab of a network takes its data, too: tg.lab(model, X, y)")
        seed = rng if isinstance(rng, int) else int(np.random.default_rng(rng).integers(2**32))
        return Lab(page(seed, formula, own=own(what, X, y, optimizer, seed)))
    if what is not None and not isinstance(what, str):
        raise TypeError(f"tg.lab takes a loss, a network, or the name of a tab; got {kinds.shown(what)}")
    link = (what or "").removeprefix("#")
    if link and "=" not in link:
        if link not in WORDS:
            raise ValueError(f"the lab has no tab {link!r}: {', '.join(WORDS)}")
        link = urlencode({"tab": WORDS[link]})
    return Lab(page(rng, formula, start=link))
