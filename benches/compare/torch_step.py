"""Seconds per training step in PyTorch, f32, batch 128 unless said: what `step.py` does in JAX, by the same definitions.

    python torch_step.py LOSS [--problem quadratic|double_well] [--batch 128] [--compiled] [--device cuda] [--steps 10] [--rounds 12]

LOSS is rollout, socm_adjoint, adjoint_matching, relative_entropy, log_variance, cross_entropy or socm. With `--compiled` one
time step, and all that follows a simulation, go through `torch.compile`; the loop over time stays in Python, because a compiler that
unrolls two hundred steps takes minutes. A round is `--steps` training steps, and the device is waited for after each round.
Prints the loss and the median seconds per step.
"""
import argparse
import time

import numpy as np
import torch
from torch.nn.functional import relu

parser = argparse.ArgumentParser()
parser.add_argument("loss")
parser.add_argument("--problem", choices=["quadratic", "double_well"], default="quadratic")
parser.add_argument("--batch", type=int, default=128)
parser.add_argument("--compiled", action="store_true")
parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
parser.add_argument("--steps", type=int, default=10)
parser.add_argument("--rounds", type=int, default=12)
args = parser.parse_args()

torch.set_default_device(args.device)
torch.manual_seed(0)
compiled = torch.compile if args.compiled else lambda f: f
WELL = args.problem == "double_well"
D, K, B, T = (10, 200, args.batch, 1.0) if WELL else (20, 50, args.batch, 1.0)
A, P, Q = 0.2, 0.2, 0.1
KAPPA = torch.where(torch.arange(D) < 3, 5.0, 1.0)
NU = torch.where(torch.arange(D) < 3, 3.0, 1.0)
H = T / K
TIMES = torch.linspace(0.0, T, K + 1)
X0 = (0.0 if WELL else 0.5) * torch.tensor(np.random.default_rng(0).standard_normal(D), dtype=torch.float32)
UP, UQ = torch.triu_indices(K, K)


def affine(n, m, scale=1.0):
    bound = scale / np.sqrt(n)
    uniform = lambda *shape: (2 * bound * torch.rand(shape) - bound).requires_grad_()
    return uniform(n, m), uniform(m)


def control_net():
    sizes = [(D + 1, 256), (256, 128), (128, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, D), (D + 1, D)]
    return [affine(*s) for s in sizes]


def kernel_net():
    sizes = [(2, 128), (128, 128), (128, D * D)]
    rate = torch.tensor(6.0 if WELL else 2.0).requires_grad_()
    return {"layers": [affine(*s, 0.1) for s in sizes], "rate": rate}


def control(net, t, x):
    """u = -N(t, x), N the U-Net 256-128-64 with a linear skip at each level."""
    f = lambda i, y: y @ net[i][0] + net[i][1]
    r0 = torch.cat([x, t.expand(x.shape[:-1] + (1,))], -1)
    r1 = relu(f(0, r0))
    r2 = relu(f(1, r1))
    r3 = relu(f(2, r2))
    o2 = relu(f(3, r3)) + f(4, r2)
    o1 = relu(f(5, o2)) + f(6, r1)
    return -(relu(f(7, o1)) + f(8, r0))


def kernel(net, t, s):
    y = torch.stack([t, s], -1)
    for i, (w, b) in enumerate(net["layers"]):
        y = y @ w + b
        y = relu(y) if i < 2 else y
    e = torch.exp(-net["rate"] * (s - t))[..., None, None]
    return e * torch.eye(D) + (1 - e) * y.reshape(y.shape[:-1] + (D, D))


def drift(x):
    """At zero control."""
    return -4 * KAPPA * x * (x * x - 1) if WELL else A * x


def slope(x):
    """The diagonal of the drift's Jacobian."""
    return -4 * KAPPA * (3 * x * x - 1) if WELL else A


def running_gradient(x):
    return torch.zeros_like(x) if WELL else 2 * P * x


def terminal_gradient(x):
    return 4 * NU * x * (x * x - 1) if WELL else 2 * Q * x


def running(x):
    return torch.zeros(x.shape[:-1]) if WELL else P * (x * x).sum(-1)


def terminal(x):
    return (NU * (x * x - 1) ** 2).sum(-1) if WELL else Q * (x * x).sum(-1)


@compiled
def advance(net, t, x, w):
    u = control(net, t, x)
    return x + H * (drift(x) + u) + w, u


def simulate(net):
    """Left points of the states, controls and noise increments, each [K, B, D], and the last state."""
    dw = H**0.5 * torch.randn(K, B, D)
    x, xs, us = X0.expand(B, D).contiguous(), [], []
    for k in range(K):
        xs.append(x)
        x, u = advance(net, TIMES[k], x, dw[k])
        us.append(u)
    return torch.stack(xs), torch.stack(us), dw, x


