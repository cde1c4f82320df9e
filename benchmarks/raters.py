"""Do raters come out as they are, and do utilities gain by it?

Raters give 50 votes each on random pairs of items. Three laws: "rate", right with a probability of their own whatever
the pair; "lapse", attentive with a probability, else blind; "sharpness", sharper or blunter. Three shapes of the
probabilities (of sharpness: their logits): uniform on [0.3, 1]; 35 % at 1/2 (spammers) and the others near 0.86; all
near 0.87. Shown: the correlation of the accuracy fitted with the true one, over that of an oracle that knows every true
answer (share of right answers on the same votes); ranking and held-out log loss against equal raters, paired; how often
intervals cover; who is named wrongly; crowd-kit's NoisyBradleyTerry, and its gradient against finite differences.

    python benchmarks/raters.py [--quick] [--seeds N] [--processes N] [--peer PYTHON] [--out FILE.json]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import Pool
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy.special import expit, logit
from scipy.stats import kendalltau, t

from heedful.core import Floats
from heedful.feedback import Table
from heedful.preference import fit
from heedful.preference.raters import fit_raters
from heedful.preference.raters_estimates import ADVERSARIAL_EDGE, CARELESS_EDGE, named

VOTES, HELD_OUT = 50, 20
LAWS = ("rate", "lapse", "sharpness")
SHAPES = ("uniform", "spammers", "high")
ALIKE = "equal"
PEER = Path(".peers/crowdkit/bin/python")

# Runs in the peer's own environment: its fit of votes in a file, and its gradient against finite differences.
PEER_CODE = """
import json, sys, time
import numpy as np, pandas as pd
from scipy.optimize import approx_fprime
from crowdkit.aggregation import NoisyBradleyTerry as Model
data = np.load(sys.argv[1])
frame = pd.DataFrame({name: data[name].astype(str) for name in ("worker", "left", "right", "label")})
begin = time.process_time()
fitted = Model(n_iter=100).fit(frame)
seconds = time.process_time() - begin
items, workers = 5, 8
rng = np.random.default_rng(0)
left = rng.integers(items, size=200)
right = (left + rng.integers(1, items, size=200)) % items
label = np.where(rng.random(200) < 0.6, left, right)
votes, who = np.stack([left, right, label], axis=1) + 1, rng.integers(workers, size=200)
x = rng.normal(size=1 + items + 2 * workers)
given = Model._compute_gradient(x, votes, who, items, workers, 1e-5)
true = approx_fprime(x, Model._compute_log_likelihood, 1e-7, votes, who, items, workers, 1e-5)
off = np.abs(given - true)
parts = {"items": off[1:6], "worker biases": off[6:14], "worker skills": off[14:]}
sizes = {"items": true[1:6], "worker biases": true[6:14], "worker skills": true[14:]}
skills = fitted.skills_
print(json.dumps({
    "skills": {str(k): float(v) for k, v in skills.items()},
    "scores": {str(k): float(v) for k, v in fitted.scores_.items()},
    "seconds": seconds,
    "gradient": {k: {"largest error": float(v.max()), "largest entry": float(np.abs(sizes[k]).max())}
                 for k, v in parts.items()},
}))
"""


@dataclass(frozen=True)
class Crowd:
    """Votes with what is true of them: `accuracy` [R], the oracle's share of right answers [R], utilities [n],
    reliability [R], and the edge over chance as a share of that of an attentive rater [R]."""

    table: Table
    held_out: Table
    accuracy: Floats
    oracle: Floats
    utility: Floats
    reliability: Floats
    edge: Floats


def rates(shape: str, count: int, rng: np.random.Generator) -> Floats:
    """Probabilities of a right answer [count]."""
    if shape == "uniform":
        return rng.uniform(0.3, 1, count)
    if shape == "spammers":
        return np.where(rng.random(count) < 0.35, 0.5, rng.beta(18, 3, count))
    return rng.beta(20, 3, count) if shape == "high" else np.full(count, 0.8)


def crowd(law: str, shape: str, raters: int, items: int, rng: np.random.Generator) -> Crowd:
    """VOTES votes to learn from, and HELD_OUT to predict, of each rater."""
    u = rng.normal(0, 1.5, items)
    p = rates(shape, raters, rng)
    each = VOTES + HELD_OUT
    rater = np.repeat(np.arange(raters), each)
    first = rng.integers(items, size=len(rater))
    second = (first + rng.integers(1, items, size=len(rater))) % items
    gap = u[first] - u[second]
    sharp = logit(np.clip(p, 0.02, 0.98))
    right = rng.random(len(rater)) < _chance(law, p[rater], sharp[rater], np.abs(gap))
    everything = np.abs(u[:, None] - u)[~np.eye(items, dtype=bool)]
    accuracy = np.array([_chance(law, a, s, everything).mean() for a, s in zip(p, sharp, strict=True)])
    frame = pl.DataFrame(
        {
            "id": np.arange(len(rater)).astype(str),
            "kind": ["comparison"] * len(rater),
            "systems": [[f"i{a:03d}", f"i{b:03d}"] for a, b in zip(first, second, strict=True)],
            "choice": np.where(right == (gap > 0), "first", "second"),
            "rater": [f"r{r:04d}" for r in rater],
        }
    )
    train = np.tile(np.arange(each) < VOTES, raters)
    table, held_out = (Table.shaped(frame.filter(pl.Series(chosen))) for chosen in (train, ~train))
    oracle = np.bincount(rater[train], right[train], raters) / VOTES
    attentive = float(_chance(law, 1.0, np.abs(sharp).mean(), everything).mean())
    reliability = 2 * p - 1 if law != "sharpness" else sharp / np.abs(sharp).mean()
    edge = (accuracy - 0.5) / (attentive - 0.5)
    return Crowd(table, held_out, accuracy, oracle, u, reliability, edge)


def _chance(law: str, p: Any, sharp: Any, gap: Floats) -> Floats:
    if law == "rate":
        return np.asarray(p + np.zeros_like(gap))
    if law == "lapse":
        return np.asarray(0.5 + (2 * p - 1) * (expit(gap) - 0.5))
    return np.asarray(expit(sharp * gap))


def generator(law: str, shape: str, raters: int, items: int, seed: int) -> np.random.Generator:
    """A generator of its own for each crowd of each cell, so that rows are independent of one another."""
    return np.random.default_rng([seed, LAWS.index(law), (*SHAPES, ALIKE).index(shape), raters, items])


def run(law: str, shape: str, raters: int, items: int, seed: int) -> dict[str, float]:
    """One crowd: how well raters and items come out, by the raters' fit and with equal raters."""
    made = crowd(law, shape, raters, items, generator(law, shape, raters, items, seed))
    begin = time.process_time()
    fitted = fit_raters(made.table)
    seconds = time.process_time() - begin
    equal = fit(made.table, clusters="none")
    where = [int(name[1:]) for name in fitted.items.names]
    accuracy = np.array([rater.accuracy.value for rater in fitted.raters])
    losses = [-model.predict(made.held_out).log_prob for model in (fitted, equal)]
    known = np.isfinite(losses[0]) & np.isfinite(losses[1])
    result = {
        "tau": kendalltau(fitted.items.mean, made.utility[where])[0],
        "tau, equal": kendalltau(equal.mean, made.utility[[int(name[1:]) for name in equal.names]])[0],
        "log loss": losses[0][known].mean(),
        "log loss, equal": losses[1][known].mean(),
        "seconds": seconds,
        "converged": float(bool(fitted.model["converged"])),
        "lapse": float(fitted.model["rater_model"] == "lapse"),
    }
    if shape != ALIKE:
        mine, oracle = (np.corrcoef(one, made.accuracy)[0, 1] for one in (accuracy, made.oracle))
        result |= {"correlation": mine, "oracle": oracle, "ratio": mine / oracle}
        result |= _named(fitted, made) | _covered(fitted, made, law)
    return {name: float(value) for name, value in result.items()}


