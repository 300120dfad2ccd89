"""Type some of your code again, and say how much of it suggestions would have written: `lineahead replay PATH …`.

Parts of the files are typed downwards, key by key, each seeing the rest of its project but for its own file. What is
suggested in time and goes on right is accepted with Tab, as a whole; the rest is typed. An editor's own indentation of
a new line counts as one key with the line end.
"""

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from lineahead.commands.opened import learnable, learned, named, no_code, number, open_model
from lineahead.engine.engine import Engine
from lineahead.engine.errors import ModelError
from lineahead.engine.open import BUNDLED_MODEL
from lineahead.memory.memory import Memory
from lineahead.place import Place
from lineahead.settings import Settings
from lineahead.suggest.judgement import Judgement
from lineahead.suggest.policy import Answer, complete
from lineahead.suggest.reuse import reuse

LEAST_ACCEPTED = 2  # characters: Tab is a key, too


@dataclass
class Typed:
    """What came of typing some text."""

    characters: int = 0
    by_tab: int = 0
    """Of these characters."""
    keys: int = 0
    """Pressed, Tab included."""
    accepted: int = 0
    wrong: int = 0
    """Suggestions that were seen and went on otherwise."""
    late: int = 0
    """Suggestions that came after the next key."""
    waits: list[float] = field(default_factory=list)
    """Milliseconds until each answer that was computed."""
    silent: Counter[str] = field(default_factory=Counter)
    """Answers without a suggestion, by their reason."""

    def __add__(self, other: "Typed") -> "Typed":
        """Both together."""
        return Typed(*(getattr(self, name) + getattr(other, name) for name in Typed.__dataclass_fields__))


@dataclass(frozen=True)
class Typist:
    """Somebody who types with suggestions."""

    engine: Engine
    memory: Memory
    settings: Settings
    judgement: Judgement
    pace: float
    """Keys a second."""

    def type(self, text: str, path: str, start: int, end: int) -> Typed:
        """Type a part of a text, behind what is there before it."""
        done = Typed(characters=end - start)
        place, answer, offset = Place("", 0), Answer(), start
        while offset < end:
            here = Place(text[:offset], offset, path=path)
            known = reuse(place, answer, here)
            in_time = True
            if known is None:
                began = time.perf_counter()
                known = complete(here, self.settings, self.engine, memory=self.memory, judgement=self.judgement)
                wait = time.perf_counter() - began + self.settings.debounce / 1000
                done.waits.append(1000 * wait)
                in_time = wait < 1 / self.pace
                if known.suggestions:
                    done.late += not in_time
                    done.wrong += in_time and not text.startswith(known.suggestions[0].text, offset)
                else:
                    done.silent[str(known.reason)] += 1
            place, answer = here, known
            suggested = answer.suggestions[0].text if answer.suggestions and in_time else ""
            done.keys += 1
            after = offset + len(suggested)
            if len(suggested) >= LEAST_ACCEPTED and text.startswith(suggested, offset) and after <= end:
                done.accepted += 1
                done.by_tab += len(suggested)
                offset = after
            else:
                offset += self._key(text, offset)
        return done

    def _key(self, text: str, offset: int) -> int:
        """The characters that a key writes."""
        if text[offset] != "\n":
            return 1
        following = text[offset + 1 :]
        return 1 + len(following) - len(following.lstrip(" \t"))


def parts(paths: list[Path], keys: int, choose: random.Random) -> Iterator[tuple[Path, str, int, int]]:
    """Random parts of Python files, of as many characters each as one types in some minutes."""
    texts = learnable(paths)
    files = list(texts)
    while files:
        text = texts[file := choose.choice(files)]
        start = text.rfind("\n", 0, choose.randrange(len(text))) + 1
        yield file, text, start, min(len(text), start + keys)


def report(done: Typed) -> str:
    """What a person wants to know."""
    median, slow = np.percentile(done.waits or [0.0], [50, 95])
    silent = ", ".join(f"{reason} {count}" for reason, count in done.silent.most_common())
    by_tab, fewer = done.by_tab / max(1, done.characters), 1 - done.keys / max(1, done.characters)
    each, wrong = done.by_tab / max(1, done.accepted), 100 * done.wrong / max(1, done.keys)
    return (
        f"{done.characters:,} characters in {done.keys:,} keys: {by_tab:.0%} written by Tab, {fewer:.0%} fewer keys\n"
        f"{done.accepted} suggestions accepted, {each:.1f} characters each; {done.wrong} seen and wrong, "
        f"{wrong:.1f} in 100 keys; {done.late} came too late\n"
        f"{len(done.waits):,} computed, {median:.0f} ms in the median and {slow:.0f} at the 95th percentile\n"
        f"silent: {silent or 'never'}"
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="lineahead replay", description=__doc__)
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a file or a folder")
    parser.add_argument("--characters", type=number(int, 1), default=3000, help="to type in all (default: %(default)s)")
    parser.add_argument(
        "--part", type=number(int, 1), default=500, help="characters typed in one place (default: %(default)s)"
    )
    parser.add_argument("--pace", type=number(float, 0.01), default=5.0, help="keys a second (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", type=Path, default=BUNDLED_MODEL, metavar="FOLDER")
    parser.add_argument("--confidence", type=number(float, 0, 1), default=Settings().confidence, help="the setting")
    options = parser.parse_args(arguments)
    try:
        engine, gate, judges = open_model(options.model)
        paths = named(options.paths)  # a place knows its own file by its whole path
        memory = learned(paths, gate, engine.vocabulary)
        typist = Typist(engine, memory, replace(Settings(), confidence=options.confidence), judges, options.pace)
        done = Typed()
        for file, text, start, end in parts(paths, options.part, random.Random(options.seed)):
            left = options.characters - done.characters
            done += typist.type(text, str(file), start, min(end, start + left))
            print(f"\r{done.characters:,} of {options.characters:,} characters", end="", file=sys.stderr, flush=True)
            if done.characters >= options.characters:
                break
        print(file=sys.stderr)
    except (ModelError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if not done.characters:
        print(f"error: {no_code(paths)}", file=sys.stderr)
        return 2
    print(report(done))
    return 0
