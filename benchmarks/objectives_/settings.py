"""Which objective learns from which form of feedback."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from objectives_.records import Form

FLIPS = 0.2
"""The share of votes that robust DPO takes for turned around, and that are in the trial of it."""


CONTROLS: Mapping[str, tuple[str, str]] = {
    "random labels": ("DPO", "nothing"),
    "length alone": ("DPO", "length"),
    "the model's own pick": ("SFT, chosen", "likeliest"),
}
"""Null controls: an objective of the table, and what raters want. "likeliest": of four outputs the one that the base
finds likeliest, no rater asked."""


@dataclass(frozen=True)
class Setting:
    """An objective, made for a strength, and the form of its records.

    own     "draws": outputs are the policy's own, drawn anew each round; "held": so, and a score is less log policy −
            log base over the strength; "valued": so, token by token, with a head of values, which tables have not
    aim     what its minimum is said to be where all feedback is in: the target of the utility, or that of P(preferred
            to the base)
    flips   the share of votes turned around in that limit
    reward  what is learnt is a reward ("table" of outputs, or that "implied" by the policy), which picks of four
            outputs of the base
    """

    objective: Callable[[float], Any]
    form: Form
    own: Literal["", "draws", "held", "valued"] = ""
    aim: Literal["", "target", "wins"] = ""
    flips: float = 0.0
    reward: Literal["", "table", "implied"] = ""

    def claim(self, strength: float) -> str:
        """What the objective says of itself; margins take it away from the target that the votes tell."""
        said = getattr(self.objective(strength), "claim", "reward")
        return "reward" if self.reward else "surrogate" if self.form == "margin" else said


def settings() -> dict[str, Setting]:
    """By name. Needs the extra `lm`."""
    from heedful import training as t
    from heedful.training.head_objectives import Valued
    from heedful.training.objectives import BradleyTerry

    def clipped(strength: float) -> Any:
        return t.PolicyGradient("others", (0.2, 0.2), over="step")

    return {
        "SFT, chosen": Setting(lambda s: t.Supervised(), "chosen"),
        "RAFT": Setting(lambda s: t.Weighted("best"), "scores"),
        "ReST-EM": Setting(lambda s: t.Weighted("above"), "marks"),
        "AWR": Setting(lambda s: t.Weighted("advantage", s), "advantages"),
        "DPO": Setting(lambda s: t.DPO(s), "pair", aim="target"),
        "DPO, robust": Setting(lambda s: t.DPO(s, flips=FLIPS), "pair", aim="target", flips=FLIPS),
        "DPO, soft votes": Setting(lambda s: t.DPO(s), "soft", aim="target"),
        "DPO, margins": Setting(lambda s: t.DPO(s), "margin"),
        "IPO": Setting(lambda s: t.DPO(s, "squared"), "pair"),
        "KTO": Setting(lambda s: t.KTO(s), "beside"),
        "BCO": Setting(lambda s: t.BCO(s), "thumb"),
        "PMPO": Setting(lambda s: t.PMPO(0.5, 0.55), "thumb"),
        "PMPO, good alone": Setting(lambda s: t.PMPO(1.0, 0.0), "thumb"),
        "PMPO, bad alone": Setting(lambda s: t.PMPO(0.0, 1.1), "thumb"),
        "SimPO": Setting(lambda s: t.SimPO(), "pair"),
        "ORPO": Setting(lambda s: t.ORPO(), "pair"),
        "LiPO": Setting(lambda s: t.LiPO(s), "scores"),
        "Plackett-Luce": Setting(lambda s: t.PlackettLuce(s), "ranking", aim="target"),
        "INPO": Setting(lambda s: t.General(s), "pair", aim="wins"),
        "RLOO": Setting(lambda s: t.rloo(), "scores", own="held"),
        "GRPO": Setting(lambda s: t.grpo(penalty=1 / s), "scores", own="draws"),
        "Dr. GRPO": Setting(lambda s: t.dr_grpo(), "scores", own="draws"),
        "PPO, clipped": Setting(clipped, "scores", own="held"),
        "PPO, values": Setting(lambda s: Valued(), "scores", own="valued"),
        "NFT": Setting(lambda s: t.NFT(), "marks", own="draws"),
        "Bradley-Terry reward": Setting(lambda s: BradleyTerry(), "pair", reward="table"),
        "implicit process reward": Setting(lambda s: t.BCO(s, shift=False), "thumb", reward="implied"),
    }
