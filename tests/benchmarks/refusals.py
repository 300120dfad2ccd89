"""How many true lines the checks refuse, and how many wrong ones they let through.

`python tests/benchmarks/refusals.py --places 5000 --seed 1 PATH…` draws lines of the Python files under the paths,
drops the text after them as if they were typed downwards, and lets the true line, and then a wrong one, be judged as
if a model were sure of it. A wrong line is one that the interpreter says no further text can mend, in a file that was
whole. Names are known: the memory is told so.
"""

import argparse
import ast
import random
import re
import statistics
import time
from collections import Counter
from pathlib import Path

from lineahead.memory.memory import NoMemory
from lineahead.place import Place
from lineahead.reasons import Reason
from lineahead.suggest.candidates import Candidate
from lineahead.suggest.ends import ends
from lineahead.suggest.policy import refusal

INCOMPLETE_INPUT = ast.PyCF_ONLY_AST | 0x4000
BY_DESIGN = {"lone-closer", "repeat", "secret", "invisible-characters"}  # never suggested, true or not


class KnowsAll(NoMemory):
    def knows(self, _word: str) -> bool:
        return True


KNOWS_ALL = KnowsAll()


def mendable(code: str) -> bool:
    try:
        compile(code, "", "exec", INCOMPLETE_INPUT)
    except SyntaxError as error:
        return error.msg == "incomplete input"
    return True


def wrong_lines(line: str, other: str, chance: random.Random) -> list[str]:
    """Lines that may be wrong, made of a true one: which are is for the interpreter to say."""
    closers = [found.start() for found in re.finditer(r"[)\]}(\[{]", line)]
    words = list(re.finditer(r"\b(?:def|class|return|if|in|for|import|not|is|and|else|with|as)\b", line))
    made = ["    " + line, other.strip()]
    if closers:
        at = chance.choice(closers)
        made.append(line[:at] + line[at + 1 :])
    if words:
        word = chance.choice(words)
        made.append(f"{line[: word.end()]} {word[0]}{line[word.end() :]}")
    return made


def judged(place: Place, line: str) -> tuple[str, str, float]:
    """What is shown of a line that ends in a line break, why nothing is, and the milliseconds that it took."""
    text = line.encode()
    candidate = Candidate(text, ((len(text), 0.0),), True)
    started = time.perf_counter()
    for end in ends(place, candidate)[-1:]:
        reason = refusal(place, end, candidate, KNOWS_ALL)
        return ("" if reason else end.text), str(reason or ""), 1000 * (time.perf_counter() - started)
    return "", str(Reason.BLANK), 1000 * (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--places", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=0, help="refused true lines and wrong ones to print")
    parser.add_argument("paths", nargs="+", type=Path)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    texts: list[str] = []
    for path in sorted(file for folder in options.paths for file in folder.rglob("*.py")):
        if {"site-packages", "lib2to3", "idlelib"} & set(path.parts):
            continue
        try:
            text = path.read_text(encoding="utf-8")
            ast.parse(text)
        except (UnicodeDecodeError, SyntaxError, ValueError, RecursionError):
            continue
        if len(text) <= 300_000 and text.strip():
            texts.append(text)
    refused: Counter[str] = Counter()
    by_design: Counter[str] = Counter()
    through = wrongs = cut = true_lines = 0
    times: list[float] = []
    show = options.show
    while true_lines < options.places:
        text = chance.choice(texts)
        lines = text.splitlines(keepends=True)
        number = chance.randrange(len(lines))
        line = lines[number].rstrip()
        body = line.lstrip()
        other = chance.choice(chance.choice(texts).splitlines() or [""])
        if not body or body.startswith("#"):
            continue
        above = "".join(lines[:number])
        indent = line[: len(line) - len(body)]
        place = Place(above + indent, len(above + indent))
        if place.in_comment_or_string:
            continue
        true_lines += 1
        shown, reason, took = judged(place, body)
        times.append(took)
        cut += bool(shown) and shown != body
        if reason in BY_DESIGN:
            by_design[reason] += 1
        elif reason:
            refused[reason] += 1
            if show > 0:
                show -= 1
                print(f"refused, {reason}: {lines[number - 1].rstrip()[-60:]!r} ⏎ {line!r}")
        for wrong in wrong_lines(body, other, chance):
            if wrong == body or not wrong.strip() or mendable(f"{above}{indent}{wrong}\n"):
                continue
            wrongs += 1
            shown, _, _ = judged(place, wrong)
            through += shown == wrong
            if shown == wrong and show > 0:
                show -= 1
                print(f"let through: {lines[number - 1].rstrip()[-60:]!r} ⏎ {indent + wrong!r}")
    times.sort()
    print(f"{true_lines} true lines of {len(texts)} files: {sum(refused.values())} refused, {dict(refused)}; {cut} cut")
    print(f"refused by design: {dict(by_design)}")
    print(f"{wrongs} wrong lines: {through} let through whole ({through / max(1, wrongs):.1%})")
    print(f"a check: {statistics.median(times):.2f} ms in the median, {times[int(len(times) * 0.95)]:.2f} ms at p95")


if __name__ == "__main__":
    main()
