"""Clicks on pages that show the better outputs first: how far off are utilities, with positions and without?

    python benchmarks/positions.py [--quick] [--sets N]

Eight systems, two nats from worst to best, 3,000 pages of six outputs a set. Printed for each law of clicks: how much
the fit adds to the distance from worst to best (mean over sets ± standard error, nats), and how often intervals of
95 % hold the truth.
"""

from __future__ import annotations

import argparse

import numpy as np

from heedful.preference import fit
from heedful.worlds.positions import logged

TRUTH = np.linspace(-1, 1, 8)
LAWS = {"shifts the logit": False, "is examined or not": True}


def measured(sets: int, pages: int, examined: bool, positions: bool) -> tuple[np.ndarray, float]:
    """By how much each set overstates the distance [sets], and the coverage."""
    errors, inside = [], []
    for seed in range(sets):
        table = logged(TRUTH, pages, rng=np.random.default_rng(seed), examined=examined).table(positions=positions)
        fitted = fit(table, draws=2)
        assert fitted.covariance is not None
        errors.append(fitted.mean - TRUTH)
        inside.append(np.abs(errors[-1]) < 1.96 * np.sqrt(np.diag(fitted.covariance)))
    return np.array(errors)[:, -1] - np.array(errors)[:, 0], float(np.mean(inside))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two sets, to see that it runs")
    parser.add_argument("--sets", type=int, default=100)
    options = parser.parse_args()
    sets, pages = (2, 300) if options.quick else (options.sets, 3000)
    print(f"{'position':20}{'fitted':12}{'overstated (nats)':>20}{'coverage':>10}")
    for law, examined in LAWS.items():
        for name, positions in (("without", False), ("by position", True)):
            over, coverage = measured(sets, pages, examined, positions)
            print(f"{law:20}{name:12}{over.mean():>12.3f} ± {over.std() / np.sqrt(sets):.3f}{coverage:>10.3f}")


if __name__ == "__main__":
    main()
