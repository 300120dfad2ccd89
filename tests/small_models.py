"""What several test modules share: a small tokenizer and sizes of a small decoder."""

from functools import cache

from training import bpe
from training.bpe import BPETokenizer, Pattern
from training.models.decoder import DecoderConfig

SOURCE = '''import os


class Stack:
    """A last-in, first-out list."""

    def __init__(self, items=()):
        self.items = list(items)

    def push(self, item):
        self.items.append(item)
        return self

    def pop(self):
        if not self.items:
            raise IndexError("pop from an empty stack")
        return self.items.pop()


def read_lines(path):
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file):
            yield number, line.rstrip("\\n")


def total_size(folder):
    return sum(os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder))
'''


@cache
def small_tokenizer(pattern: Pattern = "line") -> BPETokenizer:
    """A BPE of at most 600 tokens, trained on SOURCE."""
    return bpe.train(iter([SOURCE] * 20), 600, pattern)


def small_decoder_config() -> DecoderConfig:
    """Sizes at which a test takes milliseconds."""
    return DecoderConfig(
        vocab_size=600,
        context_window_size=64,
        hidden_size=48,
        intermediate_size=96,
        num_layers=2,
        num_heads=4,
        num_key_value_heads=2,
        head_size=16,
    )
