"""Licences as packages declare them, brought to SPDX-like ids, and which of them are permissive."""

import re
from collections.abc import Iterable
from email.message import Message
from typing import Any

from license_expression import LicenseWithExceptionSymbol, Licensing

UNKNOWN = "unknown"
FILE_NAME = re.compile(
    r"(UN)?LICEN[CS]E([._-](?!py|json|toml|ya?ml|cfg|c$|h$|js|ts|sh$)[\w.-]+)?|COPYING([._-][\w-]+)?", re.I
)
"""The names of files that hold a licence's text: not `licences.py`, which talks about them."""

PERMISSIVE = frozenset(
    [
        "0BSD",
        "AFL-3.0",
        "Apache-1.1",
        "Apache-2.0",
        "BSD",
        "BSD-1-Clause",
        "BSD-2-Clause",
        "BSD-2-Clause-Patent",
        "BSD-3-Clause",
        "BSD-3-Clause-Clear",
        "BSD-4-Clause",
        "BSL-1.0",
        "CC0-1.0",
        "CNRI-Python",
        "HPND",
        "ISC",
        "MIT",
        "MIT-0",
        "MIT-CMU",
        "NCSA",
        "PostgreSQL",
        "PSF-2.0",
        "Python-2.0",
        "TCL",
        "Unlicense",
        "UPL-1.0",
        "W3C",
        "WTFPL",
        "X11",
        "Zlib",
        "ZPL-2.1",
        "blessing",
    ]
)

# Names in use beside the SPDX ids; keys are lower case with every run of other characters a blank.
_ALIASES = {
    "apache": "Apache-2.0",
    "apache 2": "Apache-2.0",
    "apache 2 0": "Apache-2.0",
    "apache 2 0 license": "Apache-2.0",
    "apache license 2": "Apache-2.0",
    "apache license 2 0": "Apache-2.0",
    "apache license version 2 0": "Apache-2.0",
    "apache software": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "apache software license 2 0": "Apache-2.0",
    "asl 2 0": "Apache-2.0",
    "bsd": "BSD",
    "bsd license": "BSD",
    "bsd style": "BSD",
    "bsd 2 clause": "BSD-2-Clause",
    "2 clause bsd": "BSD-2-Clause",
    "simplified bsd": "BSD-2-Clause",
    "bsd 3": "BSD-3-Clause",
    "bsd 3 clause": "BSD-3-Clause",
    "3 clause bsd": "BSD-3-Clause",
    "bsd 3 clause license": "BSD-3-Clause",
    "3 clause bsd license": "BSD-3-Clause",
    "modified bsd": "BSD-3-Clause",
    "new bsd": "BSD-3-Clause",
    "new bsd license": "BSD-3-Clause",
    "modified bsd license": "BSD-3-Clause",
    "boost software license 1 0 bsl 1 0": "BSL-1.0",
    "cc0": "CC0-1.0",
    "cc0 1 0 universal cc0 1 0 public domain dedication": "CC0-1.0",
    "historical permission notice and disclaimer hpnd": "HPND",
    "isc license": "ISC",
    "isc license iscl": "ISC",
    "iscl": "ISC",
    "expat": "MIT",
    "mit license": "MIT",
    "the mit license": "MIT",
    "the mit license mit": "MIT",
    "mit license mit": "MIT",
    "mit no attribution license mit 0": "MIT-0",
    "psf": "PSF-2.0",
    "psf license": "PSF-2.0",
    "psfl": "PSF-2.0",
    "python software foundation license": "PSF-2.0",
    "the unlicense unlicense": "Unlicense",
    "the unlicense": "Unlicense",
    "university of illinois ncsa open source license": "NCSA",
    "zlib libpng license": "Zlib",
    "zlib libpng": "Zlib",
    "zope public license": "ZPL-2.1",
    "zpl 2 1": "ZPL-2.1",
    "agpl 3 0": "AGPL-3.0",
    "gpl": "GPL",
    "gpl 2 0": "GPL-2.0",
    "gpl 3 0": "GPL-3.0",
    "gplv2": "GPL-2.0",
    "gplv3": "GPL-3.0",
    "lgpl": "LGPL",
    "lgpl 2 1": "LGPL-2.1",
    "lgpl 3 0": "LGPL-3.0",
    "mpl 2 0": "MPL-2.0",
    "mozilla public license 2 0 mpl 2 0": "MPL-2.0",
    "gnu general public license gpl": "GPL",
    "gnu general public license v2 gplv2": "GPL-2.0",
    "gnu general public license v2 or later gplv2": "GPL-2.0-or-later",
    "gnu general public license v3 gplv3": "GPL-3.0",
    "gnu general public license v3 or later gplv3": "GPL-3.0-or-later",
    "gnu library or lesser general public license lgpl": "LGPL",
    "gnu lesser general public license v2 or later lgplv2": "LGPL-2.0-or-later",
    "gnu lesser general public license v3 lgplv3": "LGPL-3.0",
    "gnu lesser general public license v3 or later lgplv3": "LGPL-3.0-or-later",
}
_TOKEN = re.compile(r"\(|\)|[^\s()]+")
_OPERATORS = ("AND", "OR", "WITH")
_LICENSING = Licensing()  # parses SPDX expressions of any names

