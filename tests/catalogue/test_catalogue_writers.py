"""Policies of strings: what they draw, what they score, what they learn, and the tasks they learn it on."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra `lm` is not installed")

from scipy.optimize import approx_fprime

from heedful.catalogue.learning import Records, minimised
from heedful.catalogue.machines import Machine, Programs, Sums
from heedful.catalogue.writers import Learner, Writer
from heedful.core import UsageError
from heedful.training import DPO, Addressed, Supervised, Weighted, grpo, rloo
from heedful.training.objectives import Cringe, Director, directed

RNG = np.random.default_rng(0)
MACHINE = Machine.drawn(3, 4, np.random.default_rng(1))
SUMS = Sums.drawn(MACHINE, 5, 3, np.random.default_rng(2), memory=True)
PROGRAMS = Programs.drawn(MACHINE, 6, 3, np.random.default_rng(3), tests=2, memory=True)
PROMPTS = np.array([0, 3, 3])


@pytest.mark.parametrize("task", [SUMS, PROGRAMS], ids=["sums", "programs"])
def test_outputs_are_drawn_as_often_as_they_are_scored(task):
    writer = task.writer()
    weights = RNG.normal(size=writer.start.shape)
    law = np.exp(writer.law(weights, PROMPTS))
    np.testing.assert_allclose(law.sum(1), 1.0)
    drawn = writer.write(weights, PROMPTS, 20_000, np.random.default_rng(4))
    place = drawn @ writer.vocabulary ** np.arange(writer.length)[::-1]
    np.testing.assert_array_equal(writer.strings[place[0, 0]], drawn[0, 0])
    for row, own in zip(place, law, strict=True):
        np.testing.assert_allclose(np.bincount(row, minlength=len(own)) / 20_000, own, atol=0.015)


def test_what_is_begun_is_gone_on_with():
    writer = SUMS.writer()
    weights = RNG.normal(size=writer.start.shape)
    begun = np.array([[1, 2], [0, 3], [2, 2]])
    drawn = writer.write(weights, PROMPTS, 5_000, np.random.default_rng(5), begun=begun)
    np.testing.assert_array_equal(drawn[..., :2], np.broadcast_to(begun[:, None], (3, 5_000, 2)))
    each = np.concatenate([np.broadcast_to(begun[:, None], (3, 4, 2)), np.tile(np.arange(4)[:, None], (3, 1, 1))], 2)
    law = np.exp(writer.log_prob(weights, PROMPTS, each)[..., -1])
    share = (drawn[..., -1:] == np.arange(4)).mean(1)
    np.testing.assert_allclose(share, law, atol=0.03)


def test_without_temperature_the_likeliest_token_is_written():
    writer = SUMS.writer()
    weights = RNG.normal(size=writer.start.shape)
    once = writer.write(weights, PROMPTS, 2, RNG, temperature=0.0)
    np.testing.assert_array_equal(once[:, 0], once[:, 1])
    others = np.repeat(once[:, :1], 4, axis=1)
    others[..., -1] = np.arange(4)
    best = writer.log_prob(weights, PROMPTS, others)[..., -1].argmax(1)
    np.testing.assert_array_equal(best, once[:, 0, -1])


def test_a_classifier_beside_the_policy_learns_and_directs():
    import torch

    writer = SUMS.writer()
    outputs = writer.write(writer.start, PROMPTS, 2, np.random.default_rng(6))
    both = RNG.normal(size=2 * writer.start.size)
    loss = writer.loss(Director(0.7), Records(PROMPTS, outputs, {"label": np.array([[1, 0], [0, 0], [1, 1]])}))
    np.testing.assert_allclose(loss(both)[1], approx_fprime(both, lambda own: loss(own)[0], 1e-6), atol=1e-6)
    policy, classifier = np.split(both, 2)
    first = np.zeros((3, 0), np.intp)
    log_prob, logits = (
        own.reshape(writer.rows, -1)[writer.seen(PROMPTS, first)].sum(1) for own in (policy, classifier)
    )
    law = directed(torch.from_numpy(log_prob).log_softmax(1), torch.from_numpy(logits), 3.0).exp().numpy()
    tilt = writer.approval(classifier, 3.0)
    drawn = writer.write(policy, PROMPTS, 20_000, np.random.default_rng(7), tilt=tilt)[..., 0]
    shares = [np.bincount(own, minlength=writer.vocabulary) / 20_000 for own in drawn]
    np.testing.assert_allclose(shares, law, atol=0.015)
    each = np.broadcast_to(np.arange(writer.vocabulary)[:, None], (3, writer.vocabulary, writer.length))
    np.testing.assert_allclose(writer.approved(classifier, PROMPTS, each)[..., 0] * 3.0, tilt(PROMPTS, first))


@pytest.mark.parametrize(
    "objective",
    [Supervised(), Weighted(), rloo(), grpo(), DPO(2.0), Addressed(DPO(2.0))],
    ids=lambda own: repr(own)[:9],
)
def test_gradients_are_those_of_finite_differences(objective):
    writer = PROGRAMS.writer()
    k = {"one": 1, "two": 2, "some": 4}[objective.outputs]
    outputs = writer.write(writer.start, PROMPTS, k, np.random.default_rng(6))
    weights, reference = RNG.normal(size=(2, writer.start.size))
    said = {
        "score": RNG.normal(size=(3, k)),
        "focus": RNG.random((3, k, 3)),
        "behaviour": writer.log_prob(weights + 0.05 * RNG.normal(size=weights.shape), PROMPTS, outputs),
    }
    loss = writer.loss(objective, Records(PROMPTS, outputs, said), reference)
    np.testing.assert_allclose(loss(weights)[1], approx_fprime(weights, lambda own: loss(own)[0], 1e-6), atol=1e-6)


def test_what_stands_beside_a_policy_has_a_gradient_of_its_own():
    writer = PROGRAMS.writer()
    outputs = writer.write(writer.start, PROMPTS, 2, np.random.default_rng(6))
    weights, said = RNG.normal(size=writer.start.size), {"label": np.array([[0.0, 0.0]] * 3)}
    loss = writer.loss(Cringe(), Records(PROMPTS, outputs, said), beside=lambda law, tokens: law.roll(1, 1)[:, 0])
    logits = writer.design(PROMPTS, outputs) @ weights.reshape(writer.rows, -1)
    lead = logits[np.arange(len(logits)), outputs.ravel()] - logits[:, -1]
    assert loss(weights)[0] == pytest.approx(0.5 * np.logaddexp(0, lead).mean())
    np.testing.assert_allclose(loss(weights)[1], approx_fprime(weights, lambda own: loss(own)[0], 1e-6), atol=1e-6)


def test_outputs_that_are_not_chosen_count_nothing():
    writer = PROGRAMS.writer()
    outputs = writer.write(writer.start, PROMPTS, 4, np.random.default_rng(6))
    score, weights = RNG.normal(size=(3, 4)), RNG.normal(size=writer.start.shape)
    chosen = np.array([[1, 0, 1, 0]] * 3, dtype=bool)
    loss = writer.loss(rloo(), Records(PROMPTS, outputs, {"score": score}), chosen=chosen)
    alone = writer.loss(rloo(), Records(PROMPTS, outputs[:, ::2], {"score": score[:, ::2]}))
    for own, other in zip(loss(weights), alone(weights), strict=True):
        np.testing.assert_allclose(own, other, atol=1e-12)


def test_an_objective_with_a_reference_asks_for_one():
    outputs = PROGRAMS.writer().write(PROGRAMS.writer().start, PROMPTS, 2, RNG)
    with pytest.raises(UsageError, match="reference"):
        PROGRAMS.writer().loss(DPO(), Records(PROMPTS, outputs, {}))(PROGRAMS.writer().start)


def test_likelihood_learns_the_frequencies():
    task = Sums(MACHINE, np.array([0]), np.array([[0, 1]]))
    writer, outputs = task.writer(), np.array([[[0, 1]], [[0, 1]], [[0, 2]], [[3, 1]]])
    loss = writer.loss(Supervised(), Records(np.zeros(4, np.intp), outputs, {}))
    law = np.exp(writer.law(minimised(loss, writer.start), np.array([0]))[0]).reshape(4, 4)
    np.testing.assert_allclose(law[0].sum(), 0.75, atol=1e-4)
    np.testing.assert_allclose(law[0, :3] / law[0].sum(), [0, 2 / 3, 1 / 3], atol=1e-3)


def test_policy_gradients_learn_the_acts_of_the_machine_and_so_problems_never_seen():
    machine = Machine.drawn(4, 5, np.random.default_rng(7))
    learnt, fresh = (Sums.drawn(machine, 60, 3, np.random.default_rng(seed)) for seed in (8, 9))
    writer, rng, prompts = learnt.writer(), np.random.default_rng(10), np.arange(60)
    learner = Learner(writer.start, 0.1)
    for _ in range(60):
        outputs = writer.write(learner.weights, prompts, 8, rng)
        records = Records(prompts, outputs, {"score": learnt.right(prompts, outputs).mean(2)})
        learner.step(writer.loss(rloo(), records))
    shares = [
        own.solved(prompts, own.writer().write(weights, prompts, 8, rng)).mean()
        for own, weights in ((fresh, writer.start), (fresh, learner.weights))
    ]
    assert shares[0] < 0.3
    assert shares[1] > 0.9


def test_values_are_what_is_to_be_expected_of_what_is_seen():
    writer, prompts = Sums(MACHINE, np.array([0]), np.array([[0, 1]])).writer(), np.zeros(1, np.intp)
    outputs = np.array([[[0, 1], [0, 2], [1, 1], [1, 3]]])
    returns = np.array([[1.0, 0.0, 3.0, 0.0]])
    rows = writer.valued(prompts, outputs, returns, ridge=1e-9)
    values = (writer.design(prompts, outputs) @ rows).reshape(1, 4, 2)
    np.testing.assert_allclose(values[..., 0], returns.mean(), atol=1e-6)
    np.testing.assert_allclose(values[0, :, 1], [0.5, 0.5, 1.5, 1.5], atol=1e-6)
    assert abs(writer.valued(prompts, outputs, returns, ridge=1e9)).max() < 1e-6


def test_a_step_of_adam_is_its_rate_at_first():
    learner = Learner(np.zeros(3), 0.5)
    learner.step(lambda weights: (0.0, np.array([2.0, -0.1, 0.0])))
    np.testing.assert_allclose(learner.weights, [-0.5, 0.5, 0.0], atol=1e-6)


def test_a_machine_takes_values_by_its_acts_alone():
    values = MACHINE.ran(np.array(2), np.array([0, 2, 1]))
    one, two = MACHINE.acts[0, 2], MACHINE.acts[2, MACHINE.acts[0, 2]]
    np.testing.assert_array_equal(values, [one, two, MACHINE.acts[1, two]])
    assert all(sorted(row) == [0, 1, 2, 3] for row in MACHINE.acts.tolist())


def test_what_is_known_leads_by_so_much():
    lead = RNG.normal(size=(3, 4))
    every = np.broadcast_to(np.arange(4)[:, None], (1, 4, 1)) * np.array([1, 0, 0])
    first = SUMS.writer().log_prob(SUMS.knowing(lead), np.array([2]), every)[0, :, 0]
    right = SUMS.true[2, 0]
    np.testing.assert_allclose(first[right] - np.delete(first, right), lead[SUMS.acts[2, 0], SUMS.start[2]])


def test_errors_of_sums_count_where_they_are_made_and_may_cancel():
    cycle = Machine(np.array([[1, 2, 3, 0]]))
    task = Sums(cycle, np.array([0]), np.array([[0, 0, 0]]))
    outputs = np.array([[[1, 2, 3], [2, 3, 0], [2, 2, 3], [1, 2, 0]]])
    right = [[True, True, True], [False, True, True], [False, False, True], [True, True, False]]
    np.testing.assert_array_equal(task.right(np.array([0]), outputs)[0], right)
    np.testing.assert_array_equal(task.solved(np.array([0]), outputs)[0], [True, False, True, False])


def test_programs_are_run_on_every_test_and_all_can_be_solved():
    prompts, every = np.arange(6), np.array(list(itertools.product(range(3), repeat=3)))
    outputs = np.broadcast_to(every, (6, 27, 3))
    passed = PROGRAMS.passed(prompts, outputs)
    for c, (program, own) in itertools.product(range(6), zip(every, range(27), strict=True)):
        for test in range(2):
            value = PROGRAMS.start[c, test]
            for act in program:
                value = MACHINE.acts[act, value]
            assert passed[c, own, test] == (value == PROGRAMS.goal[c, test])
    assert PROGRAMS.solved(prompts, outputs).any(1).all()


def test_prompts_may_be_more_than_numbers():
    writer = Writer(2, 2, 4, lambda prompts, before: prompts[:, :1] * 2 + prompts[:, 1:])
    weights, prompts = RNG.normal(size=8), np.array([[0, 1], [1, 1]])
    assert writer.write(weights, prompts, 3, RNG).shape == (2, 3, 2)
    np.testing.assert_allclose(np.exp(writer.law(weights, prompts)).sum(1), 1.0)
