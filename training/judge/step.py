"""The corpus filters as a step of a datatrove pipeline."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from datatrove.pipeline.base import PipelineStep

from training.corpus.ahead import judge_share
from training.corpus.corpus import CorpusConfig


class Judge(PipelineStep):  # type: ignore[misc]  # datatrove has no types
    """Judges what falls to a task; its statistics count candidates by what becomes of them.

    A first step, which reads the sources itself, and a last one: verdicts go to disk, no documents to the next step.
    """

    type = "filter"
    name = "Lineahead's corpus filters"

    def __init__(self, config: CorpusConfig, judged: Path) -> None:
        super().__init__()
        self._config, self._judged = config, judged

    def run(self, data: Iterable[Any] | None = None, rank: int = 0, world_size: int = 1) -> None:
        """Run task `rank` of `world_size`, counted from 0."""
        assert not data, "a first step"
        with self.track_time("task"):
            for candidate, reason in judge_share(self._config, self._judged, rank, world_size):
                self.stat_update(reason or "good")
                self.stat_update("length", value=len(candidate.content), unit="candidate")
