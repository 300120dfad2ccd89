"""The real server as a real process, asked by a real client over standard input and output."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
import pytest_lsp
import torch
from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pytest_lsp import LanguageClient
from small_models import SOURCE, small_decoder_config, small_tokenizer

from lineahead.commands import demo
from lineahead.lsp.server import READY
from training import checkpoint
from training.format import DOCUMENT_END, DOCUMENT_START
from training.models.decoder import Decoder

WAIT_SECONDS = 60
SERVER = (sys.executable, "-m", "lineahead", "serve")
SCRIPT = Path(__file__).parent / "scripted_engine.py"
PUSH = SOURCE[: SOURCE.index("self.items.append")]  # inside a method, at the start of a line
LINE, COLUMN = PUSH.count("\n"), 8

shared_loop = pytest.mark.asyncio(loop_scope="module")
"""Of tests that ask the server in the fixture `running`."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that knows one text by heart: SOURCE."""
    folder = tmp_path_factory.mktemp("model")
    tokenizer = small_tokenizer()
    start, end = tokenizer.special(DOCUMENT_START), tokenizer.special(DOCUMENT_END)
    row = torch.tensor([[start, *tokenizer.encode(SOURCE), end]])
    torch.manual_seed(1)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # such small products are slower on more
    decoder = Decoder(replace(small_decoder_config(), context_window_size=192))
    optimizer = torch.optim.AdamW(decoder.parameters(), lr=5e-3)
    for _ in range(60):
        _, loss = decoder(row[:, :-1], row[:, 1:])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    torch.set_num_threads(threads)
    assert loss.item() < 0.2
    checkpoint.save_configuration(folder, "decoder", decoder.config, tokenizer)
    checkpoint.save_weights(folder, decoder)
    return folder


@asynccontextmanager
async def started(
    *command: str, cwd: Path | None = None, progress: bool = False
) -> AsyncIterator[tuple[LanguageClient, types.ServerCapabilities]]:
    """A started and initialised server, and what it announces; shut down at the end."""
    client = pytest_lsp.make_test_lsp_client()
    await client.start_io(*command, cwd=cwd)
    able = types.ClientCapabilities(window=types.WindowClientCapabilities(work_done_progress=progress))
    # A model of one text is not sure of anything else, and the tests' documents are beginnings of the same one.
    options = {"maxLines": 1, "confidence": 0, "debounce": 0, "memory": "off"}
    answer = await client.initialize_session(types.InitializeParams(able, initialization_options=options))
    try:
        yield client, answer.capabilities
    finally:
        process = client._server
        assert process is not None
        await client.shutdown_session()
        async with asyncio.timeout(WAIT_SECONDS):
            assert await process.wait() == 0, "gone with the editor, by itself"
        await client.stop()  # type: ignore[no-untyped-call]


async def until_ready(client: LanguageClient) -> None:
    await until(lambda: any(message.message == READY for message in client.log_messages))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(model: Path) -> AsyncIterator[tuple[LanguageClient, types.ServerCapabilities]]:
    """A server that has its model, for all tests that leave it as it is."""
    async with started(*SERVER, "--model", str(model), progress=True) as (client, capabilities):
        await until_ready(client)
        yield client, capabilities


@pytest.fixture
def client(running: tuple[LanguageClient, types.ServerCapabilities]) -> LanguageClient:
    return running[0]


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "the server took too long"
        await asyncio.sleep(0.02)


def opened(client: LanguageClient, text: str, name: str = "work.py") -> str:
    """Open a document; returns its URI."""
    uri = f"file:///{name}"
    document = types.TextDocumentItem(uri, types.LanguageKind.Python, 1, text)
    client.text_document_did_open(types.DidOpenTextDocumentParams(document))
    return uri


def inline_params(uri: str, line: int, character: int) -> types.InlineCompletionParams:
    context = types.InlineCompletionContext(types.InlineCompletionTriggerKind.Automatic)
    return types.InlineCompletionParams(context, types.TextDocumentIdentifier(uri), types.Position(line, character))


