"""The trainer: the same step however it is cut or spread, the same weights after a kill, and what it learns."""

from __future__ import annotations

import copy
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `lm` is not installed")
pytest.importorskip("transformers", reason="the extra `lm` is not installed")

from heedful.core import FitError, InputError, UsageError  # noqa: E402
from heedful.models import LocalModel  # noqa: E402
from heedful.training import BCO, DPO, KTO, Supervised, rloo  # noqa: E402
from heedful.training.checkpoints import checkpoints, digest_of_examples, resume, save  # noqa: E402
from heedful.training.examples import Example, parts_of  # noqa: E402
from heedful.training.forward import scorer  # noqa: E402
from heedful.training.processes import Processes  # noqa: E402
from heedful.training.trainer import Recipe, Trainer, scored  # noqa: E402
from models import tiny  # noqa: E402


def examples(n=12, outputs=2, seed=0, **said):
    rng = np.random.default_rng(seed)
    return [
        Example(
            tuple(rng.integers(2, 20, rng.integers(1, 8)).tolist()),
            tuple(np.append(rng.integers(2, 20, rng.integers(1, 9)), 1) for _ in range(outputs)),
            {name: make(rng) for name, make in said.items()},
        )
        for _ in range(n)
    ]


def labels(k):
    return lambda rng: rng.integers(0, 2, k).tolist()


