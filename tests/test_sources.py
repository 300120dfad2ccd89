"""Where documents come from: the environment, folders, packages and tables."""

import gzip
import importlib.metadata
import json
import sys
import threading
import zipfile
from collections.abc import Iterator, Sequence
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from training import config
from training.corpus import packages, sources, tables
from training.corpus.documents import Candidate
from training.errors import InputError

MIT_TEXT = "Permission is hereby granted, free of charge, to any person obtaining a copy of this software"


def found(source: str | Path, downloads: Path = Path("nowhere"), column: str = "content") -> list[Candidate]:
    sources.check(str(source))
    total, candidates = sources.find(str(source), column, downloads, read_limit=1000)
    listed = list(candidates)
    assert total in (None, len(listed))
    return listed


def write(path: Path, text: str = "x = 1\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def wheel(folder: Path, name: str, version: str, files: dict[str, str], metadata: str = "License: MIT\n") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in files.items():
            archive.writestr(member, text)
        archive.writestr(f"{name}-{version}.dist-info/METADATA", f"Name: {name}\n{metadata}\nA description.\n")
    return path


def test_only_a_licence_s_own_file_says_what_a_folder_is_under(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    write(
        tmp_path / "licences.py",
        "PSF = 'psf license agreement for python, python software foundation license version 2'\n",
    )
    write(tmp_path / "license_check.py")
    write(tmp_path / "LICENSES.csv", "name,python software foundation license version 2\n")
    assert {candidate.licence for candidate in found(tmp_path)} == {"unknown"}
    write(tmp_path / "COPYING.md", "All that the Python Software Foundation License says is not said here.\n")
    assert {candidate.licence for candidate in found(tmp_path)} == {"unknown"}
    for name in ("LICENSE-MIT", "licence.txt", "LICENSE.md", "COPYING"):
        write(tmp_path / name, MIT_TEXT)
        assert {candidate.licence for candidate in found(tmp_path)} == {"MIT"}
        (tmp_path / name).unlink()


# The environment


def test_environment_has_the_library_and_the_packages_but_not_us(monkeypatch: pytest.MonkeyPatch) -> None:
    some = [importlib.metadata.distribution(name) for name in ("tqdm", "pytest", "lineahead", "iniconfig")]
    monkeypatch.setattr(importlib.metadata, "distributions", lambda: iter(some + some[:1]))
    total, candidates = packages.environment(read_limit=100)
    listed = [(candidate.project, candidate.path, candidate.licence) for candidate in candidates]
    assert len(listed) == len(set(listed)) == total
    assert ("python", "json/decoder.py", "PSF-2.0") in listed
    assert ("pytest", "_pytest/python.py", "MIT") in listed
    assert ("tqdm", "tqdm/std.py", "MPL-2.0 AND MIT") in listed
    assert not any("site-packages" in path or path.startswith("lib2to3/tests/data") for _, path, _ in listed)
    assert list(dict.fromkeys(project for project, _, _ in listed)) == ["python", "iniconfig", "pytest", "tqdm"]


def test_a_distribution_without_a_list_of_files_is_walked(tmp_path: Path) -> None:
    write(tmp_path / "old.egg-info" / "PKG-INFO", "Name: old\n")
    write(tmp_path / "old.egg-info" / "top_level.txt", "old_package\nold_module\n")
    write(tmp_path / "old_package" / "deep" / "a.py")
    write(tmp_path / "old_module.py")
    distribution = importlib.metadata.PathDistribution(tmp_path / "old.egg-info")
    relatives = [relative.as_posix() for _, relative in packages._installed_files(distribution)]
    assert relatives == ["old_module.py", "old_package/deep/a.py"]


def test_reading_stops_at_the_limit_and_survives_what_is_gone(tmp_path: Path) -> None:
    big = write(tmp_path / "big.py", "x" * 5000)
    assert len(packages.read(big, "big.py", "p", "MIT", 1000).content) == 1000
    assert packages.read(tmp_path / "gone.py", "gone.py", "p", "MIT", 1000).dropped == "unreadable"


# Folders


def test_a_folder_of_repositories(tmp_path: Path) -> None:
    root = tmp_path / "code"
    (root / "First_Repo" / ".git").mkdir(parents=True)
    write(root / "First_Repo" / "src" / "a.py")
    write(root / "First_Repo" / "LICENSE", MIT_TEXT)
    write(root / "First_Repo" / "examples" / "inner" / "setup.py")  # shares code with its repository
    write(root / "group" / "second" / "pyproject.toml", "")
    write(root / "group" / "second" / "b.py")
    write(root / "plain" / "deep" / "c.py")
    write(root / "top.py")
    listed = [(candidate.project, candidate.path, candidate.licence) for candidate in found(root)]
    assert listed == [
        ("first-repo", "examples/inner/setup.py", "MIT"),
        ("first-repo", "src/a.py", "MIT"),
        ("second", "b.py", "unknown"),
        ("plain", "deep/c.py", "unknown"),
        ("code", "top.py", "unknown"),
    ]


@pytest.mark.parametrize("marker", ["pyproject.toml", "setup.cfg/../setup.py", "__init__.py"])
def test_a_folder_that_is_one_project(tmp_path: Path, marker: str) -> None:
    root = tmp_path / "project"
    write(root / Path(marker).name, "")
    write(root / "part" / "a.py")
    write(root / "other" / "b.py")
    assert {candidate.project for candidate in found(root)} == {"project"}


def test_what_a_folder_leaves_out(tmp_path: Path) -> None:
    root = tmp_path / "repository"
    for folder in (".git/hooks", ".tox", "node_modules/a", "__pycache__", "env/lib", "docs"):
        write(root / folder / "a.py")
    write(root / "env" / "pyvenv.cfg", "")
    write(root / "docs" / "notes.txt")
    assert [(candidate.project, candidate.path) for candidate in found(root)] == [("repository", "docs/a.py")]


# Packages


def test_wheels_that_are_there_are_not_downloaded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "PIP", (sys.executable, "-c", "raise SystemExit('pip was called')"))
    files = {"tiny/b.py": "b = 1\n", "tiny/a.py": "a = 1\n", "tiny/data.txt": "no code"}
    wheel(tmp_path / "wheels", "tiny_thing", "1.9", files)
    wheel(tmp_path / "wheels", "tiny_thing", "1.10", files)
    wheel(tmp_path / "wheels", "other", "2", {"other.py": "o = 1\n"}, metadata="License-Expression: GPL-3.0-only\n")
    names = write(tmp_path / "names.txt", "# two packages\nTiny.Thing  # with a remark\n\nother==2\nTiny.Thing\n")
    listed = found(f"packages:{names}", tmp_path / "wheels")
    assert [(c.project, c.path, c.licence, c.content) for c in listed] == [
        ("tiny-thing", "tiny_thing-1.10/tiny/a.py", "MIT", b"a = 1\n"),
        ("tiny-thing", "tiny_thing-1.10/tiny/b.py", "MIT", b"b = 1\n"),
        ("other", "other-2/other.py", "GPL-3.0-only", b"o = 1\n"),
    ]


@pytest.mark.slow
def test_pip_is_asked_for_a_wheel_which_is_then_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel(tmp_path, "asked_for", "1", {"a.py": "a = 1\n"})
    code = (
        "import shutil, sys; arguments = sys.argv[1:]; assert arguments[-1] == 'asked-for==1', arguments; "
        "assert '--no-deps' in arguments and '--only-binary=:all:' in arguments; "
        f"shutil.copy({str(tmp_path / 'asked_for-1-py3-none-any.whl')!r}, arguments[arguments.index('--dest') + 1])"
    )
    monkeypatch.setattr(packages, "PIP", (sys.executable, "-c", code))
    names = write(tmp_path / "names.txt", "asked-for==1\n")
    assert [candidate.path for candidate in found(f"packages:{names}", tmp_path / "wheels")] == ["asked_for-1/a.py"]
    assert [path.name for path in (tmp_path / "wheels").iterdir()] == ["asked_for-1-py3-none-any.whl"]


@pytest.mark.slow
def test_a_package_that_cannot_be_had_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(packages, "PIP", (sys.executable, "-c", "raise SystemExit('no such thing')"))
    wheel(tmp_path / "wheels", "there", "1", {"a.py": "a = 1\n"})
    names = write(tmp_path / "names.txt", "missing\nthere\n")
    listed = found(f"packages:{names}", tmp_path / "wheels")
    assert [(candidate.project, candidate.dropped) for candidate in listed] == [
        ("missing", "unavailable"),
        ("there", ""),
    ]
    assert "missing cannot be had as a wheel: no such thing" in capsys.readouterr().err


@pytest.mark.slow
def test_no_package_at_all_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "PIP", (sys.executable, "-c", "raise SystemExit('no such thing')"))
    names = write(tmp_path / "names.txt", "missing\n")
    with pytest.raises(InputError, match=r"none of the 1 packages .* \(the last answer: no such thing\)"):
        found(f"packages:{names}", tmp_path / "wheels")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# nothing\n", "found none"),
        ("good==1.+_\n", r"names.txt:1: expected a package name"),
        ("good\nnot a name!\n", r"names.txt:2: expected a package name"),
        (None, "not readable"),
    ],
)
def test_bad_lists_of_packages(tmp_path: Path, text: str | None, message: str) -> None:
    names = tmp_path / "names.txt"
    if text is not None:
        write(names, text)
    with pytest.raises(InputError, match=message):
        found(f"packages:{names}", tmp_path)


