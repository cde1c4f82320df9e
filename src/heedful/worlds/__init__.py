"""Worlds with known truth: an arena of systems, an enumerable language, a grid, exercises, prompts with rules,
programs to be mended, raters with known faults; and a server of any function."""

from heedful.worlds.arena import ArenaWorld
from heedful.worlds.aspects import ASPECTS, LUCK, Aspect
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
from heedful.worlds.played import Asked, Block, Player, as_writer, played, to_rewrite
from heedful.worlds.raters import Shown, SimulatedRaters, TieLaw, tie_probabilities
from heedful.worlds.repair import RepairWorld
from heedful.worlds.rule_models import PROGRAM_STEPS, in_steps, in_steps_async, rule_models, step_text
from heedful.worlds.rule_people import RulePeople
from heedful.worlds.rule_players import RuleCritic, RuleEditor
from heedful.worlds.rule_world import Drift, Prompts, RuleWorld
from heedful.worlds.served import ChatServer, ServedCall, Trouble, answering
from heedful.worlds.simulated_judge import SimulatedJudge
from heedful.worlds.string_programs import StringProgramWorld, run_text, string_models
from heedful.worlds.students import Students, lines

__all__ = [
    "ASPECTS",
    "CHAIN_FEATURES",
    "CRITERIA",
    "LOOKUP_FEATURES",
    "LUCK",
    "PROGRAM_STEPS",
    "STATISTICS",
    "SUBGOALS",
    "ArenaWorld",
    "Asked",
    "Aspect",
    "Block",
    "ChainWorld",
    "ChatServer",
    "Drift",
    "Exercise",
    "Fidelity",
    "GridWorld",
    "Judged",
    "LanguageWorld",
    "LawTest",
    "Likeness",
    "LookupWorld",
    "Player",
    "Prompts",
    "ProperTest",
    "Questions",
    "RepairWorld",
    "RuleCritic",
    "RuleEditor",
    "RulePeople",
    "RuleWorld",
    "ServedCall",
    "Shown",
    "SimulatedJudge",
    "SimulatedRaters",
    "StringProgramWorld",
    "Students",
    "TieLaw",
    "Trouble",
    "TrueUtility",
    "World",
    "answer",
    "answering",
    "as_writer",
    "collect",
    "completion_marks",
    "completion_shares",
    "davidson_limit",
    "deviations",
    "exercises",
    "fidelity",
    "in_steps",
    "in_steps_async",
    "judge",
    "law_test",
    "lines",
    "marks",
    "normal_effect",
    "outcomes",
    "played",
    "proper_test",
    "right_answer",
    "rule_models",
    "run_text",
    "step_text",
    "string_models",
    "tie_probabilities",
    "to_rewrite",
]
