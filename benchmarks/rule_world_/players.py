"""Who plays the models that other packages ask: the critic and the editor of the rule world, with the same rates, who
read what each package shows and answer in its form.

A player that is shown an answer with its question sees what is amiss in it as often as `RuleCritic`, and is shown
whether all was earned, as our critic is; one that is told what was said passes it on; one that rewrites does what was
said most, as `RuleEditor` does.

reader     our own rewriter's prompt, where it shows the answers and what they earned, and no critic spoke
gepa       the text, and the answers of a batch
textgrad   first one answer; then the call that gave it, with what was said; then all calls, with what was said of each
optoprime  the text, and the answers of a batch among the values of a graph
dspy       the first text, and some answers, which are said to be examples; what is asked of the world, it answers
opro       all texts so far with what their answers earned, no answers: one thing is changed in the text of most
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from heedful.core import Item
from heedful.worlds.played import Asked, Player, played, to_rewrite
from heedful.worlds.rule_models import rule_models
from heedful.worlds.rule_players import RuleCritic, RuleEditor
from heedful.worlds.rule_world import RuleWorld
from heedful.worlds.served import Answering, Messages

OURS = "task", "critic", "editor"
_EARNED = re.compile(r"It earned (\S+) of 1\.")
_WELL = "It is well."


def all_models(world: RuleWorld) -> Answering:
    """Our own models of the world, and those that the packages ask, by name."""
    ours, theirs = rule_models(world), played(Readers(RuleCritic(world), RuleEditor(world)).players())

    def answer(messages: Messages, parameters: Mapping[str, object]) -> str:
        return (ours if parameters.get("model") in OURS else theirs)(messages, parameters)

    return answer


@dataclass(frozen=True)
class Readers:
    critic: RuleCritic
    editor: RuleEditor

    def players(self) -> dict[str, Player]:
        names = self.reader, self.gepa, self.textgrad, self.optoprime, self.opro, self.dspy
        return {own.__name__: own for own in names}

    def reader(self, asked: Asked, rng: np.random.Generator) -> str:
        parts, said = to_rewrite(asked)
        new = self._rewritten(parts[0].text, re.split(r"\n(?=\d+\. )", said)[1:], rng)
        return asked.form(new, parts[0].mark)

    def gepa(self, asked: Asked, rng: np.random.Generator) -> str:
        text, shown = _between(asked.text, "```\n", "\n```"), re.split(r"# Example \d+\n", asked.text)[1:]
        return f"```\n{self._rewritten(text, shown, rng)}\n```"

    def textgrad(self, asked: Asked, rng: np.random.Generator) -> str:
        if "<OUTPUT_OF_FUNCTION>" in asked.text:
            shown = _between(asked.text, "<OUTPUT_OF_FUNCTION> ", " </OUTPUT_OF_FUNCTION>")
            return self._said([shown], rng) or _WELL
        if "feedback on the LM_OUTPUT: " in asked.text:
            return _between(asked.text, "feedback on the LM_OUTPUT: ", " </OBJECTIVE_FUNCTION>")
        text = _between(asked.text, "<LM_SYSTEM_PROMPT> ", " </LM_SYSTEM_PROMPT>")
        said = re.findall(r"in the conversation:\n\n<FEEDBACK>(.*?)</FEEDBACK>", asked.text, re.DOTALL)
        return f"<IMPROVED_VARIABLE>{self.editor(text, _lines(said), rng)}</IMPROVED_VARIABLE>"

    def optoprime(self, asked: Asked, rng: np.random.Generator) -> str:
        parts = dict(re.findall(r"^#(\w+)\n(.*?)\n\n(?=#|=)", asked.text, re.DOTALL | re.MULTILINE))
        ((name, text),) = _values(parts["Variables"]).items()
        values = _values(parts["Inputs"]) | _values(parts["Others"])
        asked_of = dict(re.findall(r"^(\w+) = answer\(.*question=(\w+)\)$", parts["Code"], re.MULTILINE))
        answers, earned = re.findall(r"args_\d+=(\w+)", parts["Code"]), parts["Feedback"].splitlines()
        shown = [f"{values[asked_of[own]]}\n{values[own]}\n{line}" for own, line in zip(answers, earned, strict=True)]
        return _suggested(name, self._rewritten(text, shown, rng))

    def opro(self, asked: Asked, rng: np.random.Generator) -> str:
        tried = list(_objects(asked.text.partition("variables and their feedbacks.")[2]))
        best = max(tried, key=lambda own: fmean(map(float, _EARNED.findall(own["feedback"]))))
        ((name, text),) = best["variables"].items()
        return _suggested(name, self.editor.mutate(text, rng))

    def dspy(self, asked: Asked, rng: np.random.Generator) -> str:
        fields = re.findall(r"`\[\[ ## (\w+) ## \]\]`", asked.text[asked.text.rfind("Respond with") :])
        said = dict.fromkeys(fields, _WELL)
        if "answer" in said:
            said["answer"] = self.critic.world.answer(asked.text, rng=rng)
        if "proposed_instruction" in said:
            text, demos = (
                asked.text.rpartition(f"[[ ## {own} ## ]]\n")[2].partition("\n\n[[ ## ")[0]
                for own in ("basic_instruction", "task_demos")
            )
            shown = re.findall(r"Question: .*?(?=Question: |\Z)", demos, re.DOTALL)
            said["proposed_instruction"] = self._rewritten(text.partition("\n\nRespond with")[0], shown, rng)
        return "\n\n".join(f"[[ ## {own} ## ]]\n{said[own]}" for own in fields)

    def _rewritten(self, text: str, shown: Iterable[str], rng: np.random.Generator) -> str:
        return self.editor(text, self._said(shown, rng), rng)

    def _said(self, shown: Iterable[str], rng: np.random.Generator) -> str:
        """What the critic says of answers, each shown with its question and what it earned."""
        short = [own for own in shown if "It earned 1 of 1." not in own]
        return _lines(self.critic(Item.of(own, own), rng) for own in short)


def _lines(said: Iterable[str]) -> str:
    return "\n".join(filter(None, said))


def _between(text: str, before: str, behind: str) -> str:
    """What stands between the first of two marks and the next other."""
    return text.partition(before)[2].partition(behind)[0]


def _values(text: str) -> dict[str, str]:
    """Values of a graph by name, as Trace writes them."""
    return dict(re.findall(r"^\(str\) (\w+)=(.*?)(?=\n\(str\) |\Z)", text, re.DOTALL | re.MULTILINE))


def _suggested(name: str, text: str) -> str:
    return json.dumps({"reasoning": "", "answer": "", "suggestion": {name: text}})


def _objects(text: str) -> Iterator[dict[str, object]]:
    """The JSON objects that stand in a text, one behind the other."""
    decoder = json.JSONDecoder()
    while (start := text.find("{")) >= 0:
        found, end = decoder.raw_decode(text[start:])
        yield found
        text = text[start + end :]
