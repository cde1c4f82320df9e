"""Reward against divergence against tokens: where more optimisation stops paying, by engine and by reward.

    python benchmarks/over_optimisation.py [--quick] [--doubts] [--out FILE] [--figure FILE.svg]

The base is the small model of exercises; what is wanted is a right answer whose steps are right too. Rewards:

    true             the share of right lines, and 2 more for a right answer
    fitted           a linear utility of style and n-grams, fitted to 400 noisy comparisons of the model's own outputs
                     by the true reward, on other exercises
    fitted, lowered  the same less 2 posterior standard deviations of how much more it gives than to the base's own
                     answers in the exercise
    wrong            the length of the output

Ten rewards are fitted, each to feedback of its own; each is tried on 12 held-out exercises of its own. So the means of
these ten sets are independent, and intervals are t intervals over them: they speak for other feedback and other
exercises alike. Every engine answers the same exercises. Engines of whole outputs and of lines answer 24 times, dealt
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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from heedful.core import Floats, Item, Parts
from heedful.evidence import pessimistic, term
from heedful.models import Decoding
from heedful.report.charts import to_file
from heedful.sampling import BestOfN
from heedful.worlds.exercises import exercises, right_answer
from heedful.worlds.small_model import small_model
from optimising.dealing import Drawn
from optimising.engines import Rung, answered, rungs, setting, votes
from optimising.figure import HEIGHT, drawn_charts
from optimising.rewards import NAMES, Beside, ByContext, Once, by_name, length, rewards, true_reward

SETS, EXERCISES, DRAWS, COMPARISONS = 10, 12, 256, 400
PLAIN, FEWER = "0 none", 4
DOUBTS = (("none", 0.0), ("draws", 1.0), ("draws", 2.0), ("draws", 4.0), ("alone", 1.0), ("training", 2.0))
SIZES, FEW = (2, 4, 8, 16, 32, 64), (4, 16, 64)
Measures = dict[str, Any]  # of rewards an array [sets], else numbers
Key = tuple[str, str, float]  # engine, reward, size or strength
Found = dict[Key, Measures]


@dataclass(frozen=True, eq=False)
class Study:
    """Sets of exercises with what was drawn in them, and the rewards of each set."""

    model: Any
    base: Drawn
    dear: Drawn
    sets: Sequence[Sequence[Parts]]
    made: Sequence[Mapping[str, Any]]
    fewer: Sequence[Mapping[str, Any]]

    @classmethod
    def of(cls, sets: Sequence[Sequence[Parts]], draws: int, comparisons: int) -> Study:
        model, rng = small_model(batch_size=256), np.random.default_rng(0)
        sharper = small_model(batch_size=256, decoding=Decoding(temperature=0.5))
        contexts = [context for own in sets for context in own]
        made, fewer = (
            [rewards(model, count, number) for number in range(len(sets))]
            for count in (comparisons, comparisons // FEWER)
        )
        return cls(
            model, Drawn(model, contexts, draws, rng), Drawn(sharper, contexts, draws // 4, rng), sets, made, fewer
        )

    @cached_property
    def contexts(self) -> Sequence[Parts]:
        return [context for own in self.sets for context in own]

    @cached_property
    def known(self) -> Mapping[Parts, Sequence[Item]]:
        """Some of the base's own outputs in each context."""
        return {context: items[: len(items) // 4] for context, items in self.base.outputs.items()}

    @cached_property
    def fitted(self) -> ByContext:
        return self.joined([Once(own["fitted"]) for own in self.made])

    @cached_property
    def level(self) -> dict[str, Floats]:
        """What the base's outputs score."""
        return self.means([item for items in self.base.outputs.values() for item in items])

    def joined(self, rewards_of: Sequence[Any]) -> ByContext:
        """The reward of each set, in its exercises."""
        pairs = zip(self.sets, rewards_of, strict=True)
        return ByContext({context: reward for contexts, reward in pairs for context in contexts})

    def means(self, items: Sequence[Item]) -> dict[str, Floats]:
        """What answers score on average, by set [sets]; as many in each exercise, in their order."""
        place = {item: row for row, item in enumerate(dict.fromkeys(items))}
        rows = np.array([place[item] for item in items]).reshape(len(self.sets), -1)
        scores = {
            "true": [true_reward(item) for item in place],
            "right": [right_answer(item) for item in place],
            "fitted": self.fitted([*place]).mean,
            "wrong": [length(item) for item in place],
        }
        return {key: np.asarray(own, float)[rows].mean(axis=1) for key, own in scores.items()}

    def told(self, rung: Rung, reward: Any, seed: Sequence[int]) -> Measures:
        own = setting(self.model, self.base, self.dear, reward)
        answers = answered(rung, own, self.contexts, np.random.default_rng(seed))
        gains = {key: value - self.level[key] for key, value in self.means(answers.items).items()}
        return gains | {"kl": answers.kl, "tokens": answers.tokens, "missing": answers.missing}

    def agreement(self) -> Floats:
        """How often a fitted reward orders two draws as the true one does, where that tells them apart; ties count
        half. By set."""
        drawn = [item for items in self.base.outputs.values() for item in items]
        true = np.array([true_reward(item) for item in drawn]).reshape(len(self.sets), -1)
        score = self.fitted(drawn).mean.reshape(true.shape)
        signs = [np.sign(own[:, 0::2] - own[:, 1::2]) for own in (true, score)]
        agreed = np.where(signs[0] != 0, (1 + signs[0] * signs[1]) / 2, np.nan)
        return np.asarray(np.nanmean(agreed, axis=1))

    def engines(self, quick: bool) -> Iterator[tuple[Key, Measures]]:
        """What each comes to by each reward."""
        yield ("base", "", 1.0), self.level | {"agreement": self.agreement()}
        by_set = [by_name(own, self.known) for own in self.made]
        named = {name: self.joined([own[name] for own in by_set]) for name in NAMES}
        for rung in votes():
            yield (rung.engine, "", rung.at), self.told(rung, named["true"], [1])
        for (name, reward), (place, rung) in product(named.items(), enumerate(rungs(quick))):
            yield (rung.engine, name, rung.at), self.told(rung, reward, [2, place])

    def doubted(self) -> Iterator[tuple[Key, Measures]]:
        """Best-of-N with other doubts and with less feedback."""
        for (feedback, made), (about, doubt) in product({"all": self.made, "fewer": self.fewer}.items(), DOUBTS):
            reward = self.joined([Once(self.lowered(own["fitted"], about, doubt)) for own in made])
            for n in FEW:
                rung = Rung("", n, lambda own, n=n: BestOfN(n), "law")
                yield (feedback, f"{doubt:g} {about}", n), self.told(rung, reward, [3, n])

    def lowered(self, fitted: Any, about: str, doubt: float) -> Any:
        """By how little is known of it beside the base's own answers or the training mean, or by the former alone."""
        beside = Beside(fitted, self.known)
        if about == "alone":
            return pessimistic(beside, doubt) - term(beside)
        return pessimistic(beside if about == "draws" else fitted, doubt)


def row_of(key: Key, found: Measures) -> dict[str, Any]:
    """Means over the sets, with t intervals where these are of rewards."""
    told = {name: interval(own) if isinstance(own, np.ndarray) else own for name, own in found.items()}
    return {"engine": key[0], "reward": key[1], "at": key[2], **told}


def interval(values: Floats) -> list[float]:
    """Mean and 95 % t interval of independent values, each itself the mean of many; no ends for a single one."""
    n, mean = len(values), float(values.mean())
    if n < 2:
        return [mean]
    half = float(stats.t.ppf(0.975, n - 1) * values.std(ddof=1) / np.sqrt(n))
    return [mean, mean - half, mean + half]


def contrasts(found: Found) -> dict[str, dict[str, list[float]]]:
    """True reward gained, by set: by each doubling of best-of-N, and by every engine with lowered scores."""
    true = {key: own["true"] for key, own in found.items()}
    return {
        "doubling": {
            f"{name}, {n}": interval(true["best-of-N", name, n] - true["best-of-N", name, n // 2])
            for name, n in product(NAMES, SIZES[1:])
        },
        "lowered": {
            f"{engine}, {at:g}": interval(true[engine, "fitted, lowered", at] - own)
            for (engine, name, at), own in true.items()
            if name == "fitted"
        },
    }


def saved(doubted: Found) -> dict[str, list[float]]:
    """True reward gained by best-of-N with lowered scores beside plain ones, by set."""
    less = {key: own["true"] for key, own in doubted.items()}
    return {
        f"{feedback}, {how}, {n:g}": interval(own - less[feedback, PLAIN, n])
        for (feedback, how, n), own in less.items()
        if how != PLAIN
    }


def shown(row: dict[str, Any]) -> str:
    told = "  ".join(f"{row[key][0]:+.2f} {_ends(row[key])}" for key in ("true", "right", "fitted"))
    paid = f"{row.get('kl', 0.0):7.2f}{row.get('tokens', 0.0):8.0f}"
    return f"{row['reward']:16}{row['engine']:18}{row['at']:>5g}  {told}{paid}"


def _ends(told: Sequence[float]) -> str:
    return "[{:+.2f}, {:+.2f}]".format(*told[1:]) if told[1:] else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a small set and each engine once, to see that it runs")
    parser.add_argument(
        "--doubts", action="store_true", help="lowered scores alone; keep what FILE says of the engines"
    )
    parser.add_argument("--out", metavar="FILE", type=Path)
    parser.add_argument("--figure", type=Path, help="draw the true reward against divergence as SVG")
    options = parser.parse_args()
    sets, each, draws, comparisons = (1, 2, 64, 80) if options.quick else (SETS, EXERCISES, DRAWS, COMPARISONS)
    begun = time.process_time()
    asked = list(dict.fromkeys(own.context for own in exercises(2 * sets * each, seed=1)))[: sets * each]
    study = Study.of([asked[start : start + each] for start in range(0, len(asked), each)], draws, comparisons)
    result: dict[str, Any] = {"sets": sets, "exercises": each, "draws": draws, "comparisons": comparisons}
    if options.doubts:
        result = json.loads(options.out.read_text("utf-8"))
    else:
        found = dict(_told(study.engines(options.quick)))
        base, *rows = (row_of(key, own) for key, own in found.items())
        result |= {"seconds": 0, "base": base, "rows": rows}
        result |= {} if options.quick else {"contrasts": contrasts(found)}
    if not options.quick:
        doubted = dict(_told(study.doubted()))
        result |= {"saved": saved(doubted), "doubted": [row_of(key, own) for key, own in doubted.items()]}
    result["seconds"] += round(time.process_time() - begun)
    print(f"base: {result['base']}, {result['seconds']} s of the processor")
    if options.figure:
        to_file(drawn_charts(result), options.figure, height=HEIGHT)
    if options.out:
        options.out.write_text(compact(result), "utf-8")


def _told(found: Iterable[tuple[Key, Measures]]) -> Iterator[tuple[Key, Measures]]:
    for key, own in found:
        print(shown(row_of(key, own)), flush=True)
        yield key, own


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
