"""The decoder against Hugging Face's implementations, and against itself with and without a cache."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from small_models import small_decoder_config, small_tokenizer

from training import checkpoint
from training.models.decoder import Decoder, DecoderConfig
from training.models.language_model import generate, stream

VARIANTS: dict[str, dict[str, Any]] = {
    "qwen3": {},
    "qwen3 untied, no sharing of heads": {"tie_embeddings": False, "num_key_value_heads": 4},
    "llama": {"qk_norm": False, "tie_embeddings": False},
    "qwen2": {"qk_norm": False, "qkv_bias": True},
}


def random_decoder(**changes: Any) -> Decoder:
    torch.manual_seed(1)
    decoder = Decoder(dataclasses.replace(small_decoder_config(), **changes))
    for parameter in decoder.parameters():  # norms and biases too, so that a swapped one shows
        parameter.data.normal_(mean=float(parameter.ndim == 1), std=0.3)
    return decoder.eval()


@pytest.mark.parametrize("variant", VARIANTS)
def test_checkpoint_gives_the_same_logits_in_transformers(variant: str, tmp_path: Path) -> None:
    decoder = random_decoder(**VARIANTS[variant])
    checkpoint.save_configuration(tmp_path, "decoder", decoder.config, small_tokenizer())
    checkpoint.save_weights(tmp_path, decoder)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
    assert type(theirs).__name__.lower().startswith(variant.split()[0])
    token_ids = torch.randint(0, decoder.vocab_size, (2, 48))
    with torch.inference_mode():
        difference = (theirs(token_ids).logits - decoder(token_ids)[0]).abs().max()
    assert difference <= 1e-4


@pytest.mark.parametrize("shape", ["Qwen3", "Qwen2", "Llama"])
@pytest.mark.parametrize("tied", [True, False])
def test_checkpoints_of_other_makers_load(shape: str, tied: bool, tmp_path: Path) -> None:
    config_class = getattr(transformers, f"{shape}Config")
    sizes = {"vocab_size": 600, "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64}
    extra = {"head_dim": 16} if shape == "Qwen3" else {}
    torch.manual_seed(2)
    theirs = getattr(transformers, f"{shape}ForCausalLM")(
        config_class(**sizes, **heads, **extra, tie_word_embeddings=tied)
    ).eval()
    for name, parameter in theirs.named_parameters():
        if name.endswith("bias"):
            parameter.data.normal_()
    theirs.save_pretrained(tmp_path)
    small_tokenizer().save(tmp_path)
    ours = checkpoint.load(tmp_path).model
    token_ids = torch.randint(0, 600, (2, 32))
    with torch.inference_mode():
        assert (theirs(token_ids).logits - ours(token_ids)[0]).abs().max() <= 1e-4


def test_tokenizer_of_a_checkpoint_equals_autotokenizer(tmp_path: Path) -> None:
    tokenizer = small_tokenizer()
    checkpoint.save_configuration(tmp_path, "decoder", small_decoder_config(), tokenizer)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    text = "def f(x):\n    return 'ü' + x  # 例\n"
    assert theirs(text, add_special_tokens=False)["input_ids"] == tokenizer.encode(text)
    assert theirs.decode(tokenizer.encode(text)) == text
    assert theirs.eos_token_id == tokenizer.special("<|endoftext|>")


def test_loss_is_the_mean_over_targets_that_count() -> None:
    decoder = random_decoder()
    token_ids = torch.randint(0, decoder.vocab_size, (2, 10))
    targets = token_ids.roll(-1, dims=1)
    targets[:, 5:] = -100
    logits, loss = decoder(token_ids, targets)
    expected = -logits.log_softmax(-1)[:, :5].gather(-1, targets[:, :5, None]).mean()
    assert loss is not None
    torch.testing.assert_close(loss, expected)


def test_a_token_sees_only_what_is_before_it() -> None:
    decoder = random_decoder()
    token_ids = torch.randint(0, decoder.vocab_size, (1, 20))
    changed = token_ids.clone()
    changed[0, 10:] = (changed[0, 10:] + 1) % decoder.vocab_size
    with torch.inference_mode():
        before, after = decoder(token_ids)[0], decoder(changed)[0]
    torch.testing.assert_close(before[:, :10], after[:, :10])
    assert not torch.allclose(before[:, 10:], after[:, 10:])


def test_cache_changes_nothing() -> None:
    decoder = random_decoder()
    token_ids = torch.randint(0, decoder.vocab_size, (2, 30))
    with torch.inference_mode():
        whole, _ = decoder(token_ids)
        cache = decoder.new_cache(batch_size=2)
        parts = [decoder(part, cache=cache)[0] for part in torch.split(token_ids, [7, 1, 1, 13, 8], dim=1)]
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, atol=1e-4, rtol=1e-4)


def test_greedy_generation_equals_transformers(tmp_path: Path) -> None:
    decoder = random_decoder()
    checkpoint.save_configuration(tmp_path, "decoder", decoder.config, small_tokenizer())
    checkpoint.save_weights(tmp_path, decoder)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
    prompt = torch.randint(300, decoder.vocab_size, (1, 8))
    expected = theirs.generate(
        prompt, max_new_tokens=32, do_sample=False, eos_token_id=None, attention_mask=torch.ones_like(prompt)
    )
    assert torch.equal(decoder.generate(prompt, 32, temperature=0), expected)


def test_generation_goes_past_the_window_and_repeats_with_its_seed() -> None:
    decoder = random_decoder()
    prompt = torch.randint(0, decoder.vocab_size, (2, decoder.context_window_size + 5))
    first = decoder.generate(prompt, 90, seed=7, top_k=20, top_p=0.9)
    assert first.shape == (2, prompt.size(1) + 90)
    assert torch.equal(first, generate(decoder, prompt, 90, seed=7, top_k=20, top_p=0.9))
    assert not torch.equal(first, generate(decoder, prompt, 90, seed=8, top_k=20, top_p=0.9))


def test_top_k_of_one_and_tiny_top_p_are_greedy() -> None:
    decoder = random_decoder()
    prompt = torch.randint(0, decoder.vocab_size, (1, 5))
    greedy = decoder.generate(prompt, 20, temperature=0)
    assert torch.equal(decoder.generate(prompt, 20, top_k=1), greedy)
    assert torch.equal(decoder.generate(prompt, 20, top_p=1e-6), greedy)


def test_generation_from_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one token"):
        generate(random_decoder(), torch.empty(1, 0, dtype=torch.long), 3)


def test_stream_needs_no_end() -> None:
    decoder = random_decoder()
    tokens = stream(decoder, torch.tensor([[1]]), temperature=0)
    window = decoder.context_window_size
    assert all(0 <= int(next(tokens)) < decoder.vocab_size for _ in range(3 * window))


def test_untied_names_and_biases_of_the_config() -> None:
    names = set(dict(random_decoder(qk_norm=False, qkv_bias=True).named_parameters()))
    assert "layers.0.self_attn.q_proj.bias" in names
    assert not any("q_norm" in name for name in names)
    assert isinstance(DecoderConfig().num_layers, int)
