"""002-025: refinements that incorporate what was said of outputs, imitated; alone and with comparisons."""

from __future__ import annotations

import numpy as np

from heedful.catalogue.entry import Entry
from heedful.catalogue.learning import Indices, Records
from heedful.catalogue.machines import Machine, Sums
from heedful.catalogue.settings import compared, without_torch
from heedful.catalogue.verdicts import SEEDS, Check
from heedful.catalogue.writers import Learner
from heedful.core import Floats
from heedful.preference.heads import Linear, Votes
from heedful.sampling import minimum_bayes_risk

_ACTS, _VALUES, _LENGTH = 6, 6, 4
_TOLD, _ROUNDS, _REFINED, _FOLLOWED = 120, 3, 5, 0.7
_FRESH, _N = 100, 8
# Whether the critic tells the right value of the first wrong step, and whether of five refinements that one is taken
# which incorporates it, or any; and how many outputs are criticised.
_ARMS = {
    "ILF": (True, True, _TOLD),
    "any refinement": (True, False, _TOLD),
    "place alone": (False, True, _TOLD),
    "half": (True, True, _TOLD // 2),
    "quarter": (True, True, _TOLD // 4),
}


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([225, seed])
    machine = Machine.drawn(_ACTS, _VALUES, rng)
    task = Sums.drawn(machine, _TOLD + _FRESH, _LENGTH, rng)
    base = task.knowing(rng.normal(2.0, 1.5, machine.acts.shape))
    told, fresh = np.split(np.arange(_TOLD + _FRESH), [_TOLD])
    if quick:
        told, fresh = told[::6], fresh[::5]
    found = {name: _learnt(task, base, told[: len(told) * count // _TOLD], valued, chosen, rng)
             for name, (valued, chosen, count) in _ARMS.items()}  # fmt: skip
    own = task.writer().write(base, told, 1, rng)[:, 0]
    found |= {
        "base": base,
        "own": _imitated(task, base, told, own),
        "human": _imitated(task, base, told, task.true[told]),
    }
    figures = {name: float(task.solved(fresh, task.writer().write(weights, fresh, 16, rng)).mean())
               for name, weights in found.items()}  # fmt: skip
    most = _reward(task, base, told, rng)
    half = _reward(task, found["half"], told[::2], rng)
    figures["comparisons"] = _best(task, base, most, fresh, rng)
    figures["both"] = _best(task, found["half"], half, fresh, rng)
    figures["ILF, voted"] = _voted(task, found["ILF"], fresh, rng)
    return figures


def _learnt(task: Sums, base: Floats, told: Indices, valued: bool, chosen: bool, rng: np.random.Generator) -> Floats:
    """Weights fine-tuned from the base on refinements of the policy's own outputs, in rounds, on all so far."""
    from heedful.training.choosing import ends
    from heedful.training.examples import Example
    from heedful.training.objectives import refined

    weights, examples = base, []
    for prompts in np.array_split(told, _ROUNDS):
        outputs = task.writer().write(weights, prompts, 1, rng)[:, 0]
        place = _wrong(task, prompts, outputs)
        made = _refinements(task, weights, prompts, outputs, place, valued, rng)
        right = task.right(prompts, made) if valued else made != outputs[:, None]
        incorporated = np.take_along_axis(right, place[:, None, None], axis=2)[..., 0]
        taken = ends(incorporated if chosen else rng.random(incorporated.shape))
        for prompt, output, where, refinement in zip(prompts, outputs, place, made[taken], strict=True):
            example = Example((int(prompt),), (output,))
            examples.append(refined(example, np.array([_VALUES + where]), refinement)[0])
        asked, wanted = (np.array(own) for own in zip(*[(e.prompt[0], e.outputs[0]) for e in examples], strict=True))
        weights = _imitated(task, base, asked, wanted)
    return weights


def _wrong(task: Sums, prompts: Indices, outputs: Indices) -> Indices:
    """The first wrong step [r], the last where none is."""
    right = task.right(prompts, outputs[:, None])[:, 0]
    return np.where(right.all(1), _LENGTH - 1, right.argmin(1))


def _refinements(
    task: Sums,
    weights: Floats,
    prompts: Indices,
    outputs: Indices,
    place: Indices,
    valued: bool,
    rng: np.random.Generator,
) -> Indices:
    """What the policy makes of each output [r, length] in `_REFINED` tries: it keeps what stands before the step named,
    writes what it was told there, if anything, at `_FOLLOWED`, else what it will, and goes on."""
    made = np.empty((len(prompts), _REFINED, _LENGTH), np.intp)
    for step in np.unique(place):
        here = np.flatnonzero(place == step)
        asked = np.repeat(prompts[here], _REFINED)
        begun = np.repeat(outputs[here, :step], _REFINED, axis=0)
        own = task.writer().write(weights, asked, 1, rng, begun=begun)[:, 0, step]
        value = np.where(valued & (rng.random(len(own)) < _FOLLOWED), _right(task, asked, begun), own)
        begun = np.column_stack([begun, value])
        made[here] = task.writer().write(weights, asked, 1, rng, begun=begun).reshape(len(here), _REFINED, _LENGTH)
    return made


def _right(task: Sums, prompts: Indices, begun: Indices) -> Indices:
    """The value that is right after what stands already [n, t]."""
    before = begun[:, -1] if begun.shape[1] else task.start[prompts]
    return np.asarray(task.machine.acts[task.acts[prompts, begun.shape[1]], before])


def _imitated(task: Sums, base: Floats, prompts: Indices, outputs: Indices) -> Floats:
    from heedful.training import Supervised

    learner = Learner(base, 0.08)
    learner.step(task.writer().loss(Supervised(), Records(prompts, outputs[:, None], {})), 25)
    return learner.weights


def _reward(task: Sums, weights: Floats, told: Indices, rng: np.random.Generator) -> Floats:
    """Worth of each step as comparisons of two outputs of a policy tell it: raters like right steps, 1 nat each."""
    outputs = task.writer().write(weights, told, 2, rng)
    won = compared(task.right(told, outputs).sum(2).ravel().astype(float), rng)
    first = np.arange(len(won)) * 2
    votes = Votes.of(first, first + 1, won)
    return Linear(prior_sd=1.0, pairs=2).fit(_counted(task, told, outputs), votes, rng=rng).weights


def _counted(task: Sums, prompts: Indices, outputs: Indices) -> Floats:
    """How often outputs [r, k, length] write each value after each act at each value, in rows [r · k, features]."""
    writer = task.writer()
    steps = writer.design(prompts, outputs).toarray()[:, :, None] * np.eye(_VALUES)[outputs.ravel()][:, None]
    return np.asarray(steps.reshape(-1, _LENGTH, writer.rows * _VALUES).sum(1))


def _best(task: Sums, weights: Floats, reward: Floats, prompts: Indices, rng: np.random.Generator) -> float:
    """The share of problems solved by the output of greatest reward among `_N`."""
    outputs = task.writer().write(weights, prompts, _N, rng)
    taken = (_counted(task, prompts, outputs) @ reward).reshape(-1, _N).argmax(1)
    return float(task.solved(prompts, outputs)[np.arange(len(prompts)), taken].mean())


def _voted(task: Sums, weights: Floats, prompts: Indices, rng: np.random.Generator) -> float:
    """The share of problems solved by the most frequent answer of `_N` outputs."""
    ended = task.writer().write(weights, prompts, _N, rng)[..., -1]
    even = np.full((1, _N), -np.log(_N))
    taken = [minimum_bayes_risk(even, own[:, None] != own)[0] for own in ended]
    return float((ended[np.arange(len(prompts)), taken] == task.true[prompts, -1]).mean())


_NAMES = {
    "base": "the base",
    "own": "fine-tuned on 120 outputs of its own",
    "human": "fine-tuned on 120 true solutions",
    "ILF": "ILF, 120 outputs criticised",
    "half": "ILF, 60 outputs criticised",
    "quarter": "ILF, 30 outputs criticised",
    "any refinement": "ILF with any of five refinements",
    "place alone": "ILF where critics name the step and not its value",
    "comparisons": "the best of 8 of the base by a reward from 120 comparisons",
    "both": "the best of 8 of ILF on 60 outputs by a reward from 60 comparisons of what it wrote then",
    "ILF, voted": "the most frequent answer of 8 by ILF, 120 outputs criticised",
}
ENTRY = Entry(
    id="002-025",
    title="Training Language Models with Language Feedback at Scale",
    area="training/feedback",
    citation="Scheurer et al. 2023",
    claim=(
        "Four steps of arithmetic. A critic says of an output of the policy what its first wrong step should be; the "
        "policy makes five refinements, of which one that incorporates this is imitated. In three rounds with 120 "
        "critiques, ILF solves more fresh problems than the base, by 0.05, than imitation of its own outputs and of "
        "any of the five, and more than with 60 critiques, which is more than with 30. With 60 critiques and then 60 "
        "comparisons of outputs, the best of 8 by a reward from these is right more often than the best of 8 of the "
        "base by one from 120 comparisons, and than an output of ILF with 120 critiques."
    ),
    configuration=(
        "training.objectives.refined and training.Supervised on refinements that training.choosing.ends takes; "
        "preference.heads.Linear on comparisons; sampling.minimum_bayes_risk for the most frequent answer."
    ),
    measures={name: f"share of fresh problems solved, {what}" for name, what in _NAMES.items()},
    checks=(
        Check("ILF", "base", above=0.05),
        Check("ILF", "own", above=0.0),
        Check("ILF", "any refinement", above=0.0),
        Check("ILF", "half", above=0.0),
        Check("half", "quarter", above=0.0),
        Check("both", "comparisons", above=0.0),
        Check("both", "ILF", above=0.0),
    ),
    miniature=miniature,
    missing=without_torch,
    seeds=SEEDS[:30],
    beyond=(
        "The refiner is the policy itself, by rule: it keeps what stands before the step named, writes the value told "
        "7 times in 10, and goes on as it would. True solutions, which say all four steps right, are no claim here: "
        "the abstract's summaries by people are not perfect, and how imperfect a miniature makes them would decide. "
        "Nor is the most frequent answer, which summaries do not have. A reward of 216 weights learns little from 60 "
        "comparisons, and a poor one does harm: of 8 outputs the right one stands there many times with one reward, "
        "and each wrong one has a chance of its own to be the greatest."
    ),
)
