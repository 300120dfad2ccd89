"""The one exception that a person causes and can mend: its message says what was expected, found, and to do."""


class InputError(Exception):
    """A bad config, source, file or checkpoint; command-line programs print the message and exit with 2."""
