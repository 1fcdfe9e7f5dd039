"""What the site does with links to files of the repository that are no pages of it."""

import re
from pathlib import Path
from typing import Any

LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(((?!https?:|mailto:|#)[^)#\s]+)(#[^)\s]*)?\)")


def on_page_markdown(markdown: str, *, page: Any, config: Any, **kwargs: Any) -> str:
    """Keeps the text of a link that leads out of docs/, where the file exists, and drops the link.

    Such a link works where the repository is shown. One that leads nowhere stays, for MkDocs to
    report.
    """
    docs = Path(config.docs_dir).resolve()
    folder = (docs / page.file.src_uri).parent

    def kept(found: re.Match[str]) -> str:
        target = (folder / found[2]).resolve()
        inside = target.is_relative_to(docs) and not excluded(target, docs)
        return found[0] if inside or not target.exists() else found[1]

    return LINK.sub(kept, markdown)


def excluded(target: Path, docs: Path) -> bool:
    """Whether a file of docs/ is a program, which the site does not have."""
    return target.parent == docs and target.suffix == ".py"
