"""`training.perplexity` and `training.sample`: figures that can be checked by hand, and repeatable text."""

import json
import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from small_models import small_decoder_config, small_tokenizer

from training import perplexity, sample
from training.checkpoint import Checkpoint
from training.errors import InputError
from training.models.decoder import Decoder


@pytest.fixture(scope="module")
def random_model() -> Checkpoint:
    torch.manual_seed(4)
    return Checkpoint(Decoder(small_decoder_config()).eval(), small_tokenizer(), {})


class Uniform(torch.nn.Module):
    """Knows nothing: all tokens are equally likely."""

    vocab_size, context_window_size = 600, 16

    def forward(self, token_ids: torch.Tensor, targets: torch.Tensor | None = None) -> tuple[torch.Tensor, None]:
        return torch.zeros(*token_ids.shape, self.vocab_size), None


def test_knowing_nothing_costs_the_logarithm_of_the_vocabulary() -> None:
    text = "def f(x):\n    return x\n" * 7
    token_ids = torch.tensor(small_tokenizer().encode(text))
    measured = perplexity.measure(Checkpoint(Uniform(), small_tokenizer(), {}), token_ids, 16, 5)
    assert measured.nats_per_token == pytest.approx(math.log(600))
    assert measured.perplexity == pytest.approx(600, rel=1e-5)
    assert measured.tokens == len(token_ids) - 1
    assert measured.bytes == len(text) - len(small_tokenizer().token_bytes()[int(token_ids[0])])
    assert measured.bits_per_byte == pytest.approx(measured.tokens * math.log2(600) / measured.bytes)


@pytest.mark.parametrize(
    ("length", "window", "stride"), [(40, 16, 1), (40, 16, 7), (40, 16, 16), (5, 16, 8), (64, 64, 3)]
)
def test_each_token_is_counted_once_with_at_least_the_promised_context(
    random_model: Checkpoint, length: int, window: int, stride: int
) -> None:
    token_ids = torch.randint(
        6, small_tokenizer().vocab_size, (length,), generator=torch.Generator().manual_seed(length)
    )
    expected = 0.0
    with torch.inference_mode():
        for target in range(1, length):
            done = window  # where the window that counts this target ends
            while done < target:
                done += stride
            start = max(0, min(done, length - 1) - window)
            logits, _ = random_model.model(token_ids[None, start:target])
            expected += float(F.cross_entropy(logits[0, -1:], token_ids[target : target + 1]))
    measured = perplexity.measure(random_model, token_ids, window, stride)
    assert measured.nats_per_token == pytest.approx(expected / (length - 1), rel=1e-4)


def test_one_token_cannot_be_measured(random_model: Checkpoint) -> None:
    with pytest.raises(InputError, match="at least two tokens"):
        perplexity.measure(random_model, torch.tensor([3]), 16, 8)


def test_the_runs_own_splits(tiny_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert perplexity.main([str(tiny_run), "--json", "--tokens", "3000"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["window"], shown["stride"]) == (64, 32)
    for split in ("train", "validation"):
        assert shown[split]["perplexity"] == pytest.approx(math.exp(shown[split]["nats_per_token"]))
        assert 1 < shown[split]["bits_per_byte"] < 8


def test_files_and_folders(tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = {"a.py": "import os\n\nprint(os.getcwd())\n", "b.py": "x = 'ü'\n"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "latin.py").write_bytes(b"# coding: latin-1\nx = '\xfc'\n")
    texts["latin.py"] = "# coding: latin-1\nx = 'ü'\n"
    (tmp_path / "broken.py").write_bytes(b"x = '\xfc'\n")
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "theirs.py").write_text("x = 1\n")
    (tmp_path / "empty.py").write_text("")
    assert perplexity.main([str(tiny_run), str(tmp_path), "--json"]) == 0
    captured = capsys.readouterr()
    shown = json.loads(captured.out)
    assert "broken.py: " in captured.err
    parts = [shown[str(tmp_path / name)] for name in texts]
    assert shown["all"]["tokens"] == sum(part["tokens"] for part in parts)
    assert (
        shown["all"]["bytes"]
        == sum(part["bytes"] for part in parts)
        == sum(len(text.encode()) for text in texts.values())
    )
    nats = sum(part["nats_per_token"] * part["tokens"] for part in parts)
    assert shown["all"]["nats_per_token"] == pytest.approx(nats / shown["all"]["tokens"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere: expected a checkpoint folder"),
        (["RUN", "nowhere.py"], "nowhere.py: no such file"),
        (["RUN", "EMPTY"], "no Python files"),
        (["RUN", "--stride", "65"], "expected 1 … 64"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], message: str, tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {"RUN": str(tiny_run), "EMPTY": str(tmp_path)}
    assert perplexity.main([places.get(argument, argument) for argument in arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_a_seed_repeats_the_sample(tiny_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prompt = tmp_path / "prompt.py"
    prompt.write_text("def parse(")
    texts = []
    for seed in ("1", "1", "2"):
        assert sample.main([str(tiny_run), "--prompt-file", str(prompt), "--seed", seed, "--max-new-tokens", "40"]) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] != texts[2]
    assert texts[0].startswith("def parse(")


def test_a_prompt_longer_than_the_window(random_model: Checkpoint) -> None:
    long = "x = [1, 2, 3]\n" * 60
    greedy = sample.sample(random_model, long, 10, temperature=0)
    assert greedy == sample.sample(random_model, long, 10, temperature=0)


def test_a_missing_prompt_file_is_named(tiny_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sample.main([str(tiny_run), "--prompt-file", "nowhere.txt"]) == 2
    assert "nowhere.txt" in capsys.readouterr().err