# Sentences that only one licence has, in the order of asking; white space is collapsed first.
_SENTENCES = (
    ("AGPL-3.0", "gnu affero general public license"),
    ("LGPL", "gnu lesser general public license"),
    ("GPL", "gnu general public license"),
    ("MPL-2.0", "mozilla public license"),
    ("Apache-2.0", "apache license, version 2.0"),
    ("Apache-2.0", "apache license version 2.0"),
    ("PSF-2.0", "python software foundation license version 2"),
    ("PSF-2.0", "psf license agreement for python"),
    ("MIT", "permission is hereby granted, free of charge, to any person obtaining a copy"),
    ("ISC", "permission to use, copy, modify, and/or distribute this software for any purpose"),
    ("ISC", "permission to use, copy, modify, and distribute this software for any purpose"),
    ("Zlib", "this software is provided 'as-is', without any express or implied warranty"),
    ("Unlicense", "this is free and unencumbered software released into the public domain"),
    ("BSL-1.0", "boost software license - version 1.0"),
    ("CC0-1.0", "cc0 1.0 universal"),
)
_BSD = "redistribution and use in source and binary forms"


def of_metadata(metadata: Message, licence_texts: Iterable[str] = ()) -> str:
    """The licence of a distribution: its expression, else its classifiers, else its licence field or files.

    Several classifiers may mean "either" or "both", and metadata does not say: they are read as both (AND).
    """
    expression = metadata.get("License-Expression")
    if expression:
        return normalise(str(expression))
    leaves = [str(line).split(" :: ") for line in metadata.get_all("Classifier", [])]
    named = [parts[-1] for parts in leaves if parts[0] == "License" and parts[-1] not in ("License", "OSI Approved")]
    classified = sorted({normalise(name) for name in named} - {UNKNOWN})
    if classified and len(classified) == len({normalise(name) for name in named}):
        return " AND ".join(classified)
    for text in (str(metadata.get("License") or ""), *licence_texts):
        licence = normalise(text) if len(text) < 200 else of_text(text)
        if licence != UNKNOWN:
            return licence
    return UNKNOWN


def of_text(text: str) -> str:
    """The licence whose full text this is, "unknown" where no sentence gives it away."""
    words = re.sub(r"\s+", " ", text.lower())
    # Only what comes first counts: many files list the licences of bundled parts further down.
    positions = [(words.find(sentence), name) for name, sentence in _SENTENCES if sentence in words]
    if _BSD in words:
        positions.append((words.find(_BSD), "BSD-3-Clause" if "neither the name" in words else "BSD-2-Clause"))
    return min(positions)[1] if positions else UNKNOWN


def normalise(expression: str) -> str:
    """One spelling for a licence name or SPDX expression; names that nobody knows stay as they are."""
    whole = _identifier(expression)
    if whole is not None:
        return whole
    tokens = _TOKEN.findall(expression)
    if not tokens or (len(tokens) > 1 and not any(token.upper() in _OPERATORS for token in tokens)):
        return of_text(expression)
    names = [token.upper() if token.upper() in _OPERATORS else _identifier(token) or token for token in tokens]
    return " ".join(names).replace("( ", "(").replace(" )", ")")


def is_permissive(expression: str) -> bool:
    """Whether a normalised expression lets one reuse the code with no more than attribution.

    OR: one side is enough. AND: all must be. WITH: an exception only adds permissions. Whatever is not
    understood is not permissive.
    """
    try:
        parsed = _LICENSING.parse(expression)
    except Exception:  # the library fails in many ways on what is no expression, "()" among it
        return False
    if parsed is None or any(" " in symbol.key for symbol in _LICENSING.license_symbols(parsed)):
        return False  # the library takes words in a row for one name,
    if _words(parsed.render()) != _words(expression):
        return False  # and passes over an operator at the end
    return _permits(parsed)


def _words(expression: str) -> list[str]:
    return [token.lower() for token in _TOKEN.findall(expression) if token not in ("(", ")")]


def _permits(parsed: Any) -> bool:
    if isinstance(parsed, _LICENSING.OR):
        return any(map(_permits, parsed.args))
    if isinstance(parsed, _LICENSING.AND):
        return all(map(_permits, parsed.args))
    if isinstance(parsed, LicenseWithExceptionSymbol):
        return _permits(parsed.license_symbol)
    return parsed.key in PERMISSIVE


_KNOWN = {name.lower(): name for name in PERMISSIVE}


def _identifier(name: str) -> str | None:
    """The id that a single name stands for, None where it is no name that we know."""
    name = name.strip()
    if name.lower() in _KNOWN:
        return _KNOWN[name.lower()]
    return _ALIASES.get(re.sub(r"[^a-z0-9]+", " ", name.lower()).strip())
