"""The nets that a peer starts from, as parameters that `error.soc` can take: `python start.py start.safetensors`.

The peer draws with JAX's key 0: its first part is the key of the control net, the second that of the kernel net. Its U-Net
takes the time before the state, and its weights are stored [inputs, outputs].
"""
import json
import struct
import sys

import jax
import numpy as np

D = 20
KEYS = jax.random.split(jax.random.key(0), 3)


def affine(key, n, m, scale=1.0):
    """Weights [m, n] and biases [m], uniform within scale/sqrt(n)."""
    bound = n**-0.5
    a, b = jax.random.split(key)
    weights = scale * jax.random.uniform(a, (n, m), minval=-bound, maxval=bound)
    return np.asarray(weights).T, np.asarray(scale * jax.random.uniform(b, (m,), minval=-bound, maxval=bound))


def time_last(weights, biases):
    return np.roll(weights, -1, axis=1), biases


def control_net():
    """Layers in the order in which the U-Net of `std.nets` draws its own."""
    drawn = {
        "down0": (D + 1, 256), "down1": (256, 128), "down2": (128, 64),
        "skip0": (D + 1, D), "skip1": (256, 256), "skip2": (128, 128),
        "up2": (64, 128), "up1": (128, 256), "up0": (256, D),
    }
    layers = {name: affine(key, *size) for key, (name, size) in zip(jax.random.split(KEYS[0], len(drawn)), drawn.items())}
    down, unet = "descent.", "unet."
    level = unet + down
    places = [
        ("down0", level), ("down1", 2 * level), ("down2", 3 * level), ("up2", 2 * level + unet), ("skip2", 2 * level + unet),
        ("up1", level + unet), ("skip1", level + unet), ("up0", unet), ("skip0", unet),
    ]
    return [(place, time_last(*layers[name]) if name in ("down0", "skip0") else layers[name]) for name, place in places]


def kernel_net():
    sizes = [(2, 128), (128, 128), (128, D * D)]
    layers = [affine(key, *size, 0.1) for key, size in zip(jax.random.split(KEYS[1], 3), sizes)]
    return [("kernel." + (i + 1) * "mlp.", layer) for i, layer in enumerate(layers)]


def entries():
    yield "M.0.kernel.gamma", np.float32(2.0)
    for net, first, layers in (("M", 1, kernel_net()), ("V", 0, control_net())):
        for i, (place, (weights, biases)) in enumerate(layers):
            yield f"{net}.{first + 2 * i}.{place}linear.W", weights
            yield f"{net}.{first + 2 * i + 1}.{place}linear.c", biases


def write(path):
    header, data = {}, b""
    for name, values in entries():
        bytes_ = np.ascontiguousarray(values, "<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(np.shape(values)), "data_offsets": [len(data), len(data) + len(bytes_)]}
        data += bytes_
    head = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(head)) + head + data)


write(sys.argv[1])
