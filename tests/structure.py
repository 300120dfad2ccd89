"""How the two packages are built, by `python tests/structure.py`: circles of imports, long functions, long modules.

Exits with 1 where there is a circle or something is over its budget, and names it.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
PACKAGES = {"lineahead": ROOT / "server" / "lineahead", "training": ROOT / "training"}
SAMPLES = PACKAGES["lineahead"] / "samples"  # code as people write it: data, not the product
MOST_FUNCTION_LINES = 50
MOST_MODULE_LINES = 300


def circles(graph: grimp.ImportGraph) -> list[str]:
    """The groups of modules that all import each other, directly or through others (imports for types count)."""
    modules = sorted(graph.modules)
    upstream = {module: graph.find_upstream_modules(module) for module in modules}
    groups = {
        tuple(sorted({module, *(other for other in upstream[module] if module in upstream[other])}))
        for module in modules
    }
    return [" ↔ ".join(group) for group in sorted(groups) if len(group) > 1]


def long_functions(source: str) -> Iterator[tuple[str, int]]:
    """The name and number of lines of each function over the budget."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > MOST_FUNCTION_LINES:
                yield node.name, lines


def report(package: str, folder: Path) -> int:
    """Print what there is in a package; returns the number of offenders."""
    sources = {
        path: path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*.py"))
        if not path.is_relative_to(SAMPLES)
    }
    functions = [
        f"{path.relative_to(ROOT)}: {name}, {lines} lines"
        for path, source in sources.items()
        for name, lines in long_functions(source)
    ]
    counts = {path: len(source.splitlines()) for path, source in sources.items()}
    long_modules = [
        f"{path.relative_to(ROOT)}, {lines} lines" for path, lines in counts.items() if lines > MOST_MODULE_LINES
    ]
    graph = grimp.build_graph(package, exclude_type_checking_imports=False, cache_dir=None)
    print(f"{package}: {len(sources)} modules")
    findings = {
        "import circles": circles(graph),
        f"functions over {MOST_FUNCTION_LINES} lines": functions,
        f"modules over {MOST_MODULE_LINES} lines": long_modules,
    }
    for title, offenders in findings.items():
        print(f"  {title}: {len(offenders)}", *offenders, sep="\n    ")
    return sum(map(len, findings.values()))


def main() -> int:
    return int(sum([report(package, folder) for package, folder in PACKAGES.items()]) > 0)


if __name__ == "__main__":
    sys.exit(main())
