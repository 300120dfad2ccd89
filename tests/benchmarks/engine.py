"""How fast the engine is, on one thread: `python tests/benchmarks/engine.py [--model FOLDER] [--files N]`.

Prints Markdown tables: one decoding step beside what memory bandwidth allows; real files typed key by key;
the same prompts and weights through transformers and llama.cpp (where `llama-cpp-python` and `gguf` are
installed); importing, loading, memory. Code comes from an installed package that no file of was trained on.
"""

import argparse
import itertools
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pygments  # type: ignore[import-untyped, unused-ignore]
import torch
import transformers
from tqdm import tqdm

from lineahead.engine import onnx as onnx_engine
from lineahead.engine.engine import Request, Stop, Token
from lineahead.engine.onnx import OnnxEngine
from lineahead.engine.open import BUNDLED_MODEL
from lineahead.place import Place
from lineahead.settings import Settings
from lineahead.suggest.policy import complete
from training import checkpoint
from training.format import GRAPH

CACHED, WRITTEN, PROMPTS = 400, 16, 20  # tokens in the buffers, tokens written, prompts of a comparison
LINES = 4  # of each file that are typed


def median_milliseconds(call: Callable[[], object], times: int) -> float:
    """The median time of a call."""
    measured = []
    for _ in range(times):
        started = time.perf_counter()
        call()
        measured.append(1000 * (time.perf_counter() - started))
    return statistics.median(measured)


def steps(engine: OnnxEngine, folder: Path) -> None:
    """One decoding step, beside the time in which memory can deliver the weights once."""
    megabytes = (folder / GRAPH).stat().st_size / 1e6
    large = np.ones(64_000_000, dtype=np.float32)
    bandwidth = large.nbytes / 1e6 / min(median_milliseconds(large.sum, 1) for _ in range(5))  # MB a millisecond
    tokens = [int(token) for token in np.random.default_rng(0).integers(10, 2000, CACHED)]
    prefill = median_milliseconds(lambda: engine._step(0, tokens, 1), 8)
    one = median_milliseconds(lambda: engine._step(CACHED, tokens[:1], 1), 100)
    five = median_milliseconds(lambda: engine._step(CACHED, tokens[:5], 5), 50)
    allowed = megabytes / bandwidth
    print(f"| one step, {CACHED} tokens cached | milliseconds |\n| --- | --- |")
    print(f"| {megabytes:.1f} MB of weights at {bandwidth:.1f} GB/s | {allowed:.2f} |")
    print(f"| one token | {one:.2f} ({one / allowed:.2f} times that; aim 2) |")
    print(f"| five tokens | {five:.2f} |\n| a prompt of {CACHED} tokens | {prefill:.1f} |\n")


def sources(count: int) -> list[str]:
    """Files of pygments, spread evenly over those of a usual size."""
    root = Path(pygments.__file__).parent
    files = [path for path in sorted(root.rglob("*.py")) if 3_000 < path.stat().st_size < 60_000]
    return [files[round(place)].read_text(encoding="utf-8") for place in np.linspace(0, len(files) - 1, count)]


