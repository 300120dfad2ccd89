"""Places in texts, for tests: the cursor is written as ‸."""

from lineahead.place import Place


def cursor(text: str, language: str = "python") -> Place:
    return Place(text.replace("‸", ""), text.index("‸"), language=language)
