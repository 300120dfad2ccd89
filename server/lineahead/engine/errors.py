"""What can be wrong with what the server is given."""


class ModelError(Exception):
    """A model cannot be used; the message says what was expected, what was found and what to do."""