def replay(engine: OnnxEngine, texts: Sequence[str]) -> None:
    """Type some lines of each file key by key, the text after them in place."""
    times, reused, exact, asked = [], 0, 0, 0
    prompt_tokens: list[int] = []
    stream = engine.stream

    def noted(request: Request, stop: Stop) -> Iterator[Token]:
        prompt_tokens.append(len(request.token_ids))
        return stream(request, stop)

    engine.stream = noted  # type: ignore[method-assign]
    choose = random.Random(1)
    for text in tqdm(texts, desc="typing", unit="file"):
        lines = text.splitlines(keepends=True)
        first = len(lines) // 2
        for number in range(first, min(first + LINES, len(lines))):
            start, line = len("".join(lines[:number])), lines[number].rstrip("\n")
            probed = choose.randrange(len(line)) if line.strip() else -1
            for typed in range(len(line)):
                edited = text[: start + typed] + text[start + len(line) :]
                prompts = len(prompt_tokens)
                began = time.perf_counter()
                answer = complete(Place(edited, start + typed), Settings(), engine)
                if len(prompt_tokens) == prompts:
                    continue  # silent without asking the model
                times.append(1000 * (time.perf_counter() - began))
                reused += engine.reused >= prompt_tokens[-1] / 2
                if typed == probed:
                    asked += 1
                    exact += [each.text for each in answer.suggestions] == [line[typed:]]
    engine.stream = stream  # type: ignore[method-assign]
    p50, p95 = np.percentile(times, [50, 95])
    print(f"| {len(texts)} files, {len(times):,} keys | | aim |\n| --- | --- | --- |")
    print(f"| median | {p50:.1f} ms | 40 |\n| 95th percentile | {p95:.1f} ms | 120 |")
    print(f"| reused at least half of the prompt | {100 * reused / len(times):.1f} % | 90 |")
    print(f"| whole rest of the line right, at a random place of each line | {exact} of {asked} | |\n")


def side_by_side(engine: OnnxEngine, folder: Path, texts: Sequence[str]) -> None:
    """Milliseconds to continue prompts by WRITTEN tokens, each prompt computed afresh."""
    torch.set_num_threads(1)
    encoded = (engine.vocabulary.encode(text) for text in texts)
    prompts = [tokens[place : place + 300] for tokens in encoded for place in (100, 500) if len(tokens) > place + 300]
    prompts = prompts[:PROMPTS]
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    def ours(prompt: list[int]) -> list[int]:
        engine._computed.clear()
        return [token.id for token in itertools.islice(engine.stream(Request(prompt), lambda: False), WRITTEN)]

    def theirs(prompt: list[int]) -> list[int]:
        written = model.generate(
            torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long), do_sample=False,
            max_new_tokens=WRITTEN, min_new_tokens=WRITTEN, pad_token_id=0,
        )  # fmt: skip
        tokens: list[int] = written[0, len(prompt) :].tolist()
        return tokens

    runners: dict[str, Callable[[list[int]], list[int]]] = {"Lineahead, int8": ours, "transformers, float32": theirs}
    try:
        runners["llama.cpp, Q8_0"] = _llama(folder)
    except ImportError as error:
        print(f"llama.cpp is left out ({error}): pip install llama-cpp-python gguf\n")
    written = {name: [run(prompt) for prompt in prompts] for name, run in runners.items()}  # warms up, too
    print(f"| {len(prompts)} prompts of 300 tokens, {WRITTEN} written | milliseconds | times ours | as transformers |")
    print("| --- | --- | --- | --- |")
    base = 0.0
    for name, run in runners.items():
        spent = statistics.median(median_milliseconds(lambda p=prompt, r=run: r(p), 3) for prompt in prompts)  # type: ignore[misc]
        base = base or spent
        same = sum(one == other for one, other in zip(written[name], written["transformers, float32"], strict=True))
        print(f"| {name} | {spent:.1f} | {spent / base:.2f} | {same} of {len(prompts)} |")
    print()


def _llama(folder: Path) -> Callable[[list[int]], list[int]]:
    """The same weights in llama.cpp; raises ImportError where it is not installed."""
    import gguf  # type: ignore[import-untyped, import-not-found, unused-ignore]
    import llama_cpp  # type: ignore[import-untyped, import-not-found, unused-ignore]

    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "model.gguf"
        _write_gguf(gguf, folder, path)
        llama = llama_cpp.Llama(str(path), n_ctx=512, n_threads=1, n_threads_batch=1, verbose=False)

    def run(prompt: list[int]) -> list[int]:
        llama.reset()  # type: ignore[no-untyped-call, unused-ignore]
        return list(itertools.islice(llama.generate(prompt, top_k=1, temp=0.0, repeat_penalty=1.0), WRITTEN))

    return run


