"""Batches: pure functions of (seed, step) that cover the corpus, and the fill-in-the-middle order."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_models import SOURCE, small_tokenizer

from training.batches import BatchConfig, TrainingBatches, evaluation_rows
from training.dataset import TokenFile
from training.errors import InputError
from training.format import DOCUMENT_END, DOCUMENT_START, FIM_MIDDLE, FIM_PREFIX, FIM_SUFFIX, PADDING

TOKENIZER = small_tokenizer()
SPECIAL = {
    token: TOKENIZER.special(token)
    for token in (DOCUMENT_START, DOCUMENT_END, PADDING, FIM_PREFIX, FIM_SUFFIX, FIM_MIDDLE)
}


def token_file(documents: list[str]) -> TokenFile:
    stream: list[int] = []
    for document in documents:
        stream += [SPECIAL[DOCUMENT_START] or 0, *TOKENIZER.encode(document), SPECIAL[DOCUMENT_END] or 0]
    return TokenFile(np.array(stream, dtype="<u2"), sum(map(len, documents)), "digest")


DOCUMENTS = [SOURCE.replace("Stack", f"Stack{number}") for number in range(12)]
FILE = token_file(DOCUMENTS)


def batches(seed: int = 1, **changes: object) -> TrainingBatches:
    config = BatchConfig(**{"sequence_length": 64, "batch_size": 4, "fim_rate": 0.5, **changes})  # type: ignore[arg-type]
    return TrainingBatches(config, FILE, TOKENIZER, seed)


def text_of(token_ids: list[int]) -> str:
    return TOKENIZER.decode(token_ids)


@given(seed=st.integers(0, 2**31), step=st.integers(0, 10**6))
@settings(max_examples=30)
def test_a_batch_depends_on_seed_and_step_only(seed: int, step: int) -> None:
    first, second = batches(seed).rows(step, 0, 4), batches(seed).rows(step, 0, 4)
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    apart = [batches(seed).rows(step, row, 1) for row in range(4)]  # as other processes would ask
    assert torch.equal(torch.cat([inputs for inputs, _ in apart]), first[0])
    assert torch.equal(torch.cat([targets for _, targets in apart]), first[1])


def test_seeds_and_steps_differ() -> None:
    assert not torch.equal(batches(1).rows(0, 0, 4)[0], batches(2).rows(0, 0, 4)[0])
    assert not torch.equal(batches(1).rows(0, 0, 4)[0], batches(1).rows(1, 0, 4)[0])


def test_targets_are_the_next_tokens() -> None:
    inputs, targets = batches().rows(3, 0, 4)
    counted = targets[:, :-1] != -100
    assert torch.equal(inputs[:, 1:][counted], targets[:, :-1][counted])
    assert counted.float().mean() > 0.5


def test_an_epoch_sees_every_window_once() -> None:
    plain = batches(fim_rate=0.0)
    windows = (len(FILE.tokens) - 1) // 64 - 1
    rows = torch.cat([plain.rows(step, 0, 4)[0] for step in range(windows // 4)])
    assert len({tuple(row.tolist()) for row in rows}) == len(rows)
    joined = FILE.tokens.tobytes()
    assert all(row.numpy().astype("<u2").tobytes() in joined for row in rows)


def test_rearranged_rows_are_suffix_prefix_middle() -> None:
    everything = batches(fim_rate=1.0, sequence_length=256)
    seen = 0
    for step in range(20):
        inputs, targets = everything.rows(step, 0, 4)
        for row, last in zip(inputs.tolist(), targets[:, -1].tolist(), strict=True):
            row = [*row, last]
            if SPECIAL[FIM_PREFIX] != row[0] or SPECIAL[DOCUMENT_END] not in row:
                continue
            assert row[1] == SPECIAL[FIM_SUFFIX]
            middle, end = row.index(SPECIAL[FIM_MIDDLE]), row.index(SPECIAL[DOCUMENT_END])
            suffix, before = text_of(row[2:middle]), text_of(row[middle + 1 : end])
            assert any(before + suffix in document for document in DOCUMENTS)
            seen += 1
    assert seen > 20


def test_cuts_fall_inside_words_and_at_line_ends() -> None:
    everything = batches(fim_rate=1.0, sequence_length=256)
    starts = []
    for step in range(40):
        rows = everything.rows(step, 0, 4)[0].tolist()
        rearranged = [row for row in rows if row[0] == SPECIAL[FIM_PREFIX]]
        starts += [text_of(row[2 : row.index(SPECIAL[FIM_MIDDLE])])[:1] for row in rearranged]
    assert 0.3 < np.mean([start in ("\n", "") for start in starts]) < 0.9
    assert np.mean([start.isalnum() for start in starts]) > 0.1


def marked_rows(line_end_rate: float = 0.5) -> list[tuple[str, str, str]]:
    """What stands after, before and behind the mark in the rows that are one rearranged document each."""
    everything = batches(fim_rate=1.0, fim_marked=True, sequence_length=256, fim_line_end_rate=line_end_rate)
    found = []
    for step in range(60):
        inputs, targets = everything.rows(step, 0, 4)
        for row, last in zip(inputs.tolist(), targets[:, -1].tolist(), strict=True):
            row = [*row, last]
            if row[0] != SPECIAL[FIM_SUFFIX] or SPECIAL[DOCUMENT_END] not in row:
                continue
            prefix, middle = row.index(SPECIAL[FIM_PREFIX]), row.index(SPECIAL[FIM_MIDDLE])
            end = row.index(SPECIAL[DOCUMENT_END])
            found.append((text_of(row[1:prefix]), text_of(row[prefix + 1 : middle]), text_of(row[middle + 1 : end])))
    return found


def test_marked_rows_say_where_the_missing_lines_begin() -> None:
    rows = marked_rows()
    assert len(rows) > 50
    for after, before, missing in rows:
        assert any(before + missing + after in document for document in DOCUMENTS)
        # The token that holds the line end before the missing lines may begin earlier, with a line's last characters.
        first, newline, _ = missing.partition("\n")
        assert not before or (newline and len(first) < 8)
        assert 1 <= len([line for line in missing.split("\n")[1:] if line.strip()] or [missing]) <= 4
    assert 0.3 < np.mean([after[:1] in ("\n", "") for after, _, _ in rows]) < 0.9


def test_marked_rows_end_where_a_line_does() -> None:
    rows = marked_rows(line_end_rate=1.0)
    assert all(after[:1] in ("\n", "") for after, _, _ in rows)
    assert all(missing.strip() and not missing.endswith((" ", "\n")) for _, _, missing in rows)
    assert 0.6 < np.mean([missing.count("\n") <= 1 for _, _, missing in rows]) < 0.95


def test_padding_is_no_target() -> None:
    everything = batches(fim_rate=1.0)
    for step in range(20):
        inputs, targets = everything.rows(step, 0, 4)
        assert SPECIAL[PADDING] not in targets
        assert (targets != -100).float().mean() > 0.6
        assert inputs.shape == targets.shape == (4, 64)


def test_plain_rows_are_left_alone_without_fim() -> None:
    inputs, _ = batches(fim_rate=0.0).rows(0, 0, 4)
    assert SPECIAL[FIM_PREFIX] not in inputs


def test_evaluation_rows_are_even_and_plain() -> None:
    inputs, targets = evaluation_rows(FILE, 64, 5)
    assert inputs.shape == (5, 64)
    assert torch.equal(inputs[0], torch.from_numpy(FILE.tokens[:64].astype(np.int64)))
    assert torch.equal(inputs[:, 1:], targets[:, :-1])


def test_a_corpus_too_short_says_so() -> None:
    short = TokenFile(FILE.tokens[:50], 50, "digest")
    with pytest.raises(InputError, match="50 training tokens; at least 129 are needed"):
        TrainingBatches(BatchConfig(sequence_length=64), short, TOKENIZER, 1)
    with pytest.raises(InputError, match=r"at least 65 are needed"):
        evaluation_rows(short, 64, 5)
