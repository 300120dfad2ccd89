"""Time and memory of preparing a corpus: `python tests/benchmarks/corpus_preparation.py [CONFIG] …`.

Prepares the config's corpus from the beginning in a temporary folder, and samples the memory of this process
and of its workers together. Needs the extra `dev` (psutil).
"""

import argparse
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from training import config, dataset
from training.errors import InputError

SAMPLING_SECONDS = 0.1


class PeakMemory:
    """The largest sum of proportional set sizes of this process and its children: shared pages count once."""

    def __init__(self) -> None:
        self.bytes = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _sample(self) -> None:
        this = psutil.Process()
        while not self._done.wait(SAMPLING_SECONDS):
            total = 0
            for process in [this, *this.children(recursive=True)]:
                try:
                    memory = process.memory_full_info()
                    total += getattr(memory, "pss", memory.rss)
                except psutil.Error:  # a worker that has just ended
                    continue
            self.bytes = max(self.bytes, total)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", nargs="?", default="decoder-cpu", help="default: decoder-cpu")
    parser.add_argument("overrides", nargs="*", metavar="section.key=value")
    options = parser.parse_intermixed_args(arguments)
    try:
        settings = config.load(options.config, options.overrides)
        with tempfile.TemporaryDirectory() as folder, PeakMemory() as peak:
            started = time.perf_counter()
            prepared = dataset.prepare(settings.corpus, settings.tokenizer, Path(folder))
            seconds = time.perf_counter() - started
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    text_bytes = sum(file.text_bytes for file in prepared.splits.values())
    tokens = sum(len(file.tokens) for file in prepared.splits.values())
    print(f"{text_bytes / 1e6:,.0f} MB of text, {tokens:,} tokens in {seconds:,.0f} s")
    print(f"peak memory {peak.bytes / 1e6:,.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
