def backward(x, W, g):
    return g @ W.T, x.T @ g, g.sum(axis=0)