def _named(fitted: Any, made: Crowd) -> dict[str, float]:
    """How many raters are named, and how many of them wrongly."""
    wrong = {"adversarial": made.edge >= -ADVERSARIAL_EDGE, "careless": np.abs(made.edge) >= CARELESS_EDGE}
    found = {}
    for trait, not_so in wrong.items():
        chosen = named(np.array([getattr(rater, trait) for rater in fitted.raters]))
        found |= {trait: len(chosen), f"{trait}, wrongly": not_so[chosen].sum(), f"{trait}, true": (~not_so).sum()}
    return found


def _covered(fitted: Any, made: Crowd, law: str) -> dict[str, float]:
    """How many intervals of reliability hold the truth, where the law is the one fitted."""
    if law not in (fitted.model["rater_model"], "rate") or (law == "rate" and fitted.model["rater_model"] != "lapse"):
        return {"covered": 0, "intervals": 0}
    spans = [rater.reliability.interval for rater in fitted.raters]
    kept = [
        span is not None and span.low <= true <= span.high for span, true in zip(spans, made.reliability, strict=True)
    ]
    return {"covered": sum(kept), "intervals": sum(span is not None for span in spans)}


def summary(cell: tuple[str, str, int, int], runs: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Means over seeds; paired differences with 95 % t intervals over seeds."""
    law, shape, raters, items = cell
    row: dict[str, Any] = {"law": law, "shape": shape, "raters": raters, "items": items, "seeds": len(runs)}
    both = {name: np.array([one[name] for one in runs]) for name in runs[0]}
    row |= {name: float(values.mean()) for name, values in both.items()}
    if "ratio" in both:
        row |= {"worst ratio": float(both["ratio"].min()), "coverage": _share(both["covered"], both["intervals"])}
        for trait in ("adversarial", "careless"):
            row[f"{trait}, wrong share"] = _share(both[f"{trait}, wrongly"], both[trait])
    for name in ("tau", "log loss"):
        gain = both[name] - both[f"{name}, equal"]
        row[f"{name}, difference"] = interval(gain)
    return row


def interval(values: Floats) -> list[float]:
    """Mean and 95 % t interval of independent values."""
    mean, count = float(values.mean()), len(values)
    half = float(t.ppf(0.975, count - 1) * values.std(ddof=1) / np.sqrt(count)) if count > 1 else float("nan")
    return [mean, mean - half, mean + half]


def _share(part: Floats, whole: Floats) -> float | None:
    return float(part.sum() / whole.sum()) if whole.sum() else None


def peer(python: Path, shape: str, raters: int, items: int, seed: int, folder: Path) -> dict[str, Any]:
    """crowd-kit's fit to the same votes (law "rate"), and its gradient's errors."""
    made = crowd("rate", shape, raters, items, generator("rate", shape, raters, items, seed))
    left, right = (made.table.frame["systems"].list.get(side).to_numpy().astype(str) for side in (0, 1))
    first = (made.table.frame["choice"] == "first").to_numpy()
    file = folder / "votes.npz"
    worker = made.table.frame["rater"].to_numpy().astype(str)
    np.savez(file, worker=worker, left=left, right=right, label=np.where(first, left, right))
    done = subprocess.run([python, "-c", PEER_CODE, file], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    skills = np.array([found["skills"][f"r{r:04d}"] for r in range(raters)])
    oracle = np.corrcoef(made.oracle, made.accuracy)[0, 1]
    scores = [found["scores"][f"i{i:03d}"] for i in range(items)]
    return {
        "shape": shape,
        "ratio": float(np.corrcoef(skills, made.accuracy)[0, 1] / oracle),
        "tau": float(kendalltau(scores, made.utility)[0]),
        "seconds": found["seconds"],
        "gradient": found["gradient"],
    }


def large(raters: int, votes: int, items: int) -> dict[str, float]:
    """Seconds of processor time for many votes, without and with the order shown."""
    rng = np.random.default_rng(0)
    tables = [crowd("lapse", "spammers", raters, items, rng).table for _ in range(votes // (raters * VOTES))]
    table = Table.concat(tables)
    shown = Table.shaped(table.frame.with_columns(shown=pl.lit(True)))
    found = {}
    for name, one in (("order unknown", table), ("order shown", shown)):
        begin = time.process_time()
        fit_raters(one, model="lapse", clusters="none")
        found[name] = time.process_time() - begin
    return {"votes": float(len(table)), "raters": raters, "items": items, **found}


HEADER = """| law | shape | raters x items | oracle | ratio | worst | cover | adv. | careless | Δ tau | Δ loss |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"""


def show(row: dict[str, Any]) -> None:
    cells = [row.get(name) for name in ("oracle", "ratio", "worst ratio", "coverage")]
    cells += [row.get(f"{trait}, wrong share") for trait in ("adversarial", "careless")]
    shown = " | ".join("" if value is None else f"{value:.3f}" for value in cells)
    gains = " | ".join("{:+.4f} [{:+.4f}, {:+.4f}]".format(*row[f"{name}, difference"]) for name in ("tau", "log loss"))
    print(f"| {row['law']} | {row['shape']} | {row['raters']} x {row['items']} | {shown} | {gains} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--peer", type=Path, default=PEER)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    seeds = 2 if args.quick else args.seeds
    shapes = ("spammers",) if args.quick else SHAPES
    cells = [(law, shape, 200, 20) for law in LAWS for shape in shapes]
    cells += [("sharpness", ALIKE, 200, 20)]
    if not args.quick:
        cells += [("rate", shape, 500, 40) for shape in SHAPES]
    rows = []
    print(HEADER)
    with Pool(args.processes) as pool:
        for cell in cells:
            rows.append(summary(cell, pool.starmap(run, [(*cell, seed) for seed in range(seeds)], chunksize=1)))
            show(rows[-1])
    result: dict[str, Any] = {"votes per rater": VOTES, "cells": rows}
    if not args.quick:
        result["large"] = large(1000, 100_000, 100)
        print(result["large"])
    if args.peer.exists() and not args.quick:
        with tempfile.TemporaryDirectory() as folder:
            result["crowd-kit"] = [
                peer(args.peer, shape, 200, 20, s, Path(folder)) for shape in SHAPES for s in range(3)
            ]
        for row in result["crowd-kit"]:
            print(row)
    elif not args.quick:
        print(f"no {args.peer}: crowd-kit==1.4.2 is not compared")
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
