"""The report's numbers as LaTeX commands, its table and its plots' data: everything in it that was measured."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training import format
from training.report import marks, measures, recipes
from training.report.marks import Marks
from training.report.measures import ABOVE, ALONE, CONDITIONS, CONSTANTS, GATE, Estimate, Measured
from training.report.results import INFILLING, LATER, MEMORY, MIDDLES, RECIPES, ROOT, VARIATIONS

MODEL = ROOT / "server" / "lineahead" / "model"
CLAIMED = 10  # times the training compute, as the hypothesis was stated
HALF = 0.5  # of the gain that must be left, as the second one was
NATS = 0.1  # a token that a mark must save, as the third one was
WORSE = 1.0  # per cent of bits left to right that it may cost
PUBLISHED = {  # per cent of HumanEval-infilling's single lines: Fried et al., 2023; Gong et al., 2025
    "InCoderPassed": "69.0", "InCoderExact": "56.3", "DiffuLlamaPassed": "15.5", "DiffuGptPassed": "2.9",
}  # fmt: skip
NAMES = ("First", "Second", "Third")
COLUMNS = ("Alone", "Constants", "Gate", "Above")


def command(name: str, text: str) -> str:
    """A LaTeX command without arguments; a space that follows it is kept by `{}` in the text."""
    return f"\\newcommand{{\\{name}}}{{{text}}}\n"


def grouped(number: float, digits: int = 0) -> str:
    """A number rounded to digits behind the point, its thousands apart."""
    return f"{number:,.{digits}f}".replace(",", "{,}")


def with_interval(name: str, found: Estimate, digits: int) -> str:
    """Commands for a value and its interval, rounded to digits behind the point."""
    value, low, high = (grouped(number, digits) for number in (found.value, found.low, found.high))
    return command(name, value) + command(f"{name}Interval", f"[{low}, {high}]")


def verdict(found: Estimate, claimed: float) -> str:
    """What the interval says of `found` > `claimed`."""
    if found.low > claimed:
        return "holds"
    return "fails" if found.high < claimed else "is not decided"


def sizes(found: Measured, results: dict[str, Any]) -> str:
    """What was measured on, and with which model."""
    about = json.loads((MODEL / format.PROVENANCE).read_text(encoding="utf-8"))
    model = about["config"]["model"]
    made_by = results["made_by"]
    tokens = sum(file["tokens"] for files in results["models"][0]["projects"].values() for file in files)
    return "".join(
        (
            command("Parameters", f"{about['parameters'] / 1e6:.1f}"),
            command("Layers", str(model["num_layers"])),
            command("Width", str(model["hidden_size"])),
            command("Vocabulary", grouped(model["vocab_size"])),
            command("Lines", grouped(found.lines)),
            command("Files", grouped(sum(map(len, found.size)))),
            command("Fewest", str(min(map(len, found.size)))),
            command("Tokens", grouped(tokens)),
            command("Samples", grouped(measures.SAMPLES)),
            command("Level", str(measures.LEVEL)),
            command("Claimed", str(CLAIMED)),
            command("Measured", made_by["date"]),
            command("Torch", made_by["versions"]["torch"]),
            command("OnnxRuntime", made_by["versions"]["onnxruntime"]),
            *(command(f"Trained{name}", f"{n / 1e6:.1f}") for name, n in zip(NAMES, found.tokens, strict=True)),
        )
    )


def gain(bits: NDArray[np.float64], condition: int) -> NDArray[np.float64]:
    """Per cent of the bits (…, conditions) alone that a condition saves."""
    return np.asarray(100 * (1 - bits[..., condition] / bits[..., ALONE]))


def means(found: Measured, drawn: NDArray[np.float64]) -> str:
    """Bits per byte over all projects, each checkpoint under each condition, and what the memory saves."""
    value, samples = measures.bits_per_byte(found).mean(0), drawn.mean(1)
    text = ""
    for model, name in enumerate(NAMES):
        for condition, column in enumerate(COLUMNS):
            text += with_interval(
                f"{column}{name}", measures.estimate(value[model, condition], samples[:, model, condition]), 3
            )
        for condition in (CONSTANTS, GATE, ABOVE):
            saved = measures.estimate(gain(value[model], condition), gain(samples[:, model], condition))
            text += with_interval(f"Gain{COLUMNS[condition]}{name}", saved, 1)
    last, drawn_last = value[-1], samples[:, -1]
    features = measures.estimate(
        100 * (1 - last[GATE] / last[CONSTANTS]), 100 * (1 - drawn_last[:, GATE] / drawn_last[:, CONSTANTS])
    )
    left = measures.estimate(
        gain(value[-1], GATE) / gain(value[0], GATE), gain(samples[:, -1], GATE) / gain(samples[:, 0], GATE)
    )
    return text + with_interval("GateOverConstants", features, 1) + with_interval("Left", left, 2) + command(
        "SecondVerdict", verdict(left, HALF)
    )  # fmt: skip


def scaling(found: Measured, drawn: NDArray[np.float64]) -> str:
    """The scaling relation, and what the memory is worth by it."""
    value, samples = measures.bits_per_byte(found).mean(0), drawn.mean(1)
    alpha, log_a = measures.exponent(found.tokens, value[:, ALONE])
    alphas, _ = measures.exponent(found.tokens, samples[..., ALONE])
    text = with_interval("Alpha", measures.estimate(float(alpha), alphas), 4)
    fitted = np.exp(log_a) * found.tokens**-alpha
    text += command("WorstResidual", f"{100 * np.abs(value[:, ALONE] / fitted - 1).max():.1f}")
    ways = {"": (slice(None), GATE), "Constants": (slice(None), CONSTANTS), "Above": (slice(None), ABOVE),
            "Early": (slice(0, 2), GATE), "Late": (slice(1, 3), GATE)}  # fmt: skip
    for name, (points, condition) in ways.items():
        tokens = found.tokens[points]
        scale = tokens[-1] / found.tokens[-1]  # of the last point fitted to the last one trained
        times = scale * measures.worth(tokens, value[points, ALONE], value[-1, condition])
        drawn_times = scale * measures.worth(tokens, samples[:, points, ALONE], samples[:, -1, condition])
        worth = measures.estimate(float(times), drawn_times)
        text += with_interval(f"Worth{name}", worth, 0 if worth.low >= 10 else 1)
        text += command(f"WorthLog{name}", f"{np.log10(worth.value):.1f}")
        if not name:
            text += command("FirstVerdict", verdict(worth, CLAIMED))
    return text


def table(found: Measured, drawn: NDArray[np.float64]) -> str:
    """A row a project, the last checkpoint under each condition, and what the gate saves with its interval."""
    value = measures.bits_per_byte(found)[:, -1]
    rows = ""
    for number, name in enumerate(found.projects):
        saved = measures.estimate(gain(value[number], GATE), gain(drawn[:, number, -1], GATE))
        cells = [f"{bits:.3f}" for bits in value[number]]
        cells.append(f"{saved.value:.1f} [{saved.low:.1f}, {saved.high:.1f}]")
        rows += f"{name} & {len(found.size[number])} & {' & '.join(cells)} \\\\\n"
    return command("ProjectRows", rows)


def plots(found: Measured, drawn: NDArray[np.float64]) -> str:
    """Coordinates for pgfplots: tokens, mean bits per byte and the interval's ends; and the fit as an expression."""
    value, samples = measures.bits_per_byte(found).mean(0), drawn.mean(1)
    text = ""
    for condition, column in enumerate(COLUMNS):
        points = ""
        for model, tokens in enumerate(found.tokens):
            point = measures.estimate(value[model, condition], samples[:, model, condition])
            up, down = point.high - point.value, point.value - point.low
            points += f"({tokens / 1e6:.3f}, {point.value:.4f}) += (0, {up:.4f}) -= (0, {down:.4f}) "
        text += command(f"Points{column}", points)
    alpha, log_a = measures.exponent(found.tokens, value[:, ALONE])
    at_a_million = np.exp(log_a) * 1e6**-alpha
    return text + command("Fit", f"{at_a_million:.4f} * x^(-{alpha:.5f})")


