"""People who differ: groups, cycles, new persons and the worst-off, on simulated people whose tastes are known.

    python benchmarks/people.py [--quick] [--parts NAME ...] [--seeds N] [--out FILE.json]

groups     10 items, 100 raters x 20 votes (Davidson ties), two groups of conflicting tastes, shares 90/10 and 70/30,
           and one group for all: log loss on new votes of the same raters (each predicted given its training votes) for
           one utility, the mixture with its number of groups chosen, and an oracle who knows every rater's group
differ     how often "people differ" is said where they do not, and where they do; coverage of the shares' intervals
cycles     scalar against general preferences on scalar and on cyclic data: log loss on raters held out; false positives
           and power of the test, coverage of the intervals of cycles
leaning    coverage of the intervals of all cycles together, of few or unequal raters who lean on pairs
persons    log loss on a new person's votes after 0 to 32 comparisons: population, latent person, oracle; coverage of
           the person's utilities; questions chosen by information against questions at random
worst-off  gain of the minority and of the mean over the base, for the target of the mean and for max-min

Differences are paired by simulated set, with t intervals over sets.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats
from scipy.special import logsumexp

from heedful.core import Floats, Item
from heedful.evidence import Rule
from heedful.models import TableModel
from heedful.preference.cycles import strongest_cycles
from heedful.preference.general import Objective, fit_general
from heedful.preference.people import PairVotes, choose_groups, fit_groups, fit_people, people_differ
from heedful.preference.scalar_test import scalar_is_enough
from heedful.stats import wilson
from heedful.target import enumerate_exact
from heedful.target.maxmin import solve_max_min

N = 10
TIE = 0.4
ITEMS = [Item(system=str(i)) for i in range(N)]


def sets(number: int) -> range:
    """Seeds of so many sets; of one where none is asked for, to see that it runs."""
    return range(max(number, 1))


def answered(margin: Floats, rng: np.random.Generator) -> Floats:
    """Outcomes 1, 0, −1 by Davidson's model at margins [v]."""
    weight = np.stack([np.exp(margin / 2), np.full(len(margin), TIE), np.exp(-margin / 2)]).cumsum(axis=0)
    return np.asarray(1.0 - (rng.random(len(margin)) * weight[-1] > weight).sum(axis=0))


def asked(utility: Floats, each: int, rng: np.random.Generator, skew: Floats | None = None) -> PairVotes:
    """`each` votes of every rater, whose utilities [R, n] are given, on pairs drawn uniformly."""
    raters, n = utility.shape
    rater, first = np.repeat(np.arange(raters), each), rng.integers(n, size=raters * each)
    second = (first + rng.integers(1, n, size=len(first))) % n
    margin = utility[rater, first] - utility[rater, second]
    margin = margin if skew is None else margin + skew[first, second]
    return PairVotes.from_arrays(rater, first, second, answered(margin, rng), items=n, ties=True)


def tastes(rng: np.random.Generator, groups: int) -> Floats:
    """Utilities [K, n]: one taste, then its opposite mixed with a taste of its own."""
    one, two = rng.normal(size=(2, N))
    return np.array([one, -0.7 * one + 0.7 * two])[:groups]


def davidson(votes: PairVotes, utility: Floats) -> Floats:
    """log p of each rater's votes [R] at the true utilities [R, n]."""
    held, pairs = votes.counts.tocoo(), len(votes.first)
    pair, outcome = held.col % pairs, held.col // pairs
    margin = utility[held.row, votes.first[pair]] - utility[held.row, votes.second[pair]]
    log_p = votes.model.log_prob(margin, np.array([np.log(TIE)]))
    return np.bincount(held.row, held.data * log_p[outcome, np.arange(len(pair))], len(votes.raters))


def given(fit: Any, train: PairVotes, test: PairVotes) -> Floats:
    """log p(test votes of each rater | its training votes) [R], the rater's group or place being unknown."""
    return fit.log_evidence_of(_together(train, test)) - fit.log_evidence_of(train)


