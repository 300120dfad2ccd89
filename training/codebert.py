"""CodeBERT's tokenizer with its vocabulary re-indexed, as the course has it.

CodeBERT (Feng et al., 2020) took over RoBERTa's byte-level BPE of 50,265 tokens. A corpus of a few million
tokens uses less than half of them, so those are numbered anew, 0 … V − 1, and the others become `<unk>`.
Only the vocabulary is CodeBERT's: its network, and with it the limit of 512 tokens, plays no part here.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import accumulate, islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer as HuggingFaceTokenizer

from training import format, prompts
from training.errors import InputError
from training.files import write_atomically, write_text_atomically
from training.format import DOCUMENT_END, DOCUMENT_START

CODEBERT = "microsoft/codebert-base"
FILES = ["vocab.json", "merges.txt"]
SPECIAL_TOKENS = START, END, UNKNOWN = "<s>", "</s>", "<unk>"
PIECE = 512  # characters that the course encoded at a time
TEXTS_A_BATCH = 64  # encoded together, in parallel; bounds memory
KNOWN_WORDS = 500_000  # kept at once; bounds memory

# What GPT-2's pattern, and so CodeBERT's, takes for a word, in ASCII text. Splitting is most of the library's work and
# Python's `re` does it ten times as fast; the words repeat, so each is handed to the library only once.
WORDS = re.compile(
    r"[A-Za-z]++| (?:[A-Za-z]++|[^ \t\n\v\f\rA-Za-z0-9]++|[0-9]++)|[ \t\n\v\f\r]+(?![^ \t\n\v\f\r])"
    r"|[0-9]++|'(?:[stmd]|re|ve|ll)|[^ \t\n\v\f\rA-Za-z0-9]++|[ \t\n\v\f\r]++"
)


class CodeBERTTokenizer:
    """CodeBERT's tokens under ids of our own; both mappings are arrays.

    `to_codebert` (V,) holds CodeBERT's id of each of ours, in rising order; `from_codebert` (50,265,) holds our
    id of each of CodeBERT's, that of `<unk>` where the vocabulary lacks it.
    """

    def __init__(self, tokenizer: HuggingFaceTokenizer, to_codebert: Sequence[int] | NDArray[np.int64]) -> None:
        tokenizer.encode_special_tokens = True  # "</s>" in a source file is just characters
        tokenizer.no_truncation()
        self._tokenizer = tokenizer
        self.to_codebert = np.asarray(to_codebert, dtype=np.int64)
        unknown = np.searchsorted(self.to_codebert, _codebert_id(tokenizer, UNKNOWN))
        self.from_codebert = np.full(tokenizer.get_vocab_size(), unknown, dtype=np.int32)
        self.from_codebert[self.to_codebert] = np.arange(len(self.to_codebert))
        self._known: dict[str, bytes] = {}  # words and their token ids, as an array's bytes: those are joined fastest

    @property
    def vocab_size(self) -> int:
        """Number of token ids (V)."""
        return len(self.to_codebert)

    def special(self, token: str) -> int | None:
        """The id of a special token: documents start with `<s>` and end with `</s>`; there is no padding."""
        own = {DOCUMENT_START: START, DOCUMENT_END: END}.get(token, token)
        return int(self.from_codebert[_codebert_id(self._tokenizer, own)]) if own in SPECIAL_TOKENS else None

    def encode(self, text: str) -> list[int]:
        """Token ids of one text, however long; what training never saw is `<unk>`."""
        token_ids: list[int] = self.encode_batch([text])[0].tolist()
        return token_ids

    def encode_batch(self, texts: Sequence[str]) -> list[NDArray[Any]]:
        """Token ids of each text."""
        words = [self._words(text) for text in texts]
        self._learn(set().union(*words))
        token_ids = [np.frombuffer(b"".join(map(self._known.__getitem__, text)), dtype=np.int32) for text in words]
        self._forget(texts)
        return token_ids

    def distinct(self, texts: Sequence[str]) -> set[int]:
        """The token ids that occur in texts."""
        words = set().union(*map(self._words, texts))
        self._learn(words)
        token_ids = np.unique(np.frombuffer(b"".join(map(self._known.__getitem__, words)), dtype=np.int32))
        self._forget(texts)
        return set(token_ids.tolist())

    def learn_from(self, complete: "CodeBERTTokenizer") -> None:
        """Take over the words that the tokenizer with all of CodeBERT's ids has learned from the same texts."""
        ids = np.frombuffer(b"".join(complete._known.values()), dtype=np.int32)
        renumbered = self.from_codebert[ids].tobytes()
        ends = accumulate(map(len, complete._known.values()), initial=0)
        self._known = {word: renumbered[a:b] for word, (a, b) in zip(complete._known, pairwise(ends), strict=True)}

    def _words(self, text: str) -> list[str]:
        return WORDS.findall(text) if text.isascii() else [text]

    def _learn(self, words: set[str]) -> None:
        """Ask the library for the token ids of words that are not known yet, in parallel."""
        new = list(words - self._known.keys())
        encodings = self._tokenizer.encode_batch_fast(new, add_special_tokens=False)
        for word, encoding in zip(new, encodings, strict=True):
            self._known[word] = self.from_codebert[encoding.ids].tobytes()

    def _forget(self, texts: Sequence[str]) -> None:
        """Keep memory bounded: texts that are not ASCII were learned whole, and will hardly come again."""
        if len(self._known) > KNOWN_WORDS:
            self._known.clear()
        for text in texts:
            self._known.pop(text, None)

    @cached_property
    def _token_bytes(self) -> list[bytes]:
        tokens = (self._tokenizer.id_to_token(token_id) or "" for token_id in self.to_codebert.tolist())
        return [b"" if token in SPECIAL_TOKENS else format.bytes_of(token) for token in tokens]

    def token_bytes(self) -> list[bytes]:
        """The bytes of each token; b"" for special ones, `<unk>` too."""
        return self._token_bytes

    def decode(self, token_ids: Iterable[int]) -> str:
        """The text of token ids; halves of characters, and `<unk>`, become U+FFFD."""
        table, unknown = self._token_bytes, self.special(UNKNOWN)
        pieces = ("\ufffd".encode() if token_id == unknown else table[token_id] for token_id in token_ids)
        return b"".join(pieces).decode("utf-8", errors="replace")

    def save(self, folder: Path) -> None:
        """Write CodeBERT's own tokenizer as codebert.json, and vocabulary.json with its ids in the order of ours.

        Not as tokenizer.json: `transformers.AutoTokenizer` would read that, and give ids that the model has not.
        """
        write_atomically(folder / format.CODEBERT_TOKENIZER, lambda path: self._tokenizer.save(str(path)))
        about = {"tokenizer": CODEBERT, "to_codebert": self.to_codebert.tolist()}
        write_text_atomically(folder / format.VOCABULARY, json.dumps(about) + "\n")