def test_a_broken_wheel_is_an_error_that_names_it(tmp_path: Path) -> None:
    write(tmp_path / "broken-1-py3-none-any.whl", "half a wheel")
    names = write(tmp_path / "names.txt", "broken\n")
    with pytest.raises(InputError, match=r"broken-1-py3-none-any\.whl: expected a wheel"):
        found(f"packages:{names}", tmp_path)


def test_our_own_list_of_packages_is_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (_, source) = config.load("decoder-cpu").corpus.sources
    assert packages.list_at(source.removeprefix("packages:")).is_file()
    own = write(tmp_path / "training" / "corpora" / "wide.txt", "attrs\n")
    assert packages.list_at("training/corpora/wide.txt").samefile(own)
    assert packages.list_at("nothing.txt") == Path("nothing.txt")


def test_our_own_list_of_packages_is_readable() -> None:
    path = Path(packages.__file__).parents[1] / "corpora" / "wide.txt"
    requirements = packages._read_list(path)
    assert 40 <= len(requirements) <= 60
    assert requirements == sorted(requirements)


def test_a_release_is_newer_than_what_led_to_it(tmp_path: Path) -> None:
    for version in ("0.9", "1.0.dev3", "1.0rc1", "1.0"):
        wheel(tmp_path, "thing", version, {"a.py": "a = 1\n"})
    (tmp_path / "no-wheel.whl").touch()
    assert packages.wheel_of(tmp_path, "thing") == tmp_path / "thing-1.0-py3-none-any.whl"
    assert packages.wheel_of(tmp_path, "Thing", "1.0.0") == tmp_path / "thing-1.0-py3-none-any.whl"
    assert packages.wheel_of(tmp_path, "thing", "1.0.dev3") == tmp_path / "thing-1.0.dev3-py3-none-any.whl"
    assert packages.wheel_of(tmp_path, "thing", "2") is None