async def ghosts(client: LanguageClient, uri: str, line: int, character: int) -> list[str]:
    """The inline completions at a place, each of which is to be inserted right there."""
    answer = await client.text_document_inline_completion_async(inline_params(uri, line, character))
    assert isinstance(answer, types.InlineCompletionList)
    here = types.Position(line, character)
    assert all(item.range == types.Range(here, here) for item in answer.items)
    return [str(item.insert_text) for item in answer.items]


async def listed(client: LanguageClient, uri: str, line: int, character: int) -> list[types.CompletionItem]:
    answer = await client.text_document_completion_async(
        types.CompletionParams(types.TextDocumentIdentifier(uri), types.Position(line, character))
    )
    assert isinstance(answer, types.CompletionList)
    assert answer.is_incomplete
    return list(answer.items)


@shared_loop
async def test_what_it_announces(running: tuple[LanguageClient, types.ServerCapabilities]) -> None:
    _, capabilities = running
    assert capabilities.inline_completion_provider
    assert capabilities.completion_provider
    assert isinstance(capabilities.text_document_sync, types.TextDocumentSyncOptions)
    assert capabilities.text_document_sync.change == types.TextDocumentSyncKind.Incremental


@shared_loop
async def test_loading_is_reported_as_progress(client: LanguageClient) -> None:
    await until(lambda: [len(reports) for reports in client.progress_reports.values()] == [2])
    ((begin, end),) = client.progress_reports.values()
    assert isinstance(begin, types.WorkDoneProgressBegin)
    assert isinstance(end, types.WorkDoneProgressEnd)
    assert "loading" in begin.title
    assert end.message == "ready"


@shared_loop
async def test_ghost_text_and_popup_continue_the_line(client: LanguageClient) -> None:
    uri = opened(client, PUSH)
    assert await ghosts(client, uri, LINE, COLUMN) == ["self.items.append(item)"]
    assert await ghosts(client, uri, LINE - 1, 4) == []  # a word follows
    half = opened(client, PUSH + "self.ite", "half.py")  # inside a token
    assert await ghosts(client, half, LINE, COLUMN + 8) == ["ms.append(item)"]
    (item,) = await listed(client, half, LINE, COLUMN + 8)
    word = types.Range(types.Position(LINE, COLUMN + 5), types.Position(LINE, COLUMN + 8))
    assert item.text_edit == types.TextEdit(word, "items.append(item)")
    assert item.label == "items.append(item)"
    assert item.filter_text == "items.append(item"
    assert item.detail is not None
    assert item.detail.startswith("lineahead ")


@shared_loop
async def test_a_document_follows_its_edits(client: LanguageClient) -> None:
    uri = opened(client, PUSH + "\n", "edited.py")
    here = types.Position(LINE, COLUMN)
    typed = types.TextDocumentContentChangePartial(range=types.Range(here, here), text="self.items.app")
    client.text_document_did_change(
        types.DidChangeTextDocumentParams(types.VersionedTextDocumentIdentifier(2, uri), [typed])
    )
    assert await ghosts(client, uri, LINE, COLUMN + 14) == ["end(item)"]


@shared_loop
async def test_any_line_ends_and_positions_in_utf16(client: LanguageClient) -> None:
    windows = opened(client, PUSH.replace("\n", "\r\n"), "windows.py")
    assert await ghosts(client, windows, LINE, COLUMN) == ["self.items.append(item)"]
    astral = opened(client, f"{PUSH}'𝔘', self.i", "astral.py")  # two units, one character
    assert await ghosts(client, astral, LINE, COLUMN + 10) == []  # "self|.i"
    (item,) = await listed(client, astral, LINE, COLUMN + 12)
    assert isinstance(item.text_edit, types.TextEdit)
    assert item.text_edit.range == types.Range(types.Position(LINE, COLUMN + 11), types.Position(LINE, COLUMN + 12))
    assert item.text_edit.new_text.startswith("items")