def reindexed(folder: str, texts: Iterator[str]) -> CodeBERTTokenizer:
    """CodeBERT's tokenizer with the tokens of these texts and of the course's prompts, and three special ones.

    Takes a local folder, or "" for the Hugging Face hub; reads all the texts. Raises InputError where neither
    folder nor hub has the tokenizer.
    """
    return reindex(open_codebert(folder).backend_tokenizer, texts)


def reindex(tokenizer: HuggingFaceTokenizer, texts: Iterator[str]) -> CodeBERTTokenizer:
    """As `reindexed`, with CodeBERT's tokenizer at hand."""
    complete = CodeBERTTokenizer(tokenizer, np.arange(tokenizer.get_vocab_size()))
    used = {_codebert_id(tokenizer, token) for token in SPECIAL_TOKENS}
    batch = list(prompts.EXAMPLES.values())
    while batch:
        used |= complete.distinct(batch)
        batch = list(islice(texts, TEXTS_A_BATCH))
    reindexed_tokenizer = CodeBERTTokenizer(tokenizer, sorted(used))
    reindexed_tokenizer.learn_from(complete)
    return reindexed_tokenizer


def load(folder: Path, tokenizer: HuggingFaceTokenizer) -> CodeBERTTokenizer:
    """The re-indexed tokenizer in a checkpoint folder, where CodeBERT's own is open already."""
    path = folder / format.VOCABULARY
    try:
        ids = json.loads(path.read_text(encoding="utf-8"))["to_codebert"]
        array = np.array(ids, dtype=np.int64)
        fits = array.ndim == 1 and bool((np.diff(array) > 0).all()) and 0 <= array[0] <= array[-1]
        fits = fits and array[-1] < tokenizer.get_vocab_size() and _codebert_id(tokenizer, UNKNOWN) in ids
    except (OSError, ValueError, KeyError, TypeError, IndexError, OverflowError) as error:
        raise InputError(f"{path}: not a readable vocabulary ({error}); copy it again from its source") from None
    if not fits:
        raise InputError(
            f"{path}: expected rising ids of the {tokenizer.get_vocab_size():,} tokens in CodeBERT's tokenizer "
            "beside it, <unk> among them; found others: copy both files again from their source"
        )
    return CodeBERTTokenizer(tokenizer, array)


def pieces_of(text: str) -> list[str]:
    """A document as the course cut it: every 512 characters, through words and all."""
    return [text[start : start + PIECE] for start in range(0, len(text), PIECE)]


def _codebert_id(tokenizer: HuggingFaceTokenizer, token: str) -> int:
    token_id = tokenizer.token_to_id(token)
    if token_id is None:
        raise InputError(f"tokenizer: expected CodeBERT's, with its special tokens; found one without {token}")
    return int(token_id)


def open_codebert(folder: str) -> Any:
    """CodeBERT's tokenizer as `transformers` has it, from a folder with vocab.json and merges.txt, or "": the hub."""
    if folder and not all((Path(folder) / name).is_file() for name in FILES):
        raise InputError(f"tokenizer.folder: expected a folder with vocab.json and merges.txt, found {folder!r}")
    # Seconds to import, and needed only to prepare a corpus.
    from huggingface_hub import snapshot_download
    from transformers import RobertaTokenizer

    try:
        # By the names of its files: `transformers` asks for one after the other, 23 seconds each without a network.
        return RobertaTokenizer.from_pretrained(folder or snapshot_download(CODEBERT, allow_patterns=FILES))
    except Exception as error:  # whatever the libraries below raise
        if folder:
            raise InputError(f"tokenizer.folder: the files in {folder} cannot be read ({error})") from None
        raise InputError(
            f'tokenizer.kind = "codebert": {CODEBERT} is not in the local cache and the Hugging Face hub cannot be '
            "reached. Copy its vocab.json and merges.txt into a folder and give tokenizer.folder=FOLDER, or train a "
            "vocabulary of your own with tokenizer.kind=bpe"
        ) from None
