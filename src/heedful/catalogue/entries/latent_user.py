"""004-112: who a new person is, inferred from a few of their comparisons, and which comparisons to ask for."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from scipy import sparse
from scipy.special import expit

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import Given, fresh_pairs, misordered
from heedful.catalogue.verdicts import Check
from heedful.core import Floats, Item
from heedful.feedback import Table
from heedful.preference.people import PairVotes, People, fit_people
from heedful.worlds import CRITERIA, LanguageWorld, tie_probabilities

_SHARED = np.array([0.5, -0.5, 0.3, -0.2])
_TYPES = _SHARED + np.diag([2.5, 2.5, 2.5, -2.0])
_KNOWN, _EACH, _NEW, _POOL, _ASKED = 80, 12, 8, 24, 4
_TIE = 0.3


@dataclass(frozen=True)
class Answers:
    """Votes on pairs: `first` and `second` [v], `choice` [v] as records have it, `rater` [v]."""

    first: list[Item]
    second: list[Item]
    choice: list[str]
    rater: list[str]

    def table(self) -> Table:
        both = [[a.output[0].text, b.output[0].text] for a, b in zip(self.first, self.second, strict=True)]
        columns = {
            "id": [f"vote-{number}" for number in range(len(both))],
            "context": [item.context[0].text for item in self.first],
            "outputs": both,
            "choice": self.choice,
            "rater": self.rater,
        }
        return Table.shaped(pl.DataFrame(columns).with_columns(kind=pl.lit("comparison")))


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([4112, seed])
    world = LanguageWorld(length=2, prompts=12, seed=seed)
    known, new = (20, 2) if quick else (_KNOWN, _NEW)
    kinds, newcomers = rng.integers(4, size=known), rng.integers(4, size=new)
    owner = [f"known {person:03d}" for person in range(known) for _ in range(_EACH)]
    # Each vote of a new person is held as a rater of its own, so that any few of them can be put together.
    single = [f"new {person:03d} {vote:02d}" for person in range(new) for vote in range(_POOL)]
    kind = np.concatenate([np.repeat(kinds, _EACH), np.repeat(newcomers, _POOL)])
    answers = _answered(world, kind, owner + single, rng)
    votes = PairVotes.of(answers.table(), features=Given(CRITERIA, world.criteria))
    place = {name: number for number, name in enumerate(votes.raters)}
    train = votes.of_raters(np.array([place[name] for name in sorted(set(owner))]))
    people, alike = (fit_people(train, rank=rank, draws=200, seed=seed) for rank in (3, 0))
    errors: dict[str, list[float]] = {name: [] for name in ("pooled", "no question", "random", "informative")}
    for person, own in enumerate(newcomers):
        first, second = fresh_pairs(world, 200, rng)
        true = expit(_gap(world, first, second, _TYPES[own]))
        start = len(owner) + person * _POOL
        pool = (answers.first[start : start + _POOL], answers.second[start : start + _POOL])
        held = np.array([place[name] for name in single[person * _POOL : (person + 1) * _POOL]])
        chosen = {"random": list(range(_ASKED)), "informative": informative(people, votes, held, pool, seed)}
        fits = {
            name: people.person(_together(votes, held[some]), draws=200, seed=seed) for name, some in chosen.items()
        }
        fits |= {"pooled": alike.person(draws=200, seed=seed), "no question": people.person(draws=200, seed=seed)}
        for name, fitted in fits.items():
            errors[name].append(misordered(true, fitted.posterior.prefer(first, second)))
    return {name: float(np.mean(values)) for name, values in errors.items()}


def _answered(world: LanguageWorld, kind: np.ndarray, rater: list[str], rng: np.random.Generator) -> Answers:
    first, second = fresh_pairs(world, len(kind), rng)
    gap = _gap(world, first, second, _TYPES[kind])
    edges = np.cumsum(tie_probabilities(gap, _TIE, "davidson"), axis=0)
    outcome = np.minimum((rng.random(len(kind)) > edges).sum(axis=0), 2)
    return Answers(first, second, np.array(["first", "second", "tie"])[outcome].tolist(), rater)


def _gap(world: LanguageWorld, first: list[Item], second: list[Item], weights: Floats) -> Floats:
    return np.asarray(((world.criteria(first) - world.criteria(second)) * weights).sum(axis=1))


def _together(votes: PairVotes, chosen: np.ndarray) -> PairVotes:
    """These raters' votes as those of one person."""
    some = votes.of_raters(chosen)
    return replace(some, raters=("new",), counts=sparse.csr_array(np.asarray(some.counts.sum(axis=0)).reshape(1, -1)))


def informative(
    people: People, votes: PairVotes, held: np.ndarray, pool: tuple[list[Item], list[Item]], seed: int
) -> list[int]:
    """Which questions of the pool to ask, one after the other, each the one expected to tell most about the person."""
    asked: list[int] = []
    while len(asked) < _ASKED:
        known = _together(votes, held[asked]) if asked else None
        gain = people.person(known, draws=200, seed=seed).expected_information(*pool)
        gain[asked] = -np.inf
        asked.append(int(np.argmax(gain)))
    return asked


ENTRY = Entry(
    id="004-112",
    title="Personalizing Reinforcement Learning from Human Feedback with Variational Preference Learning",
    area="preference/elicitation",
    citation="Poddar et al. 2024",
    claim=(
        "80 people of four kinds give 12 comparisons each; 8 new people of these kinds answer 4 questions. On 200 "
        "fresh pairs each, a latent position inferred from the 4 answers puts fewer pairs in the wrong order than one "
        "utility for all does, by more than 5 points; and fewer where each question was chosen by its expected "
        "information than where the 4 were random."
    ),
    configuration=(
        "preference.people.fit_people(rank=3): utility (w + L z) · features with z standard normal per person; "
        "People.person(votes) for the new person; Person.expected_information to choose questions; rank=0 is one "
        "utility for all."
    ),
    measures={
        "pooled": "pairs in the wrong order for the new person, per cent, one utility for all",
        "no question": "the same, latent person before any answer",
        "random": "the same, after 4 random questions",
        "informative": "the same, after 4 questions chosen one after the other by expected information",
    },
    checks=(Check("pooled", "random", above=5.0), Check("random", "informative", above=0.0)),
    miniature=miniature,
    beyond=(
        "The work learns an encoder q(z | comparisons) and maximises a variational bound; here z is Gaussian, enters "
        "utilities linearly, and its posterior is computed for each person by importance sampling, so nothing is lost "
        "to the bound. The kinds are four points, which a Gaussian z only approximates."
    ),
)
