"""The corpus stage as a whole: filtered, deduplicated, split, counted."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.corpus import sources
from training.corpus.corpus import CorpusConfig, read_documents, split_of
from training.corpus.documents import Candidate, Document, Found
from training.corpus.tally import CorpusReport
from training.errors import InputError


def code(number: int, lines: int = 12) -> str:
    """A different little program for each number."""
    body = "\n".join(f"    step_{number}_{line} = value_{number * 31 + line} + {line}" for line in range(lines))
    return f"def function_{number}(argument):\n{body}\n    return argument\n"


@pytest.fixture
def repositories(tmp_path: Path) -> Path:
    """Forty small projects of three files each."""
    root = tmp_path / "repositories"
    for project in range(40):
        folder = root / f"project{project:02}"
        folder.mkdir(parents=True)
        (folder / "pyproject.toml").touch()
        for file in range(3):
            (folder / f"module{file}.py").write_text(code(project * 3 + file))
    return root


def settings(*sources: Path | str, **others: object) -> CorpusConfig:
    return CorpusConfig(sources=tuple(str(source) for source in sources), validation_share=0.3, **others)  # type: ignore[arg-type]


@pytest.mark.slow
def test_documents_in_order_and_split_by_project(repositories: Path) -> None:
    report = CorpusReport()
    documents = list(read_documents(settings(repositories), report))
    assert documents == list(read_documents(settings(repositories)))
    assert [(d.project, d.path) for d in documents] == [
        (f"project{project:02}", f"module{file}.py") for project in range(40) for file in range(3)
    ]
    assert documents[4] == Document(
        code(4), "module1.py", "project01", "unknown", str(repositories), split_of("project01", 0.3)
    )
    splits = {document.project: document.split for document in documents}
    assert all(document.split == splits[document.project] for document in documents)
    assert set(splits.values()) == {"train", "validation"}
    assert report.documents == 120


@pytest.mark.slow
def test_stream_split_labels_everything_train(repositories: Path) -> None:
    documents = read_documents(settings(repositories / "project00", split="stream"))
    assert [document.split for document in documents] == ["train"] * 3


@pytest.mark.slow
def test_of_large_projects_what_is_kept_grows_with_the_logarithm(tmp_path: Path) -> None:
    for project, files in (("large", 400), ("medium", 40), ("small", 4)):
        for number in range(files):
            path = tmp_path / project / f"module{number:03}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(code(2 * files + number))
        (tmp_path / project / "pyproject.toml").touch()
    size = len(code(1_000).encode())

    def kept(whole: int) -> dict[str, int]:
        config = settings(tmp_path, whole_project_bytes=whole, near_duplicate_threshold=0.0, split="stream")
        return Counter(document.project for document in read_documents(config))

    assert kept(0) == {"large": 400, "medium": 40, "small": 4}
    balanced = kept(10 * size)
    assert balanced == kept(10 * size)
    assert balanced["small"] == 4
    assert 14 <= balanced["medium"] <= 34  # 10 and 10 × ln 4 files: 24
    assert 32 <= balanced["large"] <= 62  # 10 and 10 × ln 40: 47
    report = CorpusReport()
    config = settings(tmp_path, whole_project_bytes=10 * size, near_duplicate_threshold=0.0, split="file")
    documents = list(read_documents(config, report))
    assert report.reasons()["large_project"] == 444 - len(documents)
    held_out = [document for document in documents if document.split == "validation" and document.project == "large"]
    assert len(held_out) > 80  # of validation nothing is left out: it would not be comparable


@given(st.text(), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_only_adds_projects_to_validation(project: str, one: float, other: float) -> None:
    smaller, larger = sorted((one, other))
    assert split_of(project, smaller) == split_of(project, smaller)
    assert split_of(project, larger) == "validation" or split_of(project, smaller) == "train"


def test_the_hash_is_fixed_for_good_and_even() -> None:
    assert [split_of(name, 0.05) for name in ("pygments", "twisted", "django")] == ["validation", "validation", "train"]
    share = sum(split_of(f"project {number}", 0.05) == "validation" for number in range(10_000)) / 10_000
    assert 0.04 < share < 0.06


@pytest.mark.slow
def test_every_drop_is_counted_by_reason(repositories: Path) -> None:
    odd = repositories / "odd"
    (odd / "vendor").mkdir(parents=True)
    texts = {
        "a_copy.py": code(0) + "\n\n",
        "a_likeness.py": code(1, lines=12).replace("step_1_3 ", "step_1_three "),
        "broken.py": code(500) + "def half(:\n",
        "generated.py": "# Generated by a script\n" + code(501),
        "long.py": code(502, lines=400),
        "short.py": "x = 1\n",
        "vendor/copied.py": code(503),
        "nothing.py": "",
    }
    for name, text in texts.items():
        (odd / name).write_text(text)
    (odd / "latin.py").write_bytes(code(504).encode() + b"# caf\xe9\n")
    (odd / "gone.py").symlink_to(odd / "nowhere")
    report = CorpusReport()
    config = settings(repositories, max_bytes=3000, near_duplicate_threshold=0.7)
    documents = list(read_documents(config, report))
    # The folder "odd" comes before "project00": its files are the first seen, so it is the others that go.
    assert {d.path for d in documents if d.project == "odd"} == {"a_copy.py", "a_likeness.py"}
    assert len(documents) == 120
    reasons = "duplicate empty generated near_duplicate too_long too_short undecodable unparsable unreadable vendored"
    assert report.reasons() == dict.fromkeys(reasons.split(), 1)


@pytest.mark.slow
def test_only_permissive_licences_if_so_asked(repositories: Path) -> None:
    for project, text in (("project00", "Apache License, Version 2.0"), ("project01", "GNU General Public License")):
        (repositories / project / "LICENSE").write_text(text)
    report = CorpusReport()
    kept = list(read_documents(settings(repositories, licences="permissive", split="stream"), report))
    assert {document.licence for document in kept} == {"Apache-2.0"}
    assert report.reasons() == {"licence": 117}


@pytest.mark.slow
def test_the_limit_stops_early_and_leaves_no_process(repositories: Path) -> None:
    assert len(list(read_documents(settings(repositories, limit=7, split="stream")))) == 7
    documents = read_documents(settings(repositories))
    next(documents)
    documents.close()
    assert not [child for child in psutil.Process().children() if "training.corpus.workers" in child.cmdline()]


@pytest.mark.slow
def test_duplicates_across_sources_go_one_way_only(repositories: Path, tmp_path: Path) -> None:
    table = tmp_path / "rows.csv"
    table.write_text("".join('"' + code(number).replace('"', '""') + '"\n' for number in range(110, 130)))
    report = CorpusReport()
    documents = list(read_documents(settings(repositories, table), report))
    assert len(documents) == 130
    assert report.reasons() == {"duplicate": 10}


@pytest.mark.slow
def test_the_input_is_read_no_faster_than_documents_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    read = 0

    def endless(*_: object) -> Found:
        def candidates() -> Iterator[Candidate]:
            nonlocal read
            while True:
                read += 1
                yield Candidate(code(read), f"{read}.py", f"project{read}", "MIT")

        return Found(None, candidates())

    monkeypatch.setattr(sources, "find", endless)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    documents = read_documents(CorpusConfig())
    for _ in range(1000):
        next(documents)
    assert read <= 1000 + 64 * (2 * 2 + 1)
    documents.close()


@pytest.mark.slow
def test_the_report(repositories: Path) -> None:
    report = CorpusReport()
    for document in read_documents(settings(repositories), report):
        report.add_tokens(document, 10)
    plain = json.loads(json.dumps(report.as_dict()))
    assert sum(row["tokens"] for row in plain["kept"]) == 1200
    assert sum(row["bytes"] for row in plain["kept"]) == sum(len(code(number)) for number in range(120))
    assert {row["split"] for row in plain["kept"]} == {"train", "validation"}
    assert len(plain["projects"]) == 40
    table = report.table()
    assert table.splitlines()[1].split() == ["source", "licence", "split", "documents", "bytes", "tokens"]
    assert "1200" in table
    assert CorpusReport().table()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sources": ()}, r"corpus\.sources: expected at least one"),
        ({"sources": ("enviroment",)}, "found 'enviroment'"),
    ],
)
def test_bad_settings_are_errors_at_once(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_documents(CorpusConfig(**change))  # type: ignore[arg-type]


@pytest.mark.slow
def test_an_empty_corpus_says_what_became_of_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"found none that is usable \(dropped: nothing\)"):
        list(read_documents(settings(tmp_path)))
    (tmp_path / "a.py").write_text("x = 1\n")
    (tmp_path / "b.py").write_text("")
    with pytest.raises(InputError, match=r"dropped: empty 1, too_short 1"):
        list(read_documents(settings(tmp_path)))


@pytest.mark.slow
def test_a_corpus_on_one_side_of_the_split_is_an_error_with_advice(repositories: Path) -> None:
    with pytest.raises(InputError, match=r'all 3 documents .* corpus\.split = "file"'):
        list(read_documents(settings(repositories / "project00")))
    config = CorpusConfig(sources=(str(repositories / "project00"),), validation_share=0.0)
    assert len(list(read_documents(config))) == 3


@pytest.mark.slow  # starts the workers
def test_a_table_in_another_encoding_says_what_helps(tmp_path: Path) -> None:
    (tmp_path / "latin.csv").write_bytes(('"' + "word = 'été'\n" * 30 + '"\n').encode("latin-1"))
    config = CorpusConfig((str(tmp_path / "latin.csv"),))
    with pytest.raises(InputError, match=r"undecodable 1\); text in another encoding than UTF-8 has to be saved"):
        list(read_documents(config))