CASES = {
    "DPO": (DPO(5.0), {"outputs": 2}),
    "supervised": (Supervised(), {"outputs": 1}),
    "KTO": (KTO(5.0), {"outputs": 2, "label": labels(2)}),
    "BCO": (BCO(5.0), {"outputs": 1, "label": labels(1)}),
}


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A GPT-2 of a few thousand parameters in double precision, and its folder."""
    folder = tiny.gpt2(tmp_path_factory.mktemp("model"))
    tiny.tokenizer(folder)
    return LocalModel(str(folder), device="cpu").loaded.network.double()


def weights(network):
    return torch.cat([own.detach().flatten() for own in network.parameters()])


def trained(network, case="DPO", steps=3, data=None, **recipe):
    objective, said = CASES[case]
    settings = {"batch": 6, "learning_rate": 1e-3} | recipe
    trainer = Trainer(copy.deepcopy(network), data or examples(**said), objective, Recipe(steps=steps, **settings))
    told = []
    trainer.run(told.append)
    return trainer, told


@pytest.mark.parametrize("case", CASES)
def test_a_step_does_not_depend_on_how_it_is_cut(network, case):
    """By tokens at once: all together, a few, one example each. Also statistics of the whole step are the same."""
    whole, told = trained(network, case)
    for tokens in (60, 1):
        parts, told_of_parts = trained(network, case, tokens=tokens)
        assert (weights(parts.network) - weights(whole.network)).abs().max() < 1e-7
        assert [own["loss"] for own in told_of_parts] == pytest.approx([own["loss"] for own in told], rel=1e-6)
        assert [own["gradient"] for own in told_of_parts] == pytest.approx([own["gradient"] for own in told], rel=1e-5)


def test_outputs_put_aside_are_scored_the_same_and_have_no_gradient(network):
    """Of records of which some lack a second output, and some have a longer one than the first."""
    data = [*examples(5), Example((3, 4), (np.array([5, 6, 1]),))]
    (whole,) = parts_of(data, range(6), 10**6, "cpu")
    (split,) = parts_of(data, range(6), 10**6, "cpu", trained=1)
    assert whole.places == split.places
    assert whole.tokens == split.tokens
    assert torch.equal(whole.batch.mask, split.batch.mask)
    score, parameters = scorer(network), list(network.parameters())
    expected, found = whole.scored(score), split.scored(score)
    torch.testing.assert_close(found, expected, atol=1e-10, rtol=0)
    weight = torch.randn(found.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    told = torch.autograd.grad((weight * found).sum(), parameters)
    first_alone = torch.autograd.grad((weight * expected)[:, 0].sum(), parameters)
    assert max(float((own - other).abs().max()) for own, other in zip(told, first_alone, strict=True)) < 1e-9
    (alone,) = parts_of([Example((3,), (np.array([4, 1]),))], [0], 10, "cpu", trained=1)
    assert alone.aside is None
    assert alone.batch.mask.shape == (1, 1, 2)


def test_the_reference_is_the_network_as_it_stands_in_memory(network):
    """Also where its weights were changed after they were read: the first loss is log 2."""
    changed = copy.deepcopy(network)
    with torch.no_grad():
        for own in changed.parameters():
            own.add_(0.05 * torch.randn(own.shape, generator=torch.Generator().manual_seed(1)).to(own))
    _, told = trained(changed)
    assert told[0]["loss"] == pytest.approx(np.log(2), abs=1e-6)
    assert told[0]["lead"] == pytest.approx(0.0, abs=1e-5)


def test_votes_are_learnt(network):
    trainer, told = trained(network, steps=40, learning_rate=3e-3)
    assert told[-1]["accuracy"] == 1.0
    assert told[-1]["loss"] < 0.3 < told[0]["loss"]
    after = scored(trainer.network, trainer.examples, 10**6)
    leads = [
        (own - before).sum(1)[0] - (own - before).sum(1)[1]
        for own, before in zip(after, trainer.reference, strict=True)
    ]
    assert min(leads) > 0


def test_each_pass_has_each_example_once_in_an_order_of_its_own():
    recipe = Recipe(steps=6, batch=5, seed=3)
    drawn = [place for step in range(6) for place in recipe.places(step, 10)]
    runs = [drawn[:10], drawn[10:20], drawn[20:]]
    assert all(sorted(run) == list(range(10)) for run in runs)
    assert runs[0] != runs[1] != runs[2]
    wide = Recipe(steps=1, batch=25)
    assert sorted(wide.places(0, 10)) == sorted([*range(10), *range(10), *wide.places(0, 10)[20:]])


def test_rates_rise_and_fall():
    recipe = Recipe(steps=10, learning_rate=1.0, warmup=4, decay="linear")
    assert [recipe.rate(step) for step in (0, 4, 7)] == pytest.approx([0.2, 1.0, 0.5])
    assert replace(recipe, decay="cosine").rate(7) == pytest.approx(0.5)
    assert replace(recipe, decay="constant").rate(9) == 1.0


def test_a_gradient_that_is_no_number_changes_nothing(network):
    data = examples(4, outputs=1, score=lambda rng: [1.0], weight=lambda rng: float("nan"))
    trainer = Trainer(copy.deepcopy(network), data, Supervised(), Recipe(steps=1, batch=4))
    before = weights(trainer.network).clone()
    with pytest.raises(FitError, match="step 0"):
        trainer.step()
    assert torch.equal(weights(trainer.network), before)
    assert all(own.grad is None for own in trainer.parameters)


def test_fields_of_tokens_are_of_as_many_as_an_output_has(network, tmp_path):
    """Of outputs of unequal lengths, one of them missing: read, told apart by the digest, trained on and resumed."""
    behaviour = [np.array([-1.0, -2.0, -3.0]), np.array([]), np.array([-0.5])]
    outputs = tuple(np.arange(2, 2 + len(own)) for own in behaviour)
    one = Example((3,), outputs, {"score": [1.0, 0.0, -1.0], "behaviour": behaviour})
    (part,) = parts_of([one, one], [0, 1], 100, "cpu")
    expected = torch.zeros(2, 3, 3)
    expected[:, 0], expected[:, 2, 0] = torch.tensor([-1.0, -2.0, -3.0]), -0.5
    assert torch.equal(part.batch.behaviour, expected)
    other = replace(one, said=one.said | {"behaviour": [behaviour[0], behaviour[1], np.array([-0.6])]})
    assert digest_of_examples([one]) != digest_of_examples([other])
    trainer = Trainer(copy.deepcopy(network), [one, one], rloo(), Recipe(steps=1, batch=2))
    trainer.run()
    assert not torch.equal(weights(trainer.network), weights(network))
    assert resume(trainer, save(trainer, tmp_path).parent)


def test_examples_of_several_kinds_are_refused(network):
    mixed = [*examples(2), *examples(2, label=labels(2))]
    with pytest.raises(UsageError, match="one kind at a time"):
        trained(network, data=mixed)
    with pytest.raises(UsageError, match="nothing to train on"):
        Trainer(network, [], Supervised(), Recipe(steps=1))


def test_training_goes_on_from_a_checkpoint_to_the_same_bits(network, tmp_path):
    whole, _ = trained(network, steps=6)
    objective, said = CASES["DPO"]
    recipe = Recipe(steps=6, batch=6, learning_rate=1e-3)
    first = Trainer(copy.deepcopy(network), examples(**said), objective, recipe)
    assert not resume(first, tmp_path)
    first.run(until=2)
    save(first, tmp_path)
    first.run(until=4)
    save(first, tmp_path)
    assert [path.name for path in checkpoints(tmp_path)] == ["checkpoint-000000004"]
    (tmp_path / ".checkpoint-000000005.heedful.part").mkdir()  # left by a kill
    second = Trainer(copy.deepcopy(network), examples(**said), objective, recipe)
    assert resume(second, tmp_path)
    second.run()
    assert torch.equal(weights(second.network), weights(whole.network))
    other = Trainer(copy.deepcopy(network), examples(seed=1), objective, recipe)
    with pytest.raises(InputError, match="other examples"):
        resume(other, tmp_path)


SCRIPT = """
    import sys, numpy as np, torch
    from pathlib import Path
    sys.path[:0] = [{tests!r}]
    from training.test_training_trainer import examples, CASES
    from heedful.models import LocalModel
    from heedful.training.checkpoints import resume, save
    from heedful.training.trainer import Recipe, Trainer
    torch.set_num_threads(1)
    folder, out = Path({model!r}), Path({out!r})
    network = LocalModel(str(folder), device="cpu").loaded.network
    objective, said = CASES["DPO"]
    trainer = Trainer(network, examples(**said), objective, Recipe(steps=12, batch=6, learning_rate=1e-3))
    resume(trainer, out)
    while trainer.done < 12:
        trainer.step()
        save(trainer, out)
        print(trainer.done, flush=True)
    np.save(out / "weights.npy", torch.cat([own.detach().flatten() for own in network.parameters()]).numpy())