def _together(one: PairVotes, other: PairVotes) -> PairVotes:
    """All votes of both, on the pairs of either."""
    parts = [(v, v.counts.tocoo()) for v in (one, other)]
    rater = np.concatenate([np.repeat(held.row, held.data.astype(int)) for _, held in parts])
    first, second, outcome = [], [], []
    for votes, held in parts:
        column = np.repeat(held.col, held.data.astype(int))
        first.append(votes.first[column % len(votes.first)])
        second.append(votes.second[column % len(votes.first)])
        outcome.append(votes.model.scores[column // len(votes.first)])
    joined = [np.concatenate(part) for part in (first, second, outcome)]
    return PairVotes.from_arrays(rater, *joined, items=one.items, raters=one.raters, ties=True)


def interval(values: Any) -> dict[str, Any]:
    """Mean over sets with a t interval."""
    array = np.asarray(values, dtype=np.float64)
    if len(array) < 2:
        return {"mean": float(array.mean())}
    half = float(stats.t.ppf(0.975, len(array) - 1) * array.std(ddof=1) / np.sqrt(len(array)))
    return {"mean": float(array.mean()), "low": float(array.mean() - half), "high": float(array.mean() + half)}


def rate(hits: Any) -> dict[str, Any]:
    """A share of sets with Wilson's interval."""
    array = np.asarray(hits, dtype=np.float64)
    found = wilson(float(array.sum()), len(array))
    return {"rate": float(array.mean()), "low": found.low, "high": found.high, "sets": len(array)}


def groups(seeds: int) -> dict[str, Any]:
    out = {}
    for name, share in (("90/10", 0.9), ("70/30", 0.7), ("one group", 1.0)):
        rows: dict[str, list[float]] = {}
        for seed in sets(seeds):
            rng = np.random.default_rng(seed)
            truth, member = tastes(rng, 2), (rng.random(100) >= share).astype(int)
            own = truth[member]
            train, test = asked(own, 20, rng), asked(own, 20, rng)
            chosen = choose_groups(train, most=2, starts=3, seed=seed)
            single, mixture = fit_groups(train, 1, draws=2), fit_groups(train, chosen.groups, draws=2)
            oracle = np.zeros(100)
            for k in np.unique(member):
                mine = np.flatnonzero(member == k)
                alone = fit_groups(train.of_raters(mine), 1, draws=2)
                oracle[mine] = given(alone, train.of_raters(mine), test.of_raters(mine))
            one, many = given(single, train, test) / 20, given(mixture, train, test) / 20
            minority = member == 1
            row = {
                "groups chosen": chosen.groups,
                "log loss, one utility": -one.mean(),
                "mixture less one": -(many - one).mean(),
                "oracle less one": -(oracle / 20 - one).mean(),
                "truth": -davidson(test, own).mean() / 20,
            }
            if minority.any():
                row["minority, mixture less one"] = -(many - one)[minority].mean()
                row["majority, mixture less one"] = -(many - one)[~minority].mean()
            for key, value in row.items():
                rows.setdefault(key, []).append(float(value))
        out[name] = {key: interval(values) for key, values in rows.items()}
    return out


def differ(seeds: int) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, share, votes in (("alike", 1.0, 15), ("70/30, 5 votes each", 0.7, 5), ("90/10, 15 votes each", 0.9, 15)):
        p = []
        for seed in sets(4 * seeds):
            rng = np.random.default_rng(1000 + seed)
            member = (rng.random(60) >= share).astype(int)
            p.append(people_differ(asked(tastes(rng, 2)[member], votes, rng), replicates=59, seed=seed).p_value)
        out[f"says people differ, {name}"] = rate(np.array(p) <= 0.05)
    picked = []
    for seed in sets(2 * seeds):
        rng = np.random.default_rng(2000 + seed)
        picked.append(choose_groups(asked(tastes(rng, 1)[np.zeros(60, int)], 15, rng), most=2).groups > 1)
    out["chooses more than one group, alike"] = rate(picked)
    for share, raters in ((0.7, 60), (0.7, 200), (0.9, 100)):
        held, printed = [], 0
        for seed in sets(10 * seeds):
            rng = np.random.default_rng(3000 + seed)
            member = (rng.random(raters) >= share).astype(int)
            found = fit_groups(asked(tastes(rng, 2)[member], 20, rng), 2, draws=2, starts=4).shares[0].interval
            printed += found is not None
            if found is not None:
                held.append(found.low <= share <= found.high)
        out[f"share {share} of {raters} raters covered"] = {**rate(held), "printed": printed / len(sets(10 * seeds))}
    return out


def wheel(strength: float, n: int) -> Floats:
    angle = np.arange(n) * 2 * np.pi / n
    return strength * np.sin(angle - angle[:, None])


def cycles(seeds: int) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, strength in (("scalar", 0.0), ("mildly cyclic", 0.7), ("cyclic", 1.5)):
        loss, p, covered = [], [], []
        for seed in sets(2 * seeds):
            rng = np.random.default_rng(seed)
            own = np.tile(rng.normal(size=N), (80, 1))
            train, test = (asked(own, 20, rng, wheel(strength, N)) for _ in range(2))
            general, scalar = fit_general(train, draws=2), fit_general(train, blocks=0, draws=2)
            loss.append(_cross_entropy(scalar, test) - _cross_entropy(general, test))
            p.append(scalar_is_enough(train, replicates=199, seed=seed).p_value)
            seen = strongest_cycles(asked(own, 40, rng, wheel(strength, N)), most=1000, replicates=199)
            truth = wheel(strength, N)
            covered.append(all(_covers(cycle, truth) for cycle in seen.cycles))
        out[f"{name}: log loss, scalar less general"] = interval(loss)
        out[f"{name}: scalar rejected"] = rate(np.array(p) <= 0.05)
        out[f"{name}: all triangles covered"] = rate(covered)
    p = []
    for seed in sets(20 * seeds):
        rng = np.random.default_rng(5000 + seed)
        own = np.tile(rng.normal(size=N), (80, 1))
        p.append(scalar_is_enough(asked(own, 20, rng), replicates=99, seed=seed).p_value)
    out["scalar, more sets: scalar rejected"] = rate(np.array(p) <= 0.05)
    for name, clusters in (("rater", "rater"), ("vote", "vote")):
        p = [_leaning(seed, clusters) for seed in sets(4 * seeds)]
        out[f"scalar, raters lean on pairs, clusters by {name}: rejected"] = rate(np.array(p) <= 0.05)
    return out


def leaning(seeds: int) -> dict[str, Any]:
    """6 items, raters with leanings N(0, sd²) of their own on every pair: coverage of all 20 triangles at once.

    The truth is log odds of a decided vote, averaged over raters. Where intervals are withheld, that is counted.
    """
    crowds = {
        "20 raters x 80": (np.full(20, 80), 0.0),
        "10 raters x 80, lean 1": (np.full(10, 80), 1.0),
        "20 raters x 80, lean 1": (np.full(20, 80), 1.0),
        "60 raters x 40, lean 1": (np.full(60, 40), 1.0),
        "60 raters x 40, lean 0.5": (np.full(60, 40), 0.5),
        "2 raters x 150 and 18 x 50, lean 1": (np.r_[np.full(2, 150), np.full(18, 50)], 1.0),
        "100 raters x 4 to 240, lean 1": (np.array([240 // (1 + r // 2) for r in range(100)]), 1.0),
        "2 raters x 230 and 18 x 40, lean 1": (np.r_[np.full(2, 230), np.full(18, 40)], 1.0),
        "2 raters x 300 and 18 x 25, lean 1": (np.r_[np.full(2, 300), np.full(18, 25)], 1.0),
    }
    out: dict[str, Any] = {}
    for row, (name, (each, sd)) in enumerate(crowds.items()):
        covered, printed, single = [], [], []
        for seed in sets(4 * seeds):
            rng = np.random.default_rng((row, seed))
            utility = rng.normal(size=6)
            truth = _decided(utility[:, None] - utility, sd)
            cycles = strongest_cycles(_of_leaning(utility, each, sd, rng), most=20, replicates=199, seed=seed).cycles
            known = [cycle for cycle in cycles if cycle.curl.interval is not None]
            printed.append(bool(known))
            hits = [_covers(cycle, truth) for cycle in known]
            covered += [all(hits)] if known else []
            single += [float(np.mean(hits))] if known else []
        out[name] = {"all triangles covered": rate(covered) if covered else None, "intervals printed": rate(printed)}
        if single:
            out[name]["one triangle covered"] = interval(single)
    return out


def _decided(margin: Floats, sd: float) -> Floats:
    """Log odds of a decided vote at each margin, averaged over people with a N(0, 2 sd²) leaning."""
    z, weight = np.polynomial.hermite_e.hermegauss(61)
    one = margin[..., None] + np.sqrt(2) * sd * z
    total = np.exp(one / 2) + np.exp(-one / 2) + TIE
    return np.log((np.exp(one / 2) / total @ weight) / (np.exp(-one / 2) / total @ weight))


def _of_leaning(utility: Floats, each: Any, sd: float, rng: np.random.Generator) -> PairVotes:
    """Votes of raters, `each` [R] many, with a leaning of its own on every pair."""
    n = len(utility)
    lean, rater = sd * rng.normal(size=(len(each), n, n)), np.repeat(np.arange(len(each)), each)
    first = rng.integers(n, size=len(rater))
    second = (first + rng.integers(1, n, size=len(rater))) % n
    margin = utility[first] - utility[second] + lean[rater, first, second] - lean[rater, second, first]
    return PairVotes.from_arrays(rater, first, second, answered(margin, rng), items=n, ties=True)


def _leaning(seed: int, clusters: Any) -> float:
    """p-value where each of 60 raters votes 40 times on 6 items, with a leaning of its own on every pair."""
    rng = np.random.default_rng(seed)
    votes = _of_leaning(rng.normal(size=6), np.full(60, 40), 1.0, rng)
    return scalar_is_enough(votes, clusters=clusters, replicates=99, seed=seed).p_value


def _covers(cycle: Any, truth: Floats) -> bool:
    a, b, c = (int(name) for name in cycle.items)
    return bool(cycle.curl.interval.low <= truth[a, b] + truth[b, c] + truth[c, a] <= cycle.curl.interval.high)


def _cross_entropy(fit: Any, votes: PairVotes) -> float:
    """Mean log loss of votes at the estimates (nats)."""
    objective = Objective(votes, 0, 1.0, 1.0)
    margin = fit.margin([ITEMS[i] for i in votes.first], [ITEMS[j] for j in votes.second])
    log_p = votes.model.log_prob(margin, fit.nuisance)
    return -float((objective.counts * log_p).sum() / objective.counts.sum())


def persons(seeds: int) -> dict[str, Any]:
    """12 features, two directions in which people differ; 150 people x 20 votes; 20 new persons a set."""
    counts = (0, 1, 2, 4, 8, 16, 32)
    gain: dict[int, list[float]] = {n: [] for n in counts}
    chosen: dict[int, list[float]] = {n: [] for n in (2, 4, 8)}
    oracle, hits = [], {n: [] for n in counts}
    for seed in sets(seeds):
        rng = np.random.default_rng(seed)
        design, weights = rng.normal(size=(60, 6)) / 2, rng.normal(size=6)
        loadings = rng.normal(size=(6, 2))
        train = _featured(design, weights + rng.normal(size=(150, 2)) @ loadings.T, 20, rng)
        people = fit_people(train, rank=2, draws=400, seed=seed)
        alike = fit_people(train, rank=0, draws=400, seed=seed).person(draws=400).posterior
        theta = weights + rng.normal(size=(20 if seeds else 2, 2)) @ loadings.T
        sums: dict[Any, list[float]] = {}
        for own in theta:
            pool, test = _featured(design, own[None], 32, rng), _featured(design, own[None], 200, rng)
            base = _loss(alike.draws, np.log(TIE), test)
            sums.setdefault("oracle", []).append(_loss(own[None], np.log(TIE), test) - base)
            for n in counts:
                person = people.person(_first(pool, n) if n else None, draws=400)
                nuisance = people.population.nuisance[0]
                sums.setdefault(n, []).append(_loss(person.posterior.draws, nuisance, test) - base)
                way = design[rng.integers(60)] - design[rng.integers(60)]
                low, high = np.quantile(person.posterior.draws @ way, [0.025, 0.975])
                hits[n].append(low - 1e-12 <= own @ way <= high + 1e-12)
            for n, value in _by_information(people, design, own, test, max(chosen), rng).items():
                sums.setdefault(("asked", n), []).append(value - base)
        oracle.append(np.mean(sums["oracle"]))
        for n in counts:
            gain[n].append(float(np.mean(sums[n])))
        for n in chosen:
            chosen[n].append(float(np.mean(sums["asked", n])))
    out = {f"person less population after {n}": interval(values) for n, values in gain.items()}
    out["oracle less population"] = interval(oracle)
    for n, values in chosen.items():
        out[f"asked by information less at random, after {n}"] = interval(np.array(values) - np.array(gain[n]))
    out |= {f"95 % interval covers after {n}": rate(values) for n, values in hits.items()}
    return out


def _featured(design: Floats, theta: Floats, each: int, rng: np.random.Generator) -> PairVotes:
    n = len(design)
    rater, first = np.repeat(np.arange(len(theta)), each), rng.integers(n, size=len(theta) * each)
    second = (first + rng.integers(1, n, size=len(first))) % n
    margin = np.einsum("vd,vd->v", design[first] - design[second], theta[rater])
    return PairVotes.from_arrays(rater, first, second, answered(margin, rng), items=n, design=design, ties=True)


def _flat(votes: PairVotes) -> tuple[Floats, Floats, Floats]:
    held, pairs = votes.counts.tocoo(), len(votes.first)
    column = np.repeat(held.col, held.data.astype(int))
    return votes.first[column % pairs], votes.second[column % pairs], votes.model.scores[column // pairs]


def _first(votes: PairVotes, n: int) -> PairVotes:
    """n of one person's votes, the same ones within those of any greater n."""
    order = np.random.default_rng(0).permutation(votes.votes)[:n]
    one, two, outcome = (part[order] for part in _flat(votes))
    return _votes_of_one(one, two, outcome, votes)


def _votes_of_one(one: Any, two: Any, outcome: Any, like: PairVotes) -> PairVotes:
    zeros = np.zeros(len(one), int)
    return PairVotes.from_arrays(zeros, one, two, outcome, items=like.items, design=like.design, ties=True)


def _loss(theta: Floats, log_tie: float, votes: PairVotes) -> float:
    """Log loss of votes, predicted by averaging over draws of a person's utilities [k, d]."""
    margin = theta @ votes.dense_differences.T
    log_p = votes.model.log_prob(margin, np.array([log_tie]))
    mean = logsumexp(log_p, axis=1) - np.log(len(theta))
    counts = np.asarray(votes.counts.sum(axis=0)).reshape(mean.shape)
    return -float((counts * mean).sum() / counts.sum())


def _by_information(
    people: Any, design: Floats, own: Floats, test: PairVotes, most: int, rng: np.random.Generator
) -> dict[int, float]:
    """Log loss after each number of questions chosen, each the most telling of 60 pairs drawn at random."""
    asked_so_far: list[tuple[int, int, float]] = []
    found, votes = {}, None
    for n in range(1, most + 1):
        person = people.person(votes, draws=200)
        pairs = np.array([rng.choice(len(design), 2, replace=False) for _ in range(60)])
        theta = people.population.weights + person.position_draws @ people.population.loadings.T
        margin = theta @ (design[pairs[:, 0]] - design[pairs[:, 1]]).T
        best = int(np.argmax(_information(margin, people)))
        a, b = pairs[best]
        answer = answered(np.array([(design[a] - design[b]) @ own]), rng)[0]
        asked_so_far.append((int(a), int(b), float(answer)))
        one, two, outcome = (np.array(part) for part in zip(*asked_so_far, strict=True))
        votes = _votes_of_one(one, two, outcome, test)
        found[n] = _loss(people.person(votes, draws=400).posterior.draws, people.population.nuisance[0], test)
    return found


def _information(margin: Floats, people: Any) -> Floats:
    """Expected information about z of each question, as `Person.expected_information` has it, from margins [k, q]."""
    p = np.exp(people.votes.model.log_prob(margin, people.population.nuisance))
    mean = p.mean(axis=1)
    return np.asarray(-(mean * np.log(mean)).sum(axis=0) + (p * np.log(p)).sum(axis=0).mean(axis=0))


def worst_off(seeds: int) -> dict[str, Any]:
    """Groups of 90/10 from votes of 100 raters; base uniform over the items; strength 2."""
    base = TableModel.of({"q": {str(i): 1 / N for i in range(N)}})
    context = Item.of("q").context
    rows: dict[str, list[float]] = {}
    for seed in sets(2 * seeds):
        rng = np.random.default_rng(seed)
        truth, member = tastes(rng, 2), (rng.random(100) >= 0.9).astype(int)
        votes = asked(truth[member], 20, rng)
        found, single = fit_groups(votes, 2, draws=2), fit_groups(votes, 1, draws=2)
        fitted = [Rule(_lookup(posterior.mean), f"group {k}") for k, posterior in enumerate(found.posteriors)]
        fair = enumerate_exact(solve_max_min(base, fitted, [context], strength=2.0).target, context)
        known = [Rule(_lookup(taste), f"truth {k}") for k, taste in enumerate(truth)]
        best = enumerate_exact(solve_max_min(base, known, [context], strength=2.0).target, context)
        policies = {"max-min": fair.probability, "max-min, oracle": best.probability}
        utility = 2.0 * single.posteriors[0].mean
        policies["single reward"] = np.exp(utility - logsumexp(utility))
        for name, policy in policies.items():
            gains = truth @ policy - truth.mean(axis=1)
            rows.setdefault(f"{name}: worst-off", []).append(float(gains.min()))
            rows.setdefault(f"{name}: mean over people", []).append(float(np.array([0.9, 0.1]) @ gains))
    rows["max-min less single: worst-off"] = list(
        np.array(rows["max-min: worst-off"]) - np.array(rows["single reward: worst-off"])
    )
    rows["max-min less single: mean over people"] = list(
        np.array(rows["max-min: mean over people"]) - np.array(rows["single reward: mean over people"])
    )
    return {name: interval(values) for name, values in rows.items()}


def _lookup(values: Floats) -> Callable[[Item], float]:
    return lambda item: float(values[int(item.output[0].text)])


PARTS: dict[str, Callable[[int], dict[str, Any]]] = {
    "groups": groups,
    "differ": differ,
    "cycles": cycles,
    "leaning": leaning,
    "persons": persons,
    "worst-off": worst_off,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one set each: that it runs")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    seeds = 0 if options.quick else options.seeds
    results: dict[str, Any] = {}
    if options.out and options.out.exists():
        results = json.loads(options.out.read_text())["results"]
    for name in options.parts:
        begun = time.perf_counter()
        results[name] = PARTS[name](seeds)
        results[name]["seeds"] = len(sets(seeds))
        results[name]["seconds"] = round(time.perf_counter() - begun, 1)
        print(f"{name} ({results[name]['seconds']} s, sets: {len(sets(seeds))})")
        print(json.dumps(results[name], indent=1))
        if options.out:
            machine = {"python": platform.python_version(), "cores": os.cpu_count(), "machine": platform.machine()}
            options.out.write_text(json.dumps({"machine": machine, "results": results}, indent=1))


if __name__ == "__main__":
    main()
