"""The course's five models: what they compute, that they learn, resume, and are measured like the decoder."""

import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import safetensors.torch
import torch
import torch.nn.functional as F
from small_models import small_tokenizer
from torch import Tensor

from training import checkpoint, config, dataset, ladder, metrics, perplexity, run, sample, throughput
from training.batches import TrainingBatches
from training.devices import Compute
from training.evaluation import Evaluation, evaluate
from training.ladder import STEPS
from training.models import MODELS
from training.models.attention import Head, MultiHeadAttention, MultiHeadedAttentionLM, SingleHeadedAttentionLM
from training.models.bigram import BigramLanguageModel, BigramWithWordEmbeddingsLM
from training.models.language_model import IGNORED_TARGET
from training.models.transformer import FeedForward, TransformerBlock, TransformerLM

V, T, D, H, K = 600, 24, 32, 4, 8
COURSE_STEPS = {"bigram": 1000, "embeddings": 1000, "single-head": 1000, "multi-head": 1000, "transformer": 2000}
COURSE_RATES = {"bigram": 1e-2, "embeddings": 1e-2, "single-head": 6e-4, "multi-head": 6e-4, "transformer": 1e-4}
TINY = ["tokenizer.vocab_size=600", "batches.sequence_length=32", "batches.batch_size=4", "batches.micro_batch_size=4"]
TINY += ["loop.evaluate_every=3", "loop.evaluation_rows=8", "loop.log_every=1", "loop.threads=1"]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Products this small are slower on several, and much slower on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def small_model(kind: str) -> torch.nn.Module:
    torch.manual_seed(1)
    sizes = {"embeddings": {"embed_size": D}, "single-head": {"embed_size": D, "head_size": K}}
    sizes["multi-head"] = {"embed_size": D, "num_heads": H}
    sizes["transformer"] = {"embed_size": D, "num_heads": H, "n_layers": 2}
    build, config_class = MODELS[kind]
    model: torch.nn.Module = build(config_class(vocab_size=V, context_window_size=T, **sizes.get(kind, {}))).eval()
    return model


@pytest.fixture(scope="module")
def tiny_ladder(tmp_path_factory: pytest.TempPathFactory, code_folder: Path, data_folder: Path) -> Path:
    """The folder of `training.ladder` over all five models, six steps each."""
    folder = tmp_path_factory.mktemp("ladder")
    with pytest.MonkeyPatch.context() as patch:
        leave_out_the_slow(patch)
        assert ladder.main(["--runs", str(folder), *tiny_overrides(code_folder, data_folder), "loop.steps=6"]) == 0
    return folder


def leave_out_the_slow(patch: pytest.MonkeyPatch) -> None:
    """No curve and no estimate of the time for runs this short; tests/test_run.py has both."""
    patch.setattr(metrics, "draw_curve", lambda _: None)
    patch.setattr(throughput, "measure", lambda *_: throughput.Pace(0.0, 0.0))


def tiny_overrides(code_folder: Path, data_folder: Path) -> list[str]:
    return [f"run.data={data_folder}", f"corpus.sources=['{code_folder}']", *TINY]


def literal_head(head: Head, x: Tensor) -> Tensor:
    """The course's formula, written out for one row of X (T, D) at a time."""
    rows = []
    for row in x:
        scores = row @ head.query.weight.T @ head.key.weight @ row.T / math.sqrt(head.key.weight.size(0))
        masked = scores.masked_fill(torch.tril(torch.ones_like(scores)) == 0, float("-inf"))
        rows.append(F.softmax(masked, dim=-1) @ (row @ head.value.weight.T))
    return torch.stack(rows)


def test_one_head_is_the_literal_formula() -> None:
    head = Head(K, T, D).double()
    x = torch.randn(3, T, D, dtype=torch.float64)
    torch.testing.assert_close(head(x), literal_head(head, x))
    assert head.query.weight.shape == head.key.weight.shape == (K, D)
    assert head.value.weight.shape == (D, D)
    assert [name for name, _ in head.named_parameters()] == ["query.weight", "key.weight", "value.weight"]


