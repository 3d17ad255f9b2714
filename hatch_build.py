"""What the package index is told: where the project lives, and a README whose links lead there.

`repository` in pyproject.toml is the one place that names it. Links and pictures of README.md are relative in the
repository, so that they work in a checkout and in a fork, and absolute in what is built.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


def absolute(text: str, repository: str) -> str:
    """A page from the root with its relative links as addresses: pictures as they are, all else as it is shown."""
    link = r"(!?)(\[(?:[^\[\]]|\[[^\]]*\])*\]\()(?![a-z]+:|#)([^()\s]+)(?=\))"
    return re.sub(link, lambda m: f"{m[1]}{m[2]}{repository}/{'raw' if m[1] else 'blob'}/main/{m[3]}", text)


class Described(MetadataHookInterface):
    """Fills in `readme` and `urls`."""

    def update(self, metadata: dict[str, Any]) -> None:
        repository = self.config["repository"].rstrip("/")
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": absolute(text, repository)}
        metadata["urls"] = {
            "Repository": repository,
            "Documentation": f"{repository}/blob/main/docs/index.md",
            "Changelog": f"{repository}/blob/main/CHANGELOG.md",
            "Issues": f"{repository}/issues",
        }
