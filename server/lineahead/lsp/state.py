"""What a server can be doing, as clients see it."""

from enum import StrEnum


class State(StrEnum):
    """The states that `lineahead/status` names; the extension's own list is held against this one by a test."""

    LOADING = "loading"
    READY = "ready"
    OFF = "off"
    SNOOZED = "snoozed"
    FAILED = "failed"
