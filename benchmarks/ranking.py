"""Rating items by comparisons, from integer arrays to strengths: time, memory and error beside other programs.

    python benchmarks/ranking.py [--quick] [--part times|coverage] [--rounds N] [--only PART ...] [--sets N]
        [--out FILE]

Each run is a process of its own, each program in the virtual environment .peers/NAME (absent ones are skipped, and it
says so); rounds alternate between programs. A run reports the median of its calls (as many as fit into two seconds,
five at most), its processor time, and the peak of memory over what was held before. `error` is the largest difference
of centred log-strengths from a maximum likelihood fit of the same objective, computed here by other code.

Data: log-strengths N(0, 1), pairs uniform at random, Davidson ties (ν = 0.5). Then, by simulation, whether the
intervals hold what they promise.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
# As exact as was asked of us.
CORRECT = 1e-6
SIZES = {"100 x 20k": (100, 20_000), "100 x 5M": (100, 5_000_000), "10k x 1M": (10_000, 1_000_000)}
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OPENBLAS", "OMP", "MKL", "NUMBA")}


def generate(path: Path, items: int, rows: int) -> Path:
    rng = np.random.default_rng(0)
    strength = rng.normal(size=items)
    first = rng.integers(0, items, rows, dtype=np.int32)
    second = ((first + rng.integers(1, items, rows, dtype=np.int32)) % items).astype(np.int32)
    half = (strength[first] - strength[second]) / 2
    win, loss = np.exp(half), np.exp(-half)
    point = rng.random(rows) * (win + loss + 0.5)
    outcome = np.where(point < win, 1, np.where(point < win + loss, -1, 0)).astype(np.int8)
    np.savez(path, first=first, second=second, outcome=outcome, items=items)
    return path


# Methods: from the arrays, what to do before the clock starts, returning (prepare, fit). `fit` takes what `prepare`
# returned and gives centred log-strengths, or None where there is nothing to compare with the reference.


def heedful(task: str, **options: Any) -> Callable[..., Any]:
    def method(first: Any, second: Any, outcome: Any, items: int) -> Any:
        from heedful.preference.counting import count
        from heedful.preference.ratings import rate, rate_counts

        few = slice(0, 1000)
        rate(first[few] % 5, first[few] % 5 + 1, outcome[few]).interval()  # imports what is imported when first used

        def fit(counts: Any) -> Any:
            if task == "update":
                return counts.update(first[-10_000:], second[-10_000:], outcome[-10_000:]).strengths
            if task == "bootstrap":
                drawn = rate_counts(counts, interval=None, **options).bootstrap(1000, 0)
                assert drawn.unplaced == 0
                return None
            ratings = rate(first, second, outcome, items, **options)
            if options.get("interval", "sandwich"):
                assert not np.isnan(ratings.interval().low).any()
            return ratings.strengths if options.get("model", "bradley_terry") == "bradley_terry" else None

        def prepare() -> Any:
            if task == "update":
                return rate_counts(count(first[:-10_000], second[:-10_000], outcome[:-10_000], items), interval=None)
            return count(first, second, outcome, items) if task == "bootstrap" else None

        return prepare, fit

    return method


def counting_loop(first: Any, second: Any, outcome: Any, items: int) -> Any:
    import numba

    @numba.njit
    def loop(first: Any, second: Any, outcome: Any, items: int) -> Any:
        counts = np.zeros(3 * items * items, np.int64)
        for row in range(len(first)):
            counts[(first[row] * items + second[row]) * 3 + outcome[row] + 1] += 1
        return counts

    loop(first[:10], second[:10], outcome[:10], items)

    def fit(_: Any) -> None:
        loop(first, second, outcome, items)

    return lambda: None, fit


def evalica(first: Any, second: Any, outcome: Any, items: int) -> Any:
    import evalica as peer

    winner = {0: peer.Winner.Draw, 1: peer.Winner.X, -1: peer.Winner.Y}

    def prepare() -> Any:
        return first.tolist(), second.tolist(), [winner[v] for v in outcome.tolist()]

    def fit(data: Any) -> Any:
        return np.log(peer.bradley_terry(*data).scores.reindex(range(items)).to_numpy())

    return prepare, fit


def choix(first: Any, second: Any, outcome: Any, items: int) -> Any:
    """Iterated Luce spectral ranking on the matrix of wins.

    The library has no way from comparisons to that matrix: it is counted here for it, with NumPy.
    """
    import choix as peer

    def prepare() -> Any:
        swapped = outcome == -1
        above, below = np.where(swapped, second, first), np.where(swapped, first, second)
        weight = np.where(outcome == 0, 0.5, 1.0)
        key = above.astype(np.int64) * items + below
        wins = np.bincount(key, weight, items * items).reshape(items, items)
        tied = outcome == 0
        back = second[tied].astype(np.int64) * items + first[tied]
        return wins + np.bincount(back, minlength=items * items).reshape(items, items) / 2

    return prepare, lambda wins: peer.ilsr_pairwise_dense(wins)


def choix_pairs(first: Any, second: Any, outcome: Any, items: int) -> Any:
    """The same on the list of (winner, loser) that its documentation starts from; ties are left out."""
    import choix as peer

    def prepare() -> Any:
        swapped, decided = outcome == -1, outcome != 0
        above, below = np.where(swapped, second, first)[decided], np.where(swapped, first, second)[decided]
        return list(zip(above.tolist(), below.tolist(), strict=True))

    def fit(data: Any) -> None:
        peer.ilsr_pairwise(items, data, alpha=1e-6)

    return prepare, fit


def arena_rank(intervals: bool) -> Callable[..., Any]:
    def method(first: Any, second: Any, outcome: Any, items: int) -> Any:
        import jax
        import pandas as pd
        from arena_rank.models.bradley_terry import BradleyTerry
        from arena_rank.utils.data_utils import PairDataset

        winner = np.array(["model_b", "tie", "model_a"], dtype=object)[outcome + 1]
        frame = pd.DataFrame({"model_a": first, "model_b": second, "winner": winner})

        def fit(data: Any) -> Any:
            model = BradleyTerry(n_competitors=items)
            if not intervals:
                model.fit(data)
                return np.asarray(jax.block_until_ready(model.params["ratings"]))
            found = model.compute_ratings_and_cis(data, ci_method="sandwich")
            return (np.asarray(jax.block_until_ready(found["ratings"])) - 1000) / model.alpha

        return lambda: PairDataset.from_pandas(frame), fit

    return method


def unique_cells(first: Any, second: Any, outcome: Any, items: int, data: Path) -> Any:
    """In the manner of FastChat, written here: distinct (first, second, outcome) with their numbers, then L-BFGS.

    Its tolerances are loosened from the tightest by factors of ten while it still meets `CORRECT`, before the clock
    starts; where none does, they are the tightest.
    """
    from scipy.optimize import minimize

    def fit(gtol: Any) -> Any:
        key = (first.astype(np.int64) * items + second) * 3 + outcome + 1
        cell, number = np.unique(key, return_counts=True)
        a, b, won = cell // 3 // items, cell // 3 % items, cell % 3 / 2
        weight = number / number.sum()

        def loss(x: Any) -> Any:
            d = x[a] - x[b]
            residual = weight * (won - 1 / (1 + np.exp(-d)))
            gradient = np.bincount(a, residual, items) - np.bincount(b, residual, items)
            return float(weight @ (np.logaddexp(0, d) - won * d)), -gradient

        options = {"maxiter": 10_000, "maxfun": 20_000, "gtol": gtol, "ftol": 1e-15}
        return minimize(loss, np.zeros(items), jac=True, method="L-BFGS-B", options=options).x

    gtol = 1e-12
    for looser in 10.0 ** np.arange(-11, -5):
        if wrong(fit(looser), data) >= CORRECT:
            break
        gtol = looser
    return lambda: gtol, fit


def wrong(found: Any, data: Path) -> float:
    """The largest difference of centred log-strengths from the reference."""
    return float(np.abs(found - found.mean() - np.load(data.with_suffix(".reference.npy"))).max())


METHODS: dict[str, tuple[str, Callable[..., Any], tuple[str, ...], bool]] = {  # environment, method, sizes, slow
    "one compiled counting loop (numba)": ("numba", counting_loop, ("100 x 20k", "100 x 5M"), False),
    "heedful: strengths": ("", heedful("rate", interval=None), tuple(SIZES), False),
    "heedful: strengths + sandwich": ("", heedful("rate"), tuple(SIZES), False),
    "heedful: Davidson + sandwich": ("", heedful("rate", model="davidson"), ("100 x 5M", "10k x 1M"), False),
    "heedful: Rao-Kupper + sandwich": ("", heedful("rate", model="rao_kupper"), ("100 x 5M",), False),
    "heedful: Thurstone + sandwich": ("", heedful("rate", model="thurstone"), ("100 x 5M",), False),
    "heedful: 1,000 bootstrap fits": ("", heedful("bootstrap"), ("100 x 20k", "100 x 5M"), False),
    "heedful: 1,000 bootstrap fits, Davidson": ("", heedful("bootstrap", model="davidson"), ("100 x 5M",), False),
    "heedful: 10,000 comparisons more": ("", heedful("update"), ("100 x 20k", "100 x 5M"), False),
    "evalica": ("evalica", evalica, tuple(SIZES), False),
    "choix, matrix of wins": ("choix", choix, ("100 x 20k", "100 x 5M"), False),
    "choix, list of pairs": ("choix", choix_pairs, ("100 x 20k", "100 x 5M"), True),
    "arena-rank": ("arena-rank", arena_rank(False), ("100 x 20k", "100 x 5M", "10k x 1M"), True),
    "arena-rank + sandwich": ("arena-rank", arena_rank(True), ("100 x 20k", "100 x 5M"), True),
    "FastChat-style (unique cells, L-BFGS)": ("", unique_cells, tuple(SIZES), False),
}


def memory(what: str) -> float:
    """VmRSS (held now) or VmHWM (held at most) of this process, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) * 1024 / 1e6


