"""The command line, and what is said about models that cannot be opened."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from small_models import small_decoder_config, small_tokenizer

import lineahead.engine
from lineahead.__main__ import COMMANDS, main
from lineahead.engine.errors import ModelError
from lineahead.engine.open import load_engine
from training import checkpoint


def test_without_a_command_it_says_that_one_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([])
    assert stopped.value.code == 2
    assert capsys.readouterr().err.endswith("error: the following arguments are required: COMMAND\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("complete {folder}/circle.py:1:1", "circle.py: expected a file or a folder, found none"),
        ("evaluate {folder}/circle.py", "circle.py: expected a file or a folder, found none"),
        ("evaluate {folder}/nowhere", "nowhere: expected a file or a folder, found none"),
        ("evaluate {folder}/latin.py", "latin.py: expected Python text, found"),
        ("evaluate {folder}/pipe.py", "pipe.py: expected a regular file, found something else"),
        ("evaluate {folder}", "expected Python files with code, found none in {folder}"),
        ("evaluate {folder} --only {folder}/latin.py", "codec can't decode"),
        ("evaluate {folder} --places 0", "--places: expected a number from 1 on, found '0'"),
        ("evaluate {folder} --confidence 7", "--confidence: expected a number from 0 to 1, found '7'"),
        ("evaluate {folder} --confidence nan", "--confidence: expected a number from 0 to 1, found 'nan'"),
        ("replay {folder}/nowhere", "nowhere: expected a file or a folder, found none"),
        ("replay {folder}/latin.py", "latin.py: expected Python text, found"),
        ("replay {folder}", "expected Python files with code, found none in {folder}"),
        ("replay {folder} --pace nan", "--pace: expected a number from 0.01 on, found 'nan'"),
        ("replay {folder} --part many", "--part: expected a number from 1 on, found 'many'"),
        ("log {folder}/pipe.py", "pipe.py: expected a file that the setting `log` has written, found none"),
        ("log {folder}/latin.py", "latin.py:1: expected a saved request"),
        ("log {folder}/deep.py", "deep.py:1: expected a saved request"),
        ("serve --tcp --ws", "--ws: not allowed with argument --tcp"),
    ],
)
def test_what_is_wrong_with_what_it_is_told(
    arguments: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "circle.py").symlink_to("circle.py")
    (tmp_path / "latin.py").write_bytes(b"x = '\xfc'\n")
    (tmp_path / "deep.py").write_text("[" * 100_000 + "\n")
    os.mkfifo(tmp_path / "pipe.py")
    try:
        code = main(arguments.format(folder=tmp_path).split())
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    error = capsys.readouterr().err
    assert code == 2
    assert message.format(folder=tmp_path) in error
    assert "Traceback" not in error


def test_a_pickle_is_refused(tmp_path: Path) -> None:
    pickle = b"cos\nsystem\n(S'exit 1'\ntR."
    (tmp_path / "model.pt").write_bytes(pickle)
    with pytest.raises(ModelError, match=r"found a pickle.*Name another folder: lineahead-server --model FOLDER"):
        load_engine(tmp_path / "model.pt")
    checkpoint.save_configuration(tmp_path, "decoder", small_decoder_config(), small_tokenizer())
    (tmp_path / "pytorch_model.bin").write_bytes(pickle)
    with pytest.raises(ModelError, match="found a pickle"):
        load_engine(tmp_path)


def test_without_graph_and_pytorch_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint.save_configuration(tmp_path, "decoder", small_decoder_config(), small_tokenizer())
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "lineahead.engine.torch", raising=False)
    monkeypatch.delattr(lineahead.engine, "torch", raising=False)
    with pytest.raises(ModelError, match=r"training\.export.*pip install 'lineahead\[training\]'"):
        load_engine(tmp_path)


def test_the_bundled_model_needs_no_pytorch() -> None:
    heavy = (
        "{'torch', 'pandas', 'transformers', 'tqdm', 'matplotlib', 'training.checkpoint', 'onnx'} & set(sys.modules)"
    )
    code = f"""
import sys
from lineahead.engine.open import BUNDLED_MODEL, load_engine
from lineahead.suggest.policy import complete
from lineahead.settings import Settings
from lineahead.place import Place
place = Place("import os\\nimport sys\\n\\nfor name in os.li", 43)
assert complete(place, Settings(confidence=0), load_engine(BUNDLED_MODEL)).suggestions
print({heavy})
"""
    shown = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False)
    assert shown.stdout == "set()\n", shown.stderr


def test_a_server_without_a_client_has_not_imported_pytorch() -> None:
    heavy = "{'torch', 'pandas', 'transformers', 'tqdm', 'matplotlib', 'training.checkpoint'} & set(sys.modules)"
    code = f"import sys, lineahead.commands.serve, lineahead.commands.demo; print({heavy})"
    shown = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "set()\n"


def test_the_command_line() -> None:
    for command in ([], ["serve"]):
        shown = subprocess.run(
            [sys.executable, "-m", "lineahead", *command, "--version"], capture_output=True, text=True, check=True
        )
        assert shown.stdout.startswith("lineahead 0.")
    helped = subprocess.run([sys.executable, "-m", "lineahead", "--help"], capture_output=True, text=True, check=True)
    assert all(f"\n  {name} " in helped.stdout for name in COMMANDS)
    unknown = subprocess.run([sys.executable, "-m", "lineahead", "sing"], capture_output=True, text=True, check=False)
    assert unknown.returncode == 2
    assert "invalid choice: 'sing'" in unknown.stderr
    refused = subprocess.run(
        [sys.executable, "-m", "lineahead", "serve", "--log-file", "/no/where"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 2
    assert "--log-file: expected a file that can be written" in refused.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
@pytest.mark.parametrize("entry", ["lineahead", "lineahead_server"])
def test_ctrl_c_ends_a_command_while_it_is_imported(entry: str) -> None:
    code = f"""
import os, signal, sys
from lineahead import __main__ as door
sys.argv = ["lineahead", "evaluate"]
def importing(name):
    os.kill(os.getpid(), signal.SIGINT)
    raise SystemExit("still there")
door.import_module = importing
door.{entry}()
"""
    ended = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (-signal.SIGINT, "")


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
@pytest.mark.parametrize(("command", "long"), [("evaluate", "--places"), ("replay", "--characters")])
def test_ctrl_c_ends_a_command_that_computes(command: str, long: str, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("def first(folder):\n    return [name for name in folder]\n" * 20)
    begun = [sys.executable, "-m", "lineahead", command, str(tmp_path), long, "100000"]
    with subprocess.Popen(begun, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert process.stderr.read(1) == b"\r", "it says how far it is"
        process.send_signal(signal.SIGINT)
        told = process.stderr.read()
    assert process.returncode == -signal.SIGINT
    assert b"Traceback" not in told
