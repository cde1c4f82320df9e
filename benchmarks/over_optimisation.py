"""Reward against divergence against tokens: where more optimisation stops paying, by engine and by reward.

    python benchmarks/over_optimisation.py [--quick] [--out FILE] [--figure FILE.svg]

The base is the small model of exercises; what is wanted is a right answer whose steps are right too. Rewards:

    true             the share of right lines, and 2 more for a right answer
    fitted           a linear utility of style and n-grams, fitted to 400 noisy comparisons of the model's own outputs
                     by the true reward, on other exercises
    fitted, lowered  the same less 2 posterior standard deviations of how much more it gives than to the base's own
                     answers in the exercise
    wrong            the length of the output

Ten rewards are fitted, each to feedback of its own; each is tried on 20 held-out exercises of its own. So the means of
these ten sets are independent, and intervals are t intervals over them: they speak for other feedback and other
exercises alike. Every engine answers the same exercises. Engines of whole outputs and of lines answer 32 times, dealt
from 256 draws of the base in each exercise; engines of tokens write an answer each with the model.

Told are the true reward and the share of right answers less the base's, the fitted and the wrong reward likewise,
tokens an answer (each context and each token written counted once), and KL(answers ‖ base) in nats, by the way that the
engine allows:

    law      the exact law of best-of-N, over the outputs drawn
    answers  the shares of different answers (Grassberger's estimate), and the model's own log-probabilities
    own      the engine's own unbiased estimate (guided decoding)
    sure     −log base(answer), of an engine in which nothing is left to chance (token beams)
    target   that of the target, by weights of the outputs drawn: what the engine's own tends to
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from heedful.core import Floats, Item
from heedful.evidence import pessimistic
from heedful.models import Decoding
from heedful.report.charts import to_file
from heedful.sampling import BestOfN
from heedful.worlds.exercises import exercises, right_answer
from heedful.worlds.small_model import small_model
from optimising.dealing import Drawn
from optimising.engines import Rung, answered, rungs, setting, votes
from optimising.figure import HEIGHT, drawn_charts
from optimising.rewards import NAMES, Beside, Once, TrueReward, by_name, length, rewards, true_reward

SETS, EXERCISES, DRAWS, COMPARISONS = 10, 20, 256, 400
DOUBTS = (("none", 0.0), *((about, doubt) for about in ("training", "draws") for doubt in (1.0, 2.0, 4.0)))
PLAIN = "0 none"
SIZES, FEW = (2, 4, 8, 16, 32, 64), (4, 16, 64)
Measures = dict[str, float]
Found = dict[tuple[str, str, float], Measures]


def measured(
    models: tuple[Any, Any], number: int, contexts: Sequence[Any], comparisons: int, draws: int, quick: bool
) -> tuple[Found, Found]:
    """What each engine comes to by each reward in one set, and what best-of-N does with other doubts and feedback."""
    rng, model = np.random.default_rng([number, 0]), models[0]
    base, dear = Drawn(model, contexts, draws, rng), Drawn(models[1], contexts, draws // 4, rng)
    known = {context: items[: draws // 4] for context, items in base.outputs.items()}
    made = rewards(model, comparisons, number)
    drawn = [item for own in base.outputs.values() for item in own]
    fitted = Once(made["fitted"])
    level = means(drawn, fitted)
    found: Found = {("base", "", 1.0): level | {"agreement": agreement(drawn, fitted, draws)}}

    def told(rung: Rung, reward: Any, seed: Sequence[int]) -> Measures:
        answers = answered(rung, setting(model, base, dear, reward), contexts, np.random.default_rng(seed))
        gains = {key: value - level[key] for key, value in means(answers.items, fitted).items()}
        return gains | {"kl": answers.kl, "tokens": answers.tokens, "missing": answers.missing}

    for rung in votes():
        found[rung.engine, "", rung.at] = told(rung, TrueReward(), [number, 1])
    for name, reward in by_name(made, known).items():
        for place, rung in enumerate(rungs(quick)):
            found[rung.engine, name, rung.at] = told(rung, reward, [number, 2, place])
    doubted: Found = {}
    for feedback, own in (("all", made["fitted"]), ("fewer", rewards(model, comparisons // 4, number)["fitted"])):
        for about, doubt in DOUBTS:
            reward = Once(pessimistic(Beside(own, known) if about == "draws" else own, doubt))
            for n in FEW:
                rung = Rung("", n, lambda own, n=n: BestOfN(n), "law")
                doubted[feedback, f"{doubt:g} {about}", n] = told(rung, reward, [number, 3, n])
    return found, doubted


def means(items: Sequence[Item], fitted: Any) -> Measures:
    """What answers score on average; each different one is scored once."""
    counts = Counter(items)
    share = np.array([*counts.values()]) / counts.total()
    scores = {
        "true": [true_reward(item) for item in counts],
        "right": [right_answer(item) for item in counts],
        "fitted": fitted([*counts]).mean,
        "wrong": [length(item) for item in counts],
    }
    return {key: float(share @ np.asarray(own, float)) for key, own in scores.items()}


def agreement(items: Sequence[Item], fitted: Any, draws: int) -> float:
    """How often a fitted reward orders two draws as the true one does, where that tells them apart; ties count half."""
    true = np.array([true_reward(item) for item in items]).reshape(-1, draws)
    score = fitted(items).mean.reshape(true.shape)
    signs = [np.sign(own[:, 0::2] - own[:, 1::2]) for own in (true, score)]
    return float((1 + signs[0] * signs[1])[signs[0] != 0].mean() / 2)


def summed(sets: Sequence[Found]) -> Iterator[dict[str, Any]]:
    """Each row's means over the sets, with t intervals where these are of rewards."""
    for engine, reward, at in sets[0]:
        own = {key: np.array([one[engine, reward, at][key] for one in sets]) for key in sets[0][engine, reward, at]}
        plain = {key: float(own[key].mean()) for key in ("kl", "tokens", "missing") if key in own}
        told = {key: interval(values) for key, values in own.items() if key not in plain}
        yield {"engine": engine, "reward": reward, "at": at, **told, **plain}


