"""What the minimum of an objective is, where a theorem says it: all outputs listed, all votes in their proportions."""

from __future__ import annotations

import itertools

import pytest

torch = pytest.importorskip("torch", reason="the extra `lm` is not installed")

from heedful.training import (  # noqa: E402
    DPO,
    EXO,
    NCA,
    PMPO,
    SPPO,
    XPO,
    Batch,
    BRAIn,
    General,
    PlackettLuce,
    PolicyGradient,
    Weighted,
    info_nca,
    mirror_prox,
    rloo,
)

BASE = torch.tensor([0.3, 0.25, 0.2, 0.15, 0.1], dtype=torch.float64)
UTILITY = torch.tensor([0.0, 1.0, -0.5, 2.0, 0.3], dtype=torch.float64)
BEHAVIOUR = torch.tensor([0.1, 0.3, 0.1, 0.2, 0.3], dtype=torch.float64)


def minimum(objective, outputs, **fields):
    """The law [5] of least loss over records of these outputs [r, k], each of one token."""
    logits = torch.zeros(5, dtype=torch.float64, requires_grad=True)
    mask = torch.ones(*outputs.shape, 1, dtype=torch.bool)
    batch = Batch.of(mask, **fields)
    reference = BASE.log()[outputs][:, :, None]
    optimiser = torch.optim.LBFGS([logits], max_iter=500, tolerance_grad=1e-12, tolerance_change=1e-16,
                                  line_search_fn="strong_wolfe")  # fmt: skip

    def closure():
        optimiser.zero_grad()
        total, units = objective(logits.log_softmax(0)[outputs][:, :, None], reference, batch).total(batch)
        (total / units).backward()
        return total / units

    optimiser.step(closure)
    return logits.detach().softmax(0)


def tilted(base, exponent):
    return (base.log() + exponent).softmax(0)


PAIRS = torch.tensor(list(itertools.permutations(range(5), 2)))
PREFER = (UTILITY[PAIRS[:, 0]] - UTILITY[PAIRS[:, 1]]).sigmoid()


@pytest.mark.parametrize("strength", [0.5, 2.0])
def test_dpo_reaches_the_target_of_what_the_votes_tell(strength):
    found = minimum(DPO(strength), PAIRS, prefer=PREFER)
    torch.testing.assert_close(found, tilted(BASE, strength * UTILITY), atol=1e-6, rtol=0)


def test_robust_dpo_reaches_it_from_flipped_votes_and_conservative_dpo_does_not():
    flipped = 0.8 * PREFER + 0.2 * (1 - PREFER)
    found = minimum(DPO(flips=0.2, strength=2.0), PAIRS, prefer=flipped)
    torch.testing.assert_close(found, tilted(BASE, 2.0 * UTILITY), atol=1e-6, rtol=0)
    assert (minimum(DPO(2.0, smooth=0.2), PAIRS, prefer=PREFER) - tilted(BASE, 2.0 * UTILITY)).abs().max() > 0.05


def test_plackett_luce_reaches_the_target_of_rankings():
    orders = torch.tensor(list(itertools.permutations(range(5))))
    worth = UTILITY[orders]
    share = torch.stack([worth[:, place] - worth[:, place:].logsumexp(1) for place in range(5)], 1).sum(1).exp()
    score = torch.arange(5, 0, -1).double().expand(len(orders), 5)
    found = minimum(PlackettLuce(1.5), orders, score=score, weight=share)
    torch.testing.assert_close(found, tilted(BASE, 1.5 * UTILITY), atol=1e-6, rtol=0)


@pytest.mark.parametrize("share", [1.0, 0.4])
def test_general_is_a_step_of_mirror_descent_on_any_preference(share):
    matrix = circles()
    first, second = (grid.flatten() for grid in torch.meshgrid(torch.arange(5), torch.arange(5), indexing="ij"))
    pairs = torch.stack([first, second], 1)
    found = minimum(
        General(1.7, share),
        pairs,
        prefer=matrix[first, second],
        weight=BEHAVIOUR[first] * BEHAVIOUR[second],
        behaviour=BEHAVIOUR.log()[pairs][:, :, None],
    )
    law = share * BASE.log() + (1 - share) * BEHAVIOUR.log() + 1.7 * matrix @ BEHAVIOUR
    torch.testing.assert_close(found, law.softmax(0), atol=1e-6, rtol=0)


