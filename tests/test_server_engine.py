"""The torch engine: greedy as the model itself, spells what is required, stops when asked."""

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_engine import small_vocabulary
from small_models import SOURCE, small_decoder_config, small_tokenizer

from server import torch_engine
from server.engine import ModelError, greedy
from server.torch_engine import TorchEngine
from server.vocabulary import Vocabulary
from training import checkpoint
from training.models.bigram import BigramConfig, BigramLanguageModel
from training.models.decoder import Decoder


@pytest.fixture(scope="module", autouse=True)
def _threads() -> Iterator[None]:
    """The engine takes one thread; the tests after these may have all."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with random weights, large enough that its choices differ."""
    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(5)
    model = Decoder(replace(small_decoder_config(), vocab_size=small_tokenizer().vocab_size))
    for parameter in model.parameters():
        parameter.data.normal_(mean=float(parameter.ndim == 1), std=0.3)
    checkpoint.save_configuration(folder, "decoder", model.config, small_tokenizer())
    checkpoint.save_weights(folder, model)
    return folder


@pytest.fixture(scope="module")
def engine(folder: Path) -> TorchEngine:
    return torch_engine.load(folder)


def never() -> bool:
    return False


@given(required=st.binary(min_size=1, max_size=6) | st.integers(0, 300).map(lambda at: SOURCE[at : at + 9].encode()))
def test_compatible_tokens_are_those_of_a_walk_over_all(required: bytes) -> None:
    vocabulary = small_vocabulary()
    expected = {
        token
        for token, text in enumerate(vocabulary.token_bytes)
        if text and (text.startswith(required) or required.startswith(text))
        # no line break that was not asked for
        if not any(each in text[len(required) :] for each in b"\r\n")
    }
    found = vocabulary.compatible(required).tolist()
    assert set(found) == expected
    assert len(found) == len(expected)


def test_without_required_bytes_it_is_greedy_generation(
    engine: TorchEngine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = checkpoint.load(folder).model
    prompt = [0, *small_tokenizer().encode(SOURCE)][:30]
    expected = model.generate(torch.tensor([prompt]), 30, temperature=0)[0, len(prompt) :].tolist()
    tokens = engine.stream(prompt, b"", never)
    assert [next(tokens) for _ in range(30)] == expected
    monkeypatch.setattr(torch_engine, "PREFILL_TOKENS", 7)  # a prompt in pieces is the same prompt
    tokens = engine.stream(prompt, b"", never)
    assert [next(tokens) for _ in range(30)] == expected


def test_a_model_without_a_cache_slides_its_window() -> None:
    torch.manual_seed(2)
    model = BigramLanguageModel.from_config(
        BigramConfig(vocab_size=small_tokenizer().vocab_size, context_window_size=4)
    )
    vocabulary = small_vocabulary()
    expected = model.generate(torch.tensor([[0, 1]]), 20, temperature=0)[0, 2:].tolist()
    tokens = TorchEngine(model, vocabulary).stream([0, 1], b"", never)
    assert [next(tokens) for _ in range(20)] == expected


@given(cut=st.integers(1, 200), required=st.integers(0, 20))
@settings(max_examples=40, deadline=None)
def test_required_bytes_are_spelled_first(engine: TorchEngine, cut: int, required: int) -> None:
    wanted = SOURCE[cut : cut + required].encode()
    written = b""
    for token in engine.stream([0, *small_tokenizer().encode(SOURCE[:cut])[-20:]], wanted, never):
        written += engine.vocabulary.token_bytes[token]
        if len(written) >= len(wanted):
            break
    assert written.startswith(wanted)
    assert b"\n" not in written[len(wanted) :] or not wanted


def test_required_tokens_are_the_likeliest_that_fit() -> None:
    vocabulary = Vocabulary(lambda _: [], [b"", b"a", b"ab", b"abc", b"b", b"x", b"ab\n"], None)
    chances = torch.tensor([9.0, 1.0, 2.0, 3.0, 4.0, 8.0, 7.0]).numpy()

    def spell(required: bytes) -> list[int]:
        tokens = greedy(lambda _: chances, vocabulary, [0], required, never, 8)
        return [next(tokens) for _ in range(2)]

    assert spell(b"ab") == [3, 0]
    assert spell(b"b") == [4, 0]
    assert list(greedy(lambda _: chances, vocabulary, [0], b"y", never, 8)) == []


def test_it_stops_at_the_next_step(engine: TorchEngine) -> None:
    stopped = False
    tokens = engine.stream([0], b"", lambda: stopped)
    next(tokens)
    stopped = True
    assert list(tokens) == []


def test_it_does_not_read_a_long_prompt_once_stopped(engine: TorchEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_engine, "PREFILL_TOKENS", 8)
    asked = iter([False, False, True])
    assert list(engine.stream([0] * 40, b"", lambda: next(asked))) == []
    assert next(asked, None) is None


def test_a_full_window_ends_it(engine: TorchEngine) -> None:
    # What is written last need not be read again: one token more than there is room for.
    assert len(list(engine.stream([0] * 60, b"", never))) == engine.context_window_size - 60 + 1


def test_the_rest_of_the_process_may_train(engine: TorchEngine) -> None:
    next(engine.stream([0], b"", never))
    assert not torch.is_inference_mode_enabled()


def test_what_is_wrong_with_a_model_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="expected a checkpoint folder"):
        torch_engine.load(tmp_path / "nowhere")


def test_a_random_order_of_tokens_makes_no_difference() -> None:
    token_bytes = [b"", *sorted({SOURCE[at : at + size].encode() for at in range(50) for size in (1, 2, 5)})]
    shuffled = random.Random(1).sample(token_bytes, len(token_bytes))
    one, other = (Vocabulary(lambda _: [], each, None) for each in (token_bytes, shuffled))
    for required in token_bytes[1:]:
        found = {token_bytes[token] for token in one.compatible(required)}
        assert found == {shuffled[token] for token in other.compatible(required)}
