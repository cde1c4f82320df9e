"""003-069: a value of unfinished solutions, learnt from outcomes alone, as what a search over steps goes by."""

from __future__ import annotations

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import Given
from heedful.catalogue.solving import miscalibration, seen, verifier
from heedful.catalogue.verdicts import Check
from heedful.core import Budget, Floats, Item, PrefixPotential
from heedful.evidence import PrefixValue, Steps, prefixes
from heedful.feedback import prefix_labels
from heedful.sampling import BestOfN, StepBeam
from heedful.target import Target
from heedful.worlds import ChainWorld, SimulatedRaters, marks, outcomes

_LABELLED, _MANY, _WIDTH, _BRANCHES = 400, 2_000, 3, 4
_TAUGHT, _ASKED, _REPEATS = range(40), range(40, 60), 3


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([3069, seed])
    world = ChainWorld(steps=4, problems=60, carry=0.0, aftermath=1.5, words=True, seed=seed)
    many, few = (400, 100) if quick else (_MANY, _MANY // 8)
    drawn = world.draw(many, rng=rng, problems=_TAUGHT)
    some = [drawn[row] for row in rng.permutation(many)[: few if quick else _LABELLED]]
    ends, encoder = outcomes(world, some, rng=rng), seen(world)
    orm = PrefixValue(verifier(ends, encoder), "terminal")
    ovm = PrefixValue(verifier(prefix_labels(ends), encoder), "soft", "base")
    marked = marks(world, some, raters=SimulatedRaters(5), certainty=3.0, rng=rng)
    prm, few_prm = (
        Steps(verifier(prefix_labels(own), encoder), "product")
        for own in (marked, marked.take(range(len(marked) // world.steps)))
    )
    unfinished = [own for item in world.draw(200, rng=rng, problems=_ASKED) for own in prefixes(item)[:-1]]
    true = world.value(unfinished)
    figures = {
        f"error, {name}": _error(world, drawn[:: many // size], unfinished, true, rng)
        for name, size in {"few": few, "many": many}.items()
    }
    for name, potential in {"OVM": ovm, "ORM": orm}.items():
        figures[f"miscalibration, {name}"] = miscalibration(np.exp(potential.prefix(unfinished).mean), true)
    contexts = [world.contexts[number] for number in _ASKED] * (1 if quick else _REPEATS)

    def right(engine: StepBeam | BestOfN, potential: PrefixPotential) -> float:
        found = engine(Target(world.base(), potential), contexts, budget=Budget(), rng=rng)
        return float(100 * world.value(found.items).mean())

    beam, best = StepBeam(_WIDTH, _BRANCHES), BestOfN(_WIDTH * _BRANCHES)
    beams: dict[str, PrefixPotential] = {"OVM": ovm, "ORM": orm, "PRM": prm, "PRM of as many labels": few_prm}
    figures |= {f"beam, {name}": right(beam, own) for name, own in beams.items()}
    return figures | {f"best of 12, {name}": right(best, beams[name]) for name in ("OVM", "PRM")}


def _error(
    world: ChainWorld, solutions: tuple[Item, ...], unfinished: list[Item], true: Floats, rng: np.random.Generator
) -> float:
    """Root mean square error to the exact value, in points, of a value fitted to outcomes with the state in view."""
    names = tuple(f"state {cell}" for cell in range(world.state(unfinished[:1]).shape[1]))
    value = verifier(prefix_labels(outcomes(world, solutions, rng=rng)), Given(names, world.state))
    return float(100 * np.sqrt(np.mean((np.exp(value(unfinished).mean) - true) ** 2)))


ENTRY = Entry(
    id="003-069",
    title="Outcome-supervised Verifiers for Planning in Mathematical Reasoning",
    area="preference/sampling",
    citation="Yu, Gao & Wang 2023",
    claim=(
        "Chains of four additions in which a step written roughly makes the next one likelier to be wrong. A value "
        "fitted to outcomes spread over prefixes, with the state in view, misses the exact P(outcome right | prefix) "
        "of unfinished solutions to new problems by less than 5 points after 2,000 outcomes, and by less than half of "
        "what it misses it by after 250. From 400 outcomes and what can be seen of steps, such a value (OVM) is "
        "calibrated within 5 points and better than a reward of finished solutions (ORM) is on prefixes; and a beam of "
        "3 prefixes with 4 branches ends right more often by OVM than by ORM, than by the product of step "
        "probabilities fitted to marks of the same solutions (PRM), and than the best of 12 whole solutions by OVM, "
        "which are as many steps written."
    ),
    configuration=(
        "feedback.prefix_labels on labels of outcomes or marks of steps; preference.fit(utility='features'); "
        "evidence.Labelled as PrefixValue (kind soft) or in Steps('product'); sampling.StepBeam and BestOfN."
    ),
    measures={
        "error, few": "root mean square error of the value to the exact one, points, state in view, 250 outcomes",
        "error, many": "the same, 2,000 outcomes",
        "miscalibration, OVM": "mean distance in ten bins from the exact value of unfinished solutions, points",
        "miscalibration, ORM": "the same, of a reward fitted to finished solutions alone",
        **{f"beam, {name}": f"right outcomes of the beam, per cent, by {name}" for name in ("OVM", "ORM", "PRM")},
        "beam, PRM of as many labels": "the same by a PRM from the marks of 100 solutions, as many labels as outcomes",
        **{f"best of 12, {name}": f"right outcomes of best-of-12, per cent, by {name}" for name in ("OVM", "PRM")},
    },
    checks=(
        Check("error, many", below=5.0),
        Check("error, few", "error, many", factor=2.0, above=0.0),
        Check("miscalibration, OVM", below=5.0),
        Check("miscalibration, ORM", "miscalibration, OVM", above=0.0),
        Check("beam, OVM", "beam, ORM", above=0.0),
        Check("beam, OVM", "beam, PRM", above=0.0),
        Check("beam, OVM", "best of 12, OVM", above=0.0),
    ),
    miniature=miniature,
    beyond=(
        "The work fits a network by squared error at every token; here a logistic fit by likelihood, which has the "
        "same limit, P(outcome right | what is seen of the prefix). What is seen is nine numbers, among them a noisy "
        "look of each step. Marks err with probability 5 %, outcomes never. A solution has four marks and one outcome; "
        "a PRM from a quarter of the solutions, as many labels as the OVM has, was put beside it after the first run, "
        "and enters no check. With 4,000 outcomes for the OVM the order was the same: the product of step "
        "probabilities is nearly all that looks tell about an outcome, and a logistic value of nine features is not. "
        "After the first run, repeats of the beam were cut from 10 to 3 and the sample for calibration from 400 to "
        "200, for time: every check came out as before."
    ),
)
