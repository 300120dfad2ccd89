"""Which files of a project are read, and how: nothing that is no file of the person's own, and never a wait."""

import logging
import os
import stat
import sys
import threading
import time
from pathlib import Path

import pytest
from raw_client import SERVER, RawClient

from lineahead.memory import files
from lineahead.memory.files import MOST_BYTES, is_written_here, read_file, read_files, read_folders
from lineahead.memory.memory import ProjectMemory
from training import format, ignored
from training.format import holds_secrets
from training.ignored import Ignored, excluded

posix = pytest.mark.skipif(os.name == "nt", reason="links and pipes as POSIX has them")


def write(path: Path, content: str | bytes = "x = 1\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def learned(folder: Path, exclude: tuple[str, ...] = ()) -> set[str]:
    memory = ProjectMemory()
    read_folders([folder], memory, exclude)
    return {Path(name).relative_to(folder).as_posix() for name, _ in memory.texts()}


HANGS = 120  # seconds: a guard against hanging, so that a busy machine fails no test


def within(*arguments: object) -> set[str]:
    """What is learned, on a thread that a test can give up on."""
    results: list[set[str]] = []
    thread = threading.Thread(target=lambda: results.append(learned(*arguments)), daemon=True)  # type: ignore[arg-type]
    thread.start()
    thread.join(HANGS)
    assert results, f"reading goes on after {HANGS} s"
    return results[0]


@posix
def test_links_pipes_and_devices_are_neither_followed_nor_waited_for(tmp_path: Path) -> None:
    outside, project = tmp_path / "outside", tmp_path / "project"
    secret = write(outside / "other.py", "KEY = 'outside'\n")
    write(project / "own.py")
    (project / "link.py").symlink_to(secret)
    (project / "zero.py").symlink_to("/dev/zero")
    (project / "stdin.py").symlink_to("/dev/stdin")
    (project / "descriptor.py").symlink_to("/proc/self/fd/0")
    (project / "loop.py").symlink_to(project / "loop.py")
    (project / "folder").symlink_to(outside)
    (project / "folder.py").mkdir()
    os.mkfifo(project / "pipe.py")
    if os.geteuid() == 0:
        os.mknod(project / "null.py", stat.S_IFCHR | 0o600, os.makedev(1, 5))
    assert within(project) == {"own.py"}
    memory = ProjectMemory()
    names = ("own.py", "link.py", "zero.py", "loop.py", "pipe.py", "folder/other.py", "folder.py")
    read_files([project / name for name in names], [project], memory)  # as a client names them
    assert [Path(name).name for name, _ in memory.texts()] == ["own.py"]


@posix
@pytest.mark.parametrize("target", ["/dev/zero", "/dev/stdin", "/proc/self/fd/0", "/etc/passwd"])
def test_a_link_is_refused_by_the_reader_itself(tmp_path: Path, target: str) -> None:
    (tmp_path / "x.py").symlink_to(target)
    with pytest.raises(OSError, match=r"x\.py"):
        format.read_regular(tmp_path / "x.py", 100)


@posix
def test_what_is_swapped_between_the_look_and_the_opening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, real = write(tmp_path / "x.py"), os.open

    def swap(name: Path, flags: int) -> int:
        path.unlink()
        path.symlink_to("/etc/passwd")
        return real(name, flags)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", swap)
        with pytest.raises(OSError, match=r"x\.py"):
            format.read_regular(path, 100_000)


def test_a_file_is_read_up_to_the_cap_whatever_size_it_claims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "grows.py", "x" * 1000)
    assert format.read_regular(path, 1000) == b"x" * 1000
    with pytest.raises(OSError, match="at most 999 bytes"):
        format.read_regular(path, 999)
    small = os.stat(write(tmp_path / "small.py", "x"))  # noqa: PTH116
    with monkeypatch.context() as patched:
        patched.setattr(os, "fstat", lambda _: small)  # it grew after the look
        with pytest.raises(OSError, match="at most 999 bytes"):
            format.read_regular(path, 999)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252", "iso8859-15", "euc-jp", "utf-7"])
