"""Equations as MathML: each rule's, and what is none."""

import xml.etree.ElementTree as ET

import pytest

import tinygrad_edu as tg
from tinygrad_edu.extras.optimizers import CLASSIC
from tinygrad_edu.lab.mathml import equation, equations


def spoken(element):
    """MathML as text on one line: a fraction as (a)/(b), what stands below behind a _."""
    parts = [spoken(child) for child in element]
    match element.tag:
        case "mfrac":
            return "({})/({})".format(*parts)
        case "msub":
            return "_".join(parts)
        case "msqrt":
            return f"√({''.join(parts)})"
    return (element.text or "") + "".join(parts)


@pytest.mark.parametrize("name", CLASSIC)
def test_each_line_of_each_rule_is_well_formed_and_says_what_the_docstring_says(name):
    kernel = CLASSIC[name].kernel
    lines = [line.strip() for line in kernel.__doc__.splitlines() if "<-" in line]
    made = equations(kernel).splitlines()
    assert len(made) == len(lines)
    for line, text in zip(lines, made):
        math = ET.fromstring(text)
        assert math.tag == "math"
        letters = {part.text for part in math.iter("mi")}
        assert spoken(math).startswith(line[0] + "←")
        assert ("√" in spoken(math)) == ("sqrt" in line)
        assert "g" in letters or "g" not in line.replace("sign", "")


def test_an_equation_reads_as_it_is_written():
    read = [spoken(ET.fromstring(text)) for text in equations(tg.Adam.kernel).splitlines()]
    assert read == ["m←β_1·m+(1−β_1)·g", "v←β_2·v+(1−β_2)·g·g", "p←p−(η·c_1·m)/(√(c_2·v)+ε)"]
    assert spoken(ET.fromstring(equation("a <- b - (c - d) · (e + f)"))) == "a←b−(c−d)·(e+f)"
    assert spoken(ET.fromstring(equation("a <- b - (c - d)"))) == "a←b−(c−d)"
    assert spoken(ET.fromstring(equation("p <- -abs(g) if g > 0 else g^2"))) == "p←−|g|\xa0if\xa0g>0\xa0else\xa0g2"


def test_what_is_no_equation_is_refused():
    with pytest.raises(ValueError, match="is no equation"):
        equation("p <- the parameters")
    with pytest.raises(ValueError, match="has no MathML"):
        equation("p <- [g for g in p]")
