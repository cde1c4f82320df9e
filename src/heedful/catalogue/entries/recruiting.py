"""002-080: solvers recruited for each instance by the skills it takes, for its task, or for all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from heedful.catalogue.entry import Entry
from heedful.catalogue.settings import Whole
from heedful.catalogue.verdicts import Check
from heedful.core import Floats
from heedful.elicitation import SkillProfiles
from heedful.sampling import voted

_SOLVERS, _SKILLS, _TASKS, _MISTAGGED, _OPTIONS, _RECRUITED = 16, 10, 4, 0.2, 4, 3
_KNOWN, _BATCH = 200, 50
_LEVELS = {"one for all": "for all instances alike", "task": "for the task", "skill": "for the skills of the instance"}


@dataclass(frozen=True)
class _Instances:
    """What each level knows of n instances [n, kinds], and each solver's answer [n, solvers], of which 0 is right."""

    tags: dict[str, Floats]
    answer: Whole

    @property
    def right(self) -> Floats:
        return np.asarray(self.answer == 0, np.float64)


@dataclass(frozen=True)
class _World:
    """Log-odds of being right of each solver by skill [m, s], and how often tasks take skills [t, s]."""

    skill: Floats
    task: Floats

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> _World:
        skill = rng.normal(0, 0.5, (_SOLVERS, 1)) + rng.normal(0, 1.2, (_SOLVERS, _SKILLS))
        return cls(skill, rng.dirichlet(np.full(_SKILLS, 0.5), _TASKS))

    def instances(self, n: int, rng: np.random.Generator) -> _Instances:
        """Each takes two different skills, as its task has them."""
        task = rng.integers(_TASKS, size=n)
        key = np.log(np.maximum(self.task[task], 1e-12)) + rng.gumbel(size=(n, _SKILLS))
        taken = np.argsort(-key, axis=1)[:, :2]
        chance = expit(self.skill[:, taken].mean(axis=2)).T
        wrong = rng.integers(1, _OPTIONS, (n, _SOLVERS))
        seen = np.where(rng.random((n, 2)) < _MISTAGGED, rng.integers(_SKILLS, size=(n, 2)), taken)
        tags = {
            "one for all": np.ones((n, 1)),
            "task": np.eye(_TASKS)[task],
            "skill": np.eye(_SKILLS)[seen].sum(axis=1),
        }
        return _Instances(tags, np.where(rng.random((n, _SOLVERS)) < chance, 0, wrong))


def miniature(seed: int, quick: bool) -> dict[str, float]:
    rng = np.random.default_rng([2080, seed])
    world = _World.drawn(rng)
    known, fresh = world.instances(_KNOWN, rng), world.instances(200 if quick else 2000, rng)
    figures = {}
    for level in _LEVELS:
        profiles = _told(SkillProfiles.none(_SOLVERS, known.tags[level].shape[1]), level, known)
        chosen = profiles.recruit(fresh.tags[level], _RECRUITED)
        figures[level] = _solved(fresh, chosen, profiles.scores(fresh.tags[level]), rng)
        figures[f"{level}, alone"] = _solved(fresh, chosen[:, :1], np.ones_like(fresh.right), rng)
    learnt = SkillProfiles.none(_SOLVERS, _SKILLS)
    for _ in range(_KNOWN * _SOLVERS // (_RECRUITED * _BATCH)):
        met = world.instances(_BATCH, rng)
        learnt = _told(learnt, "skill", met, learnt.recruit(met.tags["skill"], _RECRUITED, rng=rng))
    tags = fresh.tags["skill"]
    figures["at work"] = _solved(fresh, learnt.recruit(tags, _RECRUITED), learnt.scores(tags), rng)
    anyone = rng.permuted(np.tile(np.arange(_SOLVERS), (len(tags), 1)), axis=1)[:, :_RECRUITED]
    return figures | {"at random": _solved(fresh, anyone, np.ones_like(fresh.right), rng)}


def _told(profiles: SkillProfiles, level: str, met: _Instances, who: Whole | None = None) -> SkillProfiles:
    """After the answers of those recruited [n, k], of all solvers where nobody is."""
    n = len(met.answer)
    model = np.tile(np.arange(_SOLVERS), (n, 1)) if who is None else who
    skills = np.repeat(met.tags[level], model.shape[1], axis=0)
    return profiles.tell(model.ravel(), skills, np.take_along_axis(met.right, model, axis=1).ravel())


def _solved(met: _Instances, who: Whole, score: Floats, rng: np.random.Generator) -> float:
    """Instances whose answer is right, per cent, voted by those recruited [n, k], weighted by their scores [n, m]."""
    given = np.eye(_OPTIONS)[np.take_along_axis(met.answer, who, axis=1)]
    votes = voted(given, np.take_along_axis(score, who, axis=1))
    return float(100 * ((votes + 1e-9 * rng.random(votes.shape)).argmax(axis=1) == 0).mean())


ENTRY = Entry(
    id="002-080",
    title="Symbolic Mixture-of-Experts: Adaptive Skill-based Routing for Heterogeneous Reasoning",
    area="elicitation/sampling",
    citation="Chen et al. 2025",
    claim=(
        "16 solvers with hidden log-odds on ten skills; instances of four tasks take two skills each, of which a "
        "tagger gets one in five wrong. Profiles are learnt from 200 instances that all solvers answered (3,200 "
        "calls), and three solvers recruited for each fresh instance, whose answers are voted. Recruiting by the "
        "skills of the instance is right more often than by its task, by two points or more, than one trio for all, by "
        "four, and than the best recruit's answer alone; and profiles learnt at work by Thompson sampling, from as "
        "many calls and no validation set, are at most a point behind."
    ),
    configuration=(
        "elicitation.SkillProfiles.recruit by mean, by Thompson sampling where learnt at work, and with tasks or "
        "nothing in the place of skills; sampling.voted with the profiles' scores as weights."
    ),
    measures={
        **{level: f"right, per cent, of votes of three recruited {said}" for level, said in _LEVELS.items()},
        **{f"{level}, alone": f"right, per cent, the best recruit {said}, alone" for level, said in _LEVELS.items()},
        "at work": "right, per cent, of votes of three recruited for the skills, by profiles learnt at work",
        "at random": "right, per cent, of votes of three at random",
    },
    checks=(
        Check("skill", "task", above=2.0),
        Check("skill", "one for all", above=4.0),
        Check("skill", "skill, alone", above=0.0),
        Check("skill", "at work", below=1.0),
    ),
    miniature=miniature,
    beyond=(
        "The work writes the skills of a question in words and joins answers by a language model; here tags are noisy "
        "labels and answers are voted. It scores by right less wrong answers and recruits at random in proportion; "
        "here the scores are probabilities and the best are recruited. Learning at work is ours. That each solver is "
        "loaded once for a batch changes no answer and is not counted."
    ),
)
