"""What a checkpoint folder is made of and what counts as code, for all who write or read them: standard library only.

With `ignored.py`, what the server imports of this package.
"""

import codecs
import errno
import hashlib
import io
import json
import math
import os
import re
import stat
import tokenize
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

# The files of a checkpoint folder.
CONFIG, WEIGHTS, GRAPH = "config.json", "model.safetensors", "model.onnx"
TOKENIZER, TOKENIZER_CONFIG = "tokenizer.json", "tokenizer_config.json"
VOCABULARY = "vocabulary.json"  # only beside a tokenizer whose ids were numbered anew,
CODEBERT_TOKENIZER = "codebert.json"  # which has another name then: nobody may read it without the new numbers
HASHES = "hashes.json"  # of the files above, in a folder that is handed on
JUDGEMENT = "judgement.json"  # how likely what this model suggests is right, by more than it says itself
GATE = "memory.json"  # how much the memory of a person's code is trusted beside this model
CARD, PROVENANCE = "README.md", "provenance.json"  # the same facts, for people and for machines
HASHED = (CONFIG, WEIGHTS, GRAPH, TOKENIZER, TOKENIZER_CONFIG, GATE, JUDGEMENT)

DOCUMENT_START, DOCUMENT_END, PADDING = "<|startoftext|>", "<|endoftext|>", "<|pad|>"
FIM_PREFIX, FIM_SUFFIX, FIM_MIDDLE = "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"
SPECIAL_TOKENS = (DOCUMENT_START, DOCUMENT_END, PADDING, FIM_PREFIX, FIM_SUFFIX, FIM_MIDDLE)
FILL_IN_THE_MIDDLE = (  # prefix, suffix, middle in the families of models: ours and Qwen's, StarCoder's and SmolLM's
    (FIM_PREFIX, FIM_SUFFIX, FIM_MIDDLE),
    ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),
)

MARKED_MIDDLE = "marked_middle"
"""In config.json, under "lineahead": whether a token stands where the missing lines begin, see `batches.fim_marked`."""

NOT_WRITTEN_HERE = frozenset(
    {"node_modules", "bower_components", "site-packages", "dist-packages", "__pycache__", "__pypackages__"}
)
"""Names of folders whose code was downloaded or made by a program."""
OFTEN_NOT_WRITTEN_HERE = frozenset({"build", "dist", "venv", "env"})
"""The same, but for packages: a folder of that name with an `__init__.py` is its owner's."""
SIGNS_OF_A_PROGRAM = ("pyvenv.cfg", "conda-meta", "CACHEDIR.TAG", os.path.join("bin", "activate_this.py"))  # noqa: PTH118
"""What stands in virtual and conda environments, and in caches."""
NO_FILES_ON_A_DISK = frozenset({Path("/proc"), Path("/sys"), Path("/dev")})
"""Where Linux shows itself as files."""
SLOW_TEXT_ENCODINGS = frozenset({"idna", "punycode"})  # take the square of a text's length, and are no code's
SECRETS = re.compile(
    r"""\A\.env | \Acredentials | \A\.(?:netrc|pgpass|npmrc|pypirc|htpasswd)\Z
    | \.(?:pem|key|p12|pfx|jks|keystore|ppk|kdbx)\Z
    | (?<![a-z0-9]) (?:id_(?:rsa|dsa|ecdsa|ed25519) | (?:private|secret|api|access|signing|encryption|ssh)[_-]?keys?)
      (?![a-z0-9])""",
    re.IGNORECASE | re.VERBOSE,
)
"""What stands in the names of files of keys and passwords."""