"""


def script(tmp_path, out):
    model = tmp_path / "model"
    if not model.exists():
        model.mkdir()
        tiny.tokenizer(tiny.gpt2(model))
    out.mkdir(exist_ok=True)
    code = textwrap.dedent(SCRIPT.format(tests=str(Path(__file__).parents[1]), model=str(model), out=str(out)))
    return [sys.executable, "-c", code]


@pytest.mark.slow
def test_killed_at_any_moment_it_ends_at_the_same_bits(tmp_path):
    plain = script(tmp_path, tmp_path / "plain")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(plain, check=True, capture_output=True, env=environment)
    broken, kills, rng = script(tmp_path, tmp_path / "broken"), 0, np.random.default_rng(0)
    while not (tmp_path / "broken" / "weights.npy").exists():
        with subprocess.Popen(broken, stdout=subprocess.PIPE, env=environment, text=True) as running:
            for _ in range(rng.integers(2, 5)):
                running.stdout.readline()
            time.sleep(rng.random() * 0.02)
            if kills < 3 and running.poll() is None:
                os.kill(running.pid, signal.SIGKILL)
                kills += 1
    assert kills >= 1
    found, expected = (np.load(tmp_path / name / "weights.npy") for name in ("broken", "plain"))
    np.testing.assert_array_equal(found, expected)


PROCESS = """
    import os, sys, numpy as np, torch
    sys.path[:0] = [{tests!r}]
    torch.set_num_threads(1)
    from heedful.training.processes import joined
    from training.test_training_trainer import PARALLEL, commanded, stepped, weights
    with joined() as processes:  # as torchrun tells: the environment says where, and who
        assert processes.number == 2
        for case in PARALLEL:
            np.save({out!r} + "/" + case + os.environ["RANK"] + ".npy", weights(stepped({model!r}, case)).numpy())
        commanded({model!r}, {out!r}, "two")
    assert not torch.distributed.is_initialized()
