"""Why nothing is suggested: one name for each kind of silence, and what a person is told."""

from enum import StrEnum


class Reason(StrEnum):
    """A kind of silence."""

    LOADING = "loading"
    FAILED = "failed"
    OFF = "off"
    SNOOZED = "snoozed"
    NOT_OPEN = "not-open"
    SECRET_FILE = "secret-file"
    EXCLUDED = "excluded"
    IGNORED = "ignored"
    TOO_LONG = "too-long"
    MID_WORD = "mid-word"
    CODE_FOLLOWS = "code-follows"
    COMMENT_OR_STRING = "comment-or-string"
    FINISHED_STATEMENT = "finished-statement"
    NOTHING_SURE = "below-confidence"
    BLANK = "blank"
    REPEAT = "repeat"
    LONE_CLOSER = "lone-closer"
    DOES_NOT_PARSE = "does-not-parse"
    UNKNOWN_NAME = "unknown-name"
    BAD_INDENTATION = "bad-indentation"
    INVISIBLE = "invisible-characters"
    SECRET = "secret"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed-out"


EXPLANATIONS = {
    Reason.LOADING: "the model is still loading",
    Reason.FAILED: "there is no model, or it failed",
    Reason.OFF: "Lineahead is switched off for this kind of file (setting lineahead.enable)",
    Reason.SNOOZED: "Lineahead is snoozing",
    Reason.NOT_OPEN: "the document is not open",
    Reason.SECRET_FILE: "the file's name says that it holds secrets",
    Reason.EXCLUDED: "the setting lineahead.exclude names this file",
    Reason.IGNORED: "a .gitignore names this file, or a folder that it is in",
    Reason.TOO_LONG: "the document has more than a million characters, and is no code that a person writes",
    Reason.MID_WORD: "the cursor stands inside a word",
    Reason.CODE_FOLLOWS: "code follows the cursor on its line",
    Reason.COMMENT_OR_STRING: "the cursor stands in a comment or string (setting lineahead.commentsAndStrings)",
    Reason.FINISHED_STATEMENT: "the statement before the cursor looks finished",
    Reason.NOTHING_SURE: "the model is not sure enough (setting lineahead.confidence)",
    Reason.BLANK: "the model wrote nothing",
    Reason.REPEAT: "the suggestion repeats the lines around it",
    Reason.LONE_CLOSER: "the suggestion is no more than a closing bracket",
    Reason.DOES_NOT_PARSE: "with the suggestion the file would be no valid Python any more",
    Reason.UNKNOWN_NAME: "the suggestion uses a name that is defined nowhere",
    Reason.BAD_INDENTATION: "the suggestion's indentation fits no block",
    Reason.INVISIBLE: "the suggestion has characters that cannot be seen, or that look like others",
    Reason.SECRET: "the suggestion looks like a secret that stands in another file",
    Reason.CANCELLED: "a newer request came in between",
    Reason.TIMED_OUT: "it took too long",
}
