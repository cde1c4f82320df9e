"""Rewards of next tokens: the maximum of the likelihood written out anew, and what known comparisons give."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, log_expit, logit

from heedful.core import InputError, Item, UsageError
from heedful.models import SequenceTable
from heedful.preference import fit_token_rewards

CONTEXT = Item.of("q").context
BASE = SequenceTable({(): {"a": 0.4, "b": 0.4, "": 0.2}}, max_tokens=3)
TRUE = SequenceTable(
    {(): {"a": 0.6, "b": 0.3, "": 0.1}, ("a",): {"a": 0.1, "b": 0.5, "": 0.4}, ("b",): {"a": 0.3, "b": 0.1, "": 0.6}}, 3
)


def pairs(n: int, seed: int = 0) -> tuple[list[Item], list[Item]]:
    drawn = BASE.sample(CONTEXT, 2 * n, rng=np.random.default_rng(seed))
    return list(drawn[:n]), list(drawn[n:])


def test_exact_shares_give_the_reward_back():
    """Up to what the likelihood cannot tell: differences between outputs are those of the true reward."""
    first, second = pairs(400)
    share = expit(TRUE.log_prob(first) - TRUE.log_prob(second))
    found = fit_token_rewards(BASE, first, second, share, prior_sd=1000.0)
    one, other = BASE.support(CONTEXT)[:7], BASE.support(CONTEXT)[7:14]
    np.testing.assert_allclose(
        found.log_prob(one) - found.log_prob(other), TRUE.log_prob(one) - TRUE.log_prob(other), atol=0.02
    )


def test_it_is_the_maximum_of_the_penalised_likelihood():
    """Against the same by central differences of the objective, written out anew, at the logits found."""
    first, second = pairs(30, seed=1)
    rng = np.random.default_rng(2)
    share, sd = rng.random(30), 0.7
    found = fit_token_rewards(BASE, first, second, share, prior_sd=sd)
    # The penalty picks, of logits that give the same law, those that sum to zero.
    logits = {h: logit_of(row) for h, row in found.following.items()}

    def objective(moved):
        table = SequenceTable({h: law_of(own) for h, own in moved.items()}, 3)
        reward = table.log_prob(first) - table.log_prob(second)
        fit = share @ log_expit(reward) + (1 - share) @ log_expit(-reward)
        return fit - sum(v**2 for own in moved.values() for v in own.values()) / (2 * sd**2)

    best = objective(logits)
    for history, own in logits.items():
        for token in own:
            for step in (-0.02, 0.02):
                moved = {**logits, history: {**own, token: own[token] + step}}
                assert objective(moved) < best


def logit_of(row):
    logs = {token: np.log(p) for token, p in row.items()}
    middle = np.mean(list(logs.values()))
    return {token: value - middle for token, value in logs.items()}


def law_of(row):
    weight = {token: np.exp(value) for token, value in row.items()}
    total = sum(weight.values())
    return {token: own / total for token, own in weight.items()}


def test_longer_histories_can_be_told_apart():
    first, second = pairs(300)
    share = np.array(
        [expit(2.0 * (spelt(a).count("a a") - spelt(b).count("a a"))) for a, b in zip(first, second, strict=True)]
    )
    by_order = {order: fit_token_rewards(BASE, first, second, share, order=order, prior_sd=30.0) for order in (0, 2)}
    assert set(by_order[0].following) == {()}
    off = {
        order: np.abs(logit(share) - own.log_prob(first) + own.log_prob(second)).mean()
        for order, own in by_order.items()
    }
    assert off[2] < 0.1 * off[0]


def spelt(item: Item) -> str:
    return " ".join(part.text for part in item.output)


def test_wrong_use_is_said():
    first, second = pairs(3)
    for share in (np.ones(2), np.full(3, 1.5), np.full(3, np.nan)):
        with pytest.raises(InputError, match="do not fit"):
            fit_token_rewards(BASE, first, second, share)
    with pytest.raises(InputError, match="cannot write"):
        fit_token_rewards(BASE, [Item.of("q", "z")] * 3, second, np.ones(3))
    for options in ({"order": -1}, {"prior_sd": 0.0}):
        with pytest.raises(UsageError, match="fit_token_rewards"):
            fit_token_rewards(BASE, first, second, np.ones(3), **options)
