"""What can be run here: `python -m training` lists it."""

from training import door  # isort: split

import sys

COMMANDS = {
    "run": "train a model, from raw code to a checkpoint",
    "judge": "look at the corpus of a run beforehand, in tasks on many processes or machines",
    "ladder": "train the five baseline models, and draw them up in one table and one picture",
    "course": "collect what full runs of the ladder showed, for course.ipynb",
    "report": "make the report's numbers and its PDF from the results",
    "adapt": "teach a model your own code, in minutes",
    "average": "leave the mean of checkpoints' weights",
    "perplexity": "say how surprised a checkpoint is by code",
    "sample": "let a checkpoint write code",
    "export": "write model.onnx, the graph that the server runs, beside a checkpoint",
}


def main() -> int:
    """Print the commands of this package, one a line; returns the exit code."""
    for name, purpose in COMMANDS.items():
        print(f"python -m training.{name:<12}{purpose}")
    print("Each says more with --help; training/README.md walks through a run.")
    return 0


if __name__ == "__main__":
    sys.exit(door.enter(main))