def onnxruntime() -> Any:
    """The library onnxruntime, imported with its telemetry off.

    From 1.30 on it looks its maker's collector up in the network some seconds after it was imported, and leaves an
    identifier in the home folder. The variable must be there before the import: the library's own call comes too late.
    Every import of the library goes through here.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    return onnxruntime


def write_hashes(folder: Path) -> None:
    """Note the SHA-256 of each file of a checkpoint folder, so that `damaged` finds what changed on its way."""
    names = [name for name in HASHED if (folder / name).exists()]
    hashes = {name: _sha256(folder / name) for name in names}
    (folder / HASHES).write_text(json.dumps(hashes, indent=2) + "\n", encoding="utf-8")


def damaged(folder: Path) -> list[str]:
    """The files of a checkpoint folder that are not as they were when their hashes were noted; none without hashes.

    Weights beside a graph are not read, and may be missing. Raises ValueError for hashes that are none.
    """
    if not (folder / HASHES).exists():
        return []
    hashes = json.loads((folder / HASHES).read_text(encoding="utf-8"))
    if not isinstance(hashes, dict) or not hashes.keys() <= set(HASHED):
        raise ValueError(f"expected hashes of the folder's files, found {hashes!r:.80}")
    asked = [name for name in hashes if name != WEIGHTS or GRAPH not in hashes]
    return [name for name in asked if not (folder / name).exists() or _sha256(folder / name) != hashes[name]]


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


@cache
def byte_alphabet() -> dict[str, int]:
    """The byte that each character of a byte-level vocabulary stands for (as GPT-2 chose them)."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + index): byte for index, byte in enumerate(others)}


def bytes_of(token: str) -> bytes:
    """The bytes that a token of a byte-level vocabulary stands for; raises KeyError for one of another kind."""
    alphabet = byte_alphabet()
    return bytes(alphabet[character] for character in token)


def token_bytes(vocabulary: Mapping[str, int], special_ids: Container[int], size: int) -> list[bytes]:
    """The bytes of tokens 0 … size − 1; b"" for special ones and for ids that no token has.

    Raises KeyError or IndexError where the vocabulary (token → id) is not of byte-level BPE.
    """
    table = [b""] * size
    for token, token_id in vocabulary.items():
        if token_id not in special_ids:
            table[token_id] = bytes_of(token)
    return table


def mark_control_tokens(tokenizer: Any) -> None:
    """Flag as special what a tokenizer of the `tokenizers` library added in the shape of `<|this|>` or `<this>`.

    Some models leave the flag away (Qwen's for files and for filling in the middle). Without it, a source that spells
    such a token would be read as the token, and the token would be written as text.
    """
    for token in tokenizer.get_added_tokens_decoder().values():
        if not token.special and token.content.startswith("<") and token.content.endswith(">"):
            token.special = True
            tokenizer.add_special_tokens([token])
    tokenizer.encode_special_tokens = True  # "<|endoftext|>" in a source file is just characters


def marks_middle(config: Any) -> bool:
    """Whether a model with this config.json has learned where missing lines begin by a token that stands there."""
    ours = config.get("lineahead") if isinstance(config, dict) else None
    return isinstance(ours, dict) and ours.get(MARKED_MIDDLE) is True


def byte_lengths(table: Iterable[bytes]) -> list[int]:
    """How many bytes of text each token stands for, from `token_bytes`; 0 for special ones."""
    return [len(token) for token in table]


def bits_per_byte(nats: float, text_bytes: int) -> float:
    """The negative log likelihood of a whole text (a sum, in nats) as bits per byte; NaN for a text of no bytes."""
    return nats / math.log(2) / text_bytes if text_bytes else math.nan


def holds_own_code(folder: Path) -> bool:
    """Whether a folder may hold code that its owner wrote: no downloads, no products, no environment, no cache."""
    if folder.name in NOT_WRITTEN_HERE or folder.name.startswith(".") or folder in NO_FILES_ON_A_DISK:
        return False
    if any(os.path.lexists(folder / sign) for sign in SIGNS_OF_A_PROGRAM):  # which, unlike exists(), never raises
        return False
    return folder.name not in OFTEN_NOT_WRITTEN_HERE or os.path.lexists(folder / "__init__.py")


