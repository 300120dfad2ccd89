"""The report: what its numbers mean, that text and results agree, and results that it refuses."""

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training import door
from training.errors import InputError
from training.report import __main__ as report
from training.report import marks, measures, numbers, recipes, results
from training.report.measures import ALONE, CONDITIONS, GATE, Estimate

TEXT = (report.FOLDER / report.TEXT).read_text(encoding="utf-8")
TOKENS = (10_000_000, 20_000_000, 40_000_000)


def made_up(alpha: float = 0.1, saved: float = 0.2) -> dict[str, Any]:
    """Results that follow a power law exactly, and of which the memory saves an exact share."""
    models = []
    for tokens in TOKENS:
        projects = {}
        for name, level in (("b", 1.2), ("a", 0.8)):
            files = []
            for number in range(12):
                alone = level * (1 + number / 50) * (tokens / 1e7) ** -alpha * 100
                bits = dict.fromkeys(CONDITIONS, alone * (1 - saved)) | {"alone": alone}
                files.append({"file": f"{number}.py", "lines": 2, "tokens": 30, "bytes": 100, "bits": bits})
            projects[name] = files
        models.append({"tokens": tokens, "projects": projects})
    made_by = {"command": "measure", "date": "2026-01-02", "versions": {"torch": "2", "onnxruntime": "1"}}
    return {"made_by": made_by, "models": models}


def made_up_marks(below: float = -0.25, left_to_right: float = 1.005, pairs: int = 3) -> dict[str, Any]:
    """Results in which the mark changes nats with the text below, and bits left to right, by exact amounts."""
    models, names = [], []
    for pair in range(pairs):
        for side, name in enumerate((f"true-{pair}", f"false-{pair}")):
            marked = 1 - side
            lines, places = {}, {}
            for project in ("b", "a"):
                lines[project] = [
                    {"file": f"{number}.py", "tokens": 10 + number,
                     "nats": {marks.CONDITIONS[0]: (10 + number) * (3 + pair / 10),
                              marks.CONDITIONS[1]: (10 + number) * (2.75 + pair / 10 + number / 50 + marked * below)}}
                    for number in range(12)
                ]  # fmt: skip
                places[project] = [
                    {"file": f"{number}.py", "places": 4, "exact": {marks.MEMORY[0]: 1 + marked, marks.MEMORY[1]: 1}}
                    for number in range(8)
                ]
            models.append(
                {"name": name, "lines": lines, "places": places, "progress": {"steps": 240, "tokens": 1_966_080},
                 "evaluation": {"validation_bits_per_byte": 0.93 * (left_to_right if marked else 1)}}
            )  # fmt: skip
        names.append([f"true-{pair}", f"false-{pair}"])
    made_by = {"command": "measure", "date": "2026-01-03", "versions": {}}
    return {"made_by": made_by, "models": models, "pairs": names}


def test_a_power_law_gives_its_exponent_and_what_a_saving_is_worth() -> None:
    found = measures.measured(made_up(alpha=0.1, saved=0.2))
    bits = measures.bits_per_byte(found).mean(0)
    alpha, log_a = measures.exponent(found.tokens, bits[:, ALONE])
    assert alpha == pytest.approx(0.1)
    assert math.exp(log_a) * 1e7**-alpha == pytest.approx(bits[0, ALONE])
    assert measures.worth(found.tokens, bits[:, ALONE], bits[-1, GATE]) == pytest.approx(0.8 ** (-1 / 0.1))
    assert measures.worth(found.tokens, bits[:, ALONE], bits[-1, ALONE]) == pytest.approx(1)


def test_projects_count_alike_and_files_by_their_bytes() -> None:
    made = made_up()
    made["models"][0]["projects"]["a"][0]["bytes"] = 900
    with pytest.raises(InputError, match="the same lines"):
        measures.measured(made)
    for model in made["models"]:
        model["projects"]["a"][0]["bytes"] = 900
    found = measures.measured(made)
    assert found.projects == ("a", "b")
    files = made["models"][0]["projects"]["a"]
    expected = sum(file["bits"]["alone"] for file in files) / (900 + 11 * 100)
    assert measures.bits_per_byte(found)[0, 0, ALONE] == pytest.approx(expected)


