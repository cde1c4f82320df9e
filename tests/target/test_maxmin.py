"""Max-min over groups: against brute force, by its optimality conditions, and what it means for the worst-off."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import optimize

from heedful.core import InputError, Item, UsageError
from heedful.evidence import Rule
from heedful.models import TableModel
from heedful.target import enumerate_exact
from heedful.target.maxmin import MaxMin, solve_max_min

CONTEXTS = [Item.of("q").context, Item.of("p").context]
OUTPUTS = "abcd"
BASE = TableModel.of(
    {
        "q": dict(zip(OUTPUTS, [0.4, 0.3, 0.2, 0.1], strict=True)),
        "p": dict(zip(OUTPUTS, [0.1, 0.2, 0.3, 0.4], strict=True)),
    }
)
TASTES = np.array([[2.0, 0.5, -1.0, 0.0], [-1.0, 0.7, 2.0, 0.1], [0.3, 0.3, 0.2, 0.4]])


def potential(taste: np.ndarray, name: str = "taste") -> Rule:
    values = dict(zip(OUTPUTS, taste.tolist(), strict=True))
    return Rule(lambda item: values[item.output[0].text], name)


def solved(tastes: np.ndarray, strength: float = 2.0, **options: object) -> MaxMin:
    return solve_max_min(BASE, [potential(taste) for taste in tastes], CONTEXTS[:1], strength=strength, **options)  # type: ignore[arg-type]


def brute_force(tastes: np.ndarray, strength: float, relative: bool = True) -> float:
    """The primal by a general-purpose optimiser over policies [4], with the minimum as constraints."""
    base = np.exp(BASE.log_prob(BASE.support(CONTEXTS[0])))
    own = tastes - (tastes @ base)[:, None] if relative else tastes

    def loss(x: np.ndarray) -> float:
        policy = np.maximum(x[:4], 1e-300)
        return float((policy * np.log(policy / base)).sum() / strength - x[4])

    constraints = [
        {"type": "eq", "fun": lambda x: x[:4].sum() - 1},
        {"type": "ineq", "fun": lambda x: own @ x[:4] - x[4]},
    ]
    start = np.append(base, -5.0)
    bounds = [(1e-12, 1)] * 4 + [(-20, 20)]
    found = optimize.minimize(
        loss, start, constraints=constraints, bounds=bounds, options={"ftol": 1e-14, "maxiter": 500}
    )
    return -float(found.fun)


@pytest.mark.parametrize("strength", [0.3, 2.0, 10.0])
@pytest.mark.parametrize("relative", [True, False])
def test_it_is_the_maximum_over_policies(strength: float, relative: bool) -> None:
    found = solved(TASTES, strength, relative=relative)
    assert found.value == pytest.approx(brute_force(TASTES, strength, relative), abs=1e-5)
    assert found.gap < 1e-7
    assert found.gains.min() == pytest.approx(found.value + found.kl / strength)


def test_groups_with_weight_are_the_worst_off() -> None:
    found = solved(TASTES)
    weighty = found.weights > 1e-6
    np.testing.assert_allclose(found.gains[weighty], found.gains.min(), atol=1e-6)
    assert found.weights.sum() == pytest.approx(1.0)
    assert (found.weights >= 0).all()
    listed = enumerate_exact(found.target, CONTEXTS[0])
    assert listed.kl == pytest.approx(found.kl, abs=1e-9)
    base = np.exp(listed.base_log_prob)
    gains = TASTES @ listed.probability - TASTES @ base
    np.testing.assert_allclose(gains, found.gains, atol=1e-9)
    assert found.worst == int(np.argmin(gains))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5), st.floats(0.1, 20))
@example(3416, 3, 15.0)  # steps once led up here, where the curvature is all but singular
def test_no_mixture_of_groups_does_better(seed: int, groups: int, strength: float) -> None:
    """Weak duality: the value is at most the dual's at any λ, and no tilted policy beats it."""
    rng = np.random.default_rng(seed)
    tastes = rng.normal(size=(groups, 4))
    found = solved(tastes, strength)
    base = np.exp(BASE.log_prob(BASE.support(CONTEXTS[0])))
    own = tastes - (tastes @ base)[:, None]
    for weights in rng.dirichlet(np.ones(groups), size=30):
        policy = base * np.exp(strength * weights @ own)
        normaliser = policy.sum()
        policy /= normaliser
        kl = policy @ np.log(policy / base)
        assert (own @ policy).min() - kl / strength <= found.value + found.gap + 1e-9
        assert np.log(normaliser) / strength >= found.value - 1e-9


