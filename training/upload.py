"""A checkpoint on the Hugging Face hub: `python -m training.export CHECKPOINT --push-to-hub OWNER/NAME`."""

import json
import re
from pathlib import Path

from huggingface_hub import CommitOperationAdd, HfApi, ModelCard, get_token
from huggingface_hub.errors import HfHubHTTPError

from training import card, format
from training.errors import InputError

PAGES = (format.HASHES, format.VOCABULARY, format.CODEBERT_TOKENIZER, "generation_config.json")
UPLOADED = (*format.HASHED, *PAGES)  # beside the card; provenance.json, which names folders, stays here


def card_of(folder: Path, licence: str | None) -> str:
    """The model card with a licence, and without the folders of this machine; raises InputError where that fails.

    `licence` is an identifier of the hub's ("mit", "apache-2.0", "other"); None takes what the card has.
    """
    try:
        if (folder / format.PROVENANCE).exists():
            text = card.render(json.loads((folder / format.PROVENANCE).read_text(encoding="utf-8")))
        else:
            text = (folder / format.CARD).read_text(encoding="utf-8")
        written = ModelCard(text)
        known = licence or getattr(written.data, "license", None)
    except Exception as error:  # of reading, of JSON, and of the library's YAML, whose errors are its own
        raise InputError(f"{folder / format.CARD}: expected a model card, found none to read: {error}") from None
    if not known:
        raise InputError(
            "--license: expected the licence that others get the model under, such as mit or other; found none. A "
            "model may know its code by heart: see the licences of what it learned from in README.md"
        )
    written.data["license"] = known
    if len(Path.home().parts) > 1 and str(Path.home()) in str(written):
        raise InputError(f"{folder / format.CARD}: names {Path.home()}; take that out before everybody reads it")
    return str(written)


def push(folder: Path, repository: str, licence: str | None, public: bool) -> str:
    """Upload a checkpoint and its card; returns the address. The repository is made, private as a rule, if need be.

    Raises InputError for no card or licence, no token, no network, and what the hub refuses.
    """
    written = card_of(folder, licence)
    if not get_token():
        raise InputError("--push-to-hub: expected a token of the hub, found none; `hf auth login`, or set HF_TOKEN")
    api = HfApi()
    files = [CommitOperationAdd(format.CARD, written.encode())]
    files += [CommitOperationAdd(name, folder / name) for name in UPLOADED if (folder / name).is_file()]
    try:
        made = api.create_repo(repository, private=not public, exist_ok=True)
        api.create_commit(made.repo_id, files, commit_message="Upload a model of Lineahead")
    except HfHubHTTPError as error:
        raise InputError(_refused(repository, error)) from None
    except Exception as error:  # the library and its transports raise many kinds
        told = f"{api.endpoint} cannot be reached, or takes no {repository!r} ({error}); nothing was committed there"
        raise InputError(f"--push-to-hub: {_without_secrets(told)}") from None
    return str(made)


def _refused(repository: str, error: HfHubHTTPError) -> str:
    """What the hub's answer means for a person."""
    meanings = {
        401: "the token is not valid; `hf auth login`, or set HF_TOKEN",
        403: f"the token may not write to {repository}; make one with the role `write`, as a member of the owner",
        404: f"there is no {repository}, and its owner cannot be found or is not you",
    }
    code = error.response.status_code
    return f"--push-to-hub: {meanings.get(code, 'the hub refused')} ({code}: {str(error).splitlines()[0]})"


def _without_secrets(text: str) -> str:
    """A message without the token, however it is quoted, and without users and passwords of addresses."""
    token = get_token() or ""
    for secret in filter(None, (token, token.encode("unicode_escape").decode())):
        text = text.replace(secret, "…")
    return re.sub(r"//[^/@\s]*@", "//…@", text)
