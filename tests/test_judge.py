"""Judging ahead, in tasks: the same documents as ever, whoever runs the tasks and however often they are killed."""

import gzip
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import training.judge
from training import config, dataset, door
from training.config import RunConfig
from training.corpus.ahead import shares
from training.corpus.corpus import read_documents
from training.corpus.judged import files_of_tasks, folder_of_tasks
from training.corpus.tally import CorpusReport
from training.corpus.workers import Workers
from training.judge import __main__ as command

ROOT = Path(__file__).parents[1]
TASKS = 4

# The tasks of this process die as by `kill -9` when the third of them has judged something.
DYING = """\
import os, signal, sys
from training.judge import __main__, step

judge_share = step.judge_share

def dying(config, judged, rank, tasks):
    for candidate in judge_share(config, judged, rank, tasks):
        yield candidate
        if rank == 2:
            os.kill(os.getpid(), signal.SIGKILL)

step.judge_share = dying
sys.exit(__main__.main(sys.argv[1:]))
"""

# Stands in for Slurm: an array's jobs run at once, one after the other, and one's that another depends on have ended.
SLURM = {
    "sbatch": """\
for script; do :; done
jobs=$(sed -n 's/^#SBATCH --array=0-\\([0-9]*\\).*/\\1/p' "$script")
for SLURM_ARRAY_TASK_ID in $(seq 0 "$jobs"); do
  export SLURM_ARRAY_TASK_ID RUN_OFFSET=0 SLURM_NODELIST=here
  bash "$script" >>"$FAKE_SLURM_LOG" 2>&1 || exit 1
done
echo Submitted batch job 7""",
    "srun": 'while [[ $1 == -* ]]; do [[ $1 == -n ]] && shift; shift; done\nexec "$@"',
    "scontrol": "echo here",
}


def code(number: int) -> str:
    """A different little program for each number."""
    body = "\n".join(f"    step_{number}_{line} = value_{number * 31 + line} + {line}" for line in range(12))
    return f"def function_{number}(argument):\n{body}\n    return argument\n"


@pytest.fixture
def settings(tmp_path: Path, code_folder: Path) -> RunConfig:
    """Real code, and three files of rows in which good ones come again, almost, and bad ones too."""
    names = []
    for number, numbers in enumerate((range(40), range(20, 60), range(50, 90))):
        texts = [code(row) + "\n" * number for row in numbers] + [f"def broken_{number}(:\n" * 20, f"x = {number}\n"]
        rows = [json.dumps({"content": text, "repo_name": f"project{row % 9}"}) for row, text in enumerate(texts)]
        names.append(str(tmp_path / f"rows{number}.jsonl.gz"))
        Path(names[-1]).write_bytes(gzip.compress("\n".join(rows).encode()))
    (tmp_path / "config.toml").write_text(
        f"run.data = {str(tmp_path / 'data')!r}\ncorpus.validation_share = 0.3\n"
        f"corpus.sources = {[names[0], str(code_folder), *names[1:]]}\n"
    )
    return config.load(tmp_path / "config.toml")


def arguments(tmp_path: Path, workers: int, *others: str) -> list[str]:
    return [str(tmp_path / "config.toml"), "--tasks", str(TASKS), "--workers", str(workers), *others]


def judge(tmp_path: Path, workers: int, *others: str, **environment: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "training.judge", *arguments(tmp_path, workers, *others)]
    return subprocess.run(
        words, env=os.environ | environment, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False
    )


def judged_of(settings: RunConfig) -> Path:
    return dataset.judged_for(dataset.folder_for(settings.corpus, settings.tokenizer, Path(settings.run.data)))


def unparsable(folder: Path) -> int:
    """How many texts do not parse, by the statistics of all tasks."""
    (step,) = json.loads((folder / "stats.json").read_text())
    count = step["stats"]["unparsable"]
    return int(count["total"] if isinstance(count, dict) else count)  # datatrove writes what it has merged at length


