"""Runs the rows of the comparison; `run.sh` sets up what it needs.

    python compare.py [rounds] [row…]

SOCRUN names another binary than target/release/socrun.
"""
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SOCRUN = os.environ.get("SOCRUN", "target/release/socrun")
LOSSES = ["socm_adjoint", "adjoint_matching", "relative_entropy", "log_variance", "cross_entropy", "socm"]
ROLLOUTS = {"rollout": 128, "rollout_1024": 1024}
ROWS = list(ROLLOUTS) + LOSSES + ["double_well", "sampling", "simulation_1", "simulation_10"]


def run(command):
    """Output, seconds and peak memory in MB of a process."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        start = time.perf_counter()
        child = subprocess.Popen(command, stdout=out, stderr=err)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - start
        out.seek(0), err.seek(0)
        if status != 0:
            sys.exit(f"{' '.join(command)} failed:\n{err.read()}")
        return out.read() + err.read(), seconds, usage.ru_maxrss / 1024


def ours(row, folder):
    def training(file, *more, what="median"):
        text, _, memory = run([SOCRUN, file, "--backend", "cpu", *more, "-q", "--json", "--timing", "--out", folder])
        lines = next(line for line in text.splitlines() if line.startswith("{"))
        cell = json.loads(lines)["cells"][0]
        # Of a schedule every program has a floor of its own.
        floors = re.findall(r"the floor is ([0-9.]+) ms", text)
        return cell["seconds_per_step"][what], memory, float(floors[0]) / 1e3 if len(floors) == 1 else None

    if row.startswith("simulation"):
        d = row.split("_")[1]
        _, seconds, memory = run([SOCRUN, f"{HERE}/simulation.soc", "--backend", "cpu", "--set", f"d={d}", "-q", "--out", folder])
        return seconds, memory, None
    if row == "double_well":
        return training(f"{HERE}/double_well.soc", "--steps", "12")
    if row in ROLLOUTS:
        return training(f"{HERE}/rollout.soc", "--set", f"batch={ROLLOUTS[row]}")
    if row == "sampling":
        return training(f"{HERE}/sampling.soc", what="mean")
    value = "socm(_, _, M)" if row == "socm" else row
    return training(f"{HERE}/quadratic.soc", "--set", f"L=[{value}]", "--steps", "60")


def theirs(row):
    if row.startswith("simulation"):
        command = ["simulation.py", row.split("_")[1], "--rounds", "2"]
    elif row in ROLLOUTS:
        command = ["step.py", "rollout", "--batch", str(ROLLOUTS[row]), "--rounds", "6"]
    elif row == "sampling":
        command = ["sampling.py"]
    elif row == "double_well":
        command = ["step.py", "socm", "--problem", "double_well", "--fused", "2", "--rounds", "3"]
    else:
        command = ["step.py", row, "--rounds", "6"]
    text, _, memory = run([sys.executable, f"{HERE}/{command[0]}", *command[1:]])
    return float(re.search(r"^\S+ ([0-9.]+)$", text, re.M).group(1)), memory


def main():
    arguments = sys.argv[1:]
    rounds = int(arguments.pop(0)) if arguments and arguments[0].isdigit() else 5
    print("| row | ours, ms | JAX, ms | JAX / ours | floor, ms | floor / ours | ours, MB | JAX, MB |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for row in arguments or ROWS:
            pairs = [(ours(row, folder), theirs(row)) for _ in range(rounds)]
            mine, other = (statistics.median(p[i][0] for p in pairs) * 1e3 for i in (0, 1))
            memory = [max(p[i][1] for p in pairs) for i in (0, 1)]
            ratio = statistics.median(j[0] / o[0] for o, j in pairs)
            floor = pairs[0][0][2]
            least = f"{1e3 * floor:.1f} | {100e3 * floor / mine:.0f} %" if floor else "– | –"
            print(
                f"| `{row}` | {mine:.1f} | {other:.1f} | {ratio:.2f} | {least} | {memory[0]:.0f} | {memory[1]:.0f} |",
                flush=True,
            )


main()
