"""A model folder → the engine that runs it."""

from pathlib import Path

from lineahead.engine.engine import Engine
from lineahead.engine.errors import ModelError
from training import format

ANOTHER = "name another folder: lineahead-server --model FOLDER"
BUNDLED_MODEL = Path(__file__).parents[1] / "model"


def load_engine(folder: Path) -> Engine:
    """Open a model folder: its graph, or, where it has none, its weights through PyTorch.

    Raises ModelError for a folder that cannot be used, and where PyTorch is needed and missing.
    """
    from lineahead.engine import onnx  # numpy and more: after the client has its first answer

    if not folder.is_dir() and not folder.is_file():
        raise ModelError(f"{folder}: expected a checkpoint folder with {format.GRAPH}; found no such folder; {ANOTHER}")
    try:
        _check_hashes(folder)
        if (folder / format.GRAPH).exists():
            return onnx.load(folder)
        from lineahead.engine import torch

        return torch.load(folder)
    except ModuleNotFoundError as error:
        raise ModelError(
            f"{folder}: expected {format.GRAPH}, or PyTorch to run the weights without it; found neither "
            f"({error}). Write the graph with `python -m training.export {folder}`, or "
            "pip install 'lineahead[training]'"
        ) from None
    except ModelError as error:
        raise ModelError(f"{error}. {ANOTHER[0].upper()}{ANOTHER[1:]}") from None


def _check_hashes(folder: Path) -> None:
    """Raise ModelError for files that are not those that the folder's hashes were made of."""
    try:
        damaged = format.damaged(folder)
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder / format.HASHES}: cannot be read ({error}); copy the folder again") from None
    if damaged:
        raise ModelError(
            f"{folder}: {', '.join(damaged)} changed since the hashes in {format.HASHES} were made: install Lineahead "
            "or copy the folder again"
        )
