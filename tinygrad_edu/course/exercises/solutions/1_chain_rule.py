def gradient(w, x, b):
    u = w * x + b
    du = 2 * u
    return du * x, du * w, du
