"""Heads: in shared rows they say what they say alone, steps do not depend on how they are cut, and they learn."""

from __future__ import annotations

import copy
import dataclasses
import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `lm` is not installed")
pytest.importorskip("transformers", reason="the extra `lm` is not installed")

from heedful.core import InputError, UsageError  # noqa: E402
from heedful.feedback import Table  # noqa: E402
from heedful.feedback.record import Record  # noqa: E402
from heedful.models import LocalModel, SequenceClassifier  # noqa: E402
from heedful.training.adapters import adapted, merged  # noqa: E402
from heedful.training.checkpoints import resume, save  # noqa: E402
from heedful.training.data import data_of  # noqa: E402
from heedful.training.experience import experienced  # noqa: E402
from heedful.training.head_objectives import Rewarded, RewardedSteps, Valued, reward  # noqa: E402
from heedful.training.heads import columns, load_head, new_head, reader, with_values  # noqa: E402
from heedful.training.objectives import (  # noqa: E402
    BradleyTerry,
    MeanVariance,
    PolicyGradient,
    Quantiles,
    generalised_advantages,
)
from heedful.training.rows import Rows  # noqa: E402
from heedful.training.saving import save_model  # noqa: E402
from heedful.training.trainer import Recipe, Trainer, scored  # noqa: E402
from models import tiny  # noqa: E402
from training.test_training_forward import OUTPUTS, PROMPTS, arrays  # noqa: E402
from training.test_training_trainer import examples, weights  # noqa: E402


def scores(k):
    return lambda rng: rng.normal(size=k).tolist()


def steps(rng):
    return [np.array([1.0]), np.array([0.0])]


def marked(n=12):
    """Examples whose outputs are marked at every other token, from 0 to 1."""
    rng, found = np.random.default_rng(4), []
    for one in examples(n):
        own = [np.where(np.arange(len(output)) % 2, np.nan, rng.random(len(output))) for output in one.outputs]
        found.append(dataclasses.replace(one, said={"advantage": own}))
    return found


def seeded(network, *names):
    """Heads that say something."""
    made = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name in names:
            own = getattr(network, name).weight
            own.copy_(torch.randn(own.shape, generator=made, dtype=torch.float64))
    return network


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def folder(request, tmp_path_factory):
    made = getattr(tiny, request.param)(tmp_path_factory.mktemp("model"))
    tiny.tokenizer(made)
    return made


def scoring(folder, *names):
    network = load_head(folder, "cpu").network.double()
    new_head(network, names or ("reward",))
    return seeded(network, "score")


def valuing(folder):
    return seeded(with_values(LocalModel(str(folder), device="cpu").loaded.network.double()), "value_head")


def test_scores_in_shared_rows_are_those_of_each_prefix_alone(folder):
    network = scoring(folder, "a", "b")
    rows = Rows.of(PROMPTS, arrays(OUTPUTS))
    assert rows.tokens.flatten()[columns(rows)].tolist() == rows.target.tolist()
    found = reader(network)(rows)
    network.config.pad_token_id = None
    for row, (prompt, record) in enumerate(zip(PROMPTS, OUTPUTS, strict=True)):
        for number, output in enumerate(record):
            for place in range(len(output)):
                told = network(input_ids=torch.tensor([[*prompt, *output[: place + 1]]])).logits[0]
                torch.testing.assert_close(found[row, number, place], told, atol=1e-10, rtol=0)


def test_values_are_read_beside_log_probabilities(folder):
    network = valuing(folder)
    rows = Rows.of(PROMPTS, arrays(OUTPUTS))
    found = reader(network)(rows)
    plain = copy.deepcopy(network)
    del plain.value_head
    torch.testing.assert_close(found[..., 0], reader(plain)(rows), atol=0, rtol=0)
    for row, (prompt, record) in enumerate(zip(PROMPTS, OUTPUTS, strict=True)):
        for number, output in enumerate(record):
            for place in range(len(output)):  # before the token is read
                read = torch.tensor([[*prompt, *output[:place]]])
                hidden = network.base_model(input_ids=read).last_hidden_state[0, -1]
                told = network.value_head(hidden)[0]
                torch.testing.assert_close(found[row, number, place, 1], told, atol=1e-10, rtol=0)