@shared_loop
async def test_places_that_are_not_there_get_an_empty_answer(client: LanguageClient) -> None:
    assert await ghosts(client, "file:///never-opened.py", 0, 0) == []
    uri = opened(client, PUSH, "short.py")
    answer = await client.text_document_inline_completion_async(inline_params(uri, 1_000, 1_000))
    assert isinstance(answer, types.InlineCompletionList)
    end = types.Position(PUSH.count("\n"), len(PUSH.rpartition("\n")[2]))
    assert [item.range for item in answer.items] in ([], [types.Range(end, end)])
    assert await ghosts(client, uri, LINE, COLUMN) == ["self.items.append(item)"]


async def test_neither_initialize_nor_exit_waits_for_the_model(model: Path) -> None:
    async with started(*SERVER, "--model", str(model)) as (client, _):
        assert await ghosts(client, opened(client, PUSH), LINE, COLUMN) == []  # PyTorch alone takes longer to import
        assert client.log_messages == []


@shared_loop
async def test_commands_tell_what_happened(client: LanguageClient) -> None:
    async def run(command: str, *arguments: object) -> object:
        return await client.workspace_execute_command_async(types.ExecuteCommandParams(command, list(arguments)))

    uri = opened(client, PUSH, "told.py")
    assert await ghosts(client, uri, LINE - 1, 4) == []
    assert "inside a word" in str(await run("lineahead.whyNothing"))
    assert "inside a word" in client.messages[-1].message
    answer = await client.text_document_inline_completion_async(inline_params(uri, LINE, COLUMN))
    assert isinstance(answer, types.InlineCompletionList)
    command = answer.items[0].command
    assert command is not None
    await run(command.command, *(command.arguments or []))
    await run(command.command, *(command.arguments or []))  # counts once
    summary = str(await run("lineahead.statistics"))
    assert "1 accepted" in summary
    assert "23 characters saved" in summary
    await run("lineahead.snooze", 5)
    assert await ghosts(client, uri, LINE, COLUMN) == []
    assert "snoozing" in str(await run("lineahead.whyNothing"))
    await run("lineahead.snooze", 0)
    assert await ghosts(client, uri, LINE, COLUMN) == ["self.items.append(item)"]


@shared_loop
async def test_settings_change_while_it_runs(client: LanguageClient) -> None:
    uri = opened(client, PUSH, "set.py")

    def configure(**settings: object) -> None:
        client.workspace_did_change_configuration(types.DidChangeConfigurationParams({"lineahead": settings}))

    configure(enable={"python": False})
    assert await ghosts(client, uri, LINE, COLUMN) == []
    client.messages.clear()
    for _ in range(2):  # is told once
        configure(maxLines="many", confidence=0, debounce=0, memory="off")
        assert (await ghosts(client, uri, LINE, COLUMN))[0].startswith("self.items.append(item)")
    assert [message.message for message in client.messages] == [
        "Lineahead: lineahead.maxLines: expected int from 1 to 20, found 'many'; using 4"
    ]
    client.messages.clear()
    configure(maxLines=1, confidence=0, debounce=0)


@shared_loop
async def test_lines_end_where_the_protocol_says(client: LanguageClient) -> None:
    odd = "# a\x0cb\u2028c\n"  # one line for the protocol, three for Python
    uri = opened(client, odd + "xy = 1\n", "odd.py")
    assert await ghosts(client, uri, 1, 1) == []
    asked = types.ExecuteCommandParams("lineahead.whyNothing", [])
    assert "inside a word" in str(await client.workspace_execute_command_async(asked))


