"""Extension and server are one: each setting is in package.json as the server knows it, and the version is the same."""

import json
import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

from lineahead.lsp.state import State
from lineahead.settings import CLIENT_ONLY, Settings, camel_case, read

PACKAGE = Path(__file__).parents[1] / "editor-extension" / "package.json"


def test_the_extension_and_the_server_have_the_same_settings() -> None:
    configuration = json.loads(PACKAGE.read_text(encoding="utf-8"))["contributes"]["configuration"]
    groups = configuration if isinstance(configuration, list) else [configuration]
    offered = {
        name.removeprefix("lineahead."): setting for group in groups for name, setting in group["properties"].items()
    }
    assert all(setting.get("description") or setting.get("markdownDescription") for setting in offered.values())
    defaults = {name: setting["default"] for name, setting in offered.items() if name not in CLIENT_ONLY}
    assert set(defaults) == {camel_case(name) for name in Settings.__dataclass_fields__}
    assert read(defaults) == (Settings(), [])


def test_the_extension_knows_the_servers_states() -> None:
    source = (PACKAGE.parent / "src" / "status.ts").read_text(encoding="utf-8")
    states = re.findall(r'"(\w+)"', source.partition("const STATES = [")[2].partition("]")[0])
    assert set(states) == {*State, "absent"}  # "absent": there is no server to say anything


def test_the_extension_and_the_package_have_one_version() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert json.loads(PACKAGE.read_text(encoding="utf-8"))["version"] == project["version"]


def test_what_set_up_installs_is_what_the_server_needs() -> None:
    """editor-extension/requirements.txt, which `npm run lock` writes, has a version and hashes of each dependency."""
    project = tomllib.loads((PACKAGE.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    locked = (PACKAGE.parent / "requirements.txt").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    versions: dict[str, list[str]] = {}
    for line in locked:
        pinned = Requirement(line.partition(" --hash")[0])
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", line), line
        versions.setdefault(pinned.name, []).append(str(pinned.specifier).removeprefix("=="))
    for wanted in map(Requirement, project["dependencies"]):
        assert versions.get(wanted.name), f"{wanted.name} is not locked: npm run lock"
        assert all(wanted.specifier.contains(version) for version in versions[wanted.name]), wanted