def python_files(
    root: Path,
    enters: Callable[[Path], bool] = holds_own_code,
    most_folders: int | None = None,
    skipped: Callable[[OSError], object] = lambda error: None,
) -> Iterator[Path]:
    """The files `*.py` in a folder and, by name, in the folders below that `enters` lets in; links are not followed.

    `most_folders` stops the walk, so that a whole disk is no project. What cannot be read, or is no regular
    file, is `skipped`, and so is the first folder that is one too many.
    """
    waiting, entered = [root], 0
    while waiting and (most_folders is None or entered < most_folders):
        parent, entered = waiting.pop(), entered + 1
        try:
            with os.scandir(parent) as entries:
                below = [entry.name for entry in entries if _is_folder(entry) or entry.name.endswith(".py")]
        except OSError as error:
            skipped(error)
            continue
        folders = []
        for path in (parent / name for name in sorted(below)):
            try:
                mode = os.lstat(path).st_mode
            except OSError:  # gone, or its name is too long
                continue
            if stat.S_ISREG(mode) and path.name.endswith(".py"):
                yield path
            elif stat.S_ISDIR(mode):
                folders += [path] if enters(path) else []
            elif path.name.endswith(".py"):
                skipped(OSError(errno.ELOOP, "a link, a pipe or a device, which is not read", str(path)))
        waiting += reversed(folders)
    if waiting:
        skipped(OSError(errno.E2BIG, "more folders than are looked into", str(waiting[-1])))


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir(follow_symlinks=False) and not _leads_elsewhere(entry.stat(follow_symlinks=False))
    except OSError:
        return False


def _leads_elsewhere(status: os.stat_result) -> bool:
    """Whether this is a link, or what Windows has in its place."""
    reparse_point = getattr(stat, "FILE_ATTRIBUTE_REPARSE_POINT", 0)
    return stat.S_ISLNK(status.st_mode) or bool(getattr(status, "st_file_attributes", 0) & reparse_point)


def holds_secrets(name: str) -> bool:
    """Whether a file's name says that it holds secrets.

    >>> holds_secrets("private_key.py"), holds_secrets("primary_keys.py")
    (True, False)
    """
    return SECRETS.search(name) is not None


def read_regular(path: Path, most_bytes: int, below: Path | None = None) -> bytes:
    """What stands in a regular file, which is never waited for.

    Links are not followed: neither the file nor, where `below` names a folder above it, a folder in between. Pipes,
    devices and folders are not read, nor a file of more than `most_bytes`, whatever size it claims. Raises OSError.
    """
    between = path.relative_to(below).parents if below else ()
    for folder in (below / parent for parent in between if below and parent.parts):
        if _leads_elsewhere(os.lstat(folder)):
            raise OSError(f"{folder}: expected a folder, found a link")
    if _leads_elsewhere(os.lstat(path)):  # where there is no O_NOFOLLOW
        raise OSError(f"{path}: expected a regular file, found a link")
    flags = os.O_RDONLY
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY"):  # each where there is one
        flags |= getattr(os, name, 0)
    descriptor = os.open(path, flags)
    try:
        status = os.fstat(descriptor)  # of what was opened, not of what the name means by now
        if not stat.S_ISREG(status.st_mode):
            found = "a folder" if stat.S_ISDIR(status.st_mode) else "something else"
            raise OSError(f"{path}: expected a regular file, found {found}")
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read(most_bytes + 1) if status.st_size <= most_bytes else None
    finally:
        os.close(descriptor)
    if content is None or len(content) > most_bytes:
        raise OSError(f"{path}: expected at most {most_bytes:,} bytes, found more")
    return content


def read_source(path: Path, most_bytes: int, below: Path | None = None) -> str:
    """The text of a file of Python, in the encoding that its first lines name; see `read_regular`.

    Raises OSError, and ValueError for what is no text in that encoding.
    """
    return decode_source(read_regular(path, most_bytes, below))


def decode_source(content: bytes) -> str:
    """Bytes as Python reads them: a byte order mark, a `coding:` line, UTF-8. Raises ValueError for what is no text."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        known = codecs.lookup(encoding)
        if known.name in SLOW_TEXT_ENCODINGS or not getattr(known, "_is_text_encoding", True):
            raise ValueError(f"{encoding} is no encoding of a source")
        text = str(codecs.decode(content, encoding))
    except (SyntaxError, LookupError, UnicodeError) as error:
        raise ValueError(str(error)) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")
