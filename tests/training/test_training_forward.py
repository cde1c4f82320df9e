"""Log-probabilities of outputs in shared rows are those of each output read alone, and so are gradients."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `lm` is not installed")
pytest.importorskip("transformers", reason="the extra `lm` is not installed")

from heedful.core import InputError, UsageError  # noqa: E402
from heedful.models import LocalModel  # noqa: E402
from heedful.training import forward  # noqa: E402
from heedful.training.forward import Scorer, scorer  # noqa: E402
from heedful.training.rows import Rows  # noqa: E402
from models import tiny  # noqa: E402

PROMPTS = [(5, 6, 7), (3,), (9, 8, 7, 6, 5)]
OUTPUTS = [[[4, 5, 1], [6]], [[2, 2, 2, 2, 2], [7, 1]], [[1], []]]


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def network(request, tmp_path_factory):
    folder = getattr(tiny, request.param)(tmp_path_factory.mktemp("model"))
    tiny.tokenizer(folder)
    return LocalModel(str(folder), device="cpu", dtype="float64").loaded.network.double()


def arrays(outputs):
    return [[np.array(own, np.int64) for own in record] for record in outputs]


def alone(network, prompt, output):
    logits = network(input_ids=torch.tensor([[*prompt, *output]])).logits[0].log_softmax(-1)
    return [logits[len(prompt) - 1 + place, token] for place, token in enumerate(output)]


@pytest.mark.parametrize("many", [2, 1])
def test_outputs_beside_each_other_are_scored_as_if_alone(network, many):
    outputs = [record[:many] for record in OUTPUTS]
    rows = Rows.of(PROMPTS, arrays(outputs))
    assert (rows.seen is None) == (many == 1)
    found = scorer(network)(rows)
    expected = torch.zeros_like(found)
    for row, (prompt, record) in enumerate(zip(PROMPTS, outputs, strict=True)):
        for number, output in enumerate(record):
            for place, value in enumerate(alone(network, prompt, output)):
                expected[row, number, place] = value
    torch.testing.assert_close(found, expected, atol=1e-10, rtol=0)
    assert rows.mask.sum() == sum(len(own) for record in outputs for own in record)
    weight = torch.randn(found.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    parameters = list(network.parameters())
    gradients = torch.autograd.grad((weight * found).sum(), parameters)
    for own, other in zip(gradients, torch.autograd.grad((weight * expected).sum(), parameters), strict=True):
        # A Llama takes its norms in single precision whatever the rest is in.
        tolerance = 1e-9 if network.config.model_type == "gpt2" else 1e-5
        assert (own - other).abs().max() <= tolerance * max(1.0, float(other.abs().max()))


def test_logits_beyond_what_is_held_are_made_twice_and_are_the_same(network, monkeypatch):
    rows = Rows.of(PROMPTS, arrays(OUTPUTS))
    whole = scorer(network)(rows)
    parameters = list(network.parameters())
    expected = torch.autograd.grad(whole.sum(), parameters)
    monkeypatch.setattr(forward, "_MOST_LOGITS", 3 * network.config.vocab_size)
    pieces = scorer(network)(rows)
    torch.testing.assert_close(pieces, whole)
    for own, other in zip(torch.autograd.grad(pieces.sum(), parameters), expected, strict=True):
        torch.testing.assert_close(own, other)


@pytest.mark.parametrize("near", [1, 1 << 18])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_logprobs_and_their_gradient_are_those_of_log_softmax(near, dtype, monkeypatch):
    """Row by row or all at once, with logits far apart and tokens that cannot follow."""
    monkeypatch.setattr(forward, "_NEAR", near)
    made = torch.Generator().manual_seed(0)
    leaf = (30 * torch.randn(7, 11, generator=made)).to(dtype)
    leaf[2, :5] = -torch.inf
    leaf[3] += 500.0
    target = torch.tensor([0, 10, 7, 3, 3, 9, 1])
    weight = torch.randn(7, generator=made)
    found, expected = leaf.clone().requires_grad_(), leaf.double().requires_grad_()
    told = forward.logprobs(found * 1, target)
    law = expected.log_softmax(1)[torch.arange(7), target]
    assert told.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    rounding = torch.finfo(told.dtype).eps
    torch.testing.assert_close(told.double(), law, atol=600 * rounding, rtol=4 * rounding)
    own = torch.autograd.grad((weight * told).sum(), found, retain_graph=True)[0]
    other = torch.autograd.grad((weight * law).sum(), expected)[0]
    atol = 0.01 if dtype == torch.bfloat16 else 600 * rounding
    torch.testing.assert_close(own.double(), other, atol=atol, rtol=atol)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        told.sum().backward()  # the gradient took the place of what a second one needs


def test_scores_without_a_gradient_are_made_in_pieces_and_are_the_same(network, monkeypatch):
    rows = Rows.of(PROMPTS, arrays(OUTPUTS))
    with torch.no_grad():
        whole = scorer(network)(rows)
        monkeypatch.setattr(forward, "_AT_ONCE", 3 * network.config.vocab_size)
        torch.testing.assert_close(scorer(network)(rows), whole)
    torch.testing.assert_close(scorer(network)(rows).detach(), whole)


def test_a_network_that_does_more_to_its_logits_is_found_out(network):
    rows = Rows.of(PROMPTS, arrays(OUTPUTS))
    plain = scorer(network)
    assert plain.project is not None
    torch.testing.assert_close(Scorer(network, None)(rows), plain(rows))

    class Capped(type(network)):
        def forward(self, *args, **named):
            told = super().forward(*args, **named)
            told.logits = 5 * torch.tanh(told.logits / 5)
            return told

    before = type(network)
    network.__class__ = Capped
    try:
        capped = scorer(network)
        assert capped.project is None
        logits = network(input_ids=torch.tensor([[5, 6, 7, 4]])).logits[0, 2].log_softmax(-1)
        torch.testing.assert_close(capped(rows)[0, 0, 0], logits[4])
    finally:
        network.__class__ = before


def test_what_cannot_be_foretold_is_refused():
    with pytest.raises(UsageError, match="no tokens"):
        Rows.of([()], arrays([[[1]]]))
    with pytest.raises(UsageError, match="without outputs"):
        Rows.of([(1,)], [[]])


def test_a_network_that_looks_back_less_far_than_shared_rows_go_is_refused(tmp_path):
    """Its mask is ours alone, so it would look back further than it was made to."""
    folder = tiny.mistral(tmp_path)  # over eight tokens
    tiny.tokenizer(folder)
    network = LocalModel(str(folder), device="cpu").loaded.network.double()
    short, longer = arrays([[[4, 5, 1], [6]]]), arrays([[[4, 5, 1], [6, 7, 8]]])
    found = scorer(network)(Rows.of([(5, 6, 7)], short))
    for number, output in enumerate(short[0]):
        expected = torch.stack(alone(network, (5, 6, 7), output))
        torch.testing.assert_close(found[0, number, : len(output)], expected, atol=1e-5, rtol=0)
    with pytest.raises(InputError, match="over 8 tokens, and rows that outputs share have 9"):
        scorer(network)(Rows.of([(5, 6, 7)], longer))
    scorer(network)(Rows.of([(5, 6, 7)], arrays([[[2] * 20]])))  # alone in its row, it reads as it was made to
    network.config.layer_types = ["full_attention", "linear_attention"]
    with pytest.raises(InputError, match="linear_attention"):
        scorer(network)(Rows.of([(5, 6, 7)], short))
