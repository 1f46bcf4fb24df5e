def momentum(p, g, v, lr, beta):
    v = beta * v + (1 - beta) * g
    return p - lr * v, v
