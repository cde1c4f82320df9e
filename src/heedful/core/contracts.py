"""Contract tests that every implementation inherits: subclass, give the fixtures' values, run with pytest.

class TestMyPotential(PotentialContract):
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from heedful.core.errors import BudgetExceededError
from heedful.core.items import Item, Parts
from heedful.core.protocols import EnumerableBase, Potential
from heedful.core.values import Bound, Budget, Estimate, Loss, Rewritten


class _Contract:
    """What every contract needs: the thing under test, and items to try it on (at least two, all distinct)."""

    def make(self) -> Any:
        raise NotImplementedError

    def items(self) -> Sequence[Item]:
        raise NotImplementedError


class PotentialContract(_Contract):
    """Scores are finite or -inf, aligned with the items, and a function of each item alone."""

    def test_declares_its_scale(self) -> None:
        made = self.make()
        assert isinstance(made, Potential)
        assert made.scale in ("utility", "log_prob")
        assert made.under is None or isinstance(made.under, str)

    def test_scores_are_aligned(self) -> None:
        items = list(self.items())
        scores = self.make()(items)
        assert scores.mean.shape == (len(items),)
        assert not np.isnan(scores.mean).any()
        assert not np.isposinf(scores.mean).any()
        assert scores.aleatoric is None or (scores.aleatoric >= 0).all()

    def test_order_and_company_do_not_matter(self) -> None:
        items, made = list(self.items()), self.make()
        whole, back = made(items), made(items[::-1])
        np.testing.assert_allclose(whole.mean, back.mean[::-1], rtol=1e-12, atol=1e-12)
        alone = np.array([made([item]).mean[0] for item in items])
        np.testing.assert_allclose(whole.mean, alone, rtol=1e-9, atol=1e-9)

    def test_draws_are_shared_across_calls(self) -> None:
        items, made = list(self.items()), self.make()
        whole = made(items).draws
        if whole is not None:
            np.testing.assert_allclose(whole[:, :1], made(items[:1]).draws, rtol=1e-9, atol=1e-9)

    def test_no_items_is_no_scores(self) -> None:
        assert self.make()([]).mean.shape == (0,)

    def test_log_prob_is_at_most_zero(self) -> None:
        made = self.make()
        if made.scale == "log_prob":
            assert (made(list(self.items())).mean <= 1e-12).all()


class PrefixPotentialContract(PotentialContract):
    """A prefix potential is a potential whose `prefix` of unfinished outputs is scored too."""

    def test_prefixes_are_scored(self) -> None:
        items, made = list(self.items()), self.make()
        assert made.kind in ("terminal", "mean", "soft", "twist")
        assert made.prefix(items).mean.shape == (len(items),)


class PreferenceContract(_Contract):
    """Probabilities that mirror when the pair is swapped."""

    def test_swapping_mirrors(self) -> None:
        items, made = list(self.items()), self.make()
        first, second = items[:-1], items[1:]
        forth, back = made.prefer(first, second), made.prefer(second, first)
        assert ((forth >= 0) & (forth <= 1)).all()
        np.testing.assert_allclose(forth + back, 1.0, atol=1e-12)


class PosteriorContract(PotentialContract, PreferenceContract):
    """A posterior scores items, prefers one to another consistently with its scores, and turns into potentials."""

    def test_declares_its_scale(self) -> None:
        assert isinstance(self.make().potential(), Potential)

    def test_log_prob_is_at_most_zero(self) -> None:
        items = list(self.items())
        log_prob = self.make().potential(scale="log_prob", reference=items)
        assert log_prob.scale == "log_prob"
        assert (log_prob(items).mean <= 1e-12).all()

    def test_prefer_follows_the_scores(self) -> None:
        items, made = list(self.items()), self.make()
        first, second = items[:-1], items[1:]
        gap = made(first).mean - made(second).mean
        assert (np.sign(np.round(made.prefer(first, second) - 0.5, 12)) == np.sign(np.round(gap, 10))).all()

    def test_utility_potential_is_the_posterior(self) -> None:
        items, made = list(self.items()), self.make()
        np.testing.assert_allclose(made.potential()(items).mean, made(items).mean, atol=1e-12)


class BaseContract(_Contract):
    """Sampling stays in the context; an enumerable base sums to one and samples what it lists."""

    def context(self) -> Parts:
        raise NotImplementedError

    def items(self) -> Sequence[Item]:
        return tuple(self.make().sample(self.context(), 3, rng=np.random.default_rng(0)))

    def test_samples_answer_the_context(self) -> None:
        drawn = self.make().sample(self.context(), 5, rng=np.random.default_rng(1))
        assert len(drawn) == 5
        assert all(item.context == self.context() for item in drawn)
        assert (self.make().log_prob(drawn) <= 1e-12).all()

    def test_sampling_repeats_with_its_seed(self) -> None:
        made = self.make()
        once, again = (made.sample(self.context(), 7, rng=np.random.default_rng(2)) for _ in range(2))
        assert once == again

    def test_support_sums_to_one_and_matches_sampling(self) -> None:
        made = self.make()
        if not isinstance(made, EnumerableBase):
            return
        support = made.support(self.context())
        assert len(set(support)) == len(support)
        probability = np.exp(made.log_prob(support))
        np.testing.assert_allclose(probability.sum(), 1.0, atol=1e-9)
        n = 4000
        where = {item: row for row, item in enumerate(support)}
        drawn = np.bincount(
            [where[item] for item in made.sample(self.context(), n, rng=np.random.default_rng(3))],
            minlength=len(support),
        )
        # Every count within six standard deviations: a wrong sampler fails, a right one does so once in 10^8.
        spread = np.sqrt(n * probability * (1 - probability)) + 1.0
        assert (np.abs(drawn - n * probability) <= 6 * spread).all()


class SamplingEngineContract(_Contract):
    """Engines respect the budget, keep items with their contexts, and repeat with their seed."""

    def target(self) -> Any:
        raise NotImplementedError

    def contexts(self) -> Sequence[Parts]:
        raise NotImplementedError

    def budget(self) -> Budget:
        return Budget(samples=64)

    def run(self, budget: Budget | None = None, seed: int = 0) -> Any:
        rng = np.random.default_rng(seed)
        return self.make()(self.target(), self.contexts(), budget=budget or self.budget(), rng=rng)

    def items(self) -> Sequence[Item]:
        return tuple(self.run().items)

    def test_honesty_is_declared(self) -> None:
        assert self.make().honesty in ("exact", "proper", "consistent", "maximiser", "heuristic")

    def test_samples_are_aligned(self) -> None:
        out, contexts = self.run(), list(self.contexts())
        m = len(out.items)
        assert out.context_index.shape == out.log_weights.shape == out.scores.mean.shape == (m,)
        assert set(out.context_index.tolist()) == set(range(len(contexts)))
        assert all(
            item.context == contexts[row] for item, row in zip(out.items, out.context_index.tolist(), strict=True)
        )

    def test_kl_is_a_statement_not_a_float(self) -> None:
        kl = self.run().kl
        assert kl is None or all(isinstance(value, Estimate | Bound) and value.value >= -1e-9 for value in kl)

    def test_budget_holds(self) -> None:
        budget = self.budget()
        self.run(budget)
        assert all(budget.spent[unit] <= cap for unit, cap in budget.caps.items())

    def test_empty_budget_is_refused(self) -> None:
        try:
            self.run(Budget(samples=0))
        except BudgetExceededError:
            return
        raise AssertionError("an engine must refuse a budget of no samples")

    def test_repeats_with_its_seed(self) -> None:
        assert self.run(seed=5).items == self.run(seed=5).items


class AcquisitionRuleContract(_Contract):
    """Questions come from the pool, none twice to one rater in one way, with gains that are numbers."""

    def posterior(self) -> Any:
        raise NotImplementedError

    def pool(self) -> Sequence[tuple[Item, ...]]:
        raise NotImplementedError

    def items(self) -> Sequence[Item]:
        return [item for question in self.pool() for item in question]

    def test_questions_come_from_the_pool(self) -> None:
        pool = list(self.pool())
        asked = self.make()(self.posterior(), pool, rng=np.random.default_rng(0))
        assert len(asked.items) == len(asked.rater) == len(asked.expected_gain) == len(asked.cost)
        assert len(asked.kind) in (0, len(asked.items))
        ways = list(zip(asked.items, asked.rater, asked.kind or [""] * len(asked.items), strict=True))
        assert len(set(ways)) == len(ways) > 0
        assert set(asked.items) <= set(pool)
        assert np.isfinite(asked.expected_gain).all()
        assert (asked.expected_gain >= -1e-12).all()
        assert (asked.cost >= 0).all()
        if asked.propensity is not None:
            assert len(asked.propensity) == len(asked.items)
            assert ((asked.propensity > 0) & (asked.propensity <= 1)).all()

    def test_empty_pool_is_no_questions(self) -> None:
        assert self.make()(self.posterior(), [], rng=np.random.default_rng(0)).items == ()


class ObjectiveContract(_Contract):
    """A loss per record that does not depend on how the batch is split. Log-probabilities are NumPy or torch arrays."""

    def batch(self) -> tuple[Any, Any, Any]:
        """policy_logprobs [n, t], reference_logprobs [n, t], batch; n is even, records 2r and 2r+1 may be a pair."""
        raise NotImplementedError

    def split(self, batch: Any, rows: slice) -> Any:
        raise NotImplementedError

    def test_loss_is_per_record_and_finite(self) -> None:
        policy, reference, batch = self.batch()
        loss = self.make()(policy, reference, batch)
        assert isinstance(loss, Loss)
        assert np.isfinite(np.asarray(loss.per_record)).all()

    def test_splitting_the_batch_changes_nothing(self) -> None:
        policy, reference, batch = self.batch()
        made = self.make()
        whole = np.asarray(made(policy, reference, batch).per_record)
        half = len(policy) // 4 * 2 or len(policy)
        pieces = [
            np.asarray(made(policy[rows], reference[rows], self.split(batch, rows)).per_record)
            for rows in (slice(0, half), slice(half, None))
            if len(policy[rows])
        ]
        np.testing.assert_allclose(np.concatenate(pieces), whole, rtol=1e-6)


class TextualEngineContract(_Contract):
    """A textual engine returns a program with its history and an honest claim, within its budget."""

    def problem(self) -> tuple[Any, Any, Sequence[Any]]:
        """program, target, examples."""
        raise NotImplementedError

    def test_result_carries_its_claim(self) -> None:
        program, target, examples = self.problem()
        budget = Budget(calls=32)
        out = self.make()(program, target, examples, budget=budget, rng=np.random.default_rng(0))
        assert isinstance(out, Rewritten)
        assert isinstance(out.claim, Estimate)
        assert budget.spent["calls"] <= 32