def _write_gguf(gguf: Any, folder: Path, path: Path) -> None:
    """The checkpoint as GGUF, its matrices in Q8_0."""
    found = checkpoint.load(folder)
    config = found.model.config
    writer = gguf.GGUFWriter(path, "qwen3")
    writer.add_context_length(config.context_window_size)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(config.head_size)
    writer.add_value_length(config.head_size)
    writer.add_layer_norm_rms_eps(config.norm_eps)
    writer.add_rope_freq_base(config.rope_theta)
    model = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(sorted(model["vocab"], key=model["vocab"].__getitem__))
    writer.add_token_types([gguf.TokenType.NORMAL] * config.vocab_size)
    writer.add_token_merges([" ".join(pair) if isinstance(pair, list) else pair for pair in model["merges"]])
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.QWEN3, config.num_layers)
    for name, parameter in found.model.named_parameters():
        if name == "lm_head.weight":
            continue
        array = parameter.detach().numpy()
        matrix = array.ndim == 2
        kind = gguf.GGMLQuantizationType.Q8_0 if matrix else gguf.GGMLQuantizationType.F32
        data = gguf.quants.quantize(array, kind) if matrix else array
        writer.add_tensor(names.get_name(f"model.{name}", (".weight",)), data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


LOADING = """
import sys, time
began = time.perf_counter()
from pathlib import Path
from lineahead.engine import onnx as onnx_engine
from lineahead.engine import vocabulary
engine = onnx_engine.load(Path(sys.argv[1]))
print(time.perf_counter() - began)
"""
MEMORY = """
import sys
from pathlib import Path
import psutil
from lineahead.engine import onnx as onnx_engine
from lineahead.engine import vocabulary
from lineahead.engine.engine import Request
process = psutil.Process()
sizes = [process.memory_info().rss]
tokens = vocabulary.load(Path(sys.argv[1]))
sizes.append(process.memory_info().rss)
vocabulary.load = lambda folder: tokens
stream = onnx_engine.load(Path(sys.argv[1])).stream(Request(list(range(300, 600))), lambda: False)
for _ in range(20):
    next(stream)
sizes.append(process.memory_info().rss)
print(sizes[1] - sizes[0], sizes[2] - sizes[1])
"""


def in_fresh_processes(code: str, folder: Path) -> list[float]:
    """The medians of the numbers that a piece of code prints, over five processes."""
    command = [sys.executable, "-P", "-c", code, str(folder)]
    shown = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(5)]
    return [statistics.median(column) for column in zip(*(map(float, line.split()) for line in shown), strict=True)]


def loading(folder: Path, cache_megabytes: float) -> None:
    """Seconds to import and load, and what vocabulary and engine add to a process."""
    (seconds,) = in_fresh_processes(LOADING, folder)
    vocabulary, engine = in_fresh_processes(MEMORY, folder)
    aim = 2.5 * (folder / GRAPH).stat().st_size / 1e6 + cache_megabytes
    print("| a fresh process | | aim |\n| --- | --- | --- |")
    print(f"| import and load | {seconds:.2f} s | 0.6 |")
    print(f"| memory of weights, cache and a first completion | {engine / 1e6:.0f} MB | {aim:.0f} |")
    print(f"| memory of the vocabulary | {vocabulary / 1e6:.0f} MB | |")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", type=Path, default=BUNDLED_MODEL, help="default: the bundled one")
    parser.add_argument("--files", type=int, default=12, help="that are typed; default: %(default)s")
    options = parser.parse_args(arguments)
    engine = onnx_engine.load(options.model)
    texts = sources(max(options.files, 2))
    steps(engine, options.model)
    replay(engine, texts)
    side_by_side(engine, options.model, texts)
    config = checkpoint.load(options.model).model.config
    floats = 2 * config.num_layers * config.num_key_value_heads * config.context_window_size * config.head_size
    loading(options.model, 4 * floats / 1e6)
    return 0


if __name__ == "__main__":
    sys.exit(main())
