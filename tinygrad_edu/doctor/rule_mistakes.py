"""The mistakes of update rules: each is one change of the right rule's text, with a sentence and a hint.

The order counts: the first row that explains a student's steps is the one that is named. `rule_text` runs the changes.
What is published in two forms is right in both: `VARIANTS` has the forms that are not ours.
"""

from __future__ import annotations

from typing import NamedTuple


class Mistake(NamedTuple):
    """One way to write a rule wrongly.

    Attributes
    ----------
    key : its name, as `Report.mistakes` has it; empty for a variant that is published, and so is right
    change : the change that makes this rule of the right one; "; " separates several:
        ``old -> new`` in the equations, where * stands for anything and | for a new line;
        ``name = expression`` for one of the rule's numbers, or t; i is 0 for the first parameter and 1 for the second,
        other_g and other_m are those of the other parameter;
        ``shared``, ``fresh``: the averages of the other parameter, or new ones at each step; ``late``: p moves first
    text, hint : the likely mistake, and the way out, in a sentence each
    """

    key: str
    change: str
    text: str
    hint: str


def _rows(key: str, text: str, hint: str, *changes: str) -> list[Mistake]:
    """Return a row for each change that one mistake makes in different rules."""
    return [Mistake(key, change, text, hint) for change in changes]


