"""The course's notebook runs from top to bottom, and its helpers are the course's."""

import ast
import inspect
import json
import math
import shutil
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from tokenizers import ByteLevelBPETokenizer

from training import codebert, config, course, ladder, prompts, run
from training.errors import InputError
from training.format import PROVENANCE
from training.models import attention, bigram, transformer
from training.models.bigram import BigramLanguageModel

NOTEBOOK = Path(course.__file__).with_name("course.ipynb")
TEXTS = ["import os\n\n\ndef first(x):\n    return x\n" * 20, "for i in range(10):\n    print(i)\n" * 20]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> course.Corpus:
    """Two texts under the tokens of a tokenizer like CodeBERT's."""
    folder = tmp_path_factory.mktemp("vocabulary")
    small = ByteLevelBPETokenizer()
    small.train_from_iterator(TEXTS, 400, special_tokens=list(course.SPECIAL))
    small.save_model(str(folder))
    return course.Corpus.of(TEXTS, codebert.open_codebert(str(folder)), more=["while True:"])


def test_helpers_have_the_course_s_signatures() -> None:
    names = ("from_code_bert", "to_code_bert", "get_batch", "estimate_loss")
    parameters = {name: inspect.signature(getattr(course.Corpus, name)).parameters for name in names}
    assert list(parameters["from_code_bert"]) == list(parameters["to_code_bert"]) == ["self", "tkn_lst"]
    assert list(parameters["get_batch"]) == ["self", "split", "context_window_size", "device", "batch_size"]
    assert parameters["get_batch"]["batch_size"].default == 32
    assert list(parameters["estimate_loss"]) == ["self", "model", "eval_iters", "context_window_size", "device"]


def test_ids_go_there_and_back_and_documents_keep_their_marks(corpus: course.Corpus) -> None:
    start, end, unknown = (corpus.tokenizer.special(mark) for mark in ("<s>", "</s>", "<unk>"))
    stream = torch.cat((corpus.train_data, corpus.val_data)).tolist()
    assert (stream.count(start), stream.count(end)) == (2, 2)
    assert unknown not in stream
    assert corpus.from_code_bert(corpus.to_code_bert(range(corpus.vocab_size))) == list(range(corpus.vocab_size))
    assert unknown not in corpus.tokenizer.encode("while True:")  # the prompt's tokens are known, too
    assert unknown in corpus.tokenizer.encode("@")


def test_a_batch_is_windows_of_the_stream(corpus: course.Corpus) -> None:
    x, y = corpus.get_batch("train", 7, "cpu", batch_size=5)
    assert x.shape == y.shape == (5, 7)
    windows = corpus.train_data.unfold(0, 8, 1)
    for inputs, targets in zip(x, y, strict=True):
        assert (windows == torch.cat((inputs[:1], targets))).all(dim=1).any()
    with pytest.raises(InputError, match="the val split has"):
        corpus.get_batch("val", 10_000, "cpu")


def test_the_loss_is_estimated_on_both_splits_and_falls(corpus: course.Corpus) -> None:
    torch.manual_seed(1)
    model = BigramLanguageModel(corpus.vocab_size)
    model.context_window_size = 8
    lines = course.train(model, corpus, 30, 0.3, eval_interval=15, eval_iters=4, report=lambda _: None)
    evaluated = [line for line in lines if "train_nats" in line]
    assert [line["step"] for line in evaluated] == [0, 15, 30]
    assert evaluated[0]["validation_nats"] == pytest.approx(math.log(corpus.vocab_size) + 0.5, abs=0.6)
    assert evaluated[2]["train_nats"] < evaluated[0]["train_nats"] / 2
    assert len([line for line in lines if "train_loss" in line]) == 30
    assert course.draw(lines, corpus.vocab_size, "a title").axes[0].get_title() == "a title"


