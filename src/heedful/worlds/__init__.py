"""Worlds with known truth: an arena of systems, an enumerable language, a grid, exercises, raters with known faults;
and a server of any function."""

from heedful.worlds.arena import ArenaWorld
from heedful.worlds.chains import CHAIN_FEATURES, ChainWorld
from heedful.worlds.collect import Judged, Questions, World, answer, collect, judge
from heedful.worlds.conformance import LawTest, ProperTest, deviations, law_test, proper_test
from heedful.worlds.effects import normal_effect
from heedful.worlds.exercises import Exercise, exercises, right_answer
from heedful.worlds.fidelity import STATISTICS, Fidelity, Likeness, fidelity
from heedful.worlds.gridworld import GridWorld
from heedful.worlds.language import CRITERIA, LanguageWorld, TrueUtility
from heedful.worlds.limit import davidson_limit
from heedful.worlds.lookups import LOOKUP_FEATURES, SUBGOALS, LookupWorld
from heedful.worlds.marking import completion_marks, completion_shares, marks, outcomes
from heedful.worlds.raters import Shown, SimulatedRaters, TieLaw, tie_probabilities
from heedful.worlds.repair import RepairWorld
from heedful.worlds.served import ChatServer, ServedCall, Trouble, answering
from heedful.worlds.simulated_judge import SimulatedJudge
from heedful.worlds.students import Students, lines

__all__ = [
    "CHAIN_FEATURES",
    "CRITERIA",
    "LOOKUP_FEATURES",
    "STATISTICS",
    "SUBGOALS",
    "ArenaWorld",
    "ChainWorld",
    "ChatServer",
    "Exercise",
    "Fidelity",
    "GridWorld",
    "Judged",
    "LanguageWorld",
    "LawTest",
    "Likeness",
    "LookupWorld",
    "ProperTest",
    "Questions",
    "RepairWorld",
    "ServedCall",
    "Shown",
    "SimulatedJudge",
    "SimulatedRaters",
    "Students",
    "TieLaw",
    "Trouble",
    "TrueUtility",
    "World",
    "answer",
    "answering",
    "collect",
    "completion_marks",
    "completion_shares",
    "davidson_limit",
    "deviations",
    "exercises",
    "fidelity",
    "judge",
    "law_test",
    "lines",
    "marks",
    "normal_effect",
    "outcomes",
    "proper_test",
    "right_answer",
    "tie_probabilities",
]