@pytest.mark.parametrize("length", [1, T // 2, T])
def test_batched_heads_are_the_sum_of_the_literal_formula(length: int) -> None:
    attention = MultiHeadAttention(T, H, K, D).double()
    x = torch.randn(3, length, D, dtype=torch.float64, requires_grad=True)
    heads = [head for head in attention.heads if isinstance(head, Head)]
    expected = torch.stack([literal_head(head, x) for head in heads]).sum(dim=0)
    torch.testing.assert_close(attention(x), expected)
    ours = torch.autograd.grad(attention(x).square().sum(), [x, *attention.parameters()])
    theirs = torch.autograd.grad(expected.square().sum(), [x, *attention.parameters()])
    torch.testing.assert_close(ours, theirs)
    assert "heads.3.value.weight" in dict(attention.named_parameters())


def test_a_longer_context_than_the_window_is_an_error() -> None:
    with pytest.raises(AssertionError, match="25 tokens in a window of 24"):
        Head(K, T, D)(torch.zeros(1, T + 1, D))
    with pytest.raises(AssertionError, match="25 tokens in a window of 24"):
        MultiHeadAttention(T, H, K, D)(torch.zeros(1, T + 1, D))
    for kind in ("single-head", "multi-head", "transformer"):
        with pytest.raises(AssertionError, match="25 tokens in a window of 24"):
            small_model(kind)(torch.zeros(1, T + 1, dtype=torch.long))


def test_the_bigrams_write_a_window_unless_told_otherwise() -> None:
    for kind in ("bigram", "embeddings"):
        assert small_model(kind).generate(torch.zeros(1, 1, dtype=torch.long)).shape == (1, 257)  # type: ignore[operator]


def test_signatures_and_names_are_the_course_s() -> None:
    assert BigramLanguageModel(7).logits_table.weight.shape == (7, 7)
    assert BigramWithWordEmbeddingsLM(7).token_embedding_table.weight.shape == (7, 32)
    single = dict(SingleHeadedAttentionLM(7, 5, 384).named_parameters())
    assert single["position_embedding_table.weight"].shape == (5, 384)
    assert single["atten_head.query.weight"].shape == (384, 384)
    assert single["lm_head.bias"].shape == (7,)
    multi = MultiHeadedAttentionLM(7, 5)
    assert len(multi.mh_attention.heads) == 6
    assert multi.mh_attention.heads[0].get_parameter("key.weight").shape == (64, 384)
    block = TransformerBlock(7, 5)
    assert {name for name, _ in block.named_children()} == {"ln1", "ln2", "feed_forward", "mh_attention"}
    assert [type(module).__name__ for module in FeedForward(8).net] == ["Linear", "ReLU", "Linear"]
    names = {name for name, _ in TransformerLM(7, 5, n_layers=2).named_children()}
    assert names == {"token_embedding_table", "position_embedding_table", "blocks", "ln_f", "lm_head"}


def test_a_block_is_pre_norm_and_residual() -> None:
    block = TransformerBlock(V, T, D, H)
    x = torch.randn(2, T, D)
    x1 = x + block.mh_attention(block.ln1(x))
    torch.testing.assert_close(block(x), x1 + block.feed_forward(block.ln2(x1)))


def test_the_transformer_starts_from_small_normal_weights() -> None:
    model = TransformerLM(500, 64, 64, 4, 2)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            assert not parameter.any(), name
        elif "ln" not in name:
            assert float(parameter.detach().std()) == pytest.approx(0.02, rel=0.1), name


@pytest.mark.parametrize("kind", STEPS)
def test_logits_have_their_shape_and_the_loss_is_the_mean_over_targets_that_count(kind: str) -> None:
    model = small_model(kind)
    token_ids, targets = torch.randint(V, (2, T)), torch.randint(V, (2, T))
    targets[:, T // 2 :] = IGNORED_TARGET
    logits, loss = model(token_ids, targets)
    assert logits.shape == (2, T, V)
    kept = slice(0, T // 2)
    torch.testing.assert_close(loss, -logits.log_softmax(-1)[:, kept].gather(-1, targets[:, kept, None]).mean())
    assert model(token_ids)[1] is None


@pytest.mark.parametrize("kind", STEPS)
def test_a_token_sees_only_what_is_before_it(kind: str) -> None:
    model = small_model(kind)
    token_ids = torch.randint(V, (1, T))
    changed = token_ids.clone()
    changed[0, 10] = (changed[0, 10] + 1) % V
    with torch.inference_mode():
        same = torch.isclose(model(token_ids)[0], model(changed)[0]).all(dim=-1)[0]
    assert same[:10].all()
    assert not same[10]
    assert same[11:].all() == (kind in ("bigram", "embeddings"))  # they look at the last token only


@pytest.mark.parametrize("kind", STEPS)
def test_generation_slides_its_window_and_repeats_with_its_seed(kind: str) -> None:
    model = small_model(kind)
    prompt = torch.randint(V, (2, T + 5))
    sampled = model.generate(prompt, 2 * T, seed=7, temperature=0.9, top_k=50, top_p=0.95)  # type: ignore[operator]
    again = model.generate(prompt, 2 * T, seed=7, temperature=0.9, top_k=50, top_p=0.95)  # type: ignore[operator]
    assert sampled.shape == (2, 3 * T + 5)
    assert torch.equal(sampled, again)
    expected = prompt
    with torch.inference_mode():
        for _ in range(T):  # the course's loop, greedily
            logits, _ = model(expected[:, -T:])
            expected = torch.cat((expected, logits[:, -1].argmax(dim=-1, keepdim=True)), dim=1)
    assert torch.equal(model.generate(prompt, T, temperature=0), expected)  # type: ignore[operator]


@pytest.mark.parametrize("kind", STEPS)
def test_a_checkpoint_gives_the_model_back(kind: str, tmp_path: Path) -> None:
    model = small_model(kind)
    model_config = MODELS[kind][1](vocab_size=V, context_window_size=T)
    sizes = {"embed_size": D, "head_size": K, "num_heads": H, "n_layers": 2}
    known = {name: value for name, value in sizes.items() if hasattr(model_config, name)}
    model_config = MODELS[kind][1](vocab_size=V, context_window_size=T, **known)
    checkpoint.save_configuration(tmp_path, kind, model_config, small_tokenizer())
    checkpoint.save_weights(tmp_path, model)
    loaded = checkpoint.load(tmp_path)
    assert type(loaded.model) is type(model)
    assert loaded.model.context_window_size == T
    token_ids = torch.randint(V, (1, T))
    assert torch.equal(loaded.model(token_ids)[0], model(token_ids)[0])


@pytest.mark.parametrize("kind", STEPS)
def test_configs_are_the_course_s_and_twins_agree_with_each_other(kind: str) -> None:
    full, twin, first = config.load(kind), config.load(f"{kind}-cpu"), config.load("bigram-cpu")
    assert full.model_kind == twin.model_kind == kind
    assert (full.loop.steps, full.optimizer.learning_rate) == (COURSE_STEPS[kind], COURSE_RATES[kind])
    assert (full.batches.sequence_length, full.batches.batch_size, full.run.seed) == (256, 32, 305)
    assert (full.loop.evaluate_every, full.loop.evaluation_rows) == (200, 200 * 32)
    assert (full.optimizer.kind, full.optimizer.warmup_steps, full.optimizer.decay_share) == ("adamw", 0, 0)
    assert (full.optimizer.gradient_clip, full.optimizer.weight_decay, full.optimizer.beta2) == (0, 0.01, 0.999)
    assert full.tokenizer.kind == "codebert"
    assert (twin.corpus, twin.tokenizer, twin.batches) == (first.corpus, first.tokenizer, first.batches)
    assert twin.loop.steps == first.loop.steps


def test_the_course_s_corpus_has_a_config() -> None:
    (source,) = config.load("course-corpus").corpus.sources
    assert source.startswith("https://")
    assert source.endswith(".csv")


def test_the_ladder_is_one_table_and_one_picture(tiny_ladder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ladder.main(["--runs", str(tiny_ladder), "--collect"]) == 0
    shown = capsys.readouterr().out
    rows = [line for line in shown.splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[0].strip("| ") for row in rows[2:]] == list(STEPS)
    assert (tiny_ladder / "ladder.md").read_text() in shown
    assert (tiny_ladder / "ladder.png").read_bytes().startswith(b"\x89PNG")
    bigram = dict(zip(rows[0].strip("| ").split(" | "), rows[2].strip("| ").split(" | "), strict=True))
    assert bigram["parameters"] == "360,000"
    assert float(bigram["log V"]) == pytest.approx(math.log(600), abs=0.01)
    assert float(bigram["perplexity"]) == pytest.approx(math.exp(float(bigram["validation loss"])), rel=1e-3)


def test_a_ladder_that_was_not_climbed_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ladder.main(["--runs", str(tmp_path), "--collect"]) == 2
    assert f"expected runs in {tmp_path}, found none" in capsys.readouterr().err
    assert ladder.main(["--runs", str(tmp_path), "loop.nothing=1"]) == 2


def test_the_table_has_the_steps_that_are_there(
    tiny_ladder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("bigram-cpu", "transformer-cpu"):
        shutil.copytree(tiny_ladder / name, tmp_path / name)
    assert ladder.main(["--runs", str(tmp_path), "--collect"]) == 0
    shown = capsys.readouterr()
    assert [row.split(" | ")[0] for row in shown.out.splitlines()[2:4]] == ["| bigram", "| transformer"]
    assert "left out, since not there: " in shown.err
    assert str(tmp_path / "multi-head-cpu") in shown.err


def test_a_step_that_was_stopped_is_not_in_the_table(
    tiny_ladder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(tiny_ladder, tmp_path / "runs")
    path = tmp_path / "runs" / "multi-head-cpu" / "provenance.json"
    about = json.loads(path.read_text())
    about["config"]["loop"]["steps"] = 500
    path.write_text(json.dumps(about))
    assert ladder.main(["--runs", str(tmp_path / "runs"), "--collect"]) == 2
    assert "multi-head-cpu: stopped at step 6 of 500; train it to its end first" in capsys.readouterr().err


@pytest.mark.parametrize("kind", STEPS)
def test_each_step_learns(kind: str, tiny_ladder: Path) -> None:
    lines = [line for line in metrics.read(tiny_ladder / f"{kind}-cpu") if "validation_nats" in line]
    assert [line["step"] for line in lines] == [0, 3, 6]
    assert lines[0]["validation_nats"] == pytest.approx(math.log(600), abs=1.5)
    assert lines[0]["validation_nats"] > lines[1]["validation_nats"] > lines[2]["validation_nats"]


@pytest.mark.parametrize("kind", STEPS)
def test_each_step_resumes_to_the_same_weights(
    kind: str,
    tiny_ladder: Path,
    tmp_path: Path,
    code_folder: Path,
    data_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    leave_out_the_slow(monkeypatch)
    arguments = [f"{kind}-cpu", f"run.folder={tmp_path}", *tiny_overrides(code_folder, data_folder)]
    assert run.main([*arguments, "loop.steps=2"]) == 0
    assert run.main([*arguments, "loop.steps=6"]) == 0
    one, other = (
        safetensors.torch.load_file(folder / "resume.safetensors") for folder in (tmp_path, tiny_ladder / f"{kind}-cpu")
    )
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("kind", STEPS)
def test_each_step_is_measured(kind: str, tiny_ladder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tiny_ladder / f"{kind}-cpu"
    assert perplexity.main([str(folder), "--tokens", "600", "--json"]) == 0
    measured = json.loads(capsys.readouterr().out)
    for split in dataset.SPLITS:
        assert measured[split]["perplexity"] == pytest.approx(math.exp(measured[split]["nats_per_token"]))
        assert 1 < measured[split]["perplexity"] < 10_000
    if kind == "bigram":  # where the window stands makes no difference to a table
        loaded = checkpoint.load(folder)
        prepared = dataset.load(Path(json.loads((folder / "provenance.json").read_text())["prepared"]))
        tokens = torch.from_numpy(prepared.splits["train"].tokens[:600].astype("int64"))
        nats = F.cross_entropy(loaded.model.logits_table(tokens[:-1]), tokens[1:]).item()
        assert measured["train"]["nats_per_token"] == pytest.approx(nats, rel=1e-4)


@pytest.mark.parametrize("kind", STEPS)
@pytest.mark.parametrize("example", ["newton", "cosine"])
def test_each_step_writes(kind: str, example: str, tiny_ladder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [str(tiny_ladder / f"{kind}-cpu"), "--example", example, "--max-new-tokens", "8", "--seed", "1"]
    texts = []
    for _ in range(2):
        assert sample.main(arguments) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1]
    assert f"def {'newton' if example == 'newton' else 'cosine_dist'}(" in texts[0]


def test_rows_are_what_get_batch_gives(tiny_ladder: Path) -> None:
    folder = tiny_ladder / "bigram-cpu"
    settings = config.from_dict(json.loads((folder / "provenance.json").read_text())["config"])
    prepared = dataset.load(Path(json.loads((folder / "provenance.json").read_text())["prepared"]))
    x, y = TrainingBatches(settings.batches, prepared.splits["train"], prepared.tokenizer, 305).rows(0, 0, 4)
    stream = torch.from_numpy(prepared.splits["train"].tokens.astype("int64"))
    windows = stream.unfold(0, 33, 1)
    for inputs, targets in zip(x, y, strict=True):
        places = (windows[:, :-1] == inputs).all(dim=1).nonzero().flatten()
        assert any(torch.equal(stream[start + 1 : start + 33], targets) for start in places)


def test_evaluate_is_what_estimate_loss_gives(tiny_ladder: Path) -> None:
    folder = tiny_ladder / "transformer-cpu"
    about = json.loads((folder / "provenance.json").read_text())
    settings, prepared = config.from_dict(about["config"]), dataset.load(Path(about["prepared"]))
    evaluation = Evaluation(prepared, 32, 8, settings.batches.micro_batch_size)
    model = checkpoint.load(folder).model
    measured = evaluate(model, evaluation, "validation", Compute(torch.device("cpu"), torch.float32))
    assert measured is not None
    tokens = torch.from_numpy(prepared.splits["validation"].tokens.astype("int64"))
    windows = (len(tokens) - 1) // 32
    starts = [int(start) * 32 for start in torch.linspace(0, windows - 1, 8).double().floor()]
    with torch.inference_mode():
        losses = [model(tokens[None, s : s + 32], tokens[None, s + 1 : s + 33])[1].item() for s in starts]
    assert measured["nats"] == pytest.approx(sum(losses) / len(losses), rel=0.02)
