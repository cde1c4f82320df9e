"""Local language models: what they sample and what they say of outputs is what transformers says, row by row."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest

from heedful.core import InputError, Item, MissingExtraError, Part, UsageError
from heedful.models import WAIT, Decoding, LocalModel, complete, drawn, local_scoring
from heedful.models.contracts import TokenModelContract
from heedful.models.local_state import drawn_there
from models import tiny

torch = pytest.importorskip("torch", reason="the extra `lm` is not installed")
transformers = pytest.importorskip("transformers", reason="the extra `lm` is not installed")

SHORT, LONG = Item.of("rain").context, Item.of("the sun and the rain, snow").context
TEXTS = ["", "s", "sun", " and snow.\n", "3+4*2=11", "rain " * 4]
NETWORKS = {"llama": tiny.llama, "gpt2": tiny.gpt2, "mistral": tiny.mistral}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of each network, with a tokenizer of letters or of bytes."""
    made = {}

    def of(network="llama", **options):
        key = network, *sorted(options.items())
        if key not in made:
            made[key] = NETWORKS[network](tmp_path_factory.mktemp("model"))
            tiny.tokenizer(made[key], **options)
        return str(made[key])

    return of


def by_hand(model, item, tokens):
    """Log-probability of each token, by one forward pass of the network over this row alone."""
    prompt = list(model.loaded.prompt(item.context, model.template)[1])
    with torch.no_grad():
        logits = model.loaded.network(input_ids=torch.tensor([[*prompt, *tokens.tolist()]])).logits[0]
    law = logits[len(prompt) - 1 : -1, : model.size].log_softmax(-1)
    return law.gather(1, torch.from_numpy(tokens)[:, None])[:, 0].numpy()


class OfNetwork(TokenModelContract):
    tolerance = 1e-5
    network: str

    @pytest.fixture(autouse=True)
    def _folder(self, folder):
        self.path = folder(self.network, letters=True)

    def make(self):
        return LocalModel(self.path, max_tokens=12, device="cpu")

    def context(self):
        return SHORT

    def contexts(self):
        return SHORT, LONG


class TestLlama(OfNetwork):
    network = "llama"


class TestGPT2(OfNetwork):
    network = "gpt2"


class TestSlidingWindow(OfNetwork):
    network = "mistral"
    waits = False

    def test_rows_that_would_wait_are_refused(self):
        state = self.make().begin(self.contexts())
        told = self._told(state)
        with pytest.raises(UsageError, match="cannot wait"):
            state.append(np.array([20, WAIT]))
        self._same(told, self._told(state))


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("pad", [None, "</s>", "<pad>"])
def test_outputs_have_the_log_probabilities_of_one_forward_pass_each(folder, network, pad, monkeypatch):
    model = LocalModel(folder(network, letters=True, pad=pad), max_tokens=30, device="cpu", batch_size=5)
    items = [Item(context, Item.of("", text).output) for text in TEXTS for context in (SHORT, LONG, ())]
    truth = [by_hand(model, item, own) for item, own in zip(items, model.encode(items), strict=True)]
    for most in (1 << 24, 5 * model.size * 2, 1):  # all at once, two columns at a time, one at a time
        monkeypatch.setattr(local_scoring, "_MOST_LOGITS", most)
        for own, its in zip(model.token_logprobs(items), truth, strict=True):
            np.testing.assert_allclose(own, its, atol=1e-5)
    np.testing.assert_allclose(model.log_prob(items), [own.sum() for own in truth], atol=1e-4)


def test_text_of_many_bytes_is_scored_and_written_as_it_stands(folder):
    model = LocalModel(folder(), max_tokens=60, device="cpu")
    texts = ["naïve café — 日本語 🙂", "ok? ", "\n\n", "<pad>"]
    items = [Item.of("the sun", text) for text in texts]
    encoded = model.encode(items)
    for item, own, its in zip(items, encoded, model.token_logprobs(items), strict=True):
        np.testing.assert_allclose(its, by_hand(model, item, own), atol=1e-5)
    assert [own.output[0].text for own in model.write([SHORT] * 4, encoded)] == texts
    assert "".join(model.vocabulary[token] for token in encoded[1]) == "ok? "