def mark_verdict(below: Estimate, worse: float) -> str:
    """What is said of the third hypothesis: `below`, the nats a token that the mark adds with the text below the line,
    and `worse`, the per cent of bits that it adds left to right."""
    if below.value <= -NATS and below.high < 0 and worse <= WORSE:
        return "holds"
    return "is not decided" if below.value <= -NATS and worse <= WORSE else "fails"


def missing_lines(found: Marks) -> str:
    """What a mark for the missing lines is worth: a row a pair, and the means over pairs."""
    nats, exact = marks.rates(found.nats), 100 * marks.rates(found.exact, 2)  # (1 + samples, 2, pairs, columns)
    text = "".join(
        (
            command("MarkPairs", str(len(found.names))),
            command("MarkSteps", str(found.steps)),
            command("MarkTrained", f"{found.tokens / 1e6:.1f}"),
            command("MarkTokens", grouped(found.nats[0, 0, :, 0].sum())),
            command("MarkPlaces", grouped(found.exact[0, 0, :, 0].sum())),
            command("MarkNats", str(NATS)),
            command("MarkMayCost", f"{WORSE:g}"),
        )
    )
    for side, name in enumerate(("Marked", "Unmarked")):
        drawn = marks.mean_over_pairs(nats[:, side])
        for condition, column in ((marks.ALONE, "Alone"), (marks.BELOW, "Below")):
            text += command(f"{name}{column}", f"{drawn[0, condition]:.3f}")
        worth = drawn[:, marks.BELOW] - drawn[:, marks.ALONE]
        text += with_interval(f"{name}Worth", measures.estimate(worth[0], worth[1:]), 3)
        for right, column in zip(marks.mean_over_pairs(exact[:, side])[0], ("Memory", "NoMemory"), strict=True):
            text += command(f"{name}Exact{column}", f"{right:.1f}")
    differences = np.concatenate((nats[:, 0] - nats[:, 1], exact[:, 0] - exact[:, 1]), axis=-1)
    means = marks.mean_over_pairs(differences)
    found_means = [measures.estimate(column[0], column[1:]) for column in means.T]
    columns = (("MarkAlone", 3), ("MarkBelow", 3), ("MarkExactMemory", 1), ("MarkExactNoMemory", 1))
    for (name, digits), one in zip(columns, found_means, strict=True):
        text += with_interval(name, one, digits)
    worse = 100 * (found.left_to_right[0] / found.left_to_right[1] - 1)
    text += command("MarkCosts", f"{worse.mean():.2f}") + command("MarkCostsMost", f"{worse.max():.2f}")
    text += command("ThirdVerdict", mark_verdict(found_means[marks.BELOW], float(worse.mean())))
    rows = ""
    for pair in range(len(found.names)):
        saved = measures.estimate(differences[0, pair, marks.BELOW], differences[1:, pair, marks.BELOW])
        cells = [f"{nats[0, side, pair, column]:.3f}" for side in range(2) for column in range(2)]
        cells.append(f"${saved.value:.3f}$ $[{saved.low:.3f}, {saved.high:.3f}]$")
        cells += [f"{found.left_to_right[side, pair]:.4f}" for side in range(2)]
        rows += f"{pair + 1} & {' & '.join(cells)} \\\\\n"
    return text + command("MarkRows", rows)


