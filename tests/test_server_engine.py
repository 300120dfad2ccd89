"""The engines: greedy as the model itself, spell what is required, reuse what is computed, stop when asked."""

import itertools
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scripted_engine import small_vocabulary
from small_models import SOURCE, small_decoder_config, small_tokenizer

from lineahead.engine import onnx as onnx_engine
from lineahead.engine import torch as torch_engine
from lineahead.engine.decoding import Limits, decode
from lineahead.engine.drafts import repeat_of_context
from lineahead.engine.engine import Engine, Request, Sampling, Token, within
from lineahead.engine.errors import ModelError
from lineahead.engine.onnx import OnnxEngine
from lineahead.engine.torch import TorchEngine
from lineahead.engine.vocabulary import Vocabulary
from training import checkpoint, export
from training.models.bigram import BigramConfig, BigramLanguageModel
from training.models.decoder import Decoder
from training.models.transformer import TransformerConfig, TransformerLM

TOKENS = small_tokenizer().encode(SOURCE)
PROMPTS = st.tuples(st.integers(0, 60), st.integers(1, 40)).map(lambda cut: TOKENS[cut[0] : cut[0] + cut[1]] or [0])


@pytest.fixture(scope="module", autouse=True)
def _threads() -> Iterator[None]:
    """The engine takes one thread; the tests after these may have all."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with random weights, large enough that its choices differ, and its graph in float32."""
    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(5)
    model = Decoder(replace(small_decoder_config(), vocab_size=small_tokenizer().vocab_size))
    for parameter in model.parameters():
        parameter.data.normal_(mean=float(parameter.ndim == 1), std=0.3)
    checkpoint.save_configuration(folder, "decoder", model.config, small_tokenizer())
    checkpoint.save_weights(folder, model)
    export.export(folder, quantised=False)
    return folder


@pytest.fixture(scope="module")
def graph_engine(folder: Path) -> OnnxEngine:
    return onnx_engine.load(folder)


@pytest.fixture(scope="module", params=[onnx_engine, torch_engine], ids=["graph", "torch"])
def engine(folder: Path, request: pytest.FixtureRequest) -> Engine:
    made: Engine = request.param.load(folder)
    return made


def never() -> bool:
    return False


def written(engine: Engine, prompt: Sequence[int], count: int, required: bytes = b"") -> list[int]:
    return [token.id for token in itertools.islice(engine.stream(Request(prompt, required), never), count)]


@given(required=st.binary(min_size=1, max_size=6) | st.integers(0, 300).map(lambda at: SOURCE[at : at + 9].encode()))
def test_compatible_tokens_are_those_of_a_walk_over_all(required: bytes) -> None:
    vocabulary = small_vocabulary()
    expected = {
        token
        for token, text in enumerate(vocabulary.token_bytes)
        if text and (text.startswith(required) or required.startswith(text))
        # no line break that was not asked for
        if not any(byte in text[len(required) :] for byte in b"\r\n")
    }
    compatible = vocabulary.compatible(required).tolist()
    assert set(compatible) == expected
    assert len(compatible) == len(expected)