def test_all_columns_share_the_draws_of_files() -> None:
    found = measures.measured(made_up(saved=0.2))
    drawn = measures.resampled(found, samples=200)
    assert drawn.shape == (200, 2, 3, len(CONDITIONS))
    assert drawn[..., ALONE].std(0).min() > 0
    assert drawn[..., GATE] / drawn[..., ALONE] == pytest.approx(0.8)  # the share is exact in each file
    value = measures.bits_per_byte(found)
    assert np.abs(drawn.mean(0) / value - 1).max() < 0.01
    assert (measures.resampled(found, samples=200) == drawn).all()


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(10.1, 20, "holds"), (2, 9.9, "fails"), (9, 11, "is not decided"), (10, 20, "is not decided")],
)
def test_a_hypothesis_is_judged_by_the_ends_of_the_interval(low: float, high: float, said: str) -> None:
    assert numbers.verdict(Estimate(10, low, high), 10) == said


def test_rounded_numbers_keep_their_digits() -> None:
    text = numbers.with_interval("Name", Estimate(1234.5678, 0.1, 9e4), 1)
    assert text == "\\newcommand{\\Name}{1{,}234.6}\n\\newcommand{\\NameInterval}{[0.1, 90{,}000.0]}\n"


def commands(text: str) -> dict[str, str]:
    return dict(re.findall(r"\\newcommand\{\\(\w+)\}\{(.*)\}$", text, re.MULTILINE))


def test_the_commands_say_what_was_measured() -> None:
    said = commands(numbers.all_numbers(all_made_up()).replace("\\\\\n}", "}"))
    assert said["GainGateThird"] == "20.0"
    assert said["GainGateThirdInterval"] == "[20.0, 20.0]"
    assert said["Alpha"] == "0.1000"
    assert said["Worth"] == f"{0.8**-10:.1f}"
    assert said["FirstVerdict"] == "fails"
    assert (said["Left"], said["SecondVerdict"]) == ("1.00", "holds")
    assert (said["Lines"], said["Files"], said["Tokens"]) == ("48", "24", "720")
    assert said["WorthEarly"] == said["WorthLate"] == said["Worth"]
    assert (said["MarkBelow"], said["MarkBelowInterval"]) == ("-0.250", "[-0.250, -0.250]")
    assert (said["MarkAlone"], said["MarkAloneInterval"]) == ("0.000", "[0.000, 0.000]")
    assert (said["MarkedExactMemory"], said["UnmarkedExactMemory"], said["MarkExactMemory"]) == ("50.0", "25.0", "25.0")
    assert (said["MarkPairs"], said["MarkTokens"], said["MarkPlaces"]) == ("3", f"{2 * 12 * 15.5:.0f}", "64")
    assert (said["MarkCosts"], said["ThirdVerdict"]) == ("0.50", "holds")
    assert (said["Wider"], said["FourthVerdict"]) == ("-2.00", "holds")
    assert (said["Mean"], said["FifthVerdict"]) == (f"{100 * (0.9 / 1.01 - 1):.2f}", "holds")
    assert said["MeanLonger"] == f"{100 * (0.88 / 0.885 - 1):.2f}"
    assert said["PredictedTokens"] == f"{TOKENS[-1] / 1e6:.1f}"
    assert (said["Predicted"], said["PredictedInterval"]) == (said["Reached"], said["ReachedInterval"])
    assert (said["InfillingExact"], said["InfillingExactInterval"]) == ("9.0", "[7.0, 11.0]")


@pytest.mark.parametrize(
    ("value", "low", "high", "said"),
    [
        (-0.5, -0.6, -0.4, "holds"),
        (-0.6, -1.3, 0.1, "is not decided"),
        (-0.4, -0.6, -0.2, "is not decided"),
        (-0.2, -0.4, 0, "fails"),
    ],
)
def test_a_wider_corpus_is_judged_by_what_it_saves(value: float, low: float, high: float, said: str) -> None:
    assert recipes.wider_verdict(Estimate(value, low, high)) == said


@pytest.mark.parametrize(
    ("means", "longer", "said"),
    [((-1, -1.2), -0.5, "holds"), ((-1, -0.9), -0.5, "fails"), ((-1, -1.2), -0.4, "fails")],
)
def test_means_are_judged_on_each_corpus_and_against_one_run(
    means: tuple[float, ...], longer: float, said: str
) -> None:
    found = [Estimate(value, value - 0.2, value + 0.2) for value in (*means, longer)]
    assert recipes.mean_verdict(found[:-1], found[-1]) == said