def test_a_file_is_read_as_python_reads_it(tmp_path: Path, encoding: str) -> None:
    letter = "あ" if encoding == "euc-jp" else "é"
    line = "" if encoding.startswith("utf-8") else f"# -*- coding: {encoding} -*-\r\n"
    write(tmp_path / "x.py", f"{line}name = '{letter}'\r\n".encode(encoding))
    text = format.read_source(tmp_path / "x.py", 1000)
    assert text.endswith(f"name = '{letter}'\n")
    assert not text.startswith("\ufeff")
    assert learned(tmp_path) == {"x.py"}


@pytest.mark.parametrize(
    "content",
    [
        b"# coding: rot13\nx = 1\n",
        b"# coding: zlib\nx = 1\n",
        b"# coding: punycode\nx = 1\n",
        b"# coding: no-such-thing\nx = 1\n",
        b"\xef\xbb\xbf# coding: latin-1\nx = 1\n",
        "x = 1\n".encode("utf-16"),
        b"x = '\xff'\n",
        b"x = 1\x00\n",
    ],
)
def test_what_is_no_text_is_left_out(tmp_path: Path, content: bytes) -> None:
    write(tmp_path / "x.py", content)
    write(tmp_path / "own.py")
    assert learned(tmp_path) == {"own.py"}


@posix
def test_a_folder_that_may_not_be_read_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a/x.py", "locked/x.py", "locked2/x.py", "z/x.py"):
        write(tmp_path / name)
    real_scandir, real_lstat = os.scandir, os.lstat

    def scandir(path: Path) -> object:
        if "locked" in Path(path).name:
            raise PermissionError(13, "Permission denied", str(path))
        return real_scandir(path)

    def lstat(path: Path, **more: object) -> os.stat_result:
        if "locked" in Path(path).parent.name:
            raise PermissionError(13, "Permission denied", str(path))
        return real_lstat(path)

    monkeypatch.setattr(os, "scandir", scandir)  # root may read everything
    monkeypatch.setattr(os, "lstat", lstat)
    with caplog.at_level(logging.WARNING):
        assert learned(tmp_path) == {"a/x.py", "z/x.py"}
    assert [record.getMessage().partition(", such")[0] for record in caplog.records] == [
        "folders that cannot be read: 2"
    ]


def test_what_is_more_than_is_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abc":
        write(tmp_path / name / "x.py")
    monkeypatch.setattr(files, "PAUSE", 0)
    assert read_folders([tmp_path], ProjectMemory()) == []
    with monkeypatch.context() as patched:
        patched.setattr(files, "MOST_FILES", 2)
        assert read_folders([tmp_path], ProjectMemory()) == [
            f"{tmp_path} has more than 2 files: the others are not learned from"
        ]
    with monkeypatch.context() as patched:
        patched.setattr(files, "MOST_FOLDERS", 3)
        (problem,) = read_folders([tmp_path], ProjectMemory())
        assert "more folders than are looked into" in problem
        assert str(tmp_path / "c") in problem


@posix
def test_what_is_not_read_is_told_among_what_the_memory_holds(tmp_path: Path) -> None:
    write(tmp_path / "own.py", "x = 1\n" * 7)
    above = os.open(tmp_path, os.O_RDONLY)
    for _ in range(20):  # whose path is too long in the end
        os.mkdir("d" * 250, dir_fd=above)
        above, parent = os.open("d" * 250, os.O_RDONLY, dir_fd=above), above
        os.close(parent)
    os.close(above)
    client = RawClient(*SERVER, root=tmp_path)
    deadline, held = time.monotonic() + 60, ""
    try:
        while "cannot be read" not in held:
            assert time.monotonic() < deadline, held
            asked = {"command": "lineahead.statistics", "arguments": []}
            held = client.ask("workspace/executeCommand", asked)["result"]
        assert "The memory holds 1 texts, 42 characters" in held
        assert client.close() == 0
    finally:
        client.kill(wait=client.process.poll() is not None)