def test_one_group_is_the_plain_target() -> None:
    found = solved(TASTES[:1], 1.5)
    base = np.exp(BASE.log_prob(BASE.support(CONTEXTS[0])))
    law = base * np.exp(1.5 * TASTES[0])
    np.testing.assert_allclose(enumerate_exact(found.target, CONTEXTS[0]).probability, law / law.sum(), rtol=1e-9)


def test_the_minority_is_better_off_than_under_the_mean() -> None:
    share = np.array([0.9, 0.1])
    groups = [potential(taste) for taste in TASTES[:2]]
    fair = solve_max_min(BASE, groups, CONTEXTS, strength=2.0)
    base = [np.exp(BASE.log_prob(BASE.support(context))) for context in CONTEXTS]
    mean = [b * np.exp(2.0 * share @ TASTES[:2]) for b in base]
    minority = np.mean([TASTES[1] @ (m / m.sum()) - TASTES[1] @ b for m, b in zip(mean, base, strict=True)])
    assert fair.gains.min() > 0
    assert minority < 0 < fair.gains[1]


def test_constants_of_groups_do_not_matter_relative_to_the_base() -> None:
    moved = TASTES + np.array([[5.0], [-3.0], [0.0]])
    np.testing.assert_allclose(solved(moved).weights, solved(TASTES).weights, atol=1e-6)
    assert abs(solved(moved, relative=False).weights - solved(TASTES, relative=False).weights).max() > 0.1


def test_weights_of_contexts() -> None:
    groups = [potential(taste) for taste in TASTES[:2]]
    alone = solve_max_min(BASE, groups, CONTEXTS[:1], strength=1.0)
    weighted = solve_max_min(BASE, groups, CONTEXTS, strength=1.0, context_weights=np.array([1.0, 0.0]))
    np.testing.assert_allclose(weighted.weights, alone.weights, atol=1e-6)


@pytest.mark.parametrize("strength", [300.0, 1e3, 1e4])
def test_great_strengths_are_solved(strength: float) -> None:
    """Near the max-min of the outputs alone, which is a linear programme over mixtures of them."""
    tastes = np.random.default_rng(0).normal(size=(3, 40))
    base = TableModel.of({"q": {str(i): 1 / 40 for i in range(40)}})
    groups = [Rule(lambda item, taste=taste: float(taste[int(item.output[0].text)]), "taste") for taste in tastes]
    found = solve_max_min(base, groups, [Item.of("q").context], strength=strength)
    gains = tastes - tastes.mean(axis=1, keepdims=True)
    best = optimize.linprog(
        np.append(np.zeros(40), -1.0),
        A_ub=np.hstack([-gains, np.ones((3, 1))]),
        b_ub=np.zeros(3),
        A_eq=np.append(np.ones(40), 0.0)[None],
        b_eq=[1.0],
        bounds=[(0, None)] * 40 + [(None, None)],
    )
    assert -best.fun - np.log(40) / strength - 1e-6 <= found.value <= -best.fun + 1e-6


def test_what_cannot_be_solved_is_refused() -> None:
    for weights in ([np.inf, 1.0], [np.nan, 1.0]):
        with pytest.raises(UsageError):
            solve_max_min(BASE, [potential(TASTES[0])], CONTEXTS, strength=1.0, context_weights=np.array(weights))
    with pytest.raises(UsageError):
        solve_max_min(BASE, [], CONTEXTS, strength=1.0)
    with pytest.raises(UsageError):
        solved(TASTES, 0.0)
    with pytest.raises(InputError):
        solve_max_min(BASE, [Rule(lambda _: -np.inf, "never")], CONTEXTS, strength=1.0)
    with pytest.raises(UsageError):
        solve_max_min(BASE, [potential(TASTES[0])], CONTEXTS, strength=1.0, context_weights=np.ones(3))
