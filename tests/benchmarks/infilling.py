"""How many missing lines of HumanEval-infilling the server fills in: `python tests/benchmarks/infilling.py TASKS`.

TASKS is the benchmark's HumanEval-SingleLineInfilling.jsonl.gz (Bavarian et al., 2022). The cursor stands behind the
missing line's indentation, with the text on both sides; a suggestion is asked for explicitly. Exact: the suggestion is
the missing line. Passed: with it, the function passes the task's tests, each in a process of its own with limits. Each
task is a new file, and the memory knows no other. Run it for final figures, and choose nothing by it.
"""

import argparse
import gzip
import json
import os
import resource
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).parents[1]))  # as a script, it has only its own folder
from raw_client import SERVER, RawClient

import lineahead
from lineahead.engine.open import BUNDLED_MODEL
from training import format
from training.report import measures, results

SECONDS, MEMORY = 5, 2**30  # of a task's tests
CODE = ("tests/benchmarks/infilling.py",)


def before_the_line(task: dict[str, Any]) -> str:
    """The text up to the missing line, with its indentation."""
    line = task["canonical_solution"]
    return str(task["prompt"] + line[: -len(line.lstrip())])


def suggestion(client: RawClient, number: int, task: dict[str, Any]) -> str:
    """The rest of the missing line, as the server writes it; "" where it is silent."""
    before, uri = before_the_line(task), f"file:///task{number}.py"
    client.open(uri, f"{before}\n{task['suffix']}")
    texts = client.ghost(uri, before.count("\n"), len(before.rpartition("\n")[2]), explicit=True)
    client.tell("textDocument/didClose", {"textDocument": {"uri": uri}})
    return texts[0] if texts else ""


def passes(task: dict[str, Any], text: str) -> bool:
    """Whether a task's tests hold with a suggestion in place of the missing line."""
    whole = f"{before_the_line(task)}{text}\n{task['suffix']}\n{task['test']}\ncheck({task['entry_point']})\n"

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))

    with tempfile.TemporaryDirectory() as folder:
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-c", whole],
                cwd=folder, env={}, stdin=subprocess.DEVNULL, capture_output=True, timeout=2 * SECONDS,
                preexec_fn=limit if os.name != "nt" else None, check=False,
            )  # fmt: skip
        except (subprocess.TimeoutExpired, ValueError):  # too slow, or no text that a process takes
            return False
    return done.returncode == 0


def share(which: list[bool], functions: list[str]) -> list[float]:
    """Per cent, and a 95 % interval by a bootstrap over functions, whose lines belong together."""
    generator, names = np.random.default_rng(0), sorted(set(functions))
    of = np.array([names.index(function) for function in functions])
    right, all_of_it = np.bincount(of, weights=which), np.bincount(of)
    drawn = generator.multinomial(len(names), np.full(len(names), 1 / len(names)), size=measures.SAMPLES)
    found = measures.estimate(100 * np.mean(which), 100 * (drawn @ right) / (drawn @ all_of_it))
    return [round(number, 2) for number in (found.value, found.low, found.high)]


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("tasks", type=Path, metavar="TASKS", help="HumanEval-SingleLineInfilling.jsonl.gz")
    parser.add_argument("--model", type=Path, default=BUNDLED_MODEL, metavar="FOLDER")
    parser.add_argument("--limit", type=int, metavar="N", help="the first tasks only, to try it")
    parser.add_argument("--json", type=Path, metavar="FILE", help="results for the report")
    options = parser.parse_args()
    with gzip.open(options.tasks, "rt", encoding="utf-8") as lines:
        tasks = [json.loads(line) for line in lines][: options.limit]
    client = RawClient(*SERVER, "--model", str(options.model))
    client.wait_ready()
    texts = [suggestion(client, number, task) for number, task in enumerate(tqdm(tasks, unit="task"))]
    client.close()
    exact = [task["canonical_solution"].strip() == text.rstrip() for task, text in zip(tasks, texts, strict=True)]
    with ThreadPoolExecutor(os.cpu_count()) as executor:
        passed = list(tqdm(executor.map(passes, tasks, texts), total=len(tasks), desc="testing", unit="task"))
    functions = [task["task_id"].rpartition("/")[0] for task in tasks]
    print("| | tasks | % (95 % interval) |\n| --- | --- | --- |")
    found = {"shown": list(map(bool, texts)), "exact": exact, "passed": passed}
    shares = {name: share(which, functions) for name, which in found.items()}
    for name, (value, low, high) in shares.items():
        print(f"| {name} | {sum(found[name]):,} of {len(tasks):,} | {value:.1f} ({low:.1f} … {high:.1f}) |")
    if options.json:
        results.write(
            options.json,
            command=f"python tests/benchmarks/infilling.py {options.tasks.name}",
            date=datetime.now(UTC).date().isoformat(),
            code=CODE,
            server=results.sha256_of_tree(Path(lineahead.__file__).parent),
            model=results.sha256(options.model / format.GRAPH),
            tasks=len(tasks),
            shares=shares,
            suggested={task["task_id"]: text for task, text in zip(tasks, texts, strict=True)},
        )


if __name__ == "__main__":
    main()
