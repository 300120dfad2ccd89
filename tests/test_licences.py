"""Licence names and expressions, as packages write them."""

from email.message import Message

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.corpus import licences
from training.corpus.licences import is_permissive, normalise, of_metadata, of_text

MIT_TEXT = "Permission is hereby granted, free of charge, to any person\nobtaining a copy of this software"
BSD_TEXT = "Redistribution and use in source and binary forms, with or without\nmodification, are permitted"
NAMES = st.sampled_from(["MIT", "BSD-3-Clause", "Apache-2.0", "GPL-3.0-only", "MPL-2.0", "unknown"])


@pytest.mark.parametrize(
    ("expression", "expected", "permissive"),
    [
        ("MIT", "MIT", True),
        ("mit", "MIT", True),
        ("MIT License", "MIT", True),
        ("Apache License, Version 2.0", "Apache-2.0", True),
        ("Apache 2.0 License", "Apache-2.0", True),
        ("3-Clause BSD License", "BSD-3-Clause", True),
        ("Apache-2.0 OR BSD-3-Clause", "Apache-2.0 OR BSD-3-Clause", True),
        ("apache-2.0 or gpl-3.0", "Apache-2.0 OR GPL-3.0", True),
        ("MIT AND GPL-3.0-only", "MIT AND GPL-3.0-only", False),
        ("MIT AND (GPL-3.0-only OR ISC)", "MIT AND (GPL-3.0-only OR ISC)", True),
        ("Apache-2.0 WITH LLVM-exception", "Apache-2.0 WITH LLVM-exception", True),
        ("GPL-2.0 WITH Classpath-exception-2.0", "GPL-2.0 WITH Classpath-exception-2.0", False),
        ("MPL-2.0 AND MIT", "MPL-2.0 AND MIT", False),
        ("MIT OR", "MIT OR", False),
        ("MIT AND ISC AND", "MIT AND ISC AND", False),
        ("MIT OR GPL 3", "MIT OR GPL 3", False),
        ("(MIT OR ISC", "(MIT OR ISC", False),
        ("MIT OR ISC)", "MIT OR ISC)", False),
        ("Proprietary", "Proprietary", False),
        ("All rights reserved by us", "unknown", False),
        ("", "unknown", False),
    ],
)
def test_expressions(expression: str, expected: str, permissive: bool) -> None:
    assert normalise(expression) == expected
    assert is_permissive(expected) == permissive


Expression = tuple[str, bool]  # as written, and whether it is permissive


def compound(parts: tuple[Expression, str, Expression]) -> Expression:
    (left, left_permissive), operator, (right, right_permissive) = parts
    permissive = left_permissive and right_permissive if operator == "AND" else left_permissive or right_permissive
    return f"({left} {operator} {right})", permissive


@given(
    st.recursive(
        NAMES.map(lambda name: (name, name in licences.PERMISSIVE)),
        lambda inner: st.tuples(inner, st.sampled_from(["AND", "OR"]), inner).map(compound),
    )
)
def test_compound_expressions_mean_what_they_say(expression: Expression) -> None:
    written, permissive = expression
    assert is_permissive(normalise(written)) == permissive
    assert normalise(normalise(written)) == normalise(written)


@given(st.text(alphabet="MITANDORWITH() ;\n-2.0", max_size=40))
def test_nothing_breaks_it(text: str) -> None:
    assert is_permissive(normalise(text)) in (True, False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"MIT License\n\n{MIT_TEXT}", "MIT"),
        (BSD_TEXT, "BSD-2-Clause"),
        (f"{BSD_TEXT}\nNeither the name of the copyright holder", "BSD-3-Clause"),
        ("        Apache License\n   Version 2.0, January 2004", "Apache-2.0"),
        ("GNU GENERAL PUBLIC LICENSE\nVersion 3", "GPL"),
        (f"{MIT_TEXT}\n\nThe bundled parser: GNU General Public License", "MIT"),
        ("Ask us first.", "unknown"),
    ],
)
def test_full_texts(text: str, expected: str) -> None:
    assert of_text(text) == expected


@pytest.mark.parametrize(
    ("fields", "texts", "expected"),
    [
        ([("License-Expression", "mit OR apache-2.0"), ("License", "GPL")], [], "MIT OR Apache-2.0"),
        ([("Classifier", "License :: OSI Approved :: BSD License"), ("License", "GPL")], [], "BSD"),
        (
            [
                ("Classifier", "License :: OSI Approved :: MIT License"),
                ("Classifier", "License :: OSI Approved :: GNU General Public License v2 (GPLv2)"),
            ],
            [],
            "GPL-2.0 AND MIT",
        ),
        ([("Classifier", "License :: OSI Approved"), ("License", "BSD-3-Clause")], [], "BSD-3-Clause"),
        ([("Classifier", "Topic :: Software Development"), ("License", MIT_TEXT * 3)], [], "MIT"),
        ([("License", "see LICENSE")], [BSD_TEXT * 3], "BSD-2-Clause"),
        ([], [], "unknown"),
    ],
)
def test_metadata(fields: list[tuple[str, str]], texts: list[str], expected: str) -> None:
    message = Message()
    for name, value in fields:
        message[name] = value
    assert of_metadata(message, texts) == expected
