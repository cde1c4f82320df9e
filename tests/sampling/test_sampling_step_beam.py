"""The beam over steps: against laws worked out step by step, and what exact values make of it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import chi2

from heedful.core import Budget, Item, UsageError
from heedful.core.contracts import SamplingEngineContract
from heedful.evidence import PrefixValue, Rule
from heedful.models import TableModel
from heedful.sampling import BestOfN, StepBeam
from heedful.target import Target
from heedful.worlds import ChainWorld

WORLD = ChainWorld(steps=3, problems=4, aftermath=1.0, words=True)


def exact_value() -> PrefixValue:
    return PrefixValue(Rule(lambda item: float(WORLD.value([item])[0]), "value"), "mean", "base")


class TestStepBeam(SamplingEngineContract):
    def make(self):
        return StepBeam(2, 3)

    def target(self):
        return Target(WORLD.base(), exact_value())

    def contexts(self):
        return [WORLD.contexts[0], WORLD.contexts[1], WORLD.contexts[0]]


def test_a_beam_of_one_takes_the_best_of_its_branches_at_each_step():
    """Its law is the product of best-of-n laws of single steps, summed over all n-tuples of draws."""
    context, branches, n = WORLD.contexts[2], 2, 20_000
    base = WORLD.base()
    law = {}
    for output in base.support(context):
        share = 1.0
        for place in range(3):
            parts, p = base.following(context, output.output[:place])
            value = [WORLD.value([Item(context, (*output.output[:place], part))])[0] for part in parts]
            kept = parts.index(output.output[place])
            share *= sum(
                np.prod([p[one] for one in drawn]) / len({one for one in drawn if value[one] == value[kept]})
                for drawn in itertools.product(range(len(parts)), repeat=branches)
                if kept in drawn and max(value[one] for one in drawn) == value[kept]
            )
        law[output] = share
    assert sum(law.values()) == pytest.approx(1.0)
    out = StepBeam(1, branches)(
        Target(base, exact_value()), [context] * n, budget=Budget(), rng=np.random.default_rng(0)
    )
    counts = dict.fromkeys(law, 0)
    for item in out.items:
        counts[item] += 1
    often = [item for item, share in law.items() if n * share >= 5]
    rest = n - sum(counts[item] for item in often), n * (1 - sum(law[item] for item in often))
    pairs = [(counts[item], n * law[item]) for item in often] + [rest]
    assert chi2.sf(sum((seen - told) ** 2 / max(told, 1e-9) for seen, told in pairs), len(pairs) - 1) > 1e-3


def test_exact_values_beat_best_of_as_many_steps_where_unfinished_outputs_tell():
    """Best-of-N by the exact outcome is right where any of N draws is; the beam sees errors when they are made."""
    contexts = list(WORLD.contexts) * 300
    found = {
        name: engine(
            Target(WORLD.base(), exact_value()), contexts, budget=Budget(samples=4800), rng=np.random.default_rng(1)
        )
        for name, engine in {"beam": StepBeam(1, 4), "best of 4": BestOfN(4), "lone": StepBeam(1, 1)}.items()
    }
    right = {name: WORLD.value(out.items).mean() for name, out in found.items()}
    base = np.mean([WORLD.value([Item(context)])[0] for context in WORLD.contexts])
    assert abs(right["lone"] - base) < 5 * np.sqrt(0.25 / 1200)
    assert right["beam"] > right["best of 4"] + 0.03 > right["lone"] + 0.1
    assert found["beam"].cost["samples"] == found["best of 4"].cost["samples"] == 4800
    assert found["beam"].kl is None


def test_what_has_no_prefixes_is_refused():
    context = WORLD.contexts[0]
    listed = TableModel.of({"q": {"a": 1.0}})
    for target in (Target(listed, exact_value()), Target(WORLD.base(), 1.0 * exact_value())):
        with pytest.raises(UsageError, match="step by step"):
            StepBeam(1, 1)(target, [context], budget=Budget(), rng=np.random.default_rng(0))
    with pytest.raises(UsageError, match="0 prefixes"):
        StepBeam(0, 2)
