class Value:
    def __init__(self, data, parents=()):
        self.data, self.grad, self.parents = float(data), None, parents  # parents: (Value, derivative)

    def __add__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data + other.data, ((self, 1.0), (other, 1.0)))

    def __mul__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data * other.data, ((self, other.data), (other, self.data)))

    __radd__, __rmul__ = __add__, __mul__

    def __sub__(self, other):
        return self + other * -1.0

    def backward(self):
        order, seen = [], set()

        def visit(node):
            if node not in seen:
                seen.add(node)
                for parent, _ in node.parents:
                    visit(parent)
                order.append(node)

        visit(self)
        grads = dict.fromkeys(order, 0.0)
        grads[self] = 1.0
        for node in reversed(order):
            node.grad = grads[node]
            for parent, derivative in node.parents:
                grads[parent] += grads[node] * derivative


Tensor = Value
