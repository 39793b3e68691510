"""Slow, obvious derivatives to compare with, and the forward pass they differentiate."""

import numpy as np

ACTIVATION = {"relu": lambda z: np.where(z > 0, z, 0), "tanh": np.tanh, "sigmoid": lambda z: 1 / (1 + np.exp(-z))}


def plain_logits(net, x):
    """The network by the book, for real or complex x."""
    for layer in net.dense[:-1]:
        x = ACTIVATION[net.activation](x @ layer.W + layer.b)
    return x @ net.dense[-1].W + net.dense[-1].b


def central(f, v, h=1e-5):
    """`(f(v + h e) - f(v - h e)) / 2h` for each unit vector e: shape (*f(v).shape, *v.shape)."""
    columns = []
    for i in range(v.size):
        e = np.zeros(v.size)
        e[i] = h
        e = e.reshape(v.shape)
        columns.append((np.asarray(f(v + e)) - np.asarray(f(v - e))) / (2 * h))
    return np.moveaxis(np.array(columns), 0, -1).reshape(*np.shape(columns[0]), *v.shape)


def complex_step(f, v, h=1e-30):
    """`Im f(v + i h e) / h`: no difference is taken, so nothing cancels and h can be tiny.     v (d,), f(v) (k,)"""
    return np.array([np.imag(f(v + 1j * h * e)) / h for e in np.eye(len(v))]).T