def test_as_many_nested_folders_as_there_may_be(tmp_path: Path) -> None:
    made = [tmp_path]
    try:
        while len(made) < 1_500:
            made.append(made[-1] / "d")
            made[-1].mkdir()
        write(tmp_path / "x.py")
        write(tmp_path / "d" / "d" / "y.py")
        assert within(tmp_path) == {"x.py", "d/d/y.py"}
        assert len(list(format.python_files(tmp_path))) == 2
    finally:
        (tmp_path / "d" / "d" / "y.py").unlink(missing_ok=True)
        for folder in reversed(made[1:]):  # which shutil.rmtree cannot
            folder.rmdir()


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_the_processes_are_no_project() -> None:
    assert not format.holds_own_code(Path("/proc"))
    assert format.holds_own_code(Path("/home/me/proc"))


def test_what_a_program_made_is_left_out_and_a_package_of_that_name_is_not(tmp_path: Path) -> None:
    for name in ("build", "dist", "env", "venv"):
        write(tmp_path / name / "made.py")
        write(tmp_path / "src" / name / "__init__.py")
        write(tmp_path / "src" / name / "own.py")
    for sign in ("conda-meta/history", "pyvenv.cfg", "CACHEDIR.TAG", "bin/activate_this.py"):
        write(tmp_path / f"with-{sign.partition('/')[0]}" / sign)
        write(tmp_path / f"with-{sign.partition('/')[0]}" / "__init__.py")
    for name in ("node_modules", "site-packages", "__pypackages__"):
        write(tmp_path / name / "__init__.py")
    assert learned(tmp_path) == {
        f"src/{name}/{file}" for name in ("build", "dist", "env", "venv") for file in ("__init__.py", "own.py")
    }
    assert is_written_here(tmp_path / "src" / "env" / "own.py", [tmp_path])
    assert not is_written_here(tmp_path / "env" / "made.py", [tmp_path])
    assert not is_written_here(tmp_path / "with-conda-meta" / "x.py", [tmp_path])


@pytest.mark.parametrize(
    "name", ["test_keyboard.py", "primary_keys.py", "hot_keys.py", "monkey.py", "keys.py", "environment.py", "key.py"]
)
def test_names_that_only_look_like_secrets(name: str) -> None:
    assert not holds_secrets(name)


@pytest.mark.parametrize(
    "name",
    [
        "private_key.py",
        "my-private-key.txt",
        "id_rsa",
        "id_ed25519.pub",
        "server.pem",
        "TLS.KEY",
        ".env",
        ".envrc",
        ".env.local",
        "credentials.py",
        "Credentials",
        "credentials_prod.json",
        "api_keys.py",
        "store.p12",
        ".netrc",
    ],
)
def test_names_that_say_secrets(name: str) -> None:
    assert holds_secrets(name)