def test_greedy_decoding_is_that_of_generate(folder):
    path = folder("llama", letters=True, pad="</s>")
    model = LocalModel(path, max_tokens=12, decoding=Decoding(temperature=0), device="cpu")
    tokenizer, network = model.loaded.tokenizer, model.loaded.network
    tokenizer.padding_side = "left"
    batch = tokenizer(["rain", "the sun and the rain, snow"], return_tensors="pt", padding=True)
    size = torch.tensor([[-math.inf if n >= model.size else 0.0 for n in range(300)]])
    cut = transformers.LogitsProcessorList([lambda _, scores: scores + size])
    out = network.generate(**batch, do_sample=False, max_new_tokens=12, logits_processor=cut, pad_token_id=1)
    state = model.begin([SHORT, LONG])
    complete(state, np.random.default_rng(0))
    for own, its in zip(state.tokens(), out[:, batch["input_ids"].shape[1] :].numpy(), strict=True):
        np.testing.assert_array_equal(own, its[: len(own)])
    np.testing.assert_array_equal(state.log_prob, 0.0)


@pytest.mark.parametrize(
    "options", [{"temperature": 0.6}, {"top_k": 7}, {"temperature": 1.5, "top_k": 30, "top_p": 0.8}]
)
def test_the_law_reported_is_the_one_that_generate_samples_from(folder, options):
    model = LocalModel(folder("gpt2"), max_tokens=10, decoding=Decoding(**options), device="cpu")
    prompt = torch.tensor([model.loaded.prompt(LONG, None)[1]] * 4)
    torch.manual_seed(0)
    given = {"top_k": 0} | options
    out = model.loaded.network.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        do_sample=True,
        max_new_tokens=10,
        output_scores=True,
        return_dict_in_generate=True,
        pad_token_id=2,
        **given,
    )
    state = model.begin([LONG] * 4)
    for scores, tokens in zip(out.scores, out.sequences[:, prompt.shape[1] :].T.numpy(), strict=True):
        going = ~state.finished
        law = scores.log_softmax(-1)[:, : model.size].numpy()
        np.testing.assert_allclose(state.logprobs[going], law[going], atol=2e-5)
        state.append(np.where(going, tokens, WAIT))


def test_draws_are_distributed_as_the_model_says(folder):
    model = LocalModel(folder("llama", letters=True), max_tokens=1, decoding=Decoding(temperature=0.5), device="cpu")
    law = np.exp(model.begin([SHORT]).logprobs[0])
    drawn = model.sample(SHORT, 3000, rng=np.random.default_rng(0))
    number = {text: place for place, text in enumerate(model.vocabulary)}
    counts = np.bincount([number[item.output[0].text if item.output else ""] for item in drawn], minlength=len(law))
    assert (np.abs(counts - 3000 * law) <= 5 * np.sqrt(3000 * law * (1 - law)) + 1).all()


def test_the_same_continuation_of_two_prompts_is_not_merged(folder):
    """Confirmed in a peer: two cached prompts asked at once for one suffix both got the first one's numbers."""
    model = LocalModel(folder("llama"), max_tokens=8, device="cpu")
    contexts = Item.of("the sun").context, Item.of("café, snow and").context
    items = [Item(context, Item.of("", " rain").output) for context in contexts]
    state = model.begin(contexts)
    for token in model.encode(items)[0]:
        state.append(np.array([token, token]))
    truth = [by_hand(model, item, model.encode([item])[0]).sum() for item in items]
    assert abs(truth[0] - truth[1]) > 0.1
    np.testing.assert_allclose(state.log_prob, truth, atol=1e-5)
    np.testing.assert_allclose(model.log_prob(items), truth, atol=1e-5)


def test_the_network_reads_a_prompt_once_and_only_rows_still_open(folder):
    model = LocalModel(folder("llama", letters=True), max_tokens=12, device="cpu")
    read: list[int] = []
    head: list[int] = []
    model.loaded.network.register_forward_pre_hook(lambda *a: read.append(a[2]["input_ids"].numel()), with_kwargs=True)
    model.loaded.network.lm_head.register_forward_hook(lambda _m, _i, out: head.append(out.numel()))
    state = model.begin([LONG] * 9)
    prompt = len(model.loaded.prompt(LONG, None)[1])
    assert read == [prompt] == [state.positions]
    rng = np.random.default_rng(1)
    while not state.finished.all():
        tokens = np.where(rng.random(9) < 0.2, model.end, 20)
        state.append(np.where(state.finished, WAIT, tokens))
        state = state.keep(rng.integers(9, size=9)) if rng.random() < 0.5 else state
    assert sum(read) == state.positions
    assert max(head) <= 9 * 300  # of the last position only