def interval(values: Floats) -> list[float]:
    """Mean and 95 % t interval of independent values, each itself the mean of many; no ends for a single one."""
    n, mean = len(values), float(values.mean())
    if n < 2:
        return [mean]
    half = float(stats.t.ppf(0.975, n - 1) * values.std(ddof=1) / np.sqrt(n))
    return [mean, mean - half, mean + half]


def contrasts(sets: Sequence[Found], doubted: Sequence[Found]) -> dict[str, dict[str, list[float]]]:
    """True reward gained: by each doubling of best-of-N, and by lowered scores beside plain ones, both by set."""

    def of(found: Sequence[Found], key: tuple[str, str, float]) -> Floats:
        return np.array([one[key]["true"] for one in found])

    doubling = {
        f"{name}, {n}": interval(of(sets, ("best-of-N", name, n)) - of(sets, ("best-of-N", name, n // 2)))
        for name, n in product(NAMES, SIZES)
    }
    saved = {
        f"{feedback}, {how}, {n:g}": interval(of(doubted, (feedback, how, n)) - of(doubted, (feedback, PLAIN, n)))
        for feedback, how, n in doubted[0]
        if how != PLAIN
    }
    engines = {
        f"{engine}, {at:g}": interval(of(sets, (engine, NAMES[2], at)) - of(sets, (engine, NAMES[1], at)))
        for engine, name, at in sets[0]
        if name == NAMES[1]
    }
    return {"doubling": doubling, "saved": saved, "lowered": engines}


def shown(row: dict[str, Any]) -> str:
    told = "  ".join(f"{row[key][0]:+.2f} {_ends(row[key])}" for key in ("true", "right", "fitted"))
    return f"{row['reward']:16}{row['engine']:18}{row['at']:>5g}  {told}{row['kl']:7.2f}{row['tokens']:8.0f}"


def _ends(told: Sequence[float]) -> str:
    return "[{:+.2f}, {:+.2f}]".format(*told[1:]) if told[1:] else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a small set and each engine once, to see that it runs")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--figure", type=Path, help="draw the true reward against divergence as SVG")
    options = parser.parse_args()
    sets, each, draws, comparisons = (1, 2, 64, 80) if options.quick else (SETS, EXERCISES, DRAWS, COMPARISONS)
    begun = time.process_time()
    contexts = list(dict.fromkeys(own.context for own in exercises(2 * sets * each, seed=1)))[: sets * each]
    models = small_model(batch_size=256), small_model(batch_size=256, decoding=Decoding(temperature=0.5))
    found: list[Found] = []
    doubted: list[Found] = []
    for number in range(sets):
        asked = contexts[each * number : each * (number + 1)]
        own, other = measured(models, number, asked, comparisons, draws, options.quick)
        found.append(own)
        doubted.append(other)
        size = {"sets": number + 1, "exercises": each, "draws": draws, "comparisons": comparisons}
        result = size | {"seconds": round(time.process_time() - begun)} | tables(found, doubted)
        print(f"set {number}: {result['seconds']} s of the processor", flush=True)
        if options.out:
            options.out.write_text(compact(result), "utf-8")
    print("base: {}".format(result["base"]), *map(shown, result["rows"]), sep="\n")
    if options.figure:
        to_file(drawn_charts(result), options.figure, height=HEIGHT)


def tables(found: Sequence[Found], doubted: Sequence[Found]) -> dict[str, Any]:
    base, *rows = summed(found)
    full = ("best-of-N", NAMES[0], SIZES[-1]) in found[0]
    return {
        "base": base,
        "contrasts": contrasts(found, doubted) if full else {},
        "rows": rows,
        "doubted": list(summed(doubted)),
    }


def compact(result: dict[str, Any]) -> str:
    """A row a line."""
    rows = {key: value for key, value in result.items() if key in ("rows", "doubted")}
    marks = json.dumps({key: [] if key in rows else own for key, own in result.items()}, indent=1, ensure_ascii=False)
    for key, own in rows.items():
        lines = ",\n".join("  " + json.dumps(row, ensure_ascii=False) for row in own)
        marks = marks.replace(f'"{key}": []', f'"{key}": [\n{lines}\n ]')
    return marks + "\n"


if __name__ == "__main__":
    main()