"""
PARALLEL = *CASES, "adapter", "reward", "values"


def stepped(model, case):
    """A network after three steps: whole, with an adapter, or with a head beside one."""
    from heedful.training.adapters import adapted
    from heedful.training.experience import experienced
    from heedful.training.head_objectives import Valued, reward
    from heedful.training.heads import load_head, with_values

    objective, said = CASES.get(case, CASES["DPO"])
    if case == "reward":
        network, objective = load_head(Path(model), "cpu").network.double(), reward()
    else:
        network = LocalModel(model, device="cpu").loaded.network.double()
    data = examples(**said)
    if case == "values":
        network, objective = with_values(network), Valued()
        data = experienced(network, examples(score=lambda rng: rng.normal(size=2).tolist()), 60)
    if case not in CASES:
        adapted(network, rank=2)
    Trainer(network, data, objective, Recipe(steps=3, batch=6, learning_rate=1e-3)).run()
    return network


def commanded(model, folder, out):
    """`heedful train` on votes, with a rule of stopping."""
    from heedful.cli.app import app

    votes = Path(folder) / "votes.jsonl"
    options = ["--objective", "dpo", "--batch", "6", "--steps", "4", "--learning-rate", "0.001", "--held", "0.5"]
    places = ["--model", model, "--out", str(Path(folder) / out), "--device", "cpu"]
    app(["train", str(votes), *places, *options, "--every", "2", "--patience", "2"], standalone_mode=False)


def test_steps_that_leave_a_process_without_examples_are_refused(network, monkeypatch):
    monkeypatch.setattr(Processes, "number", 2, raising=False)
    monkeypatch.setattr(Processes, "__init__", lambda self: None)
    with pytest.raises(UsageError, match="2 processes cannot share steps of 1"):
        Trainer(network, examples(4), DPO(5.0), Recipe(steps=1, batch=1))


def test_two_processes_take_the_steps_of_one(network, tmp_path, capsys):
    """Also as a command, of which the first process alone writes and speaks."""
    model = tmp_path / "model"
    model.mkdir()
    tiny.tokenizer(tiny.gpt2(model))
    rows = [{"prompt": f"the {n} ", "chosen": f"sun {n}", "rejected": "rain"} for n in range(40)]
    (tmp_path / "votes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    file = tmp_path / "process.py"
    told = {"tests": str(Path(__file__).parents[1]), "model": str(model), "out": str(tmp_path)}
    file.write_text(textwrap.dedent(PROCESS.format(**told)))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = {"OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    running = [
        subprocess.Popen(
            [sys.executable, str(file)],
            env={**os.environ, **told, "RANK": rank, "LOCAL_RANK": rank},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in "01"
    ]
    try:
        said = [own.communicate(timeout=240)[0] for own in running]
        assert [own.returncode for own in running] == [0, 0]
    finally:
        for own in running:
            own.kill()
    for case in PARALLEL:
        expected = weights(stepped(str(model), case)).numpy()
        for rank in (0, 1):
            np.testing.assert_allclose(np.load(tmp_path / f"{case}{rank}.npy"), expected, atol=1e-7, rtol=0)
    assert "dpo (target): 4 steps" in said[0]
    assert said[1] == ""
    commanded(str(model), tmp_path, "one")
    capsys.readouterr()
    one, two = (
        [json.loads(line) for line in (tmp_path / out / "metrics.jsonl").read_text().splitlines()]
        for out in ("one", "two")
    )
    assert [own["step"] for own in two] == list(range(5))
    for name in ("loss", "gradient", "held_out"):  # in single precision, some gradients being nothing but rounding
        assert [own.get(name, 0.0) for own in two] == pytest.approx([own.get(name, 0.0) for own in one], rel=1e-4)
    after = [json.loads((tmp_path / out / "summary.json").read_text())["held_out"]["after"] for out in ("one", "two")]
    assert after[0]["value"] == pytest.approx(after[1]["value"], rel=1e-4)
    assert LocalModel(str(tmp_path / "two" / "model"), device="cpu").size