def one(name: str, data: Path) -> dict[str, Any]:
    """Run a method in this process."""
    with np.load(data) as file:
        first, second, outcome, items = file["first"], file["second"], file["outcome"], int(file["items"])
    method = METHODS[name][1]
    known = {"data": data} if method is unique_cells else {}
    prepare, fit = method(first, second, outcome, items, **known)
    result, prepared, found = clocked(prepare, fit)
    if found is not None:
        result["error"] = wrong(found, data)
    if method is unique_cells:
        result["gtol"] = prepared
    return result


def clocked(prepare: Callable[[], Any], fit: Callable[[Any], Any]) -> tuple[dict[str, Any], Any, Any]:
    """Medians of the calls of a method in this process, and what the last prepared and found."""
    held = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # what was held at most until now does not count
    calls: list[tuple[float, float, float]] = []
    while not calls or (len(calls) < 5 and sum(prep + fit for prep, fit, _ in calls) < 2):
        begin, processor = time.perf_counter(), time.process_time()
        prepared = prepare()
        middle = time.perf_counter()
        found = fit(prepared)
        calls.append((middle - begin, time.perf_counter() - middle, time.process_time() - processor))
    prep, seconds, processor = (statistics.median(column) for column in zip(*calls, strict=True))
    times = {"prepare": prep, "fit": seconds, "processor": processor, "megabytes": memory("VmHWM") - held}
    return times, prepared, found