# fmt: off
VARIANTS: list[Mistake] = [
    *_rows("", "the form with eps-hat: eps is added to the root of v before v is corrected (Kingma & Ba 2015, end of "
           "section 2; TensorFlow, Keras)", "", "(sqrt(c2 · *) + eps) -> (sqrt(c2) · (sqrt(*) + eps))"),
    *_rows("", "the form with eps inside the root, as in Keras", "", "g / (sqrt(s) + eps) -> g / sqrt(s + eps)"),
    *_rows("", "the form with eps inside the root, as in TensorFlow and Keras", "",
           "g / (sqrt(*) + eps) -> g / sqrt(* + eps)"),
    *_rows("", "the form that adds eps to the largest |g| where it divides, as in Keras", "",
           "abs(g) + eps -> abs(g); / u -> / (u + eps)"),
]
AVERAGES, CORRECTED = "for the averages' start at 0", "1 - beta^t"
RULE_MISTAKES: list[Mistake] = [
    # the averages
    *_rows("m and v swapped", "m and v have changed places", "m, the average of g, is above; the root of v is below.",
           "(c1 · m) / (sqrt(c2 · v) -> (c2 · v) / (sqrt(c1 · m)",
           "(c1 · m) / (sqrt(c2 · v) -> (c1 · v) / (sqrt(c2 · m)"),
    *_rows("betas swapped", "beta1 and beta2 have changed places", "beta1 belongs to m, beta2 to v.",
           "beta1 = beta2; beta2 = beta1"),
    *_rows("weights swapped", "beta and 1 - beta have changed places in an average",
           "The old average is kept with beta, the new value comes in with 1 - beta.",
           "beta1 · m + one_minus_beta1 · -> one_minus_beta1 · m + beta1 ·; "
           "beta2 · v + one_minus_beta2 · -> one_minus_beta2 · v + beta2 ·",
           "beta1 · m + one_minus_beta1 · -> one_minus_beta1 · m + beta1 ·",
           "beta2 · v + one_minus_beta2 · -> one_minus_beta2 · v + beta2 ·",
           "beta · v + one_minus_beta · -> one_minus_beta · v + beta ·",
           "beta · m + one_minus_beta · -> one_minus_beta · m + beta ·",
           "rho · v + one_minus_rho · -> one_minus_rho · v + rho ·", "one_minus_rho · ( -> (1 - one_minus_rho) · ("),
    *_rows("sum for average", "1 - beta is left out: a sum of fading gradients takes the place of their average",
           "The new value comes into the average with 1 - beta.",
           "one_minus_beta1 = 1; one_minus_beta2 = 1", "one_minus_beta1 = 1", "one_minus_beta2 = 1",
           "one_minus_beta = 1", "one_minus_rho = 1"),
    *_rows("average for sum", "the gradient comes into the velocity with 1 - momentum: an average, and shorter steps",
           "Here the velocity is a sum: momentum · v + g.", "momentum · v + g -> momentum · v + (1 - momentum) · g"),
    *_rows("g for g²", "v averages g where g² belongs", "Square the gradient, element by element: g * g.",
           "g · g -> g", "g · g -> abs(g)"),
    *_rows("m² for g²", "v averages the square of m, not of g", "Both averages take in the gradient itself.",
           "g · g -> m · m"),
    *_rows("abs forgotten", "the largest g is kept where the largest |g| belongs", "Take the absolute value: abs(g).",
           "abs(g) -> g"),
    *_rows("root forgotten", "the root is forgotten", "Divide by the root of the mean square: it has the unit of g.",
           "(sqrt(*) + eps) -> ((*) + eps)", "sqrt(s + eps) / sqrt(v + eps) -> (s + eps) / (v + eps)"),
    *_rows("average unused", "the step is along g, not along the average of the gradients",
           "The average is computed and then has to be used.", "(c1 · m) -> g", "c · v -> g", "lr · v -> lr · g",
           "sign(m) -> sign(g)"),
    *_rows("scale unused", "the step is not divided by the root of the mean square", "Divide by sqrt(v) + eps.",
           "/ (sqrt(*) + eps) -> "),
    *_rows("largest late", "the largest v is taken after the bias correction",
           "Keep the largest of the plain v, and correct that.",
           "maximum(x, v) -> maximum(x, c2 · v); sqrt(c2 · x) -> sqrt(x)"),
    *_rows("largest forgotten", "v is used where the largest v belongs", "Keep the largest v so far, and divide by it.",
           "c2 · x -> c2 · v"),
    *_rows("new velocity for old", "the formula with momentum² was given the new velocity; it is made for the old one",
           "Keep the velocity from before the step, or step along g + momentum · v.",
           "g + momentum · v) -> (1 + momentum) · g + momentum · momentum · v)"),
    # the bias correction
    *_rows("uncorrected", f"there is no correction {AVERAGES}",
           f"Divide each average by {CORRECTED} where it is used, with its own beta.",
           "c1 = 1; c2 = 1", "c = 1"),
    *_rows("m uncorrected", f"m is not corrected {AVERAGES}", f"Divide m by {CORRECTED} with beta1 where it is used.",
           "c1 = 1"),
    *_rows("v uncorrected", f"v is not corrected {AVERAGES}", f"Divide v by {CORRECTED} with beta2 where it is used.",
           "c2 = 1"),
    *_rows("corrected", "the average is corrected for its start at 0, and this rule uses it as it is",
           f"Leave {CORRECTED} out, or ask for the rule that has it.",
           "c = 1 / (1 - beta^t)", "sqrt(v) -> sqrt(v / (1 - rho^t))"),
    *_rows("multiplied", f"the averages are multiplied by {CORRECTED} instead of divided",
           "They start at 0 and are too small at first, so the correction has to make them larger: divide.",
           "c1 = 1 - beta1^t; c2 = 1 - beta2^t", "c1 = 1 - beta1^t", "c2 = 1 - beta2^t", "c = 1 - beta^t"),
    *_rows("upside down", "the correction is divided by the average", "Divide m by 1 - beta^t, not 1 - beta^t by m.",
           "(c1 · m) / (sqrt(c2 · v) -> (1 / (c1 · m)) / (sqrt(1 / (c2 · v))", "(c1 · m) -> (1 / (c1 · m))",
           "sqrt(c2 · v) -> sqrt(1 / (c2 · v))", "lr · c · v -> lr / (c · v)"),
    *_rows("beta squared", "the correction has beta^2 where beta^t belongs",
           "The power is t, the number of the step: it grows, and the correction fades.",
           "c1 = 1 / (1 - beta1^2); c2 = 1 / (1 - beta2^2)", "c1 = 1 / (1 - beta1^2)", "c2 = 1 / (1 - beta2^2)",
           "c = 1 / (1 - beta^2)"),
    *_rows("power forgotten", "the correction has beta where beta^t belongs",
           "The power is t, the number of the step: it grows, and the correction fades.",
           "c1 = 1 / (1 - beta1); c2 = 1 / (1 - beta2)", "c1 = 1 / (1 - beta1)", "c2 = 1 / (1 - beta2)",
           "c = 1 / (1 - beta)"),
    *_rows("beta times t", "the correction has beta · t where beta^t belongs", "Write beta**t, not beta * t.",
           "c1 = 1 / (1 - beta1 · t); c2 = 1 / (1 - beta2 · t)", "c1 = 1 / (1 - beta1 · t)",
           "c2 = 1 / (1 - beta2 · t)", "c = 1 / (1 - beta · t)"),
    *_rows("other beta", "a correction has the beta of the other average",
           "m was averaged with beta1 and v with beta2: correct each with its own.",
           "c1 = 1 / (1 - beta2^t); c2 = 1 / (1 - beta1^t)", "c2 = 1 / (1 - beta1^t)", "c1 = 1 / (1 - beta2^t)"),
    *_rows("t from 0", "t is counted from 0", "The first step is t = 1: at t = 0 the correction would divide by 0.",
           "t = t - 1"),
    *_rows("t late", "t runs one step ahead", "The first step is t = 1: count before the update, once.", "t = t + 1"),
    *_rows("t per parameter", "t grows with every parameter, not with every step",
           "All parameters of one step have the same t.", "t = 2 · t - 1 + i"),
    *_rows("written back", "the corrected averages are written back, and the next step averages them once more",
           "Give the corrected ones names of their own, and keep m and v as they are.",
           "p <- p - lr · (c1 · m) / (sqrt(c2 · v) -> m <- c1 · m | v <- c2 · v | p <- p - lr · m / (sqrt(v)",
           "p <- p - lr · (c1 · m) -> m <- c1 · m | p <- p - lr · m",
           "p <- p - lr · (c1 · m) / (sqrt(c2 · v) -> v <- c2 · v | p <- p - lr · (c1 · m) / (sqrt(v)",
           "p <- p - lr · (c1 · m) / (sqrt(c2 · x) -> m <- c1 · m | x <- c2 · x | p <- p - lr · m / (sqrt(x)",
           "p <- p - lr · c · v -> v <- c · v | p <- p - lr · v"),
    # eps
    *_rows("eps inside", "eps is inside the root", "Take the root first, then add eps: sqrt(v) + eps.",
           "(sqrt(*) + eps) -> sqrt(* + eps)"),
    *_rows("eps outside", "eps is outside the roots", "This rule adds eps before it takes the root: sqrt(v + eps).",
           "sqrt(s + eps) / sqrt(v + eps) -> (sqrt(s) + eps) / (sqrt(v) + eps)"),
    *_rows("eps forgotten", "eps is not in the denominator",
           "Divide by (sqrt(v) + eps), with the brackets, or a gradient that is always 0 gives 0 / 0.",
           "(sqrt(*) + eps) -> sqrt(*)", "sqrt(s + eps) / sqrt(v + eps) -> sqrt(s) / sqrt(v)",
           "/ (sqrt(*) + eps) -> / sqrt(*) + eps", "p - lr · */ (sqrt(*) + eps) -> p - lr · (*/ sqrt(*) + eps)"),
    *_rows("eps forgotten", "there is no eps", "Add eps to |g|, or a gradient that is always 0 gives 0 / 0. The paper "
           "(Kingma & Ba 2015, algorithm 2) leaves it out.", "abs(g) + eps -> abs(g)"),
    *_rows("eps late", "eps is added after v is corrected", "This rule adds eps to the root of the plain v.",
           "r / (sqrt(v) + eps) -> r / (sqrt(v) + eps · sqrt(1 - beta2^t))"),
    # the step
    *_rows("sign", "the step goes up the slope", "Subtract it: the gradient shows where the loss grows.",
           "p - lr -> p + lr"),
    *_rows("lr unused", "the learning rate is not used", "Multiply the step by lr.", "p - lr · -> p - 1 ·"),
    *_rows("lr squared", "the learning rate is used twice", "Multiply the step by lr once.",
           "p - lr · -> p - lr · lr ·"),
    *_rows("late", "p moves before the averages have seen this gradient: every gradient acts one step late",
           "Update the averages first, then p.", "late"),
    # weight decay
    *_rows("coupled decay", "the decay is added to the gradient, and so goes through m and v",
           "Shrink p itself, p · (1 - lr · weight_decay), and leave g as it is.",
           "p <- p · keep -> g <- g + weight_decay · p", "p <- keep · p -> g <- g + weight_decay · p | p <- p"),
    *_rows("decay forgotten", "there is no weight decay", "Multiply p by 1 - lr · weight_decay.", "keep = 1"),
    *_rows("decay without lr", "the decay is not multiplied by lr",
           "Multiply p by 1 - lr · weight_decay, as torch and Keras do. The paper (Loshchilov & Hutter 2019, "
           "algorithm 2) has no lr there, and a much smaller weight_decay.", "keep = 1 - weight_decay"),
    *_rows("decay grows", "the decay makes the weights larger", "Multiply p by 1 - lr · weight_decay.",
           "keep = 2 - keep"),
    # what is remembered
    *_rows("crossed", "the first parameter's average goes on from the second's, or takes in its gradient",
           "A name too few or a letter wrong: V_dW is made of V_dW and dW, V_db of V_db and db.",
           *(f"{beta} · {m} + {rest} -> {beta} · (({m}, other_{m})[i < 1]) + {rest}"
             for beta, m, rest in (("beta1", "m", "one_minus_beta1"), ("beta", "v", "one_minus_beta"))),
           *(f"{rest} · g -> {rest} · ((g, other_g)[i < 1])" for rest in ("one_minus_beta1", "one_minus_beta"))),
    *_rows("shared memory", "both parameters share their averages",
           "Every parameter needs averages of its own; keep them in state.", "shared"),
    *_rows("no memory", "the averages start from 0 again at every step",
           "Keep them in state between the steps: state.get(name, 0).", "fresh"),
]
# fmt: on
