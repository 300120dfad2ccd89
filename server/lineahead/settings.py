"""What a person can set, and what becomes of what a client sends."""

import json
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

import cattrs

BOUNDS = {"debounce": (0, 1000), "show_after": (0, 2000), "max_lines": (1, 20), "confidence": (0, 1)}
GENERAL = ("memory", "statistics", "model", "log")
"""Settings that are the same for all documents."""
CLIENT_ONLY = frozenset({"interpreter", "trace"})


@dataclass(frozen=True)
class Settings:
    """Each one is in the editor's settings as `lineahead.` and its name in camel case."""

    enable: dict[str, bool] = field(default_factory=lambda: {"python": True})
    """Which language ids are completed; "*" stands for all that are not named."""
    debounce: int = 15
    """Milliseconds without a new key before a suggestion that nobody asked for by name is computed."""
    show_after: int = 150
    """Milliseconds without a new key before a new suggestion is shown as ghost text; computing it is within that."""
    max_lines: int = 4
    """The most lines of a suggestion in an empty block; it is one line everywhere else."""
    completion_list: Literal["whenAsked", "always", "never"] = "whenAsked"
    """When the list of completions has suggestions too; a client without ghost text has them there but for "never"."""
    comments_and_strings: Literal["never", "lineEnd", "always"] = "lineEnd"
    """Whether text in comments and strings is completed: nowhere, where nothing follows on the line, everywhere."""
    confidence: float = 0.3
    """What is less probable than this is not shown, unless it was asked for by name."""
    exclude: tuple[str, ...] = ()
    """Globs, as in .gitignore, of files that are neither learned from nor completed; each may begin at any folder."""
    memory: Literal["off", "file", "open", "project"] = "project"
    """What suggestions learn from: nothing, this file, the other open ones too, the project's Python files as well."""
    statistics: Literal["off", "session", "keep"] = "session"
    """Whether numbers are counted, and whether a client that can keeps them when the server ends."""
    model: str = ""
    """A model folder; the bundled model where it is empty."""
    log: str = ""
    """A file to which requests are saved, with the code that they are about; none where it is empty."""

    def is_enabled(self, language: str) -> bool:
        """Whether a language is completed, by its id."""
        return self.enable.get(language, self.enable.get("*", False))


def _exactly(kind: type) -> Any:
    """A hook that takes values of one JSON type as they are: cattrs alone would make True of "no"."""

    def structure(value: Any, _: Any) -> Any:
        if kind is float and type(value) is int:
            return float(value)
        if type(value) is not kind:
            raise ValueError
        return value

    return structure


def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(detailed_validation=False)
    for kind in (bool, int, float, str):
        converter.register_structure_hook(kind, _exactly(kind))
    return converter


def _in_words(kind: Any, default: object) -> str:
    """What a setting of some type takes."""
    if choices := get_args(kind) if get_origin(kind) is Literal else ():
        *others, last = (json.dumps(choice) for choice in choices)
        return f"{', '.join(others)} or {last}"
    if get_origin(kind) is dict:
        return f"an object such as {json.dumps(default)}"
    if get_origin(kind) is tuple:
        return 'a list such as ["generated/", "*_pb2.py"]'
    return str(kind.__name__)


CONVERTER = _converter()
TYPES = get_type_hints(Settings)


def camel_case(name: str) -> str:
    """A field's name as a client writes it.

    >>> camel_case("max_lines")
    'maxLines'
    """
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


def read(raw: object) -> tuple[Settings, list[str]]:
    """Settings from a JSON object, and what is wrong with it: a bad value is left at its default."""
    if raw is None:
        return Settings(), []
    if not isinstance(raw, dict):
        return Settings(), [f"lineahead: expected an object with settings, found {raw!r}; using the defaults"]
    defaults, good, problems = Settings(), {}, []
    known = {camel_case(setting.name): setting.name for setting in fields(Settings)}
    for key, value in raw.items():
        if key in CLIENT_ONLY or (value is None and key in known):
            continue
        if key not in known:
            problems.append(f"lineahead.{key}: no such setting; there are {', '.join(known)}")
            continue
        name = known[key]
        low, high = BOUNDS.get(name, (None, None))
        try:
            if get_origin(TYPES[name]) is tuple and not isinstance(value, list | tuple):
                raise ValueError
            structured = CONVERTER.structure(value, TYPES[name])
            if low is not None and high is not None and not low <= structured <= high:
                raise ValueError
            good[name] = structured
        except Exception:  # what cattrs raises depends on the type
            bounds = f" from {low} to {high}" if low is not None else ""
            default = getattr(defaults, name)
            expected = _in_words(TYPES[name], default)
            problems.append(f"lineahead.{key}: expected {expected}{bounds}, found {value!r}; using {default!r}")
    return Settings(**good), problems