def weight(xs, vs, dw, last):
    cost = H * (0.5 * (vs * vs).sum(-1) + running(xs)).sum(0) + terminal(last)
    return torch.exp(-cost - (vs * dw).sum((0, 2)))


@compiled
def back(a, x, y, trapezoid):
    at = lambda x: slope(x) * a + running_gradient(x)
    return a + H * (0.5 * (at(x) + at(y)) if trapezoid else at(y))


def adjoint(xs, last, trapezoid):
    """The lean adjoint at the left points and at the end."""
    end = terminal_gradient(last)
    a, y, path = end, last, []
    for x in reversed(xs.unbind()):
        a, y = back(a, x, y, trapezoid), x
        path.append(a)
    return torch.stack(path[::-1]), end


@compiled
def spent(xs, us, last):
    return (H * (0.5 * (us * us).sum(-1) + running(xs)).sum(0) + terminal(last)).mean()


@compiled
def matching(params, z, xs, vs, dw, last, path, a):
    """What every loss but the cost itself makes of paths that were simulated."""
    net = params["u"]
    us = control(net, TIMES[:-1, None, None], xs)
    alpha = weight(xs, vs, dw, last)
    z = 0.998 * z + 0.002 * alpha.mean()
    if args.loss == "adjoint_matching":
        return (H * (0.5 * ((us + path) ** 2).sum(-1)).sum(0)).mean(), z
    if args.loss == "log_variance":
        y = H * (0.5 * (us * us).sum(-1) - (us * vs).sum(-1) - running(xs)).sum(0) - terminal(last)
        return torch.var(y - (us * dw).sum((0, 2))), z
    if args.loss == "cross_entropy":
        y = H * (0.5 * (us * us).sum(-1) - (us * vs).sum(-1)).sum(0) - (us * dw).sum((0, 2))
        return (alpha * y).mean() / z, z
    end = control(net, TIMES[-1], last)
    if args.loss == "socm_adjoint":
        off = ((us + path) ** 2).sum(-1).sum(0) + ((end + a) ** 2).sum(-1)
        return (alpha * off).mean() / (K + 1) / z, z
    t, s = TIMES[UP], TIMES[UQ]
    m, dm = torch.func.jvp(lambda s: kernel(params["m"], t, s), (s,), (torch.ones_like(s),))
    m = torch.zeros(K, K, D, D).index_put((UP, UQ), m)
    dm = torch.zeros(K, K, D, D).index_put((UP, UQ), dm)
    to_end = kernel(params["m"], TIMES[:-1], torch.full((K,), T))
    kick = H * vs + dw
    w = (torch.einsum("tij,bj->tbi", to_end, terminal_gradient(last))
         + torch.einsum("tsij,sbj->tbi", m, H * running_gradient(xs) - slope(xs) * kick)
         + torch.einsum("tsij,sbj->tbi", dm, kick))
    off = ((us + w) ** 2).sum(-1).sum(0) + ((end + terminal_gradient(last)) ** 2).sum(-1)
    return (alpha * off).mean() / (K + 1) / z, z


def loss(params, z):
    if args.loss == "relative_entropy":
        xs, us, _, last = simulate(params["u"])
        return spent(xs, us, last), z
    with torch.no_grad():
        xs, vs, dw, last = simulate(params["u"])
        path, a = adjoint(xs, last, args.loss == "socm_adjoint") if "adjoint" in args.loss else (None, None)
    return matching(params, z, xs, vs, dw, last, path, a)


def wait():
    if args.device.startswith("cuda"):
        torch.cuda.synchronize()


def median(run):
    times = []
    for _ in range(args.rounds + 2):
        start = time.perf_counter()
        for _ in range(args.steps):
            run()
        wait()
        times.append(time.perf_counter() - start)
    return float(np.median(times[2:])) / args.steps


def leaves(tree):
    if isinstance(tree, torch.Tensor):
        return [tree]
    return [leaf for branch in (tree.values() if isinstance(tree, dict) else tree) for leaf in leaves(branch)]


params = {"u": control_net()}
if args.loss == "rollout":
    def run():
        with torch.no_grad():
            simulate(params["u"])
else:
    if args.loss == "socm":
        params["m"] = kernel_net()
    rates = {"u": 1e-4, "m": 1e-3}
    optimizer = torch.optim.Adam([{"params": leaves(params[k]), "lr": rates[k]} for k in params], eps=1e-4)
    z = torch.tensor(0.05)

    def run():
        global z
        optimizer.zero_grad()
        value, z = loss(params, z)
        z = z.detach()
        value.backward()
        optimizer.step()

print(f"{args.loss} {median(run):.6f}")
