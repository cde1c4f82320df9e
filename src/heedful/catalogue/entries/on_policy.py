"""003-061: which fine-tuning reaches a reward that lies far from where the policy begins."""

from __future__ import annotations

import numpy as np
from scipy.special import log_softmax

from heedful.catalogue.entry import Entry
from heedful.catalogue.learning import Listed, Records, loss_of, minimised, stepped
from heedful.catalogue.settings import without_torch
from heedful.catalogue.verdicts import Check
from heedful.core import Floats

_BINS = 60
_PLACE = np.linspace(-3, 3, _BINS)


def miniature(seed: int, quick: bool) -> dict[str, float]:
    figures = {}
    for name, peak in (("far", 2.0), ("near", -0.8)):
        for method, worth in _learnt(peak, seed, quick).items():
            figures[f"{method}, {name}"] = worth
    return figures


def _learnt(peak: float, seed: int, quick: bool) -> dict[str, float]:
    """Mean reward by method, where the reward's peak is at `peak` and the base's at −1.5."""
    from heedful.training import DPO, PolicyGradient, Weighted

    rng = np.random.default_rng([361, seed])
    base = log_softmax(-0.5 * ((_PLACE + 1.5) / 0.6) ** 2)[None]
    reward = np.exp(-0.5 * ((_PLACE - peak) / 0.7) ** 2)[None]
    world = Listed(base, reward, np.stack([_PLACE, _PLACE**2], 1)[None])
    n, rounds = (200, 5) if quick else (400, 60)
    logged = _scored(world, world.base, n, rng)
    found = {
        "best of 10": _imitated(world, Weighted("best"), _grouped(logged, 10)),
        "DPO": world.policy(minimised(loss_of(world, DPO(4.0), _pairs(logged)), world.start, ridge=1e-2)),
    }
    for name, objective in (
        ("on-policy RL", PolicyGradient("standardised")),
        ("on-policy best of 10", Weighted("best")),
    ):
        theta = world.start
        for _ in range(rounds):
            drawn = _grouped(_scored(world, world.policy(theta), 100, rng), 10)
            theta = stepped(loss_of(world, objective, drawn), theta, 0.5)
        found[name] = world.policy(theta)
    return {name: world.earned(policy) for name, policy in found.items()}


def _imitated(world: Listed, objective: object, records: Records) -> Floats:
    return world.policy(minimised(loss_of(world, objective, records), world.start, ridge=1e-2))


def _scored(world: Listed, policy: Floats, n: int, rng: np.random.Generator) -> Records:
    outputs = world.draw(policy, n, rng)
    return Records(np.zeros(1, np.intp), outputs, {"score": world.utility[0][outputs]})


def _grouped(records: Records, k: int) -> Records:
    """The outputs of one prompt in records of k."""
    outputs = records.outputs.reshape(-1, k)
    return Records(np.zeros(len(outputs), np.intp), outputs, {"score": records.said["score"].reshape(-1, k)})


def _pairs(records: Records) -> Records:
    pairs = _grouped(records, 2)
    score = pairs.said["score"]
    prefer = 0.5 + 0.5 * np.sign(score[:, 0] - score[:, 1])
    return Records(pairs.prompts, pairs.outputs, {"prefer": prefer})


ENTRY = Entry(
    id="003-061",
    title="Preference Fine-Tuning of LLMs Should Leverage Suboptimal, On-Policy Data",
    area="training",
    citation="Tajwar et al. 2024",
    claim=(
        "Policies over 60 bins of a line, log-quadratic in the place, that begin around −1.5. Where the reward's peak "
        "is far (2.0), policy gradients on the policy's own outputs earn more than imitating the best of 10 logged "
        "outputs; so does DPO on 200 logged pairs, whose gradient also pushes away; and imitating the best of 10 of "
        "one's own outputs earns more than of logged ones."
    ),
    configuration=(
        "training.PolicyGradient('standardised'), DPO(4) and Weighted('best'), on logged draws of the base and on the "
        "policy's own."
    ),
    measures={
        f"{method}, {where}": f"mean reward by {told}, peak {where}"
        for where in ("far", "near")
        for method, told in (
            ("best of 10", "imitating the best of 10 logged outputs"),
            ("DPO", "DPO on pairs of logged outputs"),
            ("on-policy RL", "policy gradients, 60 rounds of 100 outputs"),
            ("on-policy best of 10", "imitating the best of 10 of the policy's own, as many rounds"),
        )
    },
    checks=(
        Check("on-policy RL, far", "best of 10, far", above=0.0),
        Check("DPO, far", "best of 10, far", above=0.0),
        Check("on-policy best of 10, far", "best of 10, far", above=0.0),
    ),
    miniature=miniature,
    missing=without_torch,
    beyond=(
        "One prompt and two parameters; the work also has synthetic and full-size language models. In a first run "
        "scores were not standardised (rloo): where the peak is far they are all but 0 at first, and so was the "
        "gradient (0.0006 against 0.0046 of imitation)."
    ),
)
