"""How long D-optimal designs take: batches out of a million pairs, and shares of lists against plain Frank-Wolfe.

    python benchmarks/designs.py [--quick] [--out FILE]

Processor seconds of one thread. The floor beside `frank_wolfe_design` is Frank and Wolfe's method written plainly: each
step computes every leverage anew from the features and moves weight to the greatest, by exact line search.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import brentq
from threadpoolctl import threadpool_limits

from heedful.core import Floats
from heedful.elicitation import Design, Lists, design_of_pairs, frank_wolfe_design

TOLERANCE = 0.01


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What it gives, and the processor seconds it took."""
    begin = time.process_time()
    return work(), time.process_time() - begin


def batches(items: int, features: int, pairs: int, batch: int = 64) -> dict[str, float]:
    """A batch of pairs of random items under a random posterior, and what random pairs would tell."""
    rng = np.random.default_rng(0)
    x, root = rng.normal(size=(items, features)), rng.normal(size=(features, features)) / features
    first = rng.integers(items, size=pairs)
    second = (first + rng.integers(1, items, size=pairs)) % items
    covariance, weights = root @ root.T, root @ rng.normal(size=features)
    (_, gains), seconds = timed(
        lambda: design_of_pairs(x, first, second, batch, covariance=covariance, weights=weights)
    )
    drawn = rng.choice(pairs, batch, replace=False)
    _, plain = design_of_pairs(x, first[drawn], second[drawn], batch, covariance=covariance, weights=weights)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    told = {"nats": float(gains.sum()), "nats_of_random": float(plain.sum())}
    sizes = {"items": items, "features": features, "pairs": pairs, "batch": batch}
    return sizes | {"cpu_seconds": seconds, "peak_mb": peak} | told


def shares(items: int, features: int, lists: int, size: int, floor_seconds: float) -> list[dict[str, Any]]:
    """Designs of random lists to a gap of 1 %: in full, by samples, and the floor as far as it gets in its time."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(items, features))
    members = np.stack([rng.choice(items, size, replace=False) for _ in range(min(lists, 100_000))])
    if lists > len(members):  # too many to draw one by one: neighbours in random orders are lists of different items
        orders = -(-lists // (items // size))
        members = np.concatenate([rng.permutation(items)[: items // size * size] for _ in range(orders)])
        members = members.reshape(-1, size)[:lists]
    asked = Lists.of(members, x @ rng.normal(size=features) / np.sqrt(features))
    sizes = {"items": items, "features": features, "lists": lists, "size": size}
    sample = max(lists // 50, 1000)
    found = []
    for name, work in {
        "whole pool": lambda: frank_wolfe_design(x, asked, tolerance=TOLERANCE),
        f"samples of {sample:,}": lambda: frank_wolfe_design(x, asked, tolerance=TOLERANCE, sample=sample, rng=rng),
    }.items():
        design, seconds = timed(work)
        found.append(sizes | {"method": name} | row(design, seconds))
    if floor_seconds:
        design, seconds = timed(lambda: plain_frank_wolfe(x, asked, floor_seconds))
        found.append(sizes | {"method": "plain Frank-Wolfe"} | row(design, seconds))
    return found


def row(design: Design, seconds: float) -> dict[str, Any]:
    gap = design.gap / design.dimension
    return {"cpu_seconds": seconds, "steps": design.steps, "support": len(design.rows), "relative_gap": gap}


def plain_frank_wolfe(x: Floats, lists: Lists, seconds: float) -> Design:
    """From all lists alike, until the gap is 1 % or the processor seconds are spent."""
    n, d = len(lists), x.shape[1]
    weights, begin, steps = np.full(n, 1 / n), time.process_time(), 0
    information = x.T @ (lists.laplacian(weights, len(x)) @ x)
    while True:
        spread = x @ np.linalg.inv(np.linalg.cholesky(information)).T
        leverage = lists.leverages(spread)
        best = int(leverage.argmax())
        if leverage[best] <= (1 + TOLERANCE) * d or time.process_time() - begin > seconds:
            log_det, gap = float(np.linalg.slogdet(information)[1]), float(leverage[best] - d)
            return Design(np.flatnonzero(weights), weights[weights > 0], log_det, gap, d, steps)
        size = np.linalg.eigvalsh(lists.take(np.array([best])).gram(spread)[0])
        told = lists.about(best, x)
        share = line_search(size, d)
        weights *= 1 - share
        weights[best] += share
        information = (1 - share) * information + share * told @ told.T
        steps += 1


def line_search(size: Floats, dimension: int) -> float:
    """The share of a list of these eigenvalues [r] beside the design that maximises log det."""

    def slope(share: float) -> float:
        return float((size - 1) @ (1 / (1 - share + share * size))) - (dimension - len(size)) / (1 - share)

    return float(brentq(slope, 0, 1 - 1e-9))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with threadpool_limits(1):
        if options.quick:
            result = {"batches": [batches(500, 32, 20_000)], "shares": shares(100, 8, 1000, 4, 0.5)}
        else:
            result = {
                "batches": [batches(10_000, 384, 1_000_000), batches(100_000, 384, 1_000_000)],
                "shares": [
                    *shares(1000, 36, 10_000, 4, 20.0),
                    *shares(1000, 128, 10_000, 4, 20.0),
                    *shares(10_000, 36, 1_000_000, 2, 20.0),
                ],
            }
    for part, rows in result.items():
        for own in rows:
            shown = (f"{value:.4g}" if isinstance(value, float) else f"{value}" for value in own.values())
            print(part, " ".join(f"{name}={value}" for name, value in zip(own, shown, strict=True)))
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