def test_logits_are_made_in_slices(folder, monkeypatch):
    model = LocalModel(folder("llama", letters=True), max_tokens=40, device="cpu")
    head: list[int] = []
    model.loaded.network.lm_head.register_forward_hook(lambda _m, _i, out: head.append(out.numel()))
    monkeypatch.setattr(local_scoring, "_MOST_LOGITS", 800)
    model.token_logprobs([Item.of("rain", "sun " * 9)] * 2)
    assert len(head) > 3
    assert max(head) <= 800 * 300 / model.size


def test_answers_to_one_prompt_are_scored_in_one_reading_of_it(folder):
    model = LocalModel(folder("llama", letters=True), max_tokens=8, device="cpu")
    read: list[int] = []
    model.loaded.network.register_forward_pre_hook(lambda *a: read.append(a[2]["input_ids"].numel()), with_kwargs=True)
    model.token_logprobs([Item(LONG, Item.of("", "sun").output)] * 20)
    assert sum(read) == len(model.loaded.prompt(LONG, None)[1]) + 20 * 3


def test_chat_turns_go_through_the_template(folder):
    path = folder("llama", chat=True)
    model = LocalModel(path, max_tokens=8, device="cpu")
    turns = (
        Part("the sun", by="world"),
        Part("and rain", by="world"),
        Part("snow", by="system"),
        Part("ok?", by="world"),
    )
    context = (Part("be naïve", by="world", role="system"), *turns)
    text = model.loaded.prompt(context, None)[0]
    assert text == (
        "<s>system\nbe naïve</s>\n<s>user\nthe sun\n\nand rain</s>\n"
        "<s>assistant\nsnow</s>\n<s>user\nok?</s>\n<s>assistant\n"
    )
    tokens = model.loaded.tokenizer(text + " sun</s>", add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        law = model.loaded.network(input_ids=torch.tensor([tokens])).logits[0, :-1, : model.size].log_softmax(-1)
    answer = len(model.loaded.tokenizer(" sun</s>", add_special_tokens=False)["input_ids"])
    truth = law.gather(1, torch.tensor(tokens[1:])[:, None])[-answer:, 0].sum().item()
    np.testing.assert_allclose(model.log_prob([Item(context, Item.of("", " sun").output)]), truth, atol=1e-5)
    plain = LocalModel(path, template="plain", max_tokens=8, device="cpu")
    assert plain.loaded.prompt(turns[:2], "plain")[0] == "the sun\n\nand rain"
    with pytest.raises(InputError, match="chat template"):
        LocalModel(folder("llama"), template="chat", max_tokens=8).begin([SHORT])


def test_a_token_across_the_boundary_is_not_taken(folder):
    """ " rain" is one token, but a model that goes on from "the r" cannot write it."""
    model = LocalModel(folder("llama"), max_tokens=8, device="cpu")
    whole, parted = (model.loaded._encoded([text])[0].numbers for text in ("the rain", "the r"))
    assert whole[: len(parted)] != parted
    item = Item.of("the r", "ain")
    tokens = model.encode([item])[0]
    assert model.loaded.texts([tokens[:-1].tolist()]) == ["ain"]
    np.testing.assert_allclose(model.log_prob([item]), by_hand(model, item, tokens).sum(), atol=1e-5)


def test_an_answer_without_tokens_of_its_own_is_refused(folder):
    from tokenizers import normalizers

    model = LocalModel(folder("llama"), max_tokens=8, device="cpu")
    model.loaded.tokenizer.backend_tokenizer.normalizer = normalizers.Lowercase()
    with pytest.raises(InputError, match="no tokens of its own"):
        model.encode([Item.of("the r", "AIN")])


def test_spaces_stay_where_words_begin_with_them(tmp_path):
    """A tokenizer that puts a space before each text, and drops it in reading, would give a wrong answer's tokens."""
    tiny.llama(tmp_path)
    tiny.words(tmp_path)
    model = LocalModel(str(tmp_path), max_tokens=12, device="cpu")
    pairs = [
        ("the sun", " and rain"),
        ("the sun", "and rain"),
        ("the sun ", "and rain"),
        ("the s", "un"),
        ("sun\n", "sun"),
    ]
    items = [Item.of(*pair) for pair in pairs]
    encoded = model.encode(items)
    assert [own.output[0].text for own in model.write([SHORT] * 5, encoded)] == [text for _, text in pairs]
    piece = model.loaded.tokenizer.convert_ids_to_tokens
    assert [piece(own.tolist())[0][0] == "▁" for own in encoded] == [True, False, False, False, False]
    np.testing.assert_allclose(
        model.log_prob(items), [by_hand(model, *own).sum() for own in zip(items, encoded, strict=True)], atol=1e-5
    )


def test_several_ends_count_as_one(folder, tmp_path):
    tiny.llama(tmp_path)
    tiny.tokenizer(tmp_path, letters=True)
    one = LocalModel(str(tmp_path), max_tokens=8, device="cpu").begin([SHORT]).logprobs[0]
    tiny.change(tmp_path, "generation_config.json", eos_token_id=[1, 20, 21])
    model = LocalModel(str(tmp_path), max_tokens=8, device="cpu")
    both = model.begin([SHORT]).logprobs[0]
    assert np.isneginf(both[[20, 21]]).all()
    np.testing.assert_allclose(np.exp(both[1]), np.exp(one[[1, 20, 21]]).sum(), rtol=1e-5)
    np.testing.assert_allclose(np.exp(both).sum(), 1.0, atol=1e-6)
    np.testing.assert_allclose(model.log_prob([Item(SHORT)]), both[1], atol=1e-5)


def test_an_adapter_changes_the_model_as_peft_does(folder, tmp_path):
    peft = pytest.importorskip("peft", reason="the extra `lm` is not installed")
    path = folder("llama", letters=True)
    network = transformers.AutoModelForCausalLM.from_pretrained(path)
    config = peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj"], init_lora_weights=False, task_type="CAUSAL_LM")
    torch.manual_seed(1)
    adapted = peft.get_peft_model(network, config).eval()
    adapted.save_pretrained(tmp_path)
    plain, model = (LocalModel(path, adapter=own, max_tokens=8, device="cpu") for own in (None, str(tmp_path)))
    prompt = torch.tensor([model.loaded.prompt(LONG, None)[1]])
    with torch.no_grad():
        truth = adapted(input_ids=prompt).logits[0, -1, : model.size].log_softmax(-1).numpy()
    np.testing.assert_allclose(model.begin([LONG]).logprobs[0], truth, atol=1e-4)
    assert np.abs(plain.begin([LONG]).logprobs[0] - truth).max() > 0.01


def test_what_cannot_be_written_has_probability_zero_and_what_cannot_be_read_is_refused(folder):
    for options in ({}, {"unknown": "<pad>"}):
        model = LocalModel(folder("llama", letters=True, **options), max_tokens=8, device="cpu")
        assert np.isneginf(model.log_prob([Item.of("rain", "sun Q sun"), Item.of("rain", "suns and rain")])).all()
        with pytest.raises(InputError, match="without a token"):
            model.encode([Item.of("rain", "Q")])
        with pytest.raises(InputError, match="at most 8"):
            model.encode([Item.of("rain", "suns and rain")])
    with pytest.raises(InputError, match="no token for 'Q'"):
        LocalModel(folder("llama", letters=True), max_tokens=8, device="cpu").begin([Item.of("rain Q").context])
    with pytest.raises(InputError, match="of the kind 'media' cannot be read"):
        model.begin([(Part("", kind="media", uri="a.png"),)])


@pytest.mark.parametrize("unknown", [None, "<pad>"])
def test_a_prompt_with_a_character_without_a_token_is_refused(folder, unknown):
    """Also where the tokenizer has a mark for it, which is itself where it is written out."""
    model = LocalModel(folder("llama", letters=True, unknown=unknown), max_tokens=8, device="cpu")
    for ask in (model.begin, lambda contexts: model.sample(contexts[0], 1, rng=np.random.default_rng(0))):
        with pytest.raises(InputError, match="no token for 'Q'"):
            ask([Item.of("rain Q").context])
    marked = Item.of("rain <pad>", "<pad>")
    (tokens,) = model.encode([marked])
    assert model.write([marked.context], [tokens])[0].output == marked.output
    np.testing.assert_allclose(model.log_prob([marked]), by_hand(model, marked, tokens).sum(), atol=1e-5)


def test_tokens_that_the_network_does_not_know_are_as_good_as_none(tmp_path):
    tiny.llama(tmp_path, vocab_size=40)
    tiny.tokenizer(tmp_path)
    model = LocalModel(str(tmp_path), max_tokens=8, device="cpu")
    known = next(text for text in model.vocabulary if text.isascii() and text.isalnum())
    assert np.isfinite(model.log_prob([Item.of(known, known)])).all()
    assert np.isneginf(model.log_prob([Item.of(known, "日")])).all()
    with pytest.raises(InputError, match="no token for '日'"):
        model.begin([Item.of("日").context])


def test_an_output_that_holds_an_end_cannot_be_written(folder):
    model = LocalModel(folder("llama"), max_tokens=12, device="cpu")
    item = Item.of("rain", " and</s> sun")
    assert np.isneginf(model.log_prob([item])).all()
    with pytest.raises(InputError, match="an end in it"):
        model.encode([item])


def test_a_law_in_double_precision_stays_so(folder):
    model = LocalModel(folder("llama", letters=True), max_tokens=8, device="cpu", dtype="float64")
    item = Item.of("the sun", "rain")
    (tokens,) = model.encode([item])
    truth = by_hand(model, item, tokens).sum()
    np.testing.assert_allclose(model.log_prob([item]), truth, rtol=1e-12)
    state = model.begin([item.context])
    for token in tokens:
        np.testing.assert_allclose(np.exp(state.logprobs).sum(), 1.0, atol=1e-14)
        state.append(np.array([token]))
    np.testing.assert_allclose(state.log_prob, truth, rtol=1e-12)


def test_no_outputs_are_no_numbers(folder):
    model = LocalModel(folder("llama", letters=True), max_tokens=8, device="cpu")
    assert model.log_prob([]).shape == (0,)
    assert model.sample(SHORT, 0, rng=np.random.default_rng(0)) == ()


def test_folders_that_cannot_be_used_are_named_with_the_way_out(folder, tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        LocalModel(str(tmp_path / "absent"))
    with pytest.raises(InputError, match=r"config\.json is missing"):
        LocalModel(str(tmp_path))
    tiny.llama(tmp_path)
    with pytest.raises(InputError, match=r"no tokenizer \(tokenizer\.json\)"):
        LocalModel(str(tmp_path))
    tiny.tokenizer(tmp_path)
    with pytest.raises(InputError, match=r"adapter_config\.json is missing"):
        LocalModel(str(tmp_path), adapter=str(tmp_path))
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"safetensors format.*run code"):
        LocalModel(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(InputError, match="cannot load it"):
        LocalModel(str(tmp_path)).loaded  # noqa: B018


def test_a_folder_without_an_end_is_refused(tmp_path):
    tiny.llama(tmp_path, eos_token_id=None)
    tiny.tokenizer(tmp_path)
    tiny.change(tmp_path, "tokenizer_config.json", eos_token=None)
    with pytest.raises(InputError, match="ends an output"):
        LocalModel(str(tmp_path)).loaded  # noqa: B018


def test_a_prompt_beyond_the_window_is_refused_before_it_is_read(folder):
    model = LocalModel(folder("gpt2", letters=True), max_tokens=100, device="cpu")
    with pytest.raises(InputError, match=r"29 tokens of context and 100 of output.*128.*at most 99"):
        model.begin([SHORT, Item.of("sun, snow and sun, snow and s").context])
    with pytest.raises(InputError, match="shorten the context"):
        model.log_prob([Item.of("s" * 200, "sun")])


def test_arguments_that_mean_nothing_are_refused(folder):
    for wrong in ({"max_tokens": 0}, {"batch_size": 0}, {"dtype": "int8"}, {"template": "none"}):
        with pytest.raises(UsageError):
            LocalModel(folder("llama"), **wrong)
    for wrong in ({"temperature": -1.0}, {"temperature": math.nan}, {"top_k": 0}, {"top_p": 0.0}, {"top_p": 1.1}):
        with pytest.raises(UsageError):
            Decoding(**wrong)


def test_without_transformers_the_extra_is_named(folder, monkeypatch):
    model = LocalModel(folder("llama"))
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r"heedful\[lm\]"):
        model.loaded  # noqa: B018


def test_tokens_are_drawn_where_the_law_is_as_by_numpy():
    """What a GPU does, on the processor: the same tokens for the same numbers, none impossible, faults named."""
    rng = np.random.default_rng(5)
    logits = rng.standard_normal((400, 50)) * 4
    logits[rng.random(logits.shape) < 0.3] = -np.inf
    law = torch.from_numpy(logits).log_softmax(1)
    tokens = drawn_there(law, np.random.default_rng(6).random(400))
    np.testing.assert_array_equal(tokens, drawn(law.numpy(), np.random.default_rng(6)))
    for uniform in (0.0, np.nextafter(1.0, 0.0)):
        ends = drawn_there(law, np.full(400, uniform))
        assert np.isfinite(logits[np.arange(400), ends]).all()
    for bad in (np.nan, -np.inf):
        law[3] = bad
        with pytest.raises(InputError, match=r"logprobs\[3\]"):
            drawn_there(law, np.full(400, 0.5))
