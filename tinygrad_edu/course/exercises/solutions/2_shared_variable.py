def gradient(x, w):
    a, c = x * w, x + w
    da, dc = c, a
    dx = da * w
    dx += dc
    dw = da * x
    dw += dc
    return dx, dw
