"""The course's questions, each with a test that shows the answer; in words they are in training/README.md.

Names carry the question's number. The course is Stanford STATS 305B, winter 2024, homework 4.
"""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small_models import SOURCE, small_tokenizer
from torch import Tensor, nn

from training import codebert, perplexity
from training.batches import BatchConfig, TrainingBatches
from training.checkpoint import Checkpoint
from training.dataset import TokenFile
from training.format import DOCUMENT_END, DOCUMENT_START
from training.models.attention import Head, MultiHeadedAttentionLM, SingleHeadedAttentionLM, causal_weights
from training.models.bigram import BigramLanguageModel, BigramWithWordEmbeddingsLM
from training.models.transformer import TransformerLM


@pytest.fixture(autouse=True)
def repeatable() -> Iterator[None]:
    """The same random numbers each time, and one thread: products this small are slower on several."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(305)
    yield
    torch.set_num_threads(threads)


def fit(model: nn.Module, inputs: Tensor, targets: Tensor, steps: int, learning_rate: float) -> float:
    """Train on one batch (B, T) again and again; returns the last loss."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=0.0)
    loss = torch.zeros(())
    for _ in range(steps):
        _, loss = model(inputs, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


def bigram_with(logits: Tensor) -> BigramLanguageModel:
    """A bigram model with this table (V, V)."""
    model = BigramLanguageModel(len(logits))
    model.logits_table.weight.data.copy_(logits)
    return model


# 0.2: what <s> and </s> are for, and why the course's tokenizer warned


def test_theory_0_2_start_and_end_tell_documents_apart() -> None:
    tokenizer = small_tokenizer()
    start, end = tokenizer.special(DOCUMENT_START), tokenizer.special(DOCUMENT_END)
    assert start is not None
    assert end is not None
    documents = ["a\n", "b\n"]
    stream = torch.tensor([token for text in documents for token in [start, *tokenizer.encode(text), end]])
    model = BigramLanguageModel(tokenizer.vocab_size)
    fit(model, stream[None, :-1], stream[None, 1:], steps=60, learning_rate=0.5)
    written = model.generate(torch.tensor([[start]]), 40, temperature=0)[0].tolist()
    assert tokenizer.decode(written[1 : written.index(end)]) in documents  # it starts at a start, and knows the end
    assert written[written.index(end) + 1] == start  # after an end comes another document


def test_theory_0_2_special_tokens_cannot_be_typed(codebert_folder: Path) -> None:
    theirs = codebert.open_codebert(str(codebert_folder))
    ours = codebert.reindexed(str(codebert_folder), iter(["print('</s>')"]))
    assert theirs.eos_token_id in theirs("print('</s>')", add_special_tokens=False)["input_ids"]
    assert ours.special("</s>") not in ours.encode("print('</s>')")


def test_theory_0_2_the_warning_counts_tokens_and_the_course_cut_characters(
    codebert_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import transformers.tokenization_utils_base

    warnings: list[str] = []
    monkeypatch.setattr(transformers.tokenization_utils_base.logger, "warning", lambda text, *_: warnings.append(text))
    theirs = codebert.open_codebert(str(codebert_folder))
    theirs.model_max_length = 512  # as on the hub: the positions that CodeBERT's network has
    assert len(theirs.encode("def f(x):\n    return x\n" * 20)) <= 512
    assert not warnings
    piece = "\u2713" * 512  # 512 characters, and more tokens
    assert len(theirs.encode(piece)) > 512
    assert "longer than the specified maximum sequence length" in warnings[0]
    ours = codebert.reindexed(str(codebert_folder), iter([piece]))
    assert len(ours.encode(piece)) + 2 == len(theirs.encode(piece))
    assert len(warnings) == 1  # ours asks for no network's positions


def test_theory_0_2_pieces_cut_words_and_need_more_tokens(codebert_folder: Path) -> None:
    theirs = codebert.open_codebert(str(codebert_folder))
    text = SOURCE * 20
    pieces = codebert.pieces_of(text)
    cut = [token for piece in pieces for token in theirs.encode(piece, add_special_tokens=False)]
    whole = theirs.encode(text, add_special_tokens=False)
    assert theirs.decode(cut) == theirs.decode(whole) == text
    assert len(whole) < len(cut) <= len(whole) + 2 * len(pieces)


# 1.1: next-token prediction as multi-class logistic regression


def test_theory_1_1_1_softmax_makes_a_distribution_of_any_logits() -> None:
    logits = torch.randn(1000, 20) * 10
    assert (logits < 0).any(dim=1).all()  # no row would do as probabilities …
    assert not torch.isclose(logits.sum(dim=1), torch.ones(1000)).any()
    probabilities = logits.softmax(dim=-1)
    assert (probabilities > 0).all()  # … and every row does after the softmax
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(1000))
    assert torch.equal(probabilities.argsort(dim=1), logits.argsort(dim=1))
    torch.testing.assert_close((logits + 7).softmax(dim=-1), probabilities)  # one number a row is free
    torch.testing.assert_close(probabilities.log().softmax(dim=-1), probabilities)  # nothing is out of reach


def test_theory_1_1_1_gradient_steps_leave_the_simplex_but_never_the_logits() -> None:
    target = torch.tensor([0])
    raw, logits = torch.full((1, 3), 1 / 3, requires_grad=True), torch.zeros(1, 3, requires_grad=True)
    (raw_gradient,) = torch.autograd.grad(-raw[0, target].log().sum(), raw)
    (gradient,) = torch.autograd.grad(F.cross_entropy(logits, target), logits)
    assert not torch.isclose((raw - raw_gradient).sum(), torch.tensor(1.0))
    torch.testing.assert_close((logits - gradient).softmax(dim=-1).sum(), torch.tensor(1.0))
    torch.testing.assert_close(gradient, logits.softmax(dim=-1).detach() - F.one_hot(target, 3))


@pytest.fixture
def contingency() -> tuple[Tensor, Tensor]:
    """A text (1, N) over six tokens from a Markov chain, and its table of pairs (6, 6)."""
    transitions = torch.distributions.Dirichlet(torch.full((6,), 0.7)).sample((6,)) * 0.9 + 0.1 / 6
    text = [0]
    for _ in range(3000):
        text.append(int(torch.multinomial(transitions[text[-1]], 1)))
    tokens = torch.tensor([text])
    counts = torch.zeros(6, 6)
    counts.index_put_((tokens[0, :-1], tokens[0, 1:]), torch.ones(3000), accumulate=True)
    return tokens, counts


def test_theory_1_1_2_trained_rows_are_the_contingency_table_s(contingency: tuple[Tensor, Tensor]) -> None:
    tokens, counts = contingency
    empirical = counts / counts.sum(dim=1, keepdim=True)
    model = BigramLanguageModel(6)
    loss = fit(model, tokens[:, :-1], tokens[:, 1:], steps=400, learning_rate=0.1)
    trained = model.logits_table.weight.detach().softmax(dim=-1)
    assert (trained - empirical).abs().max() < 0.01
    entropy = -(counts * empirical.clamp(min=1e-9).log()).sum() / counts.sum()  # of the next token, given the last
    assert loss == pytest.approx(entropy.item(), abs=1e-3)


def test_theory_1_1_2_the_table_itself_is_the_maximum_likelihood(contingency: tuple[Tensor, Tensor]) -> None:
    tokens, counts = contingency
    model = bigram_with(counts.clamp(min=1e-6).log())  # logarithms of counts are the logits
    _, best = model(tokens[:, :-1], tokens[:, 1:])
    best.backward()
    gradient = model.logits_table.weight.grad
    assert gradient is not None
    assert gradient.abs().max() < 1e-5
    for _ in range(20):
        other = bigram_with(model.logits_table.weight.detach() + 0.1 * torch.randn(6, 6))
        assert other(tokens[:, :-1], tokens[:, 1:])[1] > best


def test_theory_1_1_3_the_fourth_token_after_7_3_6_is_drawn_from_row_6() -> None:
    table = torch.randn(10, 10)
    model = bigram_with(table)
    logits, _ = model(torch.tensor([[7, 3, 6]]))
    torch.testing.assert_close(logits[0, -1].softmax(dim=-1), table[6].exp() / table[6].exp().sum())
    assert torch.equal(logits[0, -1], model(torch.tensor([[1, 1, 6]]))[0][0, -1])  # 7 and 3 play no part
    drawn = model.generate(torch.tensor([[7, 3, 6]]).expand(20_000, 3), 1, seed=1)[:, 3]
    frequencies = torch.bincount(drawn, minlength=10) / len(drawn)
    assert (frequencies - table[6].softmax(dim=-1)).abs().max() < 0.02


def test_theory_1_1_4_targets_are_the_inputs_moved_on_by_one() -> None:
    stream = np.arange(500, dtype="<u2") % 251
    config = BatchConfig(sequence_length=10, batch_size=4, fim_rate=0.0)
    x, y = TrainingBatches(config, TokenFile(stream, 500, ""), small_tokenizer(), seed=305).rows(0, 0, 4)
    assert x.shape == y.shape == (4, 10)
    assert torch.equal(x[:, 1:], y[:, :-1])
    assert torch.equal(y, (x + 1) % 251)
    # So a row holds ten examples: the target at t belongs to the context up to t.
    model = SingleHeadedAttentionLM(600, 10, 8, 8)
    together = model(x)[0]
    for t in range(10):
        torch.testing.assert_close(model(x[:, : t + 1])[0][:, -1], together[:, t])


def test_theory_1_1_5_a_bigram_forgets_all_but_one_token_and_attention_does_not() -> None:
    rows = torch.tensor([[1, 0, 2], [3, 0, 4]]).repeat(8, 1)  # what follows 0 depends on the token before it
    inputs, targets = rows[:, :2], rows[:, 1:]
    targets = torch.stack((torch.full((16,), -100), targets[:, 1]), dim=1)
    bigram = fit(BigramLanguageModel(5), inputs, targets, steps=300, learning_rate=0.1)
    attention = fit(MultiHeadedAttentionLM(5, 2, 32, 4), inputs, targets, steps=300, learning_rate=0.01)
    assert bigram > math.log(2) - 1e-4  # a fair coin, for ever
    assert attention < 0.1


def test_theory_1_1_5_a_bigram_learns_nothing_about_tokens_that_it_never_saw() -> None:
    model = BigramLanguageModel(20)
    before = model.logits_table.weight.detach().clone()
    seen = torch.arange(10).repeat(1, 6)
    fit(model, seen[:, :-1], seen[:, 1:], steps=50, learning_rate=0.1)
    after = model.logits_table.weight.detach()
    assert torch.equal(after[10:], before[10:])  # V² parameters, each row for itself
    assert not torch.isclose(after[:10], before[:10]).all(dim=1).any()


def test_theory_1_1_6_the_likelihood_of_a_string() -> None:
    table, string = torch.randn(12, 12), torch.randint(12, (9,))
    pairs = list(zip(string[:-1].tolist(), string[1:].tolist(), strict=True))
    by_hand = sum(table[v].exp().sum().log() - table[v, w] for v, w in pairs)
    _, mean = bigram_with(table)(string[None, :-1], string[None, 1:])
    torch.testing.assert_close(mean * len(pairs), by_hand)


def test_theory_1_1_6_zero_logits_cost_log_v_a_token_and_a_perfect_model_nothing() -> None:
    string = torch.tensor([[0, 3, 1, 4, 2, 5]])  # T = 5 predictions, and no token comes twice
    _, uniform = bigram_with(torch.zeros(6, 6))(string[:, :-1], string[:, 1:])
    assert 5 * uniform.item() == pytest.approx(5 * math.log(6))
    table = torch.zeros(6, 6)
    table[string[0, :-1], string[0, 1:]] = 100.0
    _, perfect = bigram_with(table)(string[:, :-1], string[:, 1:])
    assert 5 * perfect.item() == pytest.approx(0, abs=1e-6)


def test_theory_1_1_8_the_first_loss_of_the_bigram_is_half_a_nat_above_log_v() -> None:
    x, y = torch.randint(1000, (2, 16, 256))
    _, loss = BigramLanguageModel(1000)(x, y)  # logits drawn from N(0, 1): log E[exp] = 1/2
    assert loss.item() == pytest.approx(math.log(1000) + 0.5, abs=0.06)
    assert bigram_with(torch.zeros(1000, 1000))(x, y)[1].item() == pytest.approx(math.log(1000))


def test_theory_1_1_8_one_frequent_pair_makes_the_first_loss_a_matter_of_luck() -> None:
    blanks = torch.zeros(400, dtype=torch.long)  # as with a token for each blank of an indentation
    others = torch.randint(1, 300, (700,))
    text = torch.cat((blanks, others))[None]
    counts = torch.bincount(text[0, :-1] * 300 + text[0, 1:])  # of each pair
    expected = (counts / counts.sum()).square().sum().sqrt().item()
    assert expected > 0.3
    losses = torch.tensor([BigramLanguageModel(300)(text[:, :-1], text[:, 1:])[1].item() for _ in range(200)])
    assert losses.mean().item() == pytest.approx(math.log(300) + 0.5, abs=0.1)
    assert losses.std().item() == pytest.approx(expected, rel=0.25)


def test_theory_1_1_8_small_weights_start_the_transformer_at_log_v() -> None:
    x, y = torch.randint(1000, (2, 4, 64))
    _, loss = TransformerLM(1000, 64, 64, 4, 2)(x, y)
    assert loss.item() == pytest.approx(math.log(1000), abs=0.05)


# 1.2: embeddings


def test_theory_1_2_the_embedding_is_a_bigram_table_of_low_rank() -> None:
    model = BigramWithWordEmbeddingsLM(60, embed_size=8)
    table = model(torch.arange(60)[None])[0][0]  # row v: the logits of what follows v
    assert torch.linalg.matrix_rank(table) <= 8 + 1  # one more for the bias
    embeddings = sum(parameter.numel() for parameter in model.parameters())
    assert embeddings == 2 * 60 * 8 + 60 < 60**2


def test_theory_1_2_with_a_fixed_design_it_is_multi_class_logistic_regression() -> None:
    table = torch.randn(7, 7)
    model = BigramWithWordEmbeddingsLM(7, embed_size=7)
    model.token_embedding_table.weight.data.copy_(torch.eye(7))  # one column a class: dummy variables
    model.lm_head.weight.data.copy_(table.T)
    model.lm_head.bias.data.zero_()
    token_ids = torch.randint(7, (3, 5))
    torch.testing.assert_close(model(token_ids)[0], bigram_with(table)(token_ids)[0])


def test_theory_1_2_one_example_teaches_all_tokens_that_lie_near() -> None:
    table, narrow = BigramLanguageModel(30), BigramWithWordEmbeddingsLM(30, embed_size=4)
    example, following, everything = torch.tensor([[0]]), torch.tensor([[1]]), torch.arange(30)[None]
    changes = []
    for model in (table, narrow):
        before = model(everything)[0].detach()[0, :, 1]
        if isinstance(model, BigramWithWordEmbeddingsLM):
            model.token_embedding_table.requires_grad_(False)
        optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
        model(example, following)[1].backward()
        optimizer.step()
        changes.append(model(everything)[0].detach()[0, :, 1] - before)
    assert changes[0][0] > 0
    assert not changes[0][1:].any()  # row 0 alone learned that 1 may follow
    x = narrow.token_embedding_table.weight
    nearness = x @ x[0] + 1  # the one is the bias
    torch.testing.assert_close(changes[1] / changes[1][0], nearness / nearness[0], atol=1e-4, rtol=1e-3)


# 1.3: attention


def test_theory_1_3_1_masked_softmax_of_zeros_averages() -> None:
    x = torch.randn(4, 8, 2)
    tril = torch.tril(torch.ones(8, 8))
    weights = F.softmax(torch.zeros(8, 8).masked_fill(tril == 0, float("-inf")), dim=-1)
    torch.testing.assert_close(weights, tril / tril.sum(dim=1, keepdim=True))
    means = torch.stack([x[:, : t + 1].mean(dim=1) for t in range(8)], dim=1)
    torch.testing.assert_close(weights @ x, means)


def test_theory_1_3_2_1_zero_queries_and_keys_with_identity_values_are_the_running_mean() -> None:
    head = Head(head_size=5, context_window_size=8, embed_size=3)
    for weight in (head.query.weight, head.key.weight):
        weight.data.zero_()
    head.value.weight.data.copy_(torch.eye(3))
    x = torch.randn(4, 8, 3)
    running = x.cumsum(dim=1) / torch.arange(1, 9)[:, None]
    torch.testing.assert_close(head(x), running)
    head.key.weight.data.normal_()  # one of the two is enough
    torch.testing.assert_close(head(x), running)


@pytest.mark.parametrize("size", [16, 64])
def test_theory_1_3_2_2_products_of_random_matrices_have_mean_0_and_variance_k(size: int) -> None:
    entries = torch.stack([torch.randn(size, 100).T @ torch.randn(size, 100) for _ in range(50)])
    assert entries.mean().abs() < 0.02 * size**0.5
    assert entries.var().item() == pytest.approx(size, rel=0.03)
    scaled = entries / size**0.5
    assert scaled.var().item() == pytest.approx(1, rel=0.03)
    within = (scaled.abs() < 1).float().mean().item()  # by the central limit theorem nearly normal
    assert within == pytest.approx(0.683, abs=0.02)


def test_theory_1_3_2_2_unscaled_scores_would_put_all_weight_on_one_token() -> None:
    queries, keys = torch.randn(2, 64, 32, 256)
    scaled = causal_weights(queries, keys)[:, -1]
    unscaled = causal_weights(queries * 256**0.5, keys)[:, -1]
    assert scaled.max(dim=-1).values.mean() < 0.3
    assert unscaled.max(dim=-1).values.mean() > 0.8


# 1.4: perplexity


def test_theory_1_4_3_perplexity_is_a_number_of_equally_likely_choices() -> None:
    table = torch.full((20, 20), float("-inf"))
    table[:, :5] = 0.0  # five of twenty tokens are possible, and alike
    string = torch.randint(5, (1, 50))
    _, loss = bigram_with(table)(string[:, :-1], string[:, 1:])
    assert math.exp(loss.item()) == pytest.approx(5)


def test_theory_1_4_3_perplexity_is_the_geometric_mean_of_inverse_probabilities() -> None:
    model, string = BigramLanguageModel(9), torch.randint(9, (1, 30))
    logits, loss = model(string[:, :-1], string[:, 1:])
    probabilities = logits.softmax(dim=-1)[0, torch.arange(29), string[0, 1:]]
    assert math.exp(loss.item()) == pytest.approx((1 / probabilities).double().log().mean().exp().item(), rel=1e-5)


def test_theory_1_4_3_it_runs_from_1_to_v_and_beyond() -> None:
    tokenizer = small_tokenizer()
    size = tokenizer.vocab_size
    token_ids = torch.arange(6, 106)  # each token once, the next always one more

    def measured(table: Tensor) -> float:
        return perplexity.measure(Checkpoint(bigram_with(table), tokenizer, {}), token_ids, 16, 8).perplexity

    perfect = torch.zeros(size, size)
    perfect[torch.arange(size), (torch.arange(size) + 1) % size] = 100.0
    assert measured(torch.zeros(size, size)) == pytest.approx(size, rel=1e-4)
    assert measured(perfect) == pytest.approx(1)
    assert measured(perfect.roll(1, dims=1)) > size  # sure of the wrong thing is worse than knowing nothing


def test_theory_1_4_3_training_text_flatters() -> None:
    train, validation = torch.randint(12, (2, 1, 200))  # pure chance: there is nothing to learn
    model = bigram_with(torch.zeros(12, 12))
    fit(model, train[:, :-1], train[:, 1:], steps=100, learning_rate=0.1)
    with torch.inference_mode():
        surprised = [math.exp(model(text[:, :-1], text[:, 1:])[1]) for text in (train, validation)]
    assert surprised[0] < 0.8 * 12
    assert surprised[1] > 12
