"""A rule of one's own that is not complete is refused with what to write, when an optimizer of it is made."""

import numpy as np
import pytest

import tinygrad_edu as tg


def plain(p, g, lr):
    for i in range(p.size):
        p[i] -= lr * g[i]


def pushed(p, g, v, w, lr, momentum):
    for i in range(p.size):
        v[i] = momentum * v[i] + g[i]
        w[i] = v[i]
        p[i] -= lr * w[i]


PLAIN, PUSHED = (staticmethod(tg.kernels.kernel(f)) for f in (plain, pushed))
LR, BOTH = {"lr": 0.1}, {"lr": 0.1, "momentum": 0.5}


def scalars(value):
    return lambda self, t, lr: value


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"hyper": LR}, "Mine has no kernel; write kernel = staticmethod(f), where f is the function under"),
        ({"kernel": "plain", "hyper": LR}, "Mine.kernel has to be a plain function; write kernel = staticmethod(f)"),
        ({"kernel": plain, "hyper": LR}, "Mine.kernel has to be a plain function; write kernel = staticmethod(f)"),
        ({"kernel": PLAIN}, 'Mine has no hyper-parameter lr; write hyper = {"lr": 0.01}, with all'),
        ({"kernel": PLAIN, "hyper": {"rate": 0.1}}, 'Mine has no hyper-parameter lr; write hyper = {"lr": 0.01}'),
        (
            {"kernel": PUSHED, "hyper": BOTH},
            "the kernel pushed(p, g, v, w, lr, momentum) is given p, g, the 0 of Mine.state, and the 2 of Mine.hyper; "
            "write state = ('v', 'w')",
        ),
        ({"kernel": PUSHED, "hyper": BOTH, "state": ("v",)}, "write state = ('v', 'w')"),
        (
            {"kernel": PUSHED, "hyper": BOTH, "state": "velocity"},
            "Mine.state is a tuple of names; write state = ('velocity',)",
        ),
        ({"kernel": PLAIN, "hyper": LR, "state": ("v",)}, "write state = ()"),
        (
            {"kernel": PLAIN, "hyper": BOTH},
            "the kernel plain(p, g, lr) is given p, g, the 0 of Mine.state, and the 2 of Mine.hyper; change its "
            "arguments, or have scalars(self, t, lr, momentum) return its numbers",
        ),
        (
            {"kernel": PUSHED, "hyper": LR, "state": ("v", "w")},
            "and the 1 of Mine.hyper; change its arguments, or have",
        ),
        (
            {"kernel": PLAIN, "hyper": LR, "scalars": scalars((1.0, 2.0))},
            "and the 2 of Mine.scalars; change its arguments, or have scalars(self, t, lr) return",
        ),
        (
            {"kernel": PLAIN, "hyper": LR, "scalars": scalars(0.1)},
            "Mine.scalars returns the kernel's numbers as a tuple",
        ),
        (
            {"kernel": PLAIN, "hyper": BOTH, "scalars": scalars((0.1,))},
            "Mine.scalars is given t and the hyper-parameters: too many positional arguments; write def scalars(self, "
            "t, lr, momentum)",
        ),
        ({"kernel": PUSHED, "hyper": BOTH, "state": ("w", "v")}, "takes v, w, but Mine.state has w, v; use one order"),
    ],
)
def test_a_rule_that_is_not_complete_says_what_to_write(body, message):
    p = tg.Tensor([1.0], requires_grad=True)
    with pytest.raises(TypeError) as caught:
        type("Mine", (tg.Optimizer,), body)([p])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_numbers_in_another_order_than_the_kernels_are_refused():
    def turned(p, g, momentum, lr):
        p -= lr * momentum * g

    body = {"kernel": staticmethod(turned), "hyper": {"momentum": 0.5, "lr": 0.1}}
    with pytest.raises(TypeError, match=r"takes momentum, lr, but Mine\.hyper has lr, momentum; use one order"):
        type("Mine", (tg.Optimizer,), body)([tg.Tensor([1.0], requires_grad=True)])


def test_scalars_that_need_what_start_prepares_are_asked_at_the_first_step():
    class Mine(tg.Optimizer):
        kernel, hyper = PLAIN, LR

        def start(self):
            self.half = 0.5

        def scalars(self, t, lr):
            return (lr * self.half,)

    p = tg.Tensor([1.0, 2.0], requires_grad=True)
    optimizer = Mine([p], lambda t: 0.5)
    p.grad = np.array([4.0, 8.0])
    optimizer.step()
    assert p.numpy().tolist() == [0.0, 0.0]


def test_an_init_of_its_own_may_set_the_kernel():
    class Mine(tg.Optimizer):
        def __init__(self, params):
            self.kernel, self.hyper = plain, LR
            super().__init__(params, 0.5)

    p = tg.Tensor([1.0], requires_grad=True)
    optimizer = Mine([p])
    p.grad = np.array([2.0])
    optimizer.step()
    assert p.numpy().tolist() == [0.0]
