"""Three methods on the same split of digits, two seeds each: accuracy and bytes.

    python examples/comparison.py

`limbeck-lab compare` does the same with charts, resumes where it was stopped, and takes any setting.
"""

from statistics import median

import limbeck

METHODS = ("local", "dsfl:open_per_round=300", "fedct:open_per_round=300")
SEEDS = (0, 1)


def quiet(line: str) -> None:
    """Show no round."""


def run(method: str, seed: int) -> limbeck.Simulation:
    """Simulate a method with a seed."""
    folder = f"runs/comparison/{method.partition(':')[0]}-{seed}"
    settings = {"model.name": "none", "data.alpha": 0.3}
    return limbeck.simulate(
        method, clients=4, model="mlp", rounds=2, seed=seed, settings=settings, folder=folder, show=quiet
    )


if __name__ == "__main__":
    print(f"{'method':<26}{'accuracy':>9}{'kB per client':>15}")
    for method in METHODS:
        runs = [run(method, seed) for seed in SEEDS]
        accuracy = median(each.accuracy or 0 for each in runs)
        print(f"{method:<26}{accuracy:>9.3f}{runs[0].bytes_per_client / 1000:>15.1f}")