async def test_cancelled_and_outdated_requests_stop_at_once(tmp_path: Path) -> None:
    async with started(sys.executable, str(SCRIPT), str(tmp_path)) as (client, _):
        await until_ready(client)

        def ask(number: int, name: str) -> "asyncio.Future[object]":
            """Send a request with an id of our own."""
            params = inline_params(f"file:///{name}", 0, 4)
            method = types.TEXT_DOCUMENT_INLINE_COMPLETION
            return asyncio.wrap_future(client.protocol.send_request(method, params, msg_id=f"ask-{number}"))

        opened(client, "x = ", "one.py")
        opened(client, "x = ", "other.py")
        first = ask(0, "one.py")
        await until(lambda: (tmp_path / "started-0").exists())
        newer = ask(1, "one.py")  # the same document: the first one gives way, empty
        assert not getattr(await first, "items", None)
        await until(lambda: (tmp_path / "started-1").exists())
        waiting = ask(2, "other.py")  # another document: waits for its turn
        for number in (2, 1):
            client.cancel_request(types.CancelParams(f"ask-{number}"))
        for cancelled in (newer, waiting):
            with pytest.raises(JsonRpcException, match="cancel"):
                await asyncio.wait_for(cancelled, WAIT_SECONDS)
        await until(lambda: (tmp_path / "stopped-1").exists())
        assert not (tmp_path / "started-2").exists()
        last = ask(3, "other.py")
        await until(lambda: (tmp_path / "started-2").exists())
    with pytest.raises(Exception, match="cancel"):  # by the shutdown
        await last


async def test_a_server_without_a_model_stays_and_says_why_once(tmp_path: Path) -> None:
    async with started(*SERVER, "--model", str(tmp_path / "nowhere"), progress=True) as (client, _):
        await until(lambda: bool(client.messages))
        uri = opened(client, PUSH)
        assert await ghosts(client, uri, LINE, COLUMN) == []
        assert await listed(client, uri, LINE, COLUMN) == []
        (message,) = client.messages
        assert message.type == types.MessageType.Error
        for part in (f"{tmp_path / 'nowhere'}: expected a checkpoint folder", "no such folder", "--model FOLDER"):
            assert part in message.message
        await until(lambda: [len(reports) for reports in client.progress_reports.values()] == [2])
        ((_, end),) = client.progress_reports.values()
        assert isinstance(end, types.WorkDoneProgressEnd)
        assert end.message == "failed"


@pytest.mark.parametrize(
    ("command", "folder"),
    [(SERVER, "server"), ((str(Path(sys.executable).parent / "lineahead-server"),), "lineahead")],
    ids=["module", "script"],
)
async def test_a_folder_of_the_project_is_not_taken_for_ours(
    command: tuple[str, ...], folder: str, model: Path, tmp_path: Path
) -> None:
    (tmp_path / folder).mkdir()
    for name in ("__init__.py", "__main__.py"):
        (tmp_path / folder / name).write_text("raise SystemExit('the wrong server')")
    log = tmp_path / "server.log"
    arguments = ("--stdio", "--model", str(model), "--log-file", str(log))
    async with started(*command, *arguments, cwd=tmp_path) as (client, _):
        await until_ready(client)
        assert await ghosts(client, opened(client, PUSH), LINE, COLUMN) == ["self.items.append(item)"]
    assert READY in log.read_text()
    assert "class Stack" not in log.read_text()  # nothing that a person types is written to disk


def test_the_demo_completes_its_samples(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert demo.main(["--model", str(model)]) == 0
    shown = capsys.readouterr().out
    assert shown.count(" ms") == len(demo.PLACES) + 1
    assert "⟦" in shown
    assert "\x1b" not in shown
    assert demo.main(["--model", "/nowhere"]) == 1
    assert "expected a checkpoint folder" in capsys.readouterr().err


@pytest.mark.parametrize("place", demo.PLACES, ids=lambda place: place[2].strip())
def test_the_demos_places_are_in_its_samples(place: tuple[str, str, str]) -> None:
    sample, line_start, typed = place
    text = (demo.SAMPLES / sample).read_text()
    compile(text, sample, "exec")
    assert text.count(f"\n{line_start}") == 1
    line = text[text.index(f"\n{line_start}") + 1 :].partition("\n")[0]
    assert line.startswith(typed)
    assert line != typed