@pytest.mark.slow
def test_a_finished_run_is_collected_for_the_notebook(
    tiny_ladder_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert course.main([str(tiny_ladder_run), "--into", str(tmp_path / "new")]) == 0
    (found,) = course.results(tmp_path / "new").values()
    assert found["name"] == "bigram"
    assert set(found["samples"]) == {"unconditional", *prompts.EXAMPLES}
    assert found["perplexity"] == {split: math.exp(found[split]) for split in ("train", "validation")}
    assert any("validation_nats" in line for line in found["lines"])
    unfinished = tmp_path / "unfinished"
    shutil.copytree(tiny_ladder_run, unfinished)
    about = json.loads((unfinished / "provenance.json").read_text())
    about["config"]["loop"]["steps"] = 99
    (unfinished / "provenance.json").write_text(json.dumps(about))
    assert course.main([str(unfinished), "--into", str(tmp_path)]) == 2
    assert "stopped at step 2 of 99" in capsys.readouterr().err


def test_what_is_no_full_run_is_not_kept_as_one(
    tiny_ladder_run: Path, tiny_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in course.RESULTS.iterdir()}
    assert course.main([str(tiny_ladder_run)]) == 2
    assert "expected a full run of the ladder, and " in capsys.readouterr().err
    assert course.main([str(tiny_run)]) == 2
    assert "found a decoder" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in course.RESULTS.iterdir()} == before


@pytest.mark.parametrize("step", ladder.STEPS)
def test_what_is_a_full_run_may_be_kept(step: str, tmp_path: Path) -> None:
    about = {"config": config.load(step).as_dict()}
    about["config"]["tokenizer"]["folder"] = "codebert"
    (tmp_path / PROVENANCE).write_text(json.dumps(about))
    course.expect_full(tmp_path)


@pytest.fixture
def tiny_ladder_run(tmp_path: Path, code_folder: Path, data_folder: Path) -> Path:
    """A bigram of two steps."""
    folder = tmp_path / "bigram"
    overrides = [f"run.folder={folder}", f"run.data={data_folder}", f"corpus.sources=['{code_folder}']"]
    overrides += ["loop.steps=2", "loop.evaluation_rows=4", "loop.threads=1", "tokenizer.vocab_size=300"]
    assert run.main(["bigram-cpu", *overrides]) == 0
    return folder


def test_the_notebook_keeps_outputs_and_no_path_of_a_machine() -> None:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    written = json.dumps(cells)
    assert "image/png" in written
    assert not [word for word in ("/root/", "/home/", "/work/", "/tmp/", "Traceback") if word in written]


def shown_code() -> Iterator[tuple[str, str]]:
    """The name of each thing whose code the notebook prints by `source(…)`, and what its cell printed."""
    for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
        calls = ast.walk(ast.parse("".join(cell["source"]))) if cell["cell_type"] == "code" else ()
        for call in calls:
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "source":
                printed = "".join(line for output in cell["outputs"] for line in output.get("text", ()))
                yield from ((ast.unparse(argument), printed) for argument in call.args)


def test_the_code_that_the_notebook_shows_is_today_s() -> None:
    modules = {**vars(attention), **vars(bigram), **vars(transformer), "course": course}
    shown = dict(shown_code())
    assert {"BigramLanguageModel", "Head", "MultiHeadAttention", "TransformerLM", "course.train"} <= set(shown)
    for name, printed in shown.items():
        thing = attrgetter(name)(SimpleNamespace(**modules))
        assert inspect.getsource(thing) in printed, f"{name} has changed: run the notebook again"


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_notebook_runs_from_top_to_bottom(monkeypatch: pytest.MonkeyPatch) -> None:
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    monkeypatch.delenv("LINEAHEAD_COURSE", raising=False)
    notebook = nbformat.read(NOTEBOOK, 4)
    resources = {"metadata": {"path": str(NOTEBOOK.parents[1])}}
    nbclient.NotebookClient(notebook, timeout=1000, kernel_name="python3", resources=resources).execute()
    tables = [
        output["data"]["text/markdown"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "text/markdown" in output.get("data", {})
    ]
    assert [row.split(" | ")[0].strip("| ") for row in tables[-1].splitlines()[2:]] == list(ladder.STEPS)
