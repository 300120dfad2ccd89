"""A short run of the fuzzer; `python tests/fuzz_server.py` is a long one."""

from fuzz_server import fuzz


def test_random_clients_bring_nothing_down() -> None:
    assert fuzz(400) >= 400
