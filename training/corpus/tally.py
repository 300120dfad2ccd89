"""What a corpus holds: documents, bytes and tokens by source and licence, and what was dropped for which reason."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from training.corpus.documents import Document

PROJECTS_LISTED = 1_000  # a data set of single files has as many "projects" as rows


@dataclass
class Count:
    """Sums over some documents."""

    documents: int = 0
    bytes: int = 0
    tokens: int = 0


@dataclass
class CorpusReport:
    """A running account; `read_documents` fills in documents and bytes, the tokenising caller tokens."""

    kept: dict[tuple[str, str, str], Count] = field(default_factory=lambda: defaultdict(Count))
    """By source, licence and split."""
    dropped: dict[tuple[str, str], Count] = field(default_factory=lambda: defaultdict(Count))
    """By source and reason."""
    projects: dict[tuple[str, str, str], Count] = field(default_factory=dict)
    """By project, licence and split: the first `PROJECTS_LISTED` of them."""

    def keep(self, document: Document, size: int) -> None:
        """Count a document that goes into the corpus."""
        count = self.kept[document.source, document.licence, document.split]
        count.documents += 1
        count.bytes += size
        key = (document.project, document.licence, document.split)
        if key in self.projects or len(self.projects) < PROJECTS_LISTED:
            project = self.projects.setdefault(key, Count())
            project.documents += 1
            project.bytes += size

    def drop(self, source: str, reason: str, size: int) -> None:
        """Count a document that does not."""
        count = self.dropped[source, reason]
        count.documents += 1
        count.bytes += size

    def add_tokens(self, document: Document, tokens: int) -> None:
        """Add what a document kept came to in tokens."""
        self.kept[document.source, document.licence, document.split].tokens += tokens
        key = (document.project, document.licence, document.split)
        if key in self.projects:
            self.projects[key].tokens += tokens

    @property
    def documents(self) -> int:
        """Documents kept."""
        return sum(count.documents for count in self.kept.values())

    def split_documents(self, split: str) -> int:
        """Documents kept in one split."""
        return sum(count.documents for (_, _, name), count in self.kept.items() if name == split)

    def reasons(self) -> dict[str, int]:
        """Documents dropped by reason, the most frequent first."""
        totals: dict[str, int] = defaultdict(int)
        for (_, reason), count in self.dropped.items():
            totals[reason] += count.documents
        return dict(sorted(totals.items(), key=lambda pair: (-pair[1], pair[0])))

    def as_dict(self) -> dict[str, Any]:
        """As plain data, for provenance.json."""
        return {
            "kept": [
                {"source": source, "licence": licence, "split": split, **vars(count)}
                for (source, licence, split), count in sorted(self.kept.items())
            ],
            "dropped": [
                {"source": source, "reason": reason, "documents": count.documents, "bytes": count.bytes}
                for (source, reason), count in sorted(self.dropped.items())
            ],
            "projects": [
                {"project": project, "licence": licence, "split": split, **vars(count)}
                for (project, licence, split), count in sorted(self.projects.items())
            ],
        }

    def table(self) -> str:
        """The account as text: what is in, by source, licence and split, then what is not, by reason."""
        plain = self.as_dict()
        kept = pd.DataFrame(plain["kept"], columns=["source", "licence", "split", "documents", "bytes", "tokens"])
        kept = pd.concat([kept, _total(kept)], ignore_index=True)
        dropped = pd.DataFrame(plain["dropped"], columns=["source", "reason", "documents", "bytes"])
        dropped = pd.concat([dropped, _total(dropped)], ignore_index=True)
        parts = (
            f"{title}\n{frame.to_string(index=False, max_colwidth=44)}"
            for title, frame in (("kept", kept), ("dropped", dropped))
        )
        return "\n\n".join(parts)


def _total(frame: pd.DataFrame) -> pd.DataFrame:
    sums = {name: [frame[name].sum()] for name in frame.columns if name in ("documents", "bytes", "tokens")}
    words = {name: ["total" if name == "source" else ""] for name in frame.columns if name not in sums}
    return pd.DataFrame({**words, **sums}, columns=frame.columns)
