"""A short run of the fuzzer; `python tests/benchmarks/fuzz.py` is a long one."""

from benchmarks.fuzz import fuzz


def test_random_clients_bring_nothing_down() -> None:
    assert fuzz(400) >= 400