@pytest.mark.parametrize(
    ("below", "high", "worse", "said"),
    [
        (-0.1, -0.01, 1.0, "holds"),
        (-0.2, 0.01, 0.0, "is not decided"),
        (-0.09, -0.05, 0.0, "fails"),
        (-0.2, -0.1, 1.1, "fails"),
    ],
)
def test_the_mark_is_judged_by_what_it_saves_and_what_it_costs(
    below: float, high: float, worse: float, said: str
) -> None:
    assert numbers.mark_verdict(Estimate(below, 2 * below - high, high), worse) == said


def test_pairs_are_drawn_anew_as_files_are() -> None:
    made = made_up_marks()
    for model in made["models"][:2]:  # the first pair: nothing gained
        for files in model["lines"].values():
            for file in files:
                file["nats"] = dict.fromkeys(marks.CONDITIONS, 3.0 * file["tokens"])
    drawn = marks.rates(marks.marks(made).nats)
    mean = marks.mean_over_pairs(drawn[:, 0] - drawn[:, 1])[:, marks.BELOW]
    found = measures.estimate(mean[0], mean[1:])
    assert mean[0] == pytest.approx(-0.25 * 2 / 3)
    assert found.low == pytest.approx(-0.25)
    assert found.high == pytest.approx(0)


@pytest.mark.parametrize("part", ["lines", "places", "progress"])
def test_models_that_saw_something_else_are_no_pair(part: str) -> None:
    made = made_up_marks()
    last = made["models"][-1]
    if part == "progress":
        last["progress"]["tokens"] += 1
    else:
        last[part]["a"][0][{"lines": "tokens", "places": "places"}[part]] += 1
    with pytest.raises(InputError, match="the same"):
        marks.marks(made)


def made_up_recipes(saved: float = 0.02, unlike: float = 0.0) -> dict[str, Any]:
    """Results in which the second recipe saves an exact share of the bits of each run, and the third has one run."""
    made = []
    recipe = (("corpus as it was", 3, 0.0), ("wider corpus", 3, saved), ("mean of these three", 1, 0.1))
    others = (("mean of those three", 1, 0.12), ("one run, as many steps", 1, 0.115))
    for name, runs, less in (*recipe, *others):
        measured = [
            {"run": f"{number}", "validation": 0.9,
             "projects": {
                 project: [
                     {"file": f"{file}.py", "bytes": 100 + file,
                      "bits": (100 + file) * level * (1 - less) * (1 + number / 100 + (unlike if less else 0) * number)}
                     for file in range(12)
                 ]
                 for project, level in (("b", 1.2), ("a", 0.8))
             }}
            for number in range(runs)
        ]  # fmt: skip
        made.append({"name": name, "runs": measured})
    return {"made_by": {"command": "measure", "date": "2026-01-04", "versions": {}}, "recipes": made}


def all_made_up() -> dict[str, dict[str, Any]]:
    """Results of all kinds, by file name."""
    made_by = {"command": "measure", "date": "2026-01-05", "versions": {}}
    shares = {"shown": [90.0, 85.0, 95.0], "exact": [9.0, 7.0, 11.0], "passed": [12.0, 10.0, 14.0]}
    return {
        results.MEMORY: made_up(),
        results.MIDDLES: made_up_marks(),
        results.RECIPES: made_up_recipes(),
        results.VARIATIONS: made_up_recipes(),
        results.LATER: {**(later := made_up()), "models": later["models"][-1:]},
        results.INFILLING: {"made_by": made_by, "tasks": 1033, "shares": shares},
    }


def recipe_rows(made: dict[str, Any]) -> list[recipes.Row]:
    found = recipes.recipes(made)
    return recipes.rows(found, recipes.drawn(found))


def test_recipes_are_held_against_the_first_in_pairs() -> None:
    first, second, third, *_ = recipe_rows(made_up_recipes())
    assert (first.difference, first.runs, third.runs) == (None, 3, 1)
    assert first.bits == pytest.approx(1.01)  # projects and runs count alike
    assert second.difference is not None
    assert (second.difference.value, second.difference.low, second.difference.high) == pytest.approx((-2, -2, -2))
    assert third.difference is not None
    assert third.difference.value == pytest.approx(100 * (0.9 / 1.01 - 1))


def test_what_differs_between_pairs_widens_the_interval() -> None:
    found = recipe_rows(made_up_recipes(unlike=0.05))[1].difference
    assert found is not None
    assert found.low < found.value - 1
    assert found.high > found.value + 1


