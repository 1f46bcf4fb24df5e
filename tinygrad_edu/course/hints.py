"""The hints of our exercises, by name: each says more than the one before it, and none is the line itself."""

from __future__ import annotations

HINTS = {
    "chain_rule": (
        "Draw it as a line: w, x and b lead to u, and u leads to L. Which numbers stand on the way from L back to w?",
        "On the way back to w there are two: dL/du = 2 · u, and du/dw = x. They are multiplied.",
        "Work out u first, then du = 2 * u. The three answers are du times x, du times w, and du times 1.",
    ),
    "shared_variable": (
        "How many paths lead from x to L? Follow each with a finger, and write a share for each of them.",
        "Through a, the share of dL/dx is dL/da · da/dx, where dL/da = c. Through c: dL/dc · dc/dx, where dL/dc = a.",
        "dx = c * w + a. For w it is the same with the two letters exchanged.",
    ),
    "linear_layer": (
        "Write down the shapes before the formulas: g is (N, C), and each answer has the shape of its input.",
        "dL/dx has to become (N, D) from g, (N, C), and W, (D, C). Only one product of these two has this shape.",
        "dL/dx = g @ W.T. In dL/dW the sum is over n, the rows: x.T stands on the left. For b, add up the rows of g.",
    ),
    "activations": (
        "Each number goes its own way: nothing is summed, and there is no matrix product.",
        "The answer is g times the slope at a. The slope of relu is 1 or 0: (a > 0) is just that.",
        "With y = 1 / (1 + np.exp(-a)) the slope of the sigmoid is y * (1 - y); with y = np.tanh(a) it is 1 - y**2.",
    ),
    "broadcasting": (
        "Which axes does g have that the shape has not? They are the first ones, g.ndim - len(shape) of them.",
        "Sum over these first. Then look for axes where the shape says 1: sum there, too, with keepdims=True.",
        "g = g.sum(axis=tuple(range(g.ndim - len(shape)))), and then a loop over the axes, with "
        "`if n == 1: g = g.sum(axis=axis, keepdims=True)`.",
    ),
    "cross_entropy": (
        "First the probabilities, without overflow: take z.max(axis=1, keepdims=True) away from each row.",
        "ln p = s - ln(sum of e^s), row by row, with s the rows from the first hint. The loss picks one number in each "
        "row: logs[np.arange(N), labels].",
        "dz = np.exp(logs); take 1 away at (np.arange(N), labels); divide by N.",
    ),
    "network": (
        "Forward first, and keep a and h. Backward takes the same lines in the opposite order.",
        "dz is exercise 6. With it in the place of g, exercise 3 gives dW2, db2 and dh; exercise 4 da from dh.",
        "da = dh * (a > 0). Then dW1 = x.T @ da, and db1 is the sum of the rows of da.",
    ),
    "adam": (
        "Five lines, one for each line of the task, in its order. Two of the results are kept.",
        "m_hat and v_hat have names of their own: what is returned are m and v, without the correction.",
        "The division is by np.sqrt(v_hat) + eps: the root first, then eps is added. And g**2 is each number squared.",
    ),
    "slope": (
        "Write J as a small function inside of slope: then the formula of the task is one line.",
        "From w - h to w + h the way is 2 * h: divide by (2 * h), with the brackets.",
        "descend is a loop: `for _ in range(steps): w = w - lr * 2 * (w - a)`, with the new w each time.",
    ),
    "cost": (
        "error is an array, a number for each point. J, dJ/dw and dJ/db are one number each.",
        "J is (error**2).mean(). In dJ/dw each point has its own factor: its x.",
        "dJ/dw is the mean of 2 * error * x; in dJ/db the factor is 1.",
    ),
    "averages": (
        "A loop over the values, with V from the round before, and a list that grows.",
        "Two numbers in each round: V, which goes on, and V / (1 - beta**t), which goes into the list.",
        "`for t, x in enumerate(values, start=1)`: t is 1 for the first value. At the end np.array(the list).",
    ),
    "momentum": (
        "Two lines, and the first makes the v that the second uses.",
        "The average gets 1 - beta of the new slope: v = beta * v + (1 - beta) * g.",
        "Return p - lr * v and v, in this order, with the new v in both places.",
    ),
    "rmsprop": (
        "As momentum, but what is averaged is the square of the slope, and it divides.",
        "v = rho * v + (1 - rho) * g**2. The step itself has the plain g.",
        "p - lr * g / (np.sqrt(v) + eps): the root of the new v, then eps.",
    ),
    "schedule": (
        "e = t - 1 comes first: before update 1, none is done.",
        "min(e / warmup, 1) holds the first factor at 1; min(e / steps, 1) keeps the cosine from rising again.",
        "Multiply the three: lr, the first factor, and (1 + np.cos(np.pi * min(e / steps, 1))) / 2.",
    ),
    "initialisation": (
        "A generator from the seed, one call for a whole matrix, one factor.",
        "rng.standard_normal((n_in, n_out)) has variance 1. Multiplied by c, it has variance c².",
        "So c is the root: np.sqrt(2 / n_in). The biases are np.zeros(n_out).",
    ),
    "value": (
        "Begin with forward alone: __init__ keeps data, and grad = None; __add__ makes a new Value. What does the new "
        "one have to remember, so that one can go back?",
        "Its parents, and for each the derivative: for x * y the pairs (x, y.data) and (y, x.data). A plain number on "
        "the left calls __radd__, __rmul__ or __rsub__.",
        "backward(): sort the nodes, each after its parents; begin with 1 at the end; go through them backwards, and "
        "add to each parent the gradient of the node times the derivative.",
    ),
}