def test_without_required_bytes_it_is_greedy_generation(
    engine: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = checkpoint.load(folder).model
    prompt = [0, *TOKENS][:30]
    expected = model.generate(torch.tensor([prompt]), 30, temperature=0)[0, len(prompt) :].tolist()
    assert written(engine, prompt, 30) == expected
    monkeypatch.setattr(onnx_engine, "PREFILL_TOKENS", 7)  # a prompt in pieces is the same prompt
    assert written(engine, [1], 1)
    assert written(engine, prompt, 30) == expected


@pytest.mark.slow
def test_log_probabilities_are_those_of_the_model(engine: Engine, folder: Path) -> None:
    prompt = TOKENS[:20]
    token = next(engine.stream(Request(prompt), never))
    with torch.inference_mode():
        expected = checkpoint.load(folder).model(torch.tensor([prompt]))[0][0, -1].log_softmax(-1)
    assert token.log_probability == pytest.approx(float(expected[token.id]), abs=1e-4)


@pytest.mark.slow
@given(prompts=st.lists(st.tuples(PROMPTS, st.integers(1, 8)), min_size=2, max_size=4))
@settings(max_examples=30, deadline=None)
def test_what_is_reused_equals_what_is_computed_afresh(
    graph_engine: OnnxEngine, folder: Path, prompts: list[tuple[list[int], int]]
) -> None:
    for prompt, count in prompts:
        reused = list(itertools.islice(graph_engine.stream(Request(prompt), never), count))
        fresh_engine = OnnxEngine(graph_engine._session, graph_engine.vocabulary)
        fresh = list(itertools.islice(fresh_engine.stream(Request(prompt), never), count))
        assert [token.id for token in reused] == [token.id for token in fresh]
        assert [token.log_probability for token in reused] == pytest.approx(
            [token.log_probability for token in fresh], abs=1e-4
        )


@pytest.mark.slow
def test_typing_on_computes_only_what_is_new(graph_engine: OnnxEngine) -> None:
    first = written(graph_engine, TOKENS[:30], 5)
    written(graph_engine, [*TOKENS[:30], *first[:3]], 1)
    assert graph_engine.reused == 32  # the last token is computed again, for its logits
    written(graph_engine, TOKENS[:10], 1)
    assert graph_engine.reused == 9
    written(graph_engine, TOKENS[1:10], 1)
    assert graph_engine.reused == 0


@pytest.mark.slow
@given(prompt=PROMPTS, noise=st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_drafts_change_nothing(graph_engine: OnnxEngine, prompt: list[int], noise: random.Random) -> None:
    plain = written(graph_engine, prompt, 20)

    def draft(tokens: Sequence[int]) -> list[int]:
        """The right tokens, up to a wrong one somewhere."""
        right = plain[len(tokens) - len(prompt) :][: noise.randrange(6)]
        return [*right[: noise.randrange(6)], *(noise.randrange(300) for _ in range(noise.randrange(3)))]

    drafted = list(itertools.islice(graph_engine.stream(Request(prompt, draft=draft), never), 20))
    assert [token.id for token in drafted] == plain
    looked_up = list(itertools.islice(graph_engine.stream(Request(prompt, draft=repeat_of_context), never), 20))
    assert [token.id for token in looked_up] == plain


@pytest.mark.slow
def test_right_drafts_save_steps(graph_engine: OnnxEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = written(graph_engine, TOKENS[:20], 12)
    steps: list[int] = []
    compute = graph_engine._step

    def counted(position: int, tokens: Sequence[int], rows: int) -> Any:
        steps.append(position)
        return compute(position, tokens, rows)

    monkeypatch.setattr(graph_engine, "_step", counted)
    drafted = graph_engine.stream(Request(TOKENS[:20], draft=lambda tokens: plain[len(tokens) - 20 :][:3]), never)
    assert [token.id for token in itertools.islice(drafted, 12)] == plain
    assert len(steps) == 3


def test_a_draft_is_what_followed_the_last_time() -> None:
    assert repeat_of_context([9, 1, 2, 3, 4, 5, 6, 7, 1, 2, 3]) == [4, 5, 6]
    assert repeat_of_context([1, 2, 3, 4, 8, 1, 2, 3, 5, 8, 1, 2, 3])[:2] == [5, 8]
    assert repeat_of_context([1, 2, 3, 4]) == repeat_of_context([1]) == repeat_of_context([]) == []


@pytest.mark.slow
def test_a_seed_repeats_and_another_differs(engine: Engine) -> None:
    def drawn(seed: int) -> list[int]:
        sampling = Sampling(temperature=2.0, top_p=1.0, seed=seed)
        tokens = engine.stream(Request(TOKENS[:20], sampling=sampling), never)
        return [token.id for token in itertools.islice(tokens, 12)]

    assert drawn(1) == drawn(1)
    assert len({tuple(drawn(seed)) for seed in range(6)}) > 3


def test_sampling_follows_the_probabilities() -> None:
    vocabulary = Vocabulary(lambda _: [], [b"a", b"b", b"c"], None)
    logits = np.log(np.array([[0.6, 0.3, 0.1]], dtype=np.float32))

    def share(sampling: Sampling) -> list[float]:
        tokens = decode(lambda *_: logits, vocabulary, Request([0], sampling=sampling), never, Limits(4000, 8))
        drawn = [token.id for token in itertools.islice(tokens, 3000)]
        return [drawn.count(token) / 3000 for token in range(3)]

    assert share(Sampling(1.0, 1.0, 3)) == pytest.approx([0.6, 0.3, 0.1], abs=0.04)
    assert share(Sampling(1.0, 0.8, 3)) == pytest.approx([2 / 3, 1 / 3, 0.0], abs=0.04)
    assert share(Sampling(0.01, 1.0, 3))[0] == 1.0


def test_a_model_without_a_cache_slides_its_window() -> None:
    torch.manual_seed(2)
    model = BigramLanguageModel.from_config(
        BigramConfig(vocab_size=small_tokenizer().vocab_size, context_window_size=4)
    )
    expected = model.generate(torch.tensor([[0, 1]]), 20, temperature=0)[0, 2:].tolist()
    assert written(TorchEngine(model, small_vocabulary()), [0, 1], 20) == expected


def test_the_ladder_s_transformer_computes_each_token_once() -> None:
    torch.manual_seed(2)
    config = TransformerConfig(small_tokenizer().vocab_size, 16, embed_size=24, num_heads=3, n_layers=2)
    model = TransformerLM.from_config(config).eval()
    for parameter in model.parameters():
        parameter.data *= 8  # so that the likeliest token is far ahead of the next one
    fed: list[int] = []
    forward = model.forward

    def count(token_ids: torch.Tensor, *others: Any, **named: Any) -> Any:
        fed.append(token_ids.size(1))
        return forward(token_ids, *others, **named)

    model.forward = count  # type: ignore[method-assign]
    engine = TorchEngine(model, small_vocabulary())
    typed = [300, 7, 41, 300, 9]
    # Typing on, another text, a shorter one, one that fills the window, which slides then, and the first again.
    for prompt in (typed[:3], typed, [9, 9, 300, 7], [9], typed * 3, typed):
        for length in (4, 15):
            expected = prompt
            with torch.inference_mode():
                for _ in range(length):
                    expected = [*expected, int(forward(torch.tensor([expected[-16:]]))[0][0, -1].argmax())]
            assert written(engine, prompt, length) == expected[len(prompt) :]
    fed.clear()
    written(engine, [*typed, 1], 5)
    assert fed == [1] * 5  # the prompt's beginning is known from the request before
    assert engine.log_probabilities(typed) == pytest.approx(
        TorchEngine(model, small_vocabulary()).log_probabilities(typed)
    )


@pytest.mark.slow
@given(cut=st.integers(1, 200), required=st.integers(0, 20))
@settings(max_examples=40, deadline=None)
def test_required_bytes_are_spelled_first(engine: Engine, cut: int, required: int) -> None:
    wanted = SOURCE[cut : cut + required].encode()
    text = b""
    for token in engine.stream(Request([0, *small_tokenizer().encode(SOURCE[:cut])[-20:]], wanted), never):
        text += engine.vocabulary.token_bytes[token.id]
        if len(text) >= len(wanted):
            break
    assert text.startswith(wanted)
    assert b"\n" not in text[len(wanted) :] or not wanted


def test_required_tokens_are_the_likeliest_that_fit() -> None:
    vocabulary = Vocabulary(lambda _: [], [b"", b"a", b"ab", b"abc", b"b", b"x", b"ab\n"], None)
    logits = np.array([[9.0, 1.0, 2.0, 3.0, 4.0, 8.0, 7.0]], dtype=np.float32)

    def spell(required: bytes) -> list[int]:
        tokens = decode(lambda *_: logits, vocabulary, Request([0], required), never, Limits(9, 8))
        return [token.id for token in itertools.islice(tokens, 2)]

    assert spell(b"ab") == [3, 0]
    assert spell(b"b") == [4, 0]
    assert spell(b"y") == []


def test_required_bytes_are_spelled_by_the_likeliest_tokens_together() -> None:
    """The likeliest first token may lead nowhere."""
    token_bytes = [b"", b"a", b"ab", b"b", b"c", b"d"]
    vocabulary = Vocabulary(lambda _: [], token_bytes, None)
    after = {  # the probability of each token, by the bytes before it
        b"": [0.0, 0.6, 0.4, 0.0, 0.0, 0.0],
        b"a": [0.9, 0.0, 0.0, 0.1, 0.0, 0.0],
        b"ab": [0.0, 0.0, 0.0, 0.0, 0.9, 0.1],
        b"abc": [0.9, 0.0, 0.0, 0.0, 0.0, 0.1],
    }
    computed: list[int] = []

    def step(position: int, tokens: Sequence[int], rows: int) -> NDArray[np.float32]:
        computed[position:] = tokens
        text = b"".join(token_bytes[token] for token in computed)
        probabilities = np.array([after[text]] * rows, dtype=np.float32)
        logits: NDArray[np.float32] = np.log(probabilities + np.float32(1e-9))
        return logits

    def spell(required: bytes) -> list[int]:
        tokens = decode(step, vocabulary, Request([0], required), never, Limits(9, 8))
        return [token.id for token in itertools.islice(tokens, 3)]

    assert spell(b"abc") == [2, 4, 0], "0.4 × 0.9 is more than 0.6 × 0.1 × 0.9"
    assert spell(b"a")[0] == 1


def test_a_token_that_adds_nothing_is_held_against_others_by_what_follows_it() -> None:
    """The likely follower of `os.` is in `os.path`, so what stands behind `os.` by itself is unlikely."""
    token_bytes = [b"", b"os.", b"os.path", b"re", b"sep", b"\n"]
    vocabulary = Vocabulary(lambda _: [], token_bytes, None)
    after = {b"": [0.0, 0.5, 0.4, 0.1, 0.0, 0.0], b"os.": [0.0, 0.0, 0.0, 0.4, 0.3, 0.3]}
    written: list[int] = []

    def step(position: int, tokens: Sequence[int], rows: int) -> NDArray[np.float32]:
        written[position:] = tokens
        probabilities = np.array([after.get(b"".join(token_bytes[token] for token in written), after[b""])] * rows)
        return np.asarray(np.log(probabilities + 1e-9), dtype=np.float32)

    def first(request: Request) -> list[Token]:
        return list(itertools.islice(decode(step, vocabulary, request, never, Limits(9, 8)), 2))

    token, _ = first(Request([0], b"os."))
    assert token_bytes[token.id] == b"os.path"
    assert math.exp(token.log_probability) == pytest.approx(0.4 / 0.9, abs=1e-6), "of what goes on behind `os.`"
    assert [other.token_ids for other in token.others] == [(1, 3), (1, 4), (1, 5)]
    drawn = {first(Request([0], b"os.", Sampling(seed=seed)))[0].id for seed in range(20)}
    assert drawn == {1, 2}, "both are drawn"
    after[b""] = [0.0, 0.9, 0.05, 0.05, 0.0, 0.0]
    after[b"os."] = [0.0, 0.0, 0.0, 0.1, 0.1, 0.8]
    spelled, end = first(Request([0], b"os."))
    assert (token_bytes[spelled.id], token_bytes[end.id]) == (b"os.", b"\n"), "the line may end there"
    assert math.exp(end.log_probability) == pytest.approx(0.72 / 0.95, abs=1e-6)


def test_how_sure_the_bytes_beyond_are_is_said_for_the_text_and_not_for_the_token() -> None:
    token_bytes = [b"", b"a", b"range(", b"range(len(", b"range(1", b"raise "]
    logits = np.log(np.array([[0.1, 0.1, 0.2, 0.3, 0.1, 0.2]], dtype=np.float32))
    vocabulary = Vocabulary(lambda _: [], token_bytes, None)
    stream = decode(lambda *_: logits, vocabulary, Request([0], b"ra"), never, Limits(9, 8))
    token = next(stream)
    assert token_bytes[token.id] == b"range(len("
    probabilities = np.exp(token.beyond)
    assert probabilities[: len("nge(")] == pytest.approx(6 / 8)
    assert probabilities[len("nge(") :] == pytest.approx(3 / 6), "b'range(' may go on like that, too"
    assert token.log_probability == token.beyond[-1]


SPELLINGS = [b"a", b"b", b"ab", b"c"]
chances = st.lists(st.floats(0.01, 1), min_size=len(SPELLINGS), max_size=len(SPELLINGS))


@given(table=st.lists(chances, min_size=5, max_size=5), given=st.lists(st.integers(0, 3), min_size=1, max_size=4))
def test_given_tokens_come_first_with_their_probability_and_the_rest_is_as_likely_as_ever(
    table: list[list[float]], given: list[int]
) -> None:
    vocabulary = Vocabulary(lambda _: [], SPELLINGS, None)
    logits = np.log(np.array(table, dtype=np.float32))

    def step(position: int, tokens: Sequence[int], rows: int) -> NDArray[np.float32]:
        last = position + len(tokens)
        return logits[[place % len(table) for place in range(last - rows, last)]]

    found = list(itertools.islice(decode(step, vocabulary, Request([0], given=given), never, Limits(9, 8)), 6))
    chance = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert [token.id for token in found[: len(given)]] == given
    for place, token in enumerate(found):
        assert math.exp(token.log_probability) == pytest.approx(chance[place % 5, token.id], rel=1e-4)
        if place >= len(given):
            assert token.id == chance[place % 5].argmax()
            beginning = token.others[0]
            assert beginning.token_ids[:-1] == tuple(token.id for token in found[:place])
            assert beginning.token_ids[-1] != token.id
            expected = sum(other.log_probability for other in found[:place])
            second = np.sort(chance[place % 5])[-2]
            assert beginning.log_probability == pytest.approx(expected + math.log(second), rel=1e-3, abs=1e-4)


def test_given_tokens_spell_what_is_required() -> None:
    vocabulary = Vocabulary(lambda _: [], SPELLINGS, None)
    logits = np.log(np.array([[0.4, 0.1, 0.2, 0.3]], dtype=np.float32))
    asked = Request([0], b"ab", given=[0, 1, 3])
    step = lambda _position, _tokens, rows: logits.repeat(rows, 0)  # noqa: E731
    found = list(itertools.islice(decode(step, vocabulary, asked, never, Limits(9, 8)), 3))
    assert [token.id for token in found] == [0, 1, 3]
    assert [math.exp(token.log_probability) for token in found] == pytest.approx([0.4 / 0.6, 1.0, 0.3])


def test_what_else_may_be_spelled_is_told_with_its_probability() -> None:
    token_bytes = [b"r", b"range(", b"raise ", b"rather", b"ra"]
    logits = np.log(np.array([[0.001, 0.4, 0.3, 0.2, 0.1]], dtype=np.float32))
    vocabulary = Vocabulary(lambda _: [], token_bytes, None)
    token = next(decode(lambda *_: logits, vocabulary, Request([0], b"ra"), never, Limits(9, 8)))
    assert token_bytes[token.id] == b"range("
    assert [other.token_ids for other in token.others] == [(2,), (3,)], "b'ra' may become b'range(' yet"
    assert [math.exp(other.log_probability) for other in token.others] == pytest.approx(
        [0.3 / 0.9, 0.2 / 0.9], rel=0.02
    )


@pytest.mark.slow
def test_it_stops_at_the_next_step(engine: Engine) -> None:
    stopped = False
    tokens = engine.stream(Request([0]), lambda: stopped)
    next(tokens)
    stopped = True
    assert list(tokens) == []


def test_it_does_not_read_a_long_prompt_once_stopped(graph_engine: OnnxEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_engine, "PREFILL_TOKENS", 8)
    asked = iter([False, False, True])
    assert list(graph_engine.stream(Request([1] * 40), lambda: next(asked))) == []
    assert next(asked, None) is None


@pytest.mark.slow
def test_a_new_stream_ends_the_one_before(graph_engine: OnnxEngine) -> None:
    stale = graph_engine.stream(Request(TOKENS[:9]), never)
    next(stale)
    expected = written(graph_engine, TOKENS[20:40], 6)
    assert list(stale) == []
    assert written(graph_engine, TOKENS[20:40], 6) == expected


@pytest.mark.slow
def test_time_runs_out(engine: Engine) -> None:
    assert list(engine.stream(Request([0]), within(0.0, never))) == []
    assert within(60.0, lambda: True)()
    assert not within(60.0, never)()


@pytest.mark.slow
def test_a_full_window_ends_it(graph_engine: OnnxEngine) -> None:
    # What is written last need not be read again: one token more than there is room for.
    assert len(written(graph_engine, [0] * 60, 99)) == graph_engine.context_window_size - 60 + 1
    assert len(written(graph_engine, [0] * 64, 99)) == 1


@pytest.mark.slow
def test_the_rest_of_the_process_may_train(engine: Engine) -> None:
    next(engine.stream(Request([0]), never))
    assert not torch.is_inference_mode_enabled()


def _write_vocabulary(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("[]")


def _truncate(folder: Path) -> None:
    graph = folder / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-2000])


def _forget_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def _replace_graph(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"no graph")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_write_vocabulary, "not a tokenizer that can be read"),
        (_forget_tokenizer, "expected a tokenizer.json"),
        (_truncate, "truncated or foreign"),
        (_replace_graph, "truncated or foreign"),
    ],
)
def test_what_is_wrong_with_a_model_is_said(
    folder: Path, tmp_path: Path, spoil: Callable[[Path], None], message: str
) -> None:
    for name in ("model.onnx", "tokenizer.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    spoil(tmp_path)
    with pytest.raises(ModelError, match=message):
        onnx_engine.load(tmp_path)


def test_a_vocabulary_larger_than_the_embedding_is_refused(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "model.onnx").write_bytes((folder / "model.onnx").read_bytes())
    small_tokenizer("word").save(tmp_path)
    if small_tokenizer("word").vocab_size > small_tokenizer().vocab_size:
        with pytest.raises(ModelError, match="do not belong together"):
            onnx_engine.load(tmp_path)
    with pytest.raises(ModelError, match="expected a checkpoint folder"):
        torch_engine.load(tmp_path / "nowhere")


def test_values_that_are_no_numbers_are_no_tokens() -> None:
    logits = np.full((1, 3), np.nan, dtype=np.float32)
    vocabulary = Vocabulary(lambda _: [], [b"a", b"b", b"c"], None)
    with pytest.raises(ModelError, match="no numbers"):
        next(decode(lambda *_: logits, vocabulary, Request([0], b""), never, Limits(9, 8)))


def test_a_random_order_of_tokens_makes_no_difference() -> None:
    token_bytes = [b"", *sorted({SOURCE[at : at + size].encode() for at in range(50) for size in (1, 2, 5)})]
    shuffled = random.Random(1).sample(token_bytes, len(token_bytes))
    one, other = (Vocabulary(lambda _: [], texts, None) for texts in (token_bytes, shuffled))
    for required in token_bytes[1:]:
        compatible = {token_bytes[token] for token in one.compatible(required)}
        assert compatible == {shuffled[token] for token in other.compatible(required)}