def reference(path: Path) -> None:
    """Bradley and Terry's maximum likelihood, ties half a win each, by Newton's method with conjugate gradients."""
    from scipy.sparse import coo_array

    with np.load(path) as file:
        a, b, y, n = (
            file["first"].astype(np.int64),
            file["second"].astype(np.int64),
            file["outcome"],
            int(file["items"]),
        )
    score, x = (1 + y) / 2, np.zeros(n)
    wins = coo_array((np.append(score, 1 - score), (np.append(a, b), np.append(b, a))), shape=(n, n)).tocsr().tocoo()
    met = (wins + wins.T).tocsr().tocoo()
    i, j = met.coords
    number, won = met.data, np.asarray(wins.sum(axis=1)).ravel()
    for _ in range(50):
        p = 1 / (1 + np.exp(x[j] - x[i]))
        gradient = won - np.bincount(i, number * p, n)
        weight = coo_array((number * p * (1 - p), (i, j)), shape=(n, n)).tocsr()
        diagonal = np.asarray(weight.sum(axis=1)).ravel()
        step, residual = np.zeros(n), gradient - gradient.mean()
        scaled = residual / diagonal
        direction, size = scaled.copy(), residual @ scaled
        for _ in range(300):
            if size <= 1e-24 * max(gradient @ (gradient / diagonal), 1e-30):
                break
            moved = diagonal * direction - weight @ direction
            length = size / (direction @ moved)
            step, residual = step + length * direction, residual - length * moved
            scaled, old = residual / diagonal, size
            size = residual @ scaled
            direction = scaled + size / old * direction
        x += step - step.mean()
        if np.abs(step).max() < 1e-11:
            break
    np.save(path.with_suffix(".reference.npy"), x - x.mean())


