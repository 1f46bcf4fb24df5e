def slope(a, b, w, h):
    def J(w):
        return a * w**3 + b * w

    return (J(w + h) - J(w - h)) / (2 * h)


def descend(a, w, lr, steps):
    for _ in range(steps):
        w = w - lr * 2 * (w - a)
    return w