def test_what_git_ignores_is_not_learned(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    write(repository / ".git" / "HEAD")
    write(repository / ".git" / "info" / "exclude", "mine.py\n")
    write(
        repository / ".gitignore",
        "# a comment\n\nlocal_settings.py\n/top.py\nsecrets/\n*_gen.py\n!kept_gen.py\n!\n***a\n",
    )
    write(repository / "app" / ".gitignore", "!local_settings.py\n/other.py\nlogs/*\n!logs/kept.py\n")
    write(repository / "app" / "x" / ".gitignore", "*\n!.gitignore\n!y.py\n")
    kept = {"a.py", "kept_gen.py", "app/local_settings.py", "app/top.py", "app/x/y.py", "app/sub/other.py"}
    kept |= {"app/logs/kept.py"}
    left_out = {"local_settings.py", "top.py", "mine.py", "secrets/prod.py", "secrets/deep/x.py", "a_gen.py"}
    left_out |= {"app/secrets/x.py", "app/other.py", "app/logs/x.py", "app/x/z.py"}
    for name in kept | left_out:
        write(repository / name)
    assert learned(repository) == kept
    assert {f"app/{name}" for name in learned(repository / "app")} == {name for name in kept if name.startswith("app/")}
    for name in kept | left_out:  # the same, one by one, as a client says that they changed
        assert is_written_here(repository / name, [repository]) == (name in kept), name


def test_a_changed_gitignore_counts_at_once(tmp_path: Path) -> None:
    path, ignore = write(tmp_path / "x.py"), Ignored(tmp_path)
    assert not ignore.ignores(path)
    write(tmp_path / ".gitignore", "x.py\n")
    assert ignore.ignores(path)


def test_patterns_that_would_take_for_ever_are_none(tmp_path: Path) -> None:
    write(tmp_path / ".gitignore", "*a" * 40 + "b\n" + "**/a*/" * 30 + "b\nx.py\n")
    write(tmp_path / ("a" * 90 + ".py"))
    write(tmp_path / "x.py")
    assert within(tmp_path) == {"a" * 90 + ".py"}
    assert len(ignored._sound(["*.py[cod]", "**/x/**", "*a*a*a*a", "!", "a/**/b/**/c/**/d/**/e"])) == 2
    assert ignored._sound(["[z-a].py", "**/*a*a*a/**/*a*a*a/**/x", "**/*.egg-info/**"]) == ["**/*.egg-info/**"]


def test_excluded_is_neither_learned_nor_written_here(tmp_path: Path) -> None:
    for name in ("a.py", "generated/api.py", "src/generated/api.py", "src/b.py", "src/vendored/c.py"):
        write(tmp_path / name)
    assert learned(tmp_path, ("generated/", "src/vendored/**")) == {"a.py", "src/b.py"}
    assert not is_written_here(tmp_path / "src" / "b.py", [tmp_path], ("b.py",))
    assert excluded(Path("/elsewhere/b.py"), ("b.py",))
    assert excluded(Path("b.py"), ["*.py"])
    assert not excluded(Path("b.py"), ["", "!b.py", "["])


def test_a_file_that_cannot_be_read_is_forgotten(tmp_path: Path) -> None:
    path, memory = write(tmp_path / "x.py"), ProjectMemory()
    read_file(path, memory)
    assert len(memory) == 1
    write(path, "#" * (MOST_BYTES + 1))
    read_file(path, memory)
    assert len(memory) == 0


def test_what_is_left_out_is_not_learned_while_it_is_open_either(tmp_path: Path) -> None:
    secret = "zorbital_gateway_phrase = 'hunter2 and more'\n"
    write(tmp_path / ".gitignore", "local_settings.py\n")
    names = ("local_settings.py", "generated/api.py")
    for name in names:
        write(tmp_path / name, secret * 4)
    client = RawClient(*SERVER, options={"debounce": 0, "exclude": ["generated/"]}, root=tmp_path)
    here = (tmp_path / "here.py").as_uri()

    def offered() -> bool:
        """Whether the name is offered, now or soon."""
        for number in range(30):
            client.open(here, f"# {number}\nzorbital_")
            if any("gateway" in text for text in client.ghost(here, 1, 9, explicit=True)):
                return True
            client.tell("textDocument/didClose", {"textDocument": {"uri": here}})
        return False

    try:
        client.wait_ready()
        for name in names:
            client.open((tmp_path / name).as_uri(), secret * 4)
        assert not offered()
        assert client.ghost((tmp_path / "generated" / "api.py").as_uri(), 4, 0, explicit=True) == []
        client.tell("workspace/didChangeConfiguration", {"settings": {"lineahead": {"debounce": 0, "exclude": []}}})
        assert offered(), "it was the setting"
        settings = {"debounce": 0, "exclude": ["api.py"]}
        client.tell("workspace/didChangeConfiguration", {"settings": {"lineahead": settings}})
        assert not offered(), "and it is forgotten at once"
        assert client.close() == 0
    finally:
        client.kill(wait=client.process.poll() is not None)
