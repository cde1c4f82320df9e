"""Log-probabilities kept on the disk: found again where all agrees, and only then."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `lm` is not installed")
pytest.importorskip("transformers", reason="the extra `lm` is not installed")

from heedful.core import InputError  # noqa: E402
from heedful.training import cached  # noqa: E402
from heedful.training.adapters import adapted  # noqa: E402
from heedful.training.trainer import scored_bare  # noqa: E402
from training.test_training_trainer import examples, network  # noqa: E402, F401


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Log-probabilities in a folder, with `times`, how often they were made."""

    def made(*asked):
        found.times += 1
        return scored_bare(*asked)

    def found(network, data, precision="float32", tokens=10**6):  # noqa: F811
        return cached.reference_in(tmp_path / "cache", network, data, tokens, precision)

    monkeypatch.setattr(cached, "scored_bare", made)
    found.times = 0
    return found


def test_they_are_made_once_and_read_as_they_were(network, tmp_path, cache):  # noqa: F811
    data = examples()
    first, again = cache(network, data), cache(copy.deepcopy(network), examples())
    assert cache.times == 1
    for own, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(own, other)
    # What was said of outputs is nothing to the reference.
    cache(network, [replace(one, said={"prefer": 0.5}) for one in data])
    # Nor is an adapter, nor how much is read at once.
    policy = adapted(copy.deepcopy(network), rank=2)
    cache(policy, data, tokens=60)
    assert cache.times == 1
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".safetensors"]


def test_whatever_changes_is_noticed(network, cache):  # noqa: F811
    data = examples()
    cache(network, data)
    other = copy.deepcopy(network)
    with torch.no_grad():
        own = next(iter(other.parameters()))
        own[0, 0] = torch.nextafter(own[0, 0], own[0, 0] + 1)  # by the least that there is
    prompts = [replace(data[0], prompt=(*data[0].prompt, 3)), *data[1:]]
    outputs = [replace(data[0], outputs=(data[0].outputs[0], np.append(data[0].outputs[1], 1))), *data[1:]]
    # The same tokens, but where the prompt ends.
    moved = [replace(data[0], prompt=(*data[0].prompt, int(data[0].outputs[0][0])),
                     outputs=(data[0].outputs[0][1:], data[0].outputs[1])), *data[1:]]  # fmt: skip
    setting = copy.deepcopy(network)
    setting.config.layer_norm_epsilon = 1e-3
    cases = [
        (other, data, "float32"),
        (setting, data, "float32"),
        (network, data, "bfloat16"),
        (network, prompts, "float32"),
        (network, outputs, "float32"),
        (network, moved, "float32"),
        (network, data[::-1], "float32"),
        (network, data[:-1], "float32"),
    ]
    for number, case in enumerate(cases):
        cache(*case)
        assert cache.times == number + 2
    cache(network, data)
    assert cache.times == len(cases) + 1


def test_a_file_that_is_none_is_told(network, tmp_path, cache):  # noqa: F811
    data = examples()
    cache(network, data)
    (path,) = (tmp_path / "cache").iterdir()
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match="holds no log-probabilities"):
        cache(network, data)