def test_a_run_with_another_vocabulary_has_no_validation_windows() -> None:
    made = made_up_recipes()
    for run in made["recipes"][1]["runs"]:
        run["validation"] = None
    told = [row.validation_text() for row in recipe_rows(made)]
    assert told[:3] == ["0.9000", "", "0.9000"]


def test_runs_that_saw_other_files_are_no_recipes() -> None:
    made = made_up_recipes()
    made["recipes"][1]["runs"][2]["projects"]["a"][3]["bytes"] += 1
    with pytest.raises(InputError, match="the same files"):
        recipes.recipes(made)


def body() -> str:
    """What is read as text: without comments, layout, plots' settings, references' names and the bibliography."""
    text = re.sub(r"(?<!\\)%.*", "", TEXT.partition("\\begin{document}")[2])
    text = re.sub(r"\\begin\{thebibliography\}.*\\end\{thebibliography\}", "", text, flags=re.DOTALL)
    text = re.sub(r"\\begin\{axis\}\[.*?\]\n(?=\\addplot)", "", text, flags=re.DOTALL)
    text = re.sub(r"\\addplot\[[^\]]*\]", "", text)
    text = re.sub(r"\\(?:cite|ref|label|header)\{[^}]*\}", "", text)
    return re.sub(r"\\begin\{minipage\}\{[^}]*\}|\\vskip \d+pt|\\multicolumn\{\d\}", "", text)


def test_no_number_that_was_measured_is_typed_into_the_text() -> None:
    formulas = re.sub(r"\$D_3\$|\(1 - \\tau\)|\^\{1/\\alpha\} / D_3\$|and \$D_3|\$w = 0\$", "", body())
    names = re.sub(r"\bH[1-5]\b|\bint8\b", "", formulas)
    assert re.findall(r"[^\n]*\d[^\n]*", names) == []


def test_each_command_of_the_text_is_made_from_the_results() -> None:
    made = set(re.findall(r"\\newcommand\{\\(\w+)\}", numbers.all_numbers(all_made_up())))
    used = set(re.findall(r"\\([A-Z]\w*)", TEXT))
    own = set(re.findall(r"\\newcommand\{\\(\w+)\}", TEXT)) | {"LARGE"}
    assert used - made - own == set()
    assert {
        "Worth",
        "WorthInterval",
        "GainGateThird",
        "FirstVerdict",
        "ProjectRows",
        "PointsGate",
        "Fit",
        "MarkRows",
    } <= used


def test_the_numbers_beside_the_text_are_those_of_the_results() -> None:
    found = {name: json.loads((results.FOLDER / name).read_text(encoding="utf-8")) for name in results.ALL}
    assert numbers.path(report.FOLDER).read_text(encoding="utf-8") == numbers.all_numbers(found)


def test_results_that_are_older_than_their_code_are_refused(tmp_path: Path) -> None:
    code, path = results.ROOT / "training/report/measures.py", tmp_path / "memory.json"
    name = code.relative_to(results.ROOT).as_posix()
    results.write(path, command="measure again", date="2026-01-02", code=[name], models=[])
    assert results.read(path)["models"] == []
    copied = tmp_path / name
    copied.parent.mkdir(parents=True)
    with pytest.raises(InputError, match=r"older than training/report/measures\.py.*measure again"):
        results.read(path, tmp_path)  # the code is gone
    copied.write_bytes(code.read_bytes().replace(b"\n", b"\r\n"))
    assert results.read(path, tmp_path)  # checked out with other line ends
    copied.write_bytes(code.read_bytes() + b"# changed\n")
    with pytest.raises(InputError, match="older than"):
        results.read(path, tmp_path)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"made_by": {"command": "x", "code": 3}}', '{"made_by": {}}', "\xff"]
)
def test_damaged_results_are_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "memory.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError, match="expected results as JSON"):
        results.read(path)


def test_the_command_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    monkeypatch.setattr(report, "FOLDER", tmp_path)
    for name, made in all_made_up().items():
        assert report.main(["--numbers"]) == door.FAILED
        assert f"{name}: no such results" in capsys.readouterr().err
        results.write(tmp_path / name, command="c", date="2026-01-02", code=["training/report/measures.py"],
                      **{key: value for key, value in made.items() if key != "made_by"})  # fmt: skip
    assert report.main(["--numbers"]) == 0
    assert "\\newcommand{\\Worth}" in numbers.path(tmp_path).read_text(encoding="utf-8")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert report.main([]) == door.FAILED
    assert "pdflatex: not found" in capsys.readouterr().err
