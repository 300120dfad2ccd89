"""`--push-to-hub` against a server of ours that answers as the hub does; nothing leaves this machine."""

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from small_models import small_decoder_config, small_tokenizer

from training import checkpoint, upload
from training.errors import InputError
from training.models.decoder import Decoder

ROOT = Path(__file__).parents[1]
TOKEN = "hf_of_a_test"


class Hub(ThreadingHTTPServer):
    """The hub's repositories: what was asked for, and the files that were committed."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Requests)
        self.made: list[dict[str, Any]] = []
        self.files: dict[str, bytes] = {}
        self.refuses = 0
        """The status of each answer, where it is none of success."""


class Requests(BaseHTTPRequestHandler):
    server: Hub

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.refuses or self.headers["Authorization"] != f"Bearer {TOKEN}":
            self.answer({"error": "no"}, self.server.refuses or 401)
        elif self.path == "/api/repos/create":
            self.server.made.append(json.loads(body))
            self.answer({"url": f"http://{self.headers['Host']}/ann/app", "name": "ann/app", "id": "ann/app"})
        elif self.path == "/api/validate-yaml":
            self.answer({"errors": [], "warnings": []})
        elif self.path.endswith("/preupload/main"):
            files = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                for file in json.loads(body)["files"]
            ]
            self.answer({"files": files})
        elif self.path.endswith("/commit/main"):
            for entry in map(json.loads, body.splitlines()):
                if entry["key"] == "file":
                    self.server.files[entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
            self.answer({"commitUrl": f"http://{self.headers['Host']}/ann/app/commit/1", "commitOid": "1"})
        else:
            self.answer({"error": self.path}, 404)

    def do_GET(self) -> None:
        about = {"id": "ann/app", "siblings": [], "sha": "0"}
        self.answer(about, self.server.refuses or 200)

    def answer(self, value: object, status: int = 200) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Of a run that learned from a folder in a person's home, and was started with it."""
    folder = tmp_path / "home" / "runs" / "mine"
    folder.mkdir(parents=True)
    built = Decoder(replace(small_decoder_config(), vocab_size=small_tokenizer().vocab_size))
    checkpoint.save_configuration(folder, "decoder", built.config, small_tokenizer())
    checkpoint.save_weights(folder, built)
    about = json.loads((ROOT / "server" / "lineahead" / "model" / "provenance.json").read_text())
    about["config"]["corpus"]["sources"] = [str(tmp_path / "home" / "customer" / "app")]
    about["command"] += f" run.folder={folder}"
    (folder / "provenance.json").write_text(json.dumps(about))
    return folder


def push(model: Path, endpoint: str, *more: str, token: str = TOKEN) -> subprocess.CompletedProcess[str]:
    home = str(model.parents[1])
    environment = {**os.environ, "HOME": home, "HF_HOME": f"{home}/hub", "HF_ENDPOINT": endpoint, "HF_TOKEN": token}
    command = [sys.executable, "-m", "training.export", str(model), "--push-to-hub", "ann/app", *more]
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "server")))
    return subprocess.run(
        command, env={**environment, "PYTHONPATH": paths}, capture_output=True, text=True, check=False, timeout=240
    )


def endpoint_of(hub: Hub) -> str:
    return f"http://127.0.0.1:{hub.server_port}"


def test_a_checkpoint_is_uploaded_with_a_licence_and_without_local_paths(model: Path, hub: Hub) -> None:
    done = push(model, endpoint_of(hub), "--license", "mit")
    assert done.returncode == 0, done.stderr
    assert "uploaded: " in done.stdout
    assert [made["visibility"] if "visibility" in made else made["private"] for made in hub.made] in (
        [True],
        ["private"],
    )
    sent = {"README.md", "config.json", "model.safetensors", "model.onnx", "tokenizer.json", "tokenizer_config.json"}
    assert set(hub.files) == sent
    for name in sent - {"README.md"}:
        assert hub.files[name] == (model / name).read_bytes()
    home = str(model.parents[1]).encode()
    assert not [name for name, content in hub.files.items() if home in content]
    shown = hub.files["README.md"].decode()
    assert "\nlicense: mit" in shown.partition("\n---\n")[0]
    assert "Sources: app; " in shown
    assert "run.folder=mine`" in shown


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "the token is not valid"), (403, "may not write to ann/app"), (404, "there is no ann/app")],
)
def test_what_the_hub_refuses_is_said(status: int, words: str, model: Path, hub: Hub) -> None:
    hub.refuses = status
    done = push(model, endpoint_of(hub), "--license", "mit")
    assert done.returncode == 2
    assert done.stderr.startswith("error: --push-to-hub: ")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_no_network_and_no_token_are_said(model: Path) -> None:
    done = push(model, "http://127.0.0.1:9", "--license", "mit")
    assert done.returncode == 2
    assert "error: --push-to-hub: http://127.0.0.1:9 cannot be reached" in done.stderr
    assert "Traceback" not in done.stderr
    done = push(model, "http://127.0.0.1:9", "--license", "mit", token="")
    assert "error: --push-to-hub: expected a token of the hub, found none" in done.stderr


@pytest.mark.parametrize("token", ["hf_of_a_test", "hf_of\x0ba_test"])
def test_what_is_told_of_an_upload_holds_no_secrets(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "get_token", lambda: token)
    told = f"http://ann:hunter2@127.0.0.1:9 takes no {f'Bearer {token}'.encode()!r}, {token}"
    assert upload._without_secrets(told) == "http://…@127.0.0.1:9 takes no b'Bearer …', …"


def test_a_card_has_a_licence_and_no_home(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="--license: expected the licence"):
        upload.card_of(model, None)
    (model / "provenance.json").unlink()
    (model / "README.md").write_text("---\nlicense: mit\n---\n# A model\n")
    assert "license: mit" in upload.card_of(model, None)
    assert "license: other" in upload.card_of(model, "other")
    monkeypatch.setattr(Path, "home", lambda: Path("/home/ann"))
    (model / "README.md").write_text("---\nlicense: mit\n---\nMade in /home/ann/app.\n")
    with pytest.raises(InputError, match="names /home/ann"):
        upload.card_of(model, None)
    (model / "README.md").write_text("---\nlicense: [mit\n---\n")
    with pytest.raises(InputError, match="expected a model card"):
        upload.card_of(model, None)
    (model / "README.md").unlink()
    with pytest.raises(InputError, match="expected a model card"):
        upload.card_of(model, None)