def recipe_rows(found: recipes.Recipes, every: list[NDArray[np.float64]]) -> str:
    """A row a recipe, from what was drawn."""
    rows = ""
    for row in recipes.rows(found, every):
        cells = [row.name, str(row.runs), f"{row.bits:.4f}"]
        saved = row.difference
        cells.append(f"${saved.value:+.2f}$ $[{saved.low:+.2f}, {saved.high:+.2f}]$" if saved else "")
        rows += f"{' & '.join([*cells, row.validation_text()])} \\\\\n"
    return rows


def recipe_numbers(results: dict[str, Any]) -> str:
    """What a wider corpus and averaged weights are worth: a row a recipe, and the two hypotheses."""
    found = recipes.recipes(results)
    every = recipes.drawn(found)
    text = (
        command("RecipeRows", recipe_rows(found, every))
        + command("WiderClaim", f"{recipes.WIDER:g}")
        + command("MeanClaim", f"{recipes.MEAN:g}")
    )
    drawn = dict(zip((recipe.name for recipe in found.recipes), every, strict=True))
    told = {
        "Wider": ("wider corpus", "corpus as it was"),
        "Mean": ("mean of these three", "corpus as it was"),
        "MeanWider": ("mean of those three", "wider corpus"),
        "MeanLonger": ("mean of those three", "one run, as many steps"),
    }
    changes = [recipes.change(drawn[ours], drawn[theirs]) for ours, theirs in told.values()]
    for name, changed in zip(told, changes, strict=True):
        text += with_interval(name, changed, 2)
    wider, *means, longer = changes
    text += command("FourthVerdict", recipes.wider_verdict(wider)) + command(
        "FifthVerdict", recipes.mean_verdict(means, longer)
    )
    return text + command("RecipesMeasured", results["made_by"]["date"])


