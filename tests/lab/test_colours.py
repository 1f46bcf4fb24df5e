"""The colours of the rules: told apart by every eye, and seen on every ground, in both schemes."""

import itertools
import re
from pathlib import Path

import numpy as np
import pytest

CSS = "".join(Path("tinygrad_edu/lab", name).read_text() for name in ("page.css", "optimizers.css"))
LAB = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]])
# Machado, Oliveira & Fernandes 2009, table 1, severity 1
EYES = {
    "usual": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}


def colours(scheme):
    """Return the colours of a scheme by name; the dark one changes some of the light one."""
    blocks = re.findall(r"(@media \(prefers-color-scheme: dark\) \{\s*)?:root \{(.*?)\}", CSS, re.DOTALL)
    texts = [text for dark, text in blocks if not dark] + [text for dark, text in blocks if dark and scheme == "dark"]
    return {name: light(value) for text in texts for name, value in re.findall(r"--(\S+): (#\w{6});", text)}


def light(colour):
    part = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)


def seen(colour, eye):
    """Return a colour's place in CIE L*a*b* as an eye sees it: equal distances look about equally large."""
    x, y, z = np.cbrt(LAB @ np.clip(EYES[eye] @ colour, 0.0, 1.0) / [0.95047, 1, 1.08883])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def contrast(a, b):
    low, high = sorted(LAB[1] @ part for part in (a, b))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_colours_of_eight_rules_are_told_apart_and_seen(scheme):
    known = colours(scheme)
    rules = {name: known[name] for name in (f"r{k}" for k in range(8))}
    for name, colour in rules.items():
        assert min(contrast(colour, known[ground]) for ground in ("card", "land-low", "land-high")) >= 3, name
    for eye, least in (("usual", 30), ("protan", 12), ("deutan", 12), ("tritan", 12)):
        apart = {
            (a, b): np.linalg.norm(seen(rules[a], eye) - seen(rules[b], eye))
            for a, b in itertools.combinations(rules, 2)
        }
        assert min(apart.values()) >= least, (eye, min(apart.items(), key=lambda pair: pair[1]))
