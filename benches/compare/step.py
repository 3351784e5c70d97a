"""Seconds per training step in JAX, f32, batch 128 unless said: the quadratic Ornstein-Uhlenbeck problem with d = 20 and 50 steps,
or the double well with d = 10 and 200 steps.

    python step.py LOSS [--problem quadratic|double_well] [--batch 128] [--fused 10] [--rounds 12]

LOSS is rollout, socm_adjoint, adjoint_matching, relative_entropy, log_variance, cross_entropy or socm. `--fused` training
steps run inside one compiled loop. Prints the loss and the median seconds per step.
"""
import argparse
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax

parser = argparse.ArgumentParser()
parser.add_argument("loss")
parser.add_argument("--problem", choices=["quadratic", "double_well"], default="quadratic")
parser.add_argument("--batch", type=int, default=128)
parser.add_argument("--fused", type=int, default=10)
parser.add_argument("--rounds", type=int, default=12)
args = parser.parse_args()

WELL = args.problem == "double_well"
D, K, B, T = (10, 200, args.batch, 1.0) if WELL else (20, 50, args.batch, 1.0)
A, P, Q = 0.2, 0.2, 0.1
KAPPA = jnp.where(jnp.arange(D) < 3, 5.0, 1.0)
NU = jnp.where(jnp.arange(D) < 3, 3.0, 1.0)
H = T / K
TIMES = jnp.linspace(0.0, T, K + 1)
X0 = (0.0 if WELL else 0.5) * jnp.asarray(np.random.default_rng(0).standard_normal(D), jnp.float32)
UP, UQ = np.triu_indices(K)


def affine(key, n, m, scale=1.0):
    bound = scale / np.sqrt(n)
    a, b = jax.random.split(key)
    return jax.random.uniform(a, (n, m), minval=-bound, maxval=bound), jax.random.uniform(b, (m,), minval=-bound, maxval=bound)


def control_net(key):
    sizes = [(D + 1, 256), (256, 128), (128, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, D), (D + 1, D)]
    return [affine(k, *s) for k, s in zip(jax.random.split(key, len(sizes)), sizes)]


def kernel_net(key):
    sizes = [(2, 128), (128, 128), (128, D * D)]
    return {"layers": [affine(k, *s, 0.1) for k, s in zip(jax.random.split(key, 3), sizes)], "rate": jnp.float32(6.0 if WELL else 2.0)}


def control(net, t, x):
    """u = -N(t, x), N the U-Net 256-128-64 with a linear skip at each level."""
    f = lambda i, y: y @ net[i][0] + net[i][1]
    r0 = jnp.concatenate([x, jnp.broadcast_to(t, x.shape[:-1] + (1,))], -1)
    r1 = jax.nn.relu(f(0, r0))
    r2 = jax.nn.relu(f(1, r1))
    r3 = jax.nn.relu(f(2, r2))
    o2 = jax.nn.relu(f(3, r3)) + f(4, r2)
    o1 = jax.nn.relu(f(5, o2)) + f(6, r1)
    return -(jax.nn.relu(f(7, o1)) + f(8, r0))


def kernel(net, t, s):
    y = jnp.stack([t, s], -1)
    for i, (w, b) in enumerate(net["layers"]):
        y = y @ w + b
        y = jax.nn.relu(y) if i < 2 else y
    e = jnp.exp(-net["rate"] * (s - t))[..., None, None]
    return e * jnp.eye(D) + (1 - e) * y.reshape(y.shape[:-1] + (D, D))


def drift(x):
    """At zero control."""
    return -4 * KAPPA * x * (x * x - 1) if WELL else A * x


def slope(x):
    """The diagonal of the drift's Jacobian."""
    return -4 * KAPPA * (3 * x * x - 1) if WELL else A


def running_gradient(x):
    return jnp.zeros_like(x) if WELL else 2 * P * x


def terminal_gradient(x):
    return 4 * NU * x * (x * x - 1) if WELL else 2 * Q * x


def simulate(net, key):
    """Left points of the states, controls and noise increments, each [K, B, D], and the last state."""
    dw = jnp.sqrt(H) * jax.random.normal(key, (K, B, D))

    def step(x, item):
        t, w = item
        u = control(net, t, x)
        return x + H * (drift(x) + u) + w, (x, u)

    last, (xs, us) = jax.lax.scan(step, jnp.broadcast_to(X0, (B, D)), (TIMES[:-1], dw))
    return xs, us, dw, last


def running(x):
    return jnp.zeros(x.shape[:-1]) if WELL else P * jnp.sum(x * x, -1)


def terminal(x):
    return jnp.sum(NU * (x * x - 1) ** 2, -1) if WELL else Q * jnp.sum(x * x, -1)


