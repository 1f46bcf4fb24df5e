"""The table of a model."""

import io

import pytest

import tinygrad_edu as tg


class Two(tg.Layer):
    def __init__(self):
        self.first = tg.Sequential(tg.Linear(4, 3, rng=0), tg.Dropout(0.5, rng=0))
        self.scale = tg.Tensor(2.0, requires_grad=True)
        self.more = [tg.Linear(3, 3, bias=False, rng=1), {"a": tg.BatchNorm1d(3)}]
        self.tied = self.first[0]

    def forward(self, x):
        return self.more[1]["a"](self.more[0](self.first(x))) * self.scale


def test_summary_shows_each_layer_with_its_shapes_and_leaves_no_trace():
    model = Two()
    state, text = model.state_dict(), io.StringIO()
    model.summary(file=text)
    lines = [line.split() for line in text.getvalue().splitlines()]
    assert lines[0] == ["layer", "kind", "in", "->", "out", "parameters"]
    assert lines[1] == ["-", "Two", "(N,", "4)", "->", "(N,", "3)", "1"]  # a parameter of its own
    assert lines[2] == ["first.layers.0", "Linear", "(N,", "4)", "->", "(N,", "3)", "15"]
    assert lines[-1] == ["total", "31"]
    assert sum(int(line[-1]) for line in lines[1:-1]) == 31  # the layer that is used twice counts once
    assert all((state[k] == v).all() for k, v in model.state_dict().items())
    assert model.first[1].training
    assert "forward" not in vars(model.first[0])
    with pytest.raises(ValueError, match="call summary"):
        tg.Sequential(tg.Flatten(), tg.ReLU()).summary()
    tg.Sequential(tg.Flatten(), tg.Linear(6, 2)).summary(input_shape=(2, 3), file=text)
    assert "(N, 2, 3)" in text.getvalue()
