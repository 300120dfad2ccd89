"""What is never suggested, whoever wrote it: characters that deceive the eye, and what looks like a secret."""

import re
import unicodedata
from itertools import pairwise

from lineahead.place import Place
from lineahead.reasons import Reason

TELLING = 3  # characters of a secret
INVISIBLE = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
BLANK_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\u2800") | {
    chr(code)
    for selectors in (range(0x180B, 0x1810), range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))
    for code in selectors
}  # letters and marks that show nothing
GREEK_LIKE_LATIN = frozenset("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧικνορυϲϳ")  # Δt and σ_max are physics
LIKE_LATIN = ("CYRILLIC", "ARMENIAN", "CHEROKEE", "COPTIC", "LISU", "FULLWIDTH", "MATHEMATICAL")  # beside Latin letters

KNOWN_SECRETS = re.compile(
    r"""(?<![A-Za-z0-9]) (?: sk-(?!learn)[A-Za-z0-9_-]{4} | [sr]k_(?:live|test)_ | (?:AKIA|ASIA)[0-9A-Z]
        | gh[pousr]_[A-Za-z0-9]{2} | github_pat_ | glpat-\w | xox[abeprs]-\w | AIza[\w-]{4} | SG\.[\w-]{10}
        | hf_[A-Za-z]{4}[A-Za-z0-9]{12} | npm_[A-Za-z0-9]{12} | pypi-AgE | eyJ[\w-]{6}
        | [0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12} )
    | -----BEGIN\ [A-Z\ ]*PRIVATE | (?<=://)[^\s/:@'"]+:[^\s/@'"{}]+@""",
    re.VERBOSE,
)
RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9+/_=-]{10,}[A-Za-z0-9=]")
CHANGING = 0.22, 0.35  # of neighbours in a random text that are of two kinds, with digits in it and without
WORDS = re.compile(r"(?>[A-Z]?[a-z]{2,}|[A-Z]{2,}(?![a-z])|[A-Z](?![A-Za-z])|\d{1,4}(?!\d)|[-+/_=])++")
LONG_HEX = re.compile(r"(?<![0-9A-Za-z])[0-9a-fA-F]{32,}")


def harm(place: Place, inserted: str) -> Reason | None:
    """Why a suggestion would do harm; None if it does none.

    What looks like a secret is refused unless this very text has it already.
    """
    if deceives(inserted if inserted.isascii() else word_before(place) + inserted):  # what was typed was typed
        return Reason.INVISIBLE
    line = place.line_before + inserted
    for start, end in secrets_in(line, place.in_comment_or_string):
        secret = line[start:end]
        if end > len(place.line_before) and secret not in place.text and secret not in place.context:
            return Reason.SECRET
    return None


def up_to_secret(place: Place, line: str) -> str:
    """A line up to some characters of the first secret in it: what goes on otherwise begins like one.

    >>> up_to_secret(Place("key = ", 6), '"AKIAIOSFODNN7EXAMPLE"')
    '"AKI'
    """
    starts = [start - len(place.line_before) for start, _ in secrets_in(place.line_before + line)]
    return line[: max(0, min(starts, default=0)) + TELLING]


def word_before(place: Place) -> str:
    """The letters before the cursor, which a suggestion goes on from."""
    return re.split(r"\W", place.line_before)[-1]


def deceives(text: str) -> bool:
    """Whether a text has characters that cannot be seen or that turn it round, or a word of look-alikes.

    >>> deceives("is_admin"), deceives("is_аdmin"), deceives("Δt"), deceives("a\\u202eb")
    (False, True, False, True)
    """
    if text.isascii():
        return any((ord(character) < 32 and character not in "\t\n\r\f") or ord(character) == 127 for character in text)
    if any(
        (unicodedata.category(character) in INVISIBLE and character not in "\t\n\r\f") or character in BLANK_LETTERS
        for character in text
    ):
        return True
    return any(_mixes_scripts(word) for word in re.findall(r"\w+", text) if not word.isascii())


def _mixes_scripts(word: str) -> bool:
    latin = like_latin = False
    for character in word:
        name = unicodedata.name(character, "")
        latin |= name.startswith("LATIN")
        like_latin |= character in GREEK_LIKE_LATIN or name.startswith(LIKE_LATIN)
        if name.startswith(("FULLWIDTH LATIN", "FULLWIDTH DIGIT", "MATHEMATICAL")):
            return True  # Python takes them for the plain letters
    return latin and like_latin


def secrets_in(line: str, from_string: bool = False) -> list[tuple[int, int]]:
    """Where a line has what looks like a secret: known beginnings anywhere, long random text inside of quotes.

    >>> secrets_in('key = "AKIAIOSFODNN7EXAMPLE"'), secrets_in('name = "PostgreSQL14ClientSession"')
    ([(7, 27)], [])
    """
    found = [(match.start(), _end_of_run(line, match.end())) for match in KNOWN_SECRETS.finditer(line)]
    for match in (*RUN.finditer(line), *LONG_HEX.finditer(line)):
        quoted = from_string or _is_quoted(line, match.start())
        if quoted and looks_random(match[0]):
            found.append(match.span())
    return found


def _end_of_run(line: str, start: int) -> int:
    run = re.compile(r"[A-Za-z0-9+/_=.-]*").match(line, start)
    return run.end() if run else start


def _is_quoted(line: str, index: int) -> bool:
    """Whether a quote stands open left of a place."""
    before = line[:index].replace("\\\\", "").replace("\\'", "").replace('\\"', "")
    return before.count("'") % 2 == 1 or before.count('"') % 2 == 1


def looks_random(run: str) -> bool:
    """Whether letters and digits follow one another as in no word.

    >>> looks_random("wJalrXUtnFEMI7K7MDENG"), looks_random("application/json-2024-01-01T00"), looks_random("x" * 40)
    (True, False, False)
    """
    if LONG_HEX.fullmatch(run):
        return len(set(run)) > 7
    if WORDS.fullmatch(run):
        return False
    plain = re.sub(r"[^A-Za-z0-9]", "", run)
    kinds = ["0" if character.isdigit() else "A" if character.isupper() else "a" for character in plain]
    pairs = list(pairwise(kinds))
    changes = sum(left != right and (left, right) != ("A", "a") for left, right in pairs)  # but for a Capital
    share = CHANGING["0" not in kinds]
    return len(plain) >= 12 and len(set(plain)) > 7 and changes >= share * len(pairs)