def hold_equal(settings: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read the corpus with and without what the tasks found; with it no text may be judged again."""
    plain, helped = CorpusReport(), CorpusReport()
    documents = list(read_documents(settings.corpus, plain))
    asked: list[str] = []
    ask = Workers.map

    def count(self: Workers[Any, Any], items: Iterable[tuple[Any, str]]) -> Iterator[Any]:
        for context, text, result in ask(self, items):
            asked.append(text)
            yield context, text, result

    with monkeypatch.context() as patch:
        patch.setattr(Workers, "map", count)
        assert list(read_documents(settings.corpus, helped, judged_of(settings))) == documents
    assert len(asked) > len(documents) > 100
    assert not any(asked)
    assert helped == plain
    assert {"duplicate", "unparsable", "too_short"} <= set(plain.reasons())


@given(st.integers(1, 9), st.integers(1, 40))
def test_tasks_share_each_source_out_evenly(sources: int, tasks: int) -> None:
    names = tuple(f"source {number}" for number in range(sources))
    judged = Counter(
        (share.source, candidate)
        for rank in range(tasks)
        for share in shares(names, rank, tasks)
        for candidate in range(share.part, 100, share.parts)
    )
    assert judged == Counter((name, candidate) for name in names for candidate in range(100))


@pytest.mark.slow
def test_four_tasks_on_two_workers_find_what_one_process_finds(
    settings: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = judge(tmp_path, 2)
    assert done.returncode == 0, done.stderr
    folder = folder_of_tasks(judged_of(settings), TASKS)
    assert len(list((folder / "completions").iterdir())) == TASKS
    hold_equal(settings, monkeypatch)
    assert unparsable(folder) == 3
    prepared = dataset.prepare(settings.corpus, settings.tokenizer, Path(settings.run.data))
    assert [path.name for path in Path(settings.run.data).iterdir()] == [prepared.folder.name]  # no verdict is left
    again = judge(tmp_path, 2)
    assert (again.returncode, again.stderr) == (0, "")
    assert "prepared already" in again.stdout


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="no such signal")
def test_tasks_that_were_killed_go_on(settings: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed = subprocess.run([sys.executable, "-c", DYING, *arguments(tmp_path, 1)], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    folder = folder_of_tasks(judged_of(settings), TASKS)
    assert sorted(path.name for path in (folder / "completions").iterdir()) == ["00000", "00001"]
    logs = {path: path.stat().st_mtime_ns for path in (folder / "logs").glob("task_0000[01].log")}
    done = judge(tmp_path, 1)
    assert done.returncode == 0, done.stderr
    assert len(logs) == 2
    assert all(path.stat().st_mtime_ns == time for path, time in logs.items())  # these were not run again
    hold_equal(settings, monkeypatch)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="no such signal")
def test_a_run_after_some_of_the_tasks_judges_the_rest(settings: RunConfig, tmp_path: Path) -> None:
    expected = list(read_documents(settings.corpus))
    subprocess.run([sys.executable, "-c", DYING, *arguments(tmp_path, 1)], cwd=ROOT, check=False)
    judged = judged_of(settings)
    assert files_of_tasks(judged)
    assert list(read_documents(settings.corpus, judged=judged)) == expected


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_source_that_cannot_be_read_is_one_line(settings: RunConfig, tmp_path: Path, workers: int) -> None:
    rows = tmp_path / "rows2.jsonl.gz"
    whole = rows.read_bytes()
    rows.write_bytes(whole[: len(whole) // 2])
    broken = judge(tmp_path, workers)
    assert broken.returncode == door.FAILED
    assert broken.stderr.splitlines()[-1].startswith(f"error: corpus.sources: {rows}: expected JSON lines")
    rows.write_bytes(whole)
    assert judge(tmp_path, workers).returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Slurm's programs are shell scripts here")
def test_slurm_gets_jobs_that_run(settings: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = tmp_path / "slurm"
    programs.mkdir()
    for name, script in SLURM.items():
        (programs / name).write_text(f"#!/usr/bin/env bash\nset -eu\n{script}\n")
        (programs / name).chmod(0o755)
    refused = programs / "refused"
    refused.mkdir()
    (refused / "sbatch").symlink_to("/bin/false")
    slurm = ["--executor", "slurm", "--partition", "cpu"]
    failed = judge(tmp_path, 2, *slurm, PATH=f"{refused}{os.pathsep}{os.environ['PATH']}")
    assert failed.returncode == door.FAILED
    assert failed.stderr.splitlines()[-1].startswith("error: Command '['sbatch'")
    path, log = f"{programs}{os.pathsep}{os.environ['PATH']}", tmp_path / "slurm.log"
    done = judge(tmp_path, 2, *slurm, PATH=path, PYTHONPATH=str(ROOT), FAKE_SLURM_LOG=str(log))
    assert done.returncode == 0, done.stderr + log.read_text()
    assert unparsable(folder_of_tasks(judged_of(settings), TASKS)) == 3
    hold_equal(settings, monkeypatch)


def test_what_cannot_be_shared_out_is_told(
    settings: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main([str(tmp_path / "config.toml"), "corpus.limit=9"]) == door.FAILED
    assert "error: corpus.limit: expected none, found 9" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "ray", None)  # as an import without the package fails
    assert command.main(arguments(tmp_path, 1, "--executor", "ray")) == door.FAILED
    assert "pip install ray" in capsys.readouterr().err
    monkeypatch.delattr(training.judge, "executors")
    monkeypatch.setitem(sys.modules, "training.judge.executors", None)  # as if it could not import datatrove
    assert command.main(arguments(tmp_path, 1)) == door.FAILED
    assert "pip install 'lineahead[training,datatrove]'" in capsys.readouterr().err
