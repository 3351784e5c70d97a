"""Seconds per inner step of adjoint sampling in JAX, f32, on 25 Gaussians: a round simulates 256 paths of 40 steps, takes
the gradient of the energy at their ends, keeps the newest 2,560, and makes 100 inner steps of 512 bridges each.

    python sampling.py [--rounds 20]

A round is one compiled call. Prints the median seconds of a round over its inner steps.
"""
import argparse
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax

parser = argparse.ArgumentParser()
parser.add_argument("--rounds", type=int, default=20)
args = parser.parse_args()

D, K, FRESH, INNER, KEEP, ROWS, WIDTH = 2, 40, 256, 100, 2560, 512, 64
LOW, HIGH, S2 = 0.3, 4.5, 0.3
RHO = HIGH / LOW
LINES = 3.0 * (jnp.arange(5) - 2.0)
CENTRES = jnp.stack(jnp.meshgrid(LINES, LINES), -1).reshape(-1, 2)


def sigma(t):
    return LOW * RHO ** (1 - t) * jnp.sqrt(2 * jnp.log(RHO))


def variance(t):
    """Of the state at t without control, and so of its increments."""
    return HIGH**2 * (1 - RHO ** (-2 * t))


GRID_VARIANCE = float(sum(np.asarray(sigma(k / K)) ** 2 / K for k in range(K)))


def relative(x):
    squares = ((x - CENTRES) ** 2).sum(-1)
    energy = -jax.scipy.special.logsumexp(-squares / (2 * S2)) + np.log(25 * 2 * np.pi * S2)
    return energy - (x**2).sum() / (2 * GRID_VARIANCE)


def affine(key, n, m, scale=1.0):
    bound = scale / np.sqrt(n)
    a, b = jax.random.split(key)
    return jax.random.uniform(a, (n, m), minval=-bound, maxval=bound), jax.random.uniform(b, (m,), minval=-bound, maxval=bound)


def net(key):
    k = jax.random.split(key, 7)
    blocks = [(affine(k[2 + 2 * i], WIDTH, WIDTH), affine(k[3 + 2 * i], WIDTH, WIDTH, 0.1)) for i in range(2)]
    return {"w": 6 * jax.random.normal(k[0], (16,)), "start": affine(k[1], D + 32, WIDTH), "blocks": blocks, "end": affine(k[6], WIDTH, D, 0.1)}


def forward(p, x, t):
    through = lambda layer, y: y @ layer[0] + layer[1]
    phase = t[:, None] * p["w"]
    y = through(p["start"], jnp.concatenate([0.2 * x, jnp.cos(phase), jnp.sin(phase)], -1))
    for first, second in p["blocks"]:
        y = y + through(second, jax.nn.relu(through(first, y)))
    return through(p["end"], jax.nn.relu(y))


optimizer = optax.adam(1e-3)


def inner(ends, slopes, count):
    def one(carry, key):
        p, state = carry
        a, b, c = jax.random.split(key, 3)
        rows = jax.random.randint(a, (ROWS,), 0, count)
        t = jax.random.uniform(b, (ROWS,))
        x1, slope = ends[rows], slopes[rows]
        share = variance(t) / variance(1.0)
        spread = jnp.sqrt(share * (variance(1.0) - variance(t)))
        x = share[:, None] * x1 + spread[:, None] * jax.random.normal(c, (ROWS, D))
        gradient = jax.grad(lambda p: ((forward(p, x, t) + slope) ** 2).sum(-1).mean())(p)
        change, state = optimizer.update(gradient, state)
        return (optax.apply_updates(p, change), state), None

    return one


@jax.jit
def round_(p, state, ends, slopes, number, key):
    draws, rest = jax.random.split(key)

    def step(x, one):
        t, z = one
        u = sigma(t) * forward(p, x, jnp.full((FRESH,), t))
        return x + sigma(t) * (u / K + z / np.sqrt(K)), None

    noise = jax.random.normal(draws, (K, FRESH, D))
    x, _ = jax.lax.scan(step, jnp.zeros((FRESH, D)), (jnp.arange(K) / K, noise))
    slope = jax.vmap(jax.grad(relative))(x)
    norm = jnp.linalg.norm(slope, axis=-1, keepdims=True)
    slope = slope * jnp.minimum(1.0, 100.0 / jnp.maximum(norm, 1e-30))
    place = (number * FRESH) % KEEP
    ends = jax.lax.dynamic_update_slice(ends, x, (place, 0))
    slopes = jax.lax.dynamic_update_slice(slopes, slope, (place, 0))
    count = jnp.minimum((number + 1) * FRESH, KEEP)
    (p, state), _ = jax.lax.scan(inner(ends, slopes, count), (p, state), jax.random.split(rest, INNER))
    return p, state, ends, slopes


p = net(jax.random.PRNGKey(0))
state = optimizer.init(p)
ends, slopes = jnp.zeros((KEEP, D)), jnp.zeros((KEEP, D))
times = []
for number in range(args.rounds + 1):
    start = time.perf_counter()
    p, state, ends, slopes = jax.block_until_ready(round_(p, state, ends, slopes, number, jax.random.PRNGKey(number + 1)))
    times.append((time.perf_counter() - start) / INNER)
print(f"second moment {float((ends**2).sum(-1).mean()):.3f}")
print(f"sampling {sorted(times[1:])[args.rounds // 2]:.6f}")