def test_the_squared_link_is_such_a_step_of_twice_the_strength():
    first, second = (grid.flatten() for grid in torch.meshgrid(torch.arange(5), torch.arange(5), indexing="ij"))
    pairs = torch.stack([first, second], 1)
    prefer = (UTILITY[first] - UTILITY[second]).sigmoid()
    weight = BEHAVIOUR[first] * BEHAVIOUR[second]
    found = minimum(DPO(1.3, "squared"), pairs, prefer=prefer, weight=weight)
    wins = (UTILITY[:, None] - UTILITY[None, :]).sigmoid() @ BEHAVIOUR
    torch.testing.assert_close(found, tilted(BASE, 2 * 1.3 * wins), atol=1e-6, rtol=0)


def test_weights_of_draws_of_the_base_reach_the_target():
    drawn = torch.repeat_interleave(torch.arange(5), (20 * BASE).round().long())[None]
    found = minimum(Weighted("tilt", 1.2), drawn, score=UTILITY[drawn])
    torch.testing.assert_close(found, tilted(BASE, 1.2 * UTILITY), atol=1e-6, rtol=0)


def test_pmpo_is_the_base_weighed_by_what_is_good_and_imitates_bad_outputs_that_are_alone():
    """Of all draws it comes to base · (share · good − (1 − share) · bad + hold), of bad ones to their own law."""
    every, good = torch.arange(5)[:, None], UTILITY.sigmoid()
    for share, hold in ((0.5, 0.8), (1.0, 0.0), (0.0, 1.2)):
        law = BASE * (share * good - (1 - share) * (1 - good) + hold)
        found = minimum(PMPO(share, hold), every, label=good[:, None], weight=BASE)
        torch.testing.assert_close(found, law / law.sum(), atol=1e-6, rtol=0)
    bad = BASE * (1 - good)
    found = minimum(PMPO(0.0, 1.2), every, label=torch.zeros(5, 1).double(), weight=bad)
    torch.testing.assert_close(found, bad / bad.sum(), atol=1e-6, rtol=0)


@pytest.mark.parametrize("objective", [rloo(), PolicyGradient("none")])
def test_a_policy_gradient_is_that_of_the_expected_score(objective):
    """Over all groups of three outputs, in proportion to their probability under the policy that drew them."""
    assert objective.claim == "policy gradient"
    logits = torch.tensor([0.1, -0.3, 0.5, 0.0, 0.2], dtype=torch.float64, requires_grad=True)
    policy = logits.log_softmax(0)
    groups = torch.tensor(list(itertools.product(range(5), repeat=3)))
    for drawn_by in (policy.detach(), (policy.detach() + 0.1 * UTILITY).log_softmax(0)):
        weight = drawn_by[groups].sum(1).exp()
        batch = Batch.of(
            torch.ones(125, 3, 1, dtype=torch.bool),
            score=UTILITY[groups],
            behaviour=drawn_by[groups][:, :, None],
            weight=weight,
        )
        total, units = objective(policy[groups][:, :, None], None, batch).total(batch)
        (gradient,) = torch.autograd.grad(total / units, logits, retain_graph=True)
        (expected,) = torch.autograd.grad(-(policy.exp() * UTILITY).sum(), logits, retain_graph=True)
        torch.testing.assert_close(gradient, expected, atol=1e-12, rtol=0)


def test_the_penalty_of_grpo_pulls_by_the_divergence_of_the_reference():
    """k3 has the value of KL(policy ‖ reference), and the gradient of KL(reference ‖ policy)."""
    logits = torch.tensor([0.1, -0.3, 0.5, 0.0, 0.2], dtype=torch.float64, requires_grad=True)
    policy = logits.log_softmax(0)
    drawn, law = torch.arange(5)[:, None], policy.detach().exp()
    batch = Batch.of(torch.ones(5, 1, 1, dtype=torch.bool), score=torch.zeros(5, 1, dtype=torch.float64), weight=law)
    objective = rloo(penalty=0.7)
    assert objective.claim == "surrogate"
    total, _ = objective(policy[drawn][:, :, None], BASE.log()[drawn][:, :, None], batch).total(batch)
    assert total.item() == pytest.approx(0.7 * (law * (law / BASE).log()).sum().item())
    (gradient,) = torch.autograd.grad(total, logits, retain_graph=True)
    (expected,) = torch.autograd.grad(0.7 * (BASE * (BASE.log() - policy)).sum(), logits)
    torch.testing.assert_close(gradient, expected, atol=1e-12, rtol=0)


