"""What `pip install lineahead` brings: small, and without PyTorch."""

from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

MOST_BYTES = 250e6  # on disk; a wheel's environment has pip beside it


def required(name: str, seen: set[str]) -> set[str]:
    """The distributions that one needs without its extras, itself included."""
    if name in seen:
        return seen
    seen.add(name)
    for line in distribution(name).requires or []:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            required(requirement.name, seen)
    return seen


def test_the_server_needs_no_pytorch_and_little_room() -> None:
    names = required("lineahead", set())
    assert not names & {"torch", "transformers", "pandas", "matplotlib"}
    size = 0
    for name in names - {"lineahead"}:
        for file in distribution(name).files or []:
            path = Path(str(distribution(name).locate_file(file)))
            size += path.stat().st_size if path.is_file() else 0
    size += sum(source.stat().st_size for source in Path("server/lineahead").rglob("*") if source.is_file())
    assert 50e6 < size < MOST_BYTES, f"{size / 1e6:.0f} MB of {sorted(names)}"
