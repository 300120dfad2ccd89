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