# Outputs "a", "ba" and "bb": of one token, or of two.
LENGTHS = torch.tensor([[True, False], [True, True], [True, True]])


def sequences(logits):
    """Log-probabilities [3, 2] of their tokens: the first by one of the logits [2], that after b by the other."""
    first, second = (torch.stack([-own, own]).log_softmax(0) for own in logits)
    return torch.stack([torch.stack([first[0], 0 * first[0]]), torch.stack([first[1], second[0]]),
                        torch.stack([first[1], second[1]])])  # fmt: skip


@pytest.mark.parametrize(
    ("objective", "moved"),
    [(rloo(), 0.0), (PolicyGradient("others", whole="sum", over="output"), 0.0),
     (PolicyGradient("others", whole="sum", over="output"), 0.3)],
)  # fmt: skip
def test_so_it_is_where_outputs_have_several_tokens(objective, moved):
    assert objective.claim == "policy gradient"
    logits = torch.tensor([0.2, -0.4], dtype=torch.float64, requires_grad=True)
    policy, drawn_by = sequences(logits), sequences(logits.detach() + moved)
    groups = torch.tensor(list(itertools.product(range(3), repeat=2)))
    score = torch.tensor([1.0, -0.5, 2.0], dtype=torch.float64)
    weight = drawn_by.sum(1)[groups].sum(1).exp()
    batch = Batch.of(LENGTHS[groups], score=score[groups], behaviour=drawn_by[groups], weight=weight)
    total, units = objective(policy[groups], None, batch).total(batch)
    (gradient,) = torch.autograd.grad(total / units, logits, retain_graph=True)
    (expected,) = torch.autograd.grad(-(policy.sum(1).exp() * score).sum(), logits)
    torch.testing.assert_close(gradient, expected, atol=1e-12, rtol=0)
    assert PolicyGradient("others", whole="sum").claim == "surrogate"  # it counts an output once for each token


# Groups of three outputs, drawn by a policy that is not the reference.
GROUPS = torch.tensor(list(itertools.product(range(5), repeat=3)))
DRAWN = BEHAVIOUR.log()[GROUPS].sum(1).exp()


@pytest.mark.parametrize("objective", [EXO(1.5), info_nca(1.5), BRAIn(1.5)], ids=["EXO", "InfoNCA", "BRAIn"])
def test_shares_of_a_group_reach_the_target_whoever_drew_it(objective):
    assert objective.claim == "target"
    behaviour = BEHAVIOUR.log()[GROUPS][:, :, None]
    found = minimum(objective, GROUPS, score=UTILITY[GROUPS], weight=DRAWN, behaviour=behaviour)
    torch.testing.assert_close(found, tilted(BASE, 1.5 * UTILITY), atol=1e-6, rtol=0)


def test_exo_reaches_what_votes_tell_too():
    found = minimum(EXO(1.5, outputs="two"), PAIRS, prefer=PREFER)
    torch.testing.assert_close(found, tilted(BASE, 1.5 * UTILITY), atol=1e-6, rtol=0)


def test_nca_reaches_the_target_of_all_draws_and_of_few_what_their_weights_say():
    drawn = torch.repeat_interleave(torch.arange(5), (20 * BASE).round().long())[None]
    found = minimum(NCA(), drawn, score=UTILITY[drawn])
    torch.testing.assert_close(found, tilted(BASE, UTILITY), atol=1e-6, rtol=0)
    drawn_by_base = BASE.log()[GROUPS].sum(1).exp()
    found = minimum(NCA(), GROUPS, score=UTILITY[GROUPS], weight=drawn_by_base)
    share = drawn_by_base[:, None] * UTILITY[GROUPS].softmax(1)  # the law of the output chosen from a group of three
    chosen = torch.zeros(5, dtype=torch.float64).index_add(0, GROUPS.flatten(), share.flatten())
    torch.testing.assert_close(found, chosen, atol=1e-6, rtol=0)