CASES = {
    "Bradley-Terry": (("reward",), reward(centre=0.1), lambda: examples(prefer=lambda rng: rng.random())),
    "mean and variance": (
        ("mean", "log variance"),
        Rewarded(MeanVariance()),
        lambda: examples(score=scores(2)),
    ),
    "quantiles": (("a", "b", "c"), Rewarded(Quantiles()), lambda: examples(score=scores(2))),
    "steps": (("right",), RewardedSteps(), marked),
    "values": (None, Valued(), None),
}


def case(folder, name, adapter=False):
    """A network, an objective and examples of them."""
    names, objective, data = CASES[name]
    network = valuing(folder) if names is None else scoring(folder, *names)
    if adapter:
        adapted(network, rank=2)
    if names is not None:
        return network, objective, data()
    drawn = experienced(network, examples(score=scores(2)), 10**6, penalty=0.1, reference=scored_by(network))
    return network, dataclasses.replace(objective, policy=PolicyGradient("none", (0.2, 0.2), over="step")), drawn


def scored_by(network):
    return [own - 0.1 for own in scored(network, examples(score=scores(2)), 10**6)]


@pytest.mark.parametrize("adapter", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_a_step_does_not_depend_on_how_it_is_cut(folder, name, adapter):
    network, objective, data = case(folder, name, adapter)
    told, found = [], []
    for tokens in (8192, 60, 1):
        recipe = Recipe(steps=2, batch=6, tokens=tokens, learning_rate=1e-3)
        trainer = Trainer(copy.deepcopy(network), data, objective, recipe)
        rows = []
        trainer.run(rows.append)
        told.append([own["loss"] for own in rows])
        found.append(weights(trainer.network))
    assert abs(found[0] - weights(network)).max() > 1e-4
    for own, rows in zip(found[1:], told[1:], strict=True):
        tolerance = 1e-7 if network.config.model_type == "gpt2" else 1e-5  # a Llama takes norms in single precision
        assert abs(own - found[0]).max() < tolerance
        assert rows == pytest.approx(told[0], rel=1e-5)


@pytest.mark.parametrize("adapter", [False, True])
def test_a_reward_learns_votes_and_a_folder_says_what_it_says(folder, tmp_path, adapter):
    loaded = load_head(folder, "cpu")
    if adapter:
        adapted(loaded.network, rank=4)
    data = examples(prefer=lambda rng: 1.0)
    trainer = Trainer(loaded.network, data, reward(), Recipe(steps=40, batch=12, learning_rate=1e-2))
    told = []
    trainer.run(told.append)
    assert told[0]["loss"] == pytest.approx(np.log(2), abs=1e-6)  # a new head says nothing
    assert told[-1]["accuracy"] == 1.0
    assert told[-1]["loss"] < 0.1
    if adapter:
        with pytest.raises(UsageError, match="merge it first"):
            save_model(loaded.network, loaded.tokenizer, tmp_path / "reward")
        merged(loaded.network)
    save_model(loaded.network, loaded.tokenizer, tmp_path / "reward")
    made = SequenceClassifier(str(tmp_path / "reward"), device="cpu")
    assert made.names == ("reward",)
    network = made._loaded[1]
    for one in data[:3]:
        rows = Rows.of([one.prompt], [one.outputs])
        expected = reader(trainer.network)(rows)
        torch.testing.assert_close(reader(network)(rows), expected, atol=1e-5, rtol=0)


def test_a_head_goes_on_from_a_checkpoint(folder, tmp_path):
    def begun():
        network, objective, data = case(folder, "values", adapter=True)
        return Trainer(network, data, objective, Recipe(steps=4, batch=6, learning_rate=1e-3))

    whole, first, second = begun(), begun(), begun()
    whole.run()
    first.run(until=2)
    save(first, tmp_path)
    assert resume(second, tmp_path)
    second.run()
    assert "value_head.weight" in second.weights
    assert torch.equal(weights(second.network), weights(whole.network))


def test_advantages_without_decay_or_values_are_the_returns_to_go(folder):
    network = with_values(LocalModel(str(folder), device="cpu").loaded.network.double())
    data = examples(score=scores(2))
    before = [own - 0.3 for own in scored(network, data, 10**6)]
    found = experienced(network, data, 60, decay=1.0, penalty=0.5, reference=before)
    for one, said in zip(data, found, strict=True):
        for output, score, advantage in zip(one.outputs, one.said["score"], said.said["advantage"], strict=True):
            # Each token costs 0.15, and the last earns the score.
            expected = score - 0.15 * np.arange(len(output), 0, -1)
            np.testing.assert_allclose(advantage, expected, atol=1e-5)
    mask = torch.rand(3, 7, generator=torch.Generator().manual_seed(0)) < 0.6
    earned = torch.randn(3, 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    advantage, returns = generalised_advantages(earned, torch.zeros_like(earned), mask, decay=1.0)
    to_go = torch.where(mask, earned, 0.0).flip(-1).cumsum(-1).flip(-1)
    torch.testing.assert_close(advantage, torch.where(mask, to_go, 0.0))
    torch.testing.assert_close(returns, advantage)


def test_values_come_to_what_outputs_earn_and_the_policy_to_what_earns(folder):
    """Of each pair of outputs, the first earns 1 and the second −1."""
    network = with_values(LocalModel(str(folder), device="cpu").loaded.network)
    data = experienced(network, examples(score=lambda rng: [1.0, -1.0]), 10**6)
    trainer = Trainer(network, data, Valued(clip=None), Recipe(steps=40, batch=12, learning_rate=3e-3))
    told = []
    trainer.run(told.append)
    assert told[-1]["value_loss"] < 0.5 * told[0]["value_loss"]
    after = scored(network, data, 10**6)
    moved = [
        own.sum(1) - np.array([b.sum() for b in one.said["behaviour"]]) for own, one in zip(after, data, strict=True)
    ]
    assert np.mean(moved, axis=0)[0] > 0 > np.mean(moved, axis=0)[1]


def test_heads_that_do_not_fit_are_refused(folder, tmp_path):
    data = examples(score=scores(2))
    wrong = {MeanVariance(): ("one",), BradleyTerry(): ("one", "two")}
    for objective, names in wrong.items():
        with pytest.raises(UsageError, match="of a head's numbers"):
            Trainer(scoring(folder, *names), data, Rewarded(objective), Recipe(steps=1)).step()
    with pytest.raises(UsageError, match='over="step"'):
        Valued(PolicyGradient())
    loaded = load_head(folder, "cpu", ("a", "b"))
    save_model(loaded.network, loaded.tokenizer, tmp_path / "two")
    with pytest.raises(InputError, match="2 scores, and 1 are asked"):
        load_head(tmp_path / "two", "cpu")
    with pytest.raises(UsageError, match="does not say its score"):
        experienced(valuing(folder), examples(), 100)


@pytest.mark.parametrize("chat", [False, True])
def test_a_head_is_trained_on_what_its_folder_will_be_read_with(folder, tmp_path, chat):
    base = shutil.copytree(folder, tmp_path / "base")
    tiny.tokenizer(base, chat=chat)
    loaded = load_head(base, "cpu")
    seeded(loaded.network, "score")
    outputs = ["rain", "the rain and the sun"], ["sun", "snow"], ["wind", "wind."]
    table = Table.of(
        [
            Record(
                kind="comparison",
                context="the",
                candidates=[{"output": own} for own in pair],
                value={"choice": "first"},
            )
            for pair in outputs
        ]
    )
    data = data_of(table, loaded, "paired")
    assert data.account()["used"] == 3
    save_model(loaded.network, loaded.tokenizer, tmp_path / "reward")
    made = SequenceClassifier(str(tmp_path / "reward"), device="cpu")
    for record, one in zip(table.records(), data.examples, strict=True):
        told = reader(loaded.network)(Rows.of([one.prompt], [one.outputs]))[0, :, :, 0]
        ends = [told[number, len(output) - 1].item() for number, output in enumerate(one.outputs)]
        assert ends == pytest.approx(made.encode(list(record.items()))[:, 0].tolist(), abs=1e-5)
    longest = [max(len(made._tokens(own)["input_ids"]) for own in record.items()) for record in table.records()]
    most = sorted(longest)[1]
    dropped = data_of(table, loaded, "paired", longest=most).account()["dropped"]
    assert dropped == {f"longer than {most} tokens": sum(own > most for own in longest)}
    assert dropped
