"""Short records that share rows: unseen by one another, and the same gradient."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `lm` is not installed")
pytest.importorskip("transformers", reason="the extra `lm` is not installed")

from heedful.models import LocalModel  # noqa: E402
from heedful.training.examples import Example, parts_of  # noqa: E402
from heedful.training.forward import scorer  # noqa: E402
from heedful.training.heads import columns, load_head, reader  # noqa: E402
from heedful.training.packing import fitted, packed  # noqa: E402
from heedful.training.rows import Rows  # noqa: E402
from models import tiny  # noqa: E402
from training.test_training_heads import seeded  # noqa: E402


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def folder(request, tmp_path_factory):
    made = getattr(tiny, request.param)(tmp_path_factory.mktemp("model"))
    tiny.tokenizer(made)
    return made


def uneven(outputs, n=14, seed=0):
    """Examples of very different lengths; outputs may be empty but one."""
    rng = np.random.default_rng(seed)
    found = []
    for size in rng.permutation([1, 1, 2, 2, 3, 3, 4, 5, 6, 8, 10, 14, 20, 30])[:n]:
        own = [rng.integers(2, 20, size if k == 0 else rng.integers(0, size + 1)) for k in range(outputs)]
        found.append(Example(tuple(rng.integers(2, 20, size).tolist()), tuple(own)))
    return found


def test_first_fit_by_hand():
    assert fitted([7, 5, 4, 3, 3, 2], 3) == [(0, 0), (1, 0), (2, 0), (2, 4), None, (1, 5)]
    assert fitted([4, 4], 9) == [(0, 0), (1, 0)]


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("head", [False, True])
def test_packed_rows_give_the_gradient_of_rows_apart(folder, outputs, head):
    data = sorted(uneven(outputs), key=lambda one: -one.tokens)
    network = LocalModel(str(folder), device="cpu").loaded.network.double()
    if head:
        network = seeded(load_head(folder, "cpu").network.double(), "score")
    read = reader(network) if head else scorer(network)
    apart = Rows.of([one.prompt for one in data], [one.outputs for one in data])
    sizes = [one.tokens for one in data]
    together = packed(apart, sizes, fitted(sizes, len(sizes)))
    assert len(together) < 0.7 * len(apart)
    assert together.tokens.flatten()[columns(together)].tolist() == apart.target.tolist()
    expected, found = read(apart), read(together)
    tolerance = 1e-10 if network.config.model_type == "gpt2" else 1e-5  # a Llama takes norms in single precision
    torch.testing.assert_close(found, expected, atol=tolerance, rtol=0)
    weight = torch.randn(found.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    parameters = [own for own in network.parameters() if own.requires_grad]
    pairs = [torch.autograd.grad((weight * own).sum(), parameters, allow_unused=True) for own in (found, expected)]
    for own, other in zip(*pairs, strict=True):
        assert (own is None) == (other is None)
        if own is not None:
            assert (own - other).abs().max() <= tolerance * max(1.0, float(other.abs().max()))


@pytest.mark.parametrize("most", [1, 40, 90, 10**6])
def test_parts_hold_each_example_once_and_no_more_tokens_than_fit(most):
    data = uneven(2)
    places = [*range(len(data)), 3, 3]  # a step may have an example several times
    parts = list(parts_of(data, places, most, "cpu"))
    assert sorted(place for part in parts for place in part.places) == sorted(places)
    for part in parts:
        assert part.rows.tokens.numel() <= most or len(part.places) == 1
        assert len(part.rows.mask) == len(part.places)


def test_examples_of_one_length_stay_apart():
    """So that no mask is needed where there is one output."""
    data = [Example((2, 3), (np.array([4, 1]),)) for _ in range(5)]
    (part,) = parts_of(data, range(5), 100, "cpu")
    assert part.rows.seen is None
    assert len(part.rows) == 5