def test_dno_is_dpo_of_votes_on_win_rates():
    """Direct Nash optimisation: votes σ(gap of win rates), the reference being the policy that drew the pairs."""
    wins = circles() @ BASE
    pairs = PAIRS
    prefer = (wins[pairs[:, 0]] - wins[pairs[:, 1]]).sigmoid()
    found = minimum(DPO(3.0), pairs, prefer=prefer, weight=BASE[pairs].prod(1))
    torch.testing.assert_close(found, tilted(BASE, 3.0 * wins), atol=1e-6, rtol=0)


def circles():
    """Preferences that run in circles, which no utility gives."""
    made = torch.Generator().manual_seed(3)
    z = torch.randn(5, 5, generator=made, dtype=torch.float64)
    return (2 * (z - z.T)).sigmoid()


def prox(matrix, last, opponent, temperature, step):
    """The least of −P(preferred to the opponent) / temperature + KL(· ‖ BASE) + KL(· ‖ last) / step, by its
    first-order condition."""
    share = 1 / (1 + 1 / step)
    return (share * (BASE.log() + matrix @ opponent / temperature) + share / step * last.log()).softmax(0)


def test_steps_of_mirror_prox_are_the_least_of_what_they_weigh():
    matrix = circles()
    grid = torch.cartesian_prod(torch.arange(5), torch.arange(5))
    half = prox(matrix, BEHAVIOUR, BEHAVIOUR, 0.5, 2.0)
    for opponent in (BEHAVIOUR, half):
        found = minimum(
            mirror_prox(temperature=0.5, step=2.0),
            grid,
            prefer=matrix[grid[:, 0], grid[:, 1]],
            weight=opponent[grid].prod(1),
            behaviour=BEHAVIOUR.log()[grid][:, :, None],
        )
        torch.testing.assert_close(found, prox(matrix, BEHAVIOUR, opponent, 0.5, 2.0), atol=1e-6, rtol=0)


def test_its_last_iterate_is_the_regularised_equilibrium():
    """Which is its own best answer: reference · exp(P(· preferred to it) / temperature)."""
    matrix, policy = circles(), BASE
    for _ in range(200):
        half = prox(matrix, policy, policy, 0.1, 0.5)
        policy = prox(matrix, policy, half, 0.1, 0.5)
    torch.testing.assert_close(policy, tilted(BASE, matrix @ policy / 0.1), atol=1e-9, rtol=0)
    assert (policy - BASE).abs().max() > 0.05


def test_optimism_leaves_the_reference():
    """The minimum of a sum of losses has the less of one the more it weighs; without the bonus it is DPO's."""
    plain = minimum(XPO(2.0, 0.0), PAIRS, prefer=PREFER)
    torch.testing.assert_close(plain, tilted(BASE, 2.0 * UTILITY), atol=1e-6, rtol=0)
    weight = BEHAVIOUR[PAIRS[:, 0]] * BASE[PAIRS[:, 1]]
    found = [minimum(XPO(2.0, bonus), PAIRS, prefer=PREFER, weight=weight) for bonus in (0.0, 0.003, 0.006)]
    second = torch.zeros(5, dtype=torch.float64).index_add(0, PAIRS[:, 1], weight)
    told = [float(second @ law.log()) for law in found]
    assert told[0] > told[1] > told[2]


def test_sppo_is_near_a_step_of_mirror_descent():
    """At its least Δ = strength · (P − ½) − λ exp(Δ), where λ, by which it is a law, is of second order."""
    wins = circles() @ BASE
    error = []
    for strength in (0.2, 0.1):
        drawn = torch.repeat_interleave(torch.arange(5), (20 * BASE).round().long())[None]
        found = minimum(SPPO(strength), drawn, score=wins[drawn])
        error.append(float((found - tilted(BASE, strength * wins)).abs().max()))
    assert error[0] < 1e-3
    assert error[1] / error[0] == pytest.approx(1 / 8, abs=0.02)  # of third order in the step