def weight(xs, vs, dw, last):
    cost = H * jnp.sum(0.5 * jnp.sum(vs * vs, -1) + running(xs), 0) + terminal(last)
    return jnp.exp(-cost - jnp.sum(vs * dw, (0, 2)))


def adjoint(xs, last, trapezoid):
    """The lean adjoint at the left points and at the end."""
    end = terminal_gradient(last)
    nxt = jnp.concatenate([xs[1:], last[None]])

    def back(a, pair):
        x, y = pair
        at = lambda x: slope(x) * a + running_gradient(x)
        a = a + H * (0.5 * (at(x) + at(y)) if trapezoid else at(y))
        return a, a

    _, path = jax.lax.scan(back, end, (xs, nxt), reverse=True)
    return path, end


def loss(params, z, key):
    net = params["u"]
    if args.loss == "relative_entropy":
        xs, us, _, last = simulate(net, key)
        return jnp.mean(H * jnp.sum(0.5 * jnp.sum(us * us, -1) + running(xs), 0) + terminal(last)), z
    xs, vs, dw, last = jax.lax.stop_gradient(simulate(jax.lax.stop_gradient(net), key))
    us = control(net, TIMES[:-1, None, None], xs)
    alpha = weight(xs, vs, dw, last)
    z = 0.998 * z + 0.002 * jnp.mean(alpha)
    if args.loss == "adjoint_matching":
        path, _ = adjoint(xs, last, False)
        return jnp.mean(H * jnp.sum(0.5 * jnp.sum((us + path) ** 2, -1), 0)), z
    if args.loss == "log_variance":
        y = H * jnp.sum(0.5 * jnp.sum(us * us, -1) - jnp.sum(us * vs, -1) - running(xs), 0) - terminal(last)
        return jnp.var(y - jnp.sum(us * dw, (0, 2)), ddof=1), z
    if args.loss == "cross_entropy":
        y = H * jnp.sum(0.5 * jnp.sum(us * us, -1) - jnp.sum(us * vs, -1), 0) - jnp.sum(us * dw, (0, 2))
        return jnp.mean(alpha * y) / z, z
    end = control(net, TIMES[-1], last)
    if args.loss == "socm_adjoint":
        path, a = adjoint(xs, last, True)
        off = jnp.sum(jnp.sum((us + path) ** 2, -1), 0) + jnp.sum((end + a) ** 2, -1)
        return jnp.mean(alpha * off) / (K + 1) / z, z
    t, s = TIMES[UP], TIMES[UQ]
    m, dm = jax.jvp(lambda s: kernel(params["m"], t, s), (s,), (jnp.ones_like(s),))
    m = jnp.zeros((K, K, D, D)).at[UP, UQ].set(m)
    dm = jnp.zeros((K, K, D, D)).at[UP, UQ].set(dm)
    to_end = kernel(params["m"], TIMES[:-1], jnp.full(K, T))
    kick = H * vs + dw
    w = (jnp.einsum("tij,bj->tbi", to_end, terminal_gradient(last))
         + jnp.einsum("tsij,sbj->tbi", m, H * running_gradient(xs) - slope(xs) * kick)
         + jnp.einsum("tsij,sbj->tbi", dm, kick))
    off = jnp.sum(jnp.sum((us + w) ** 2, -1), 0) + jnp.sum((end + terminal_gradient(last)) ** 2, -1)
    return jnp.mean(alpha * off) / (K + 1) / z, z


def median(run):
    times = []
    for _ in range(args.rounds + 2):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return float(np.median(times[2:]))


keys = jax.random.split(jax.random.key(0), 3)
params = {"u": control_net(keys[0])}
if args.loss == "rollout":
    go = jax.jit(lambda p, k: jax.lax.map(lambda k: simulate(p, k)[3], jax.random.split(k, args.fused)))
    seconds = median(lambda: jax.block_until_ready(go(params["u"], keys[2])))
else:
    if args.loss == "socm":
        params["m"] = kernel_net(keys[1])
    rates = {"u": optax.adam(1e-4, eps=1e-4), "m": optax.adam(1e-3, eps=1e-4)}
    optimizer = optax.multi_transform(rates, {k: k for k in params})
    state = (params, optimizer.init(params), jnp.float32(0.05))

    def one(state, key):
        params, memory, z = state
        (value, z), gradient = jax.value_and_grad(loss, has_aux=True)(params, z, key)
        move, memory = optimizer.update(gradient, memory, params)
        return (optax.apply_updates(params, move), memory, z), value

    many = jax.jit(lambda state, key: jax.lax.scan(one, state, jax.random.split(key, args.fused)))

    def run():
        global state
        state, value = many(state, keys[2])
        jax.block_until_ready((state, value))

    seconds = median(run)
print(f"{args.loss} {seconds / args.fused:.6f}")