def run(rounds: int, sizes: list[str], only: list[str] | None) -> list[dict[str, Any]]:
    """Alternating rounds over all methods, medians by method and size."""
    with tempfile.TemporaryDirectory() as folder:
        paths = {}
        for size in sizes:
            paths[size] = generate(Path(folder) / f"{size.replace(' ', '')}.npz", *SIZES[size])
            reference(paths[size])
        return alternate(__file__, METHODS, paths, rounds, only)


def alternate(
    script: str, methods: dict[str, Any], paths: dict[str, Path], rounds: int, only: list[str] | None
) -> list[dict[str, Any]]:
    """Each method (environment, ..., sizes, whether it is slow: one round) run as `script --one NAME --data PATH`."""
    measured: dict[tuple[str, str], list[dict[str, Any]]] = {}
    skipped: dict[str, str] = {}
    for size, path in paths.items():
        for turn in range(rounds):
            for name, (environment, _, own, slow) in methods.items():
                if size not in own or (slow and turn) or (only and not any(part in name for part in only)):
                    continue
                python = ROOT / ".peers" / environment / "bin" / "python" if environment else Path(sys.executable)
                if not python.exists():
                    skipped[name] = f"no .peers/{environment}"
                    continue
                command = [str(python), script, "--one", name, "--data", str(path)]
                child = subprocess.run(
                    command, capture_output=True, text=True, env=os.environ | ONE_THREAD, check=False
                )
                if child.returncode:
                    skipped[name] = (child.stderr.strip().splitlines() or [f"exit {child.returncode}"])[-1][:200]
                    continue
                measured.setdefault((name, size), []).append(json.loads(child.stdout.splitlines()[-1]))
    for name, reason in skipped.items():
        print(f"skipped: {name}: {reason}")
    return [
        {"method": name, "data": size, "rounds": len(runs), "date": str(date.today()), "load": os.getloadavg()[1]}
        | {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        for (name, size), runs in measured.items()
    ]


# Its counts are made for it here, so it is no way from comparisons to strengths.
COUNTED_FOR_IT = "choix, matrix of wins"
# Written here, so it is no program that anyone released: beside the fastest of those, not among them.
WRITTEN_HERE = "FastChat-style (unique cells, L-BFGS)"


def targets(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """What was asked of the sizes that were run, by wall time and by processor time."""
    found: dict[str, Any] = {}
    for size in sorted({row["data"] for row in rows}):
        own = {row["method"]: row for row in rows if row["data"] == size}
        for clock in ("processor", "wall"):
            times = {n: r["prepare"] + r["fit"] if clock == "wall" else r["processor"] for n, r in own.items()}
            correct = {n: t for n, t in times.items() if n[:7] != "heedful" and own[n].get("error", 1.0) < CORRECT}
            found[f"{size}, {clock}"] = _targets(times, correct)
    return found


def _targets(times: dict[str, float], correct: dict[str, float]) -> dict[str, Any]:
    point, whole = (times.get(f"heedful: strengths{part}") for part in ("", " + sandwich"))
    counted, loop = correct.pop(COUNTED_FOR_IT, None), times.get("one compiled counting loop (numba)")
    written = correct.pop(WRITTEN_HERE, None)
    found: dict[str, Any] = {}
    if correct and point and whole:
        fastest = min(correct, key=lambda name: correct[name])
        found |= {"fastest correct release": fastest, "its seconds": correct[fastest]}
        found |= {"strengths, times faster than the release": correct[fastest] / point}
        found |= {"strengths and intervals, times faster than the release": correct[fastest] / whole}
    if written and point and whole:
        found |= {
            "FastChat-style, its seconds": written,
            "strengths, times faster than FastChat-style": written / point,
        }
        found |= {"strengths and intervals, times faster than FastChat-style": written / whole}
    if counted and whole:
        found["strengths and intervals, times faster than choix on a matrix counted for it"] = counted / whole
    if loop and whole:
        found["milliseconds beyond three counting loops"] = 1e3 * (whole - 3 * loop)
    return found


@dataclass(frozen=True)
class Cell:
    """What is fitted to which votes: `tie` is the voters' tie term, `spread` that of strengths.

    Designs: every pair alike often ("even"), "uneven", or two groups of half the items each, in which pairs meet 25
    times, that `number` votes on one pair join ("joined").
    """

    fitted: str
    votes: str
    tie: float
    items: int
    number: int
    spread: float = 0.8
    design: str = "even"
    basis: str = "sandwich"

    def pairs(self) -> tuple[Any, Any, Any]:
        """The pairs that may meet, low and high [m], and how often they do [m]."""
        low, high = np.triu_indices(self.items, 1)
        if self.design == "joined":
            half = self.items // 2
            within, bridge = (low < half) == (high < half), (low == 0) & (high == half)
            met = within | bridge
            return low[met], high[met], np.where(within, 25, self.number)[met]
        often = 1 / (1 + low) / (1 + high) if self.design == "uneven" else np.ones(len(low))
        return low, high, np.maximum(1, np.round(often / often.mean() * self.number)).astype(int)


COVERAGE = (
    Cell("bradley_terry", "davidson", -0.7, 6, 3),
    Cell("bradley_terry", "davidson", -0.7, 6, 10),
    Cell("bradley_terry", "davidson", -0.7, 6, 15),
    Cell("bradley_terry", "davidson", -20.0, 6, 5),
    Cell("bradley_terry", "davidson", -20.0, 20, 5, design="uneven"),
    Cell("bradley_terry", "davidson", -0.7, 6, 10, basis="model"),
    Cell("bradley_terry", "davidson", 4.2, 2, 45, 0.3),
    Cell("bradley_terry", "davidson", 4.2, 2, 2000, 0.3),
    Cell("bradley_terry", "davidson", -20.0, 6, 3, design="joined"),
    Cell("bradley_terry", "davidson", -20.0, 6, 9, design="joined"),
    Cell("bradley_terry", "davidson", -20.0, 6, 25, design="joined"),
    Cell("bradley_terry", "davidson", -20.0, 6, 40, design="joined"),
    Cell("bradley_terry", "davidson", -0.7, 6, 40, design="joined"),
    Cell("davidson", "davidson", -0.7, 6, 9, design="joined"),
    Cell("davidson", "davidson", -0.7, 6, 40, design="joined"),
    Cell("davidson", "davidson", -0.7, 6, 3),
    Cell("davidson", "davidson", -0.7, 10, 5, design="uneven"),
    Cell("davidson", "davidson", -0.7, 10, 5, basis="model"),
    Cell("davidson", "rao_kupper", 0.8, 6, 10, 1.2),
    Cell("rao_kupper", "rao_kupper", 0.4, 6, 3),
    Cell("rao_kupper", "rao_kupper", 0.4, 10, 5, design="uneven"),
    Cell("rao_kupper", "rao_kupper", 0.4, 10, 5, basis="model"),
    Cell("thurstone", "thurstone", 0.25, 6, 3, 0.5),
    Cell("thurstone", "thurstone", 0.25, 10, 5, 0.5, design="uneven"),
    Cell("thurstone", "thurstone", 0.25, 10, 5, 0.5, basis="model"),
)


def coverage(sets: int) -> list[dict[str, Any]]:
    """One item drawn at random of each simulated set; the truth is the fit to the expected votes.

    Sets in which the votes cannot place every item have no number to check and are left out: `placed` tells the share
    that is left. Each cell has its own seed, its number; where the promise depends on the votes, each has its row.
    """
    from scipy.stats import binomtest

    rows = []
    for seed, cell in enumerate(COVERAGE):
        tally = simulate(cell, sets, np.random.default_rng(seed))
        placed = sum(checked for _, checked in tally.values())
        for promise, (hits, checked) in sorted(tally.items()):
            side = "two-sided" if promise == "confidence" else "less"
            p = float(binomtest(hits, checked, 0.95, alternative=side).pvalue)
            rows.append(
                asdict(cell)
                | {"promise": promise, "sets": sets, "placed": placed / sets, "checked": checked}
                | {"coverage": hits / checked, "p": p}
            )
            shown = f"{cell.fitted:14}{cell.votes:11}{cell.items:3}{cell.number:5} {cell.design:7}{cell.basis:9}"
            print(f"{shown}{promise:11}{placed / sets:6.3f}{checked:6}{hits / checked:8.4f}{p:9.1e}", flush=True)
    return rows


def simulate(cell: Cell, sets: int, rng: np.random.Generator) -> dict[str, tuple[int, int]]:
    """By promise, how many intervals held the truth and how many were checked."""
    from scipy.stats import norm

    from heedful.preference.pair_models import CumulativePairModel, PairModel
    from heedful.preference.ratings import rate

    links: dict[str, Any] = {
        "davidson": PairModel(np.ones(1), True),
        "rao_kupper": CumulativePairModel("logistic", True),
        "thurstone": CumulativePairModel("normal", True),
    }
    utility = cell.spread * norm.ppf((np.arange(cell.items) + 0.5) / cell.items)
    low, high, times = cell.pairs()
    p = np.exp(links[cell.votes].log_prob(utility[low] - utility[high], np.array([cell.tie])))
    every = np.tile(low, 3), np.tile(high, 3), np.repeat([-1, 0, 1], len(low))
    fitted: Any = {"items": cell.items, "model": cell.fitted}
    truth = rate(*every, weight=(times * p).ravel(), interval=None, **fitted).strengths
    pairs, tally = np.repeat(np.arange(len(low)), times), dict[str, tuple[int, int]]()
    for _ in range(sets):
        outcome = (rng.random(len(pairs)) > p.cumsum(axis=0)[:, pairs]).sum(axis=0).clip(max=2) - 1
        basis: Any = cell.basis
        ratings = rate(low[pairs], high[pairs], outcome, interval=basis, **fitted)
        if ratings.identified.all():
            item, interval = rng.integers(cell.items), ratings.interval()
            hits, checked = tally.get(interval.promise, (0, 0))
            tally[interval.promise] = hits + int(interval.low[item] <= truth[item] <= interval.high[item]), checked + 1
    return tally


def show(rows: list[dict[str, Any]]) -> None:
    print(f"{'method':<42}{'data':<12}{'prepare':>9}{'fit':>9}{'CPU':>9}{'MB':>7}{'error':>10}")
    for row in rows:
        line = "".join(f"{row[key]:9.4f}" for key in ("prepare", "fit", "processor")) + f"{row['megabytes']:7.0f}"
        print(f"{row['method']:<42}{row['data']:<12}{line}" + (f"{row['error']:10.1e}" if "error" in row else ""))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="100 items and 20,000 comparisons, one round, 20 sets")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sets", type=int, default=2000)
    parser.add_argument("--part", choices=("times", "coverage"), help="one part; --out keeps what it has of the other")
    parser.add_argument("--only", nargs="*", help="parts of the names of methods; --out keeps the rows of the others")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(options.one, options.data)))
        return
    done: dict[str, Any] = {"rows": [], "coverage": []}
    if options.out and options.out.exists():
        done |= json.loads(options.out.read_text())
    done |= {"python": platform.python_version(), "numpy": np.__version__, "processors": os.cpu_count()}
    if options.part != "coverage":
        sizes = list(SIZES)[:1] if options.quick else list(SIZES)[1:]
        found = run(1 if options.quick else options.rounds, sizes, options.only)
        again = {(row["method"], row["data"]) for row in found}
        kept = [row for row in done["rows"] if options.only and (row["method"], row["data"]) not in again]
        done["rows"] = kept + found
        done |= {"date": str(date.today()), "load": os.getloadavg()[1], "targets": targets(done["rows"])}
        show(done["rows"])
        print(json.dumps(done["targets"], indent=1))
    if options.part != "times":
        done["coverage"] = coverage(20 if options.quick else options.sets)
    if options.out:
        options.out.write_text(json.dumps(done, indent=1) + "\n")
    rows, covered = done["rows"], done["coverage"]
    wrong = [row["method"] for row in rows if row["method"].startswith("heedful") and row.get("error", 0.0) > 1e-6]
    broken = [row for row in covered if row["p"] < 1e-4]
    if wrong or broken:
        raise SystemExit(f"not the maximum: {wrong}; promises broken: {broken}")


if __name__ == "__main__":
    main()