# CSV

ROWS = '"def f():\n    return ""a"""\n"x = 1\r\ny = 2\r\n"\n""\nNA\n'


def contents(candidates: Sequence[Candidate]) -> list[tuple[str | bytes, str]]:
    return [(candidate.content, candidate.dropped) for candidate in candidates]


def test_csv_without_a_header(tmp_path: Path) -> None:
    path = tmp_path / "course.csv"
    path.write_bytes(ROWS.encode())
    listed = found(path)
    assert contents(listed) == [
        ('def f():\n    return "a"', ""),
        ("x = 1\r\ny = 2\r\n", ""),
        ("", "empty"),
        ("NA", ""),  # a text like any other
    ]
    assert [candidate.project for candidate in listed] == [f"course.csv:{row}" for row in range(4)]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'"a",1\n"b",2,3\n"c"\n', [("a", ""), ("b", ""), ("c", "")]),
        (b'"a"\n"b\x00c"\n"d\xff"\n"e"\n', [("a", ""), ("b\x00c", ""), ("", "undecodable"), ("e", "")]),
        (b"1\n2.5\n", [("1", ""), ("2.5", "")]),
        (b"", []),
    ],
)
def test_odd_csv(tmp_path: Path, data: bytes, expected: list[tuple[str, str]]) -> None:
    path = tmp_path / "odd.csv"
    path.write_bytes(data)
    assert contents(found(path)) == expected


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_csv_with_a_header_in_any_unicode(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "table.csv"
    rows = 'id,content,license,repository_name\n7,"def f():\n    return ""ä""",mit,a/b\n8,,,\n9,x = 1\n'
    path.write_bytes(rows.encode(encoding))
    listed = found(path)
    assert contents(listed) == [('def f():\n    return "ä"', ""), ("", "empty"), ("x = 1", "")]
    assert [(one.project, one.licence) for one in listed] == [
        ("a/b", "MIT"), ("table.csv:1", "unknown"), ("table.csv:2", "unknown"),
    ]  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_the_course_s_csv_in_wider_unicode(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "course.csv"
    path.write_bytes(ROWS.encode(encoding))
    assert contents(found(path))[0] == ('def f():\n    return "a"', "")


def test_a_csv_whose_texts_stand_in_another_column_says_so(tmp_path: Path) -> None:
    text = "x = 1\n" * 100
    path = tmp_path / "table.csv"
    path.write_text("id,code\n" + "".join(f'{row},"{text}"\n' for row in range(5)))
    with pytest.raises(InputError, match=r"long texts in column 2; say which one with corpus\.content_column=code"):
        found(path)
    assert len(found(path, column="code")) == 5
    path.write_text("".join(f'{row},"{text}"\n' for row in range(5)))
    with pytest.raises(InputError, match=r"column 2; say which one with a header and corpus\.content_column"):
        found(path)


def test_csv_longer_than_a_chunk_and_compressed(tmp_path: Path) -> None:
    path = tmp_path / "long.csv.gz"
    path.write_bytes(gzip.compress("".join(f'"row {row}"\n' for row in range(tables.ROWS * 2 + 5)).encode()))
    listed = found(path)
    assert len(listed) == tables.ROWS * 2 + 5
    assert listed[-1].project == f"long.csv.gz:{tables.ROWS * 2 + 4}"


@pytest.mark.parametrize(("name", "data"), [("open.csv", b'"a"\n"never closed\n'), ("plain.csv.gz", b'"a"\n')])
def test_broken_csv(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=f"{name}: expected CSV, one document a row; after row"):
        found(tmp_path / name)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        if self.path != "/cut.csv":
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b'"a"\n"b"\n')


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_csv_over_http(tmp_path: Path, address: str) -> None:
    (tmp_path / "course.csv").write_bytes(ROWS.encode())
    listed = found(f"{address}/course.csv?raw=1")
    assert len(listed) == 4
    assert listed[0].project == "course.csv:0"


def test_bad_addresses(address: str) -> None:
    with pytest.raises(InputError, match=r"missing\.csv cannot be fetched: HTTP Error 404"):
        found(f"{address}/missing.csv")
    with pytest.raises(InputError, match="the connection ended before the file did"):
        found(f"{address}/cut.csv")
    with pytest.raises(InputError, match="cannot be fetched"):
        found("http://127.0.0.1:9/nobody-listens.csv")
    with pytest.raises(InputError, match="only CSV is read from a URL"):
        found(f"{address}/a.parquet")


# Parquet, JSONL, hub

TABLE: dict[str, list[object]] = {
    "content": ["a = 1\n", None, "c = 3\n"],
    "max_stars_repo_name": ["some/repo", "other/repo", None],
    "max_stars_repo_licenses": [["mit", "apache-2.0"], [], None],
    "path": ["a.py", "b.py", "c.py"],
}
EXPECTED = [
    ("a = 1\n", "", "a.py", "some/repo", "Apache-2.0 AND MIT"),
    ("", "empty", "b.py", "other/repo", "unknown"),
    ("c = 3\n", "", "c.py", "{name}:2", "unknown"),
]


def check_rows(listed: list[Candidate], name: str) -> None:
    expected = [(*row[:3], row[3].format(name=name), row[4]) for row in EXPECTED]
    assert [(c.content, c.dropped, c.path, c.project, c.licence) for c in listed] == expected


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    pd.DataFrame(TABLE).to_parquet(path)
    check_rows(found(path), "table.parquet")


@pytest.mark.parametrize("name", ["table.jsonl", "table.jsonl.gz"])
def test_jsonl(tmp_path: Path, name: str) -> None:
    rows = pd.DataFrame(TABLE).to_dict("records")
    data = "\n".join(json.dumps(row) for row in rows).encode() + b'\n\n{"half": \n[1, 2]\n'
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    listed = found(tmp_path / name)
    check_rows(listed[:3], name)
    assert [candidate.dropped for candidate in listed[3:]] == ["malformed", "malformed"]


def test_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def load_dataset(name: str, config: str | None, *, split: str, streaming: bool) -> list[dict[str, object]]:
        asked.append((name, config, split, streaming))
        if name == "nobody/nothing":
            raise FileNotFoundError("no such\ndata set")
        return [{name: column[row] for name, column in TABLE.items()} for row in range(3)]

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    check_rows(found("hub:some/code:python"), "some/code")
    assert asked == [("some/code", "python", "train", True)]
    with pytest.raises(InputError, match="hub:nobody/nothing cannot be opened: no such data set"):
        found("hub:nobody/nothing")
    with pytest.raises(InputError, match="no column 'text'"):
        found("hub:some/code", column="text")


def test_hub_without_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(InputError, match=r"pip install 'lineahead\[training,hub\]'"):
        found("hub:some/code")


@pytest.mark.parametrize("name", ["table.parquet", "table.jsonl"])
def test_a_missing_column_is_an_error_that_names_those_found(tmp_path: Path, name: str) -> None:
    frame = pd.DataFrame({"code": ["a"], "stars": [1]})
    frame.to_parquet(tmp_path / name) if name.endswith("t") else frame.to_json(
        tmp_path / name, orient="records", lines=True
    )
    with pytest.raises(InputError, match="has no column 'content'; it has code, stars"):
        found(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("broken.parquet", "expected a Parquet file"),
        ("broken.jsonl.gz", "expected JSON lines"),
        ("notes.txt", "found the file"),
    ],
)
def test_broken_files(tmp_path: Path, name: str, message: str) -> None:
    write(tmp_path / name, "not at all")
    with pytest.raises(InputError, match=message):
        found(tmp_path / name)


@pytest.mark.parametrize("source", ["enviroment", "missing.csv", "missing/folder"])
def test_what_is_not_there(source: str) -> None:
    with pytest.raises(InputError, match="there is no such file or folder"):
        found(source)