def prediction(found: Measured, drawn: NDArray[np.float64], later: Measured) -> str:
    """What the scaling relation says of a model that was trained on since, and what that has on the same lines."""
    tokens = later.tokens[-1]
    (alpha, log_a), (alphas, log_as) = (
        measures.exponent(found.tokens, bits[..., ALONE])
        for bits in (measures.bits_per_byte(found).mean(0), drawn.mean(1))
    )
    reached, again = measures.bits_per_byte(later).mean(0)[-1, ALONE], measures.resampled(later).mean(1)[:, -1, ALONE]
    expected = measures.estimate(np.exp(log_a) * tokens**-alpha, np.exp(log_as) * tokens**-alphas)
    return (
        command("PredictedTokens", f"{tokens / 1e6:.1f}")
        + with_interval("Predicted", expected, 3)
        + with_interval("Reached", measures.estimate(reached, again), 3)
    )


def yardstick(results: dict[str, Any]) -> str:
    """HumanEval-infilling through the server, and what others have published for it."""
    text = command("InfillingTasks", grouped(results["tasks"])) + command(
        "InfillingMeasured", results["made_by"]["date"]
    )
    for name, shares in results["shares"].items():
        text += with_interval(f"Infilling{name.title()}", Estimate(*shares), 1)
    return text + "".join(command(name, number) for name, number in PUBLISHED.items())


def all_numbers(found: Mapping[str, dict[str, Any]]) -> str:
    """The text of numbers.tex, from all results by file name. Raises InputError for some that do not fit together."""
    results, of_marks = found[MEMORY], found[MIDDLES]
    measured = measures.measured(results)
    drawn = measures.resampled(measured)
    head = "% Made from the results by `python -m training.report`; do not edit.\n"
    assert len(NAMES) == len(measured.tokens)
    assert len(COLUMNS) == len(CONDITIONS)
    parts = (
        sizes(measured, results),
        means(measured, drawn),
        scaling(measured, drawn),
        table(measured, drawn),
        plots(measured, drawn),
        missing_lines(marks.marks(of_marks)),
        command("MarkMeasured", of_marks["made_by"]["date"]),
        recipe_numbers(found[RECIPES]),
        command("VariationRows", recipe_rows(varied := recipes.recipes(found[VARIATIONS]), recipes.drawn(varied))),
        prediction(measured, drawn, measures.measured(found[LATER])),
        yardstick(found[INFILLING]),
    )
    return head + "".join(parts)


def path(folder: Path) -> Path:
    """Of the commands in the report's folder."""
    return folder / "numbers.tex"
