"""Who made the clips that went into the weights: a duty to some of them, and owed to all."""

from collections import Counter
from collections.abc import Iterable

from core.training.manifest import Recording

HEADING = "# Attribution of the training clips"


def attribution(recordings: Iterable[Recording]) -> str:
    """Markdown: counts by licence tier, then authors by package and licence."""
    rows = list(recordings)
    tiers = Counter(row.licence_tier for row in rows)
    authors = Counter((row.package, row.licence, row.author) for row in rows)
    lines = [
        HEADING,
        "",
        f"{len(rows)} clips: " + ", ".join(f"{count} {tier}" for tier, count in tiers.most_common()) + ".",
        "All were mixed to mono, resampled to 16 kHz, trimmed and levelled, and varied further while training.",
    ]
    for package in sorted({package for package, _, _ in authors}, key=str.lower):
        lines += ["", f"## {package}", ""]
        lines += [
            f"- {licence}: {author or 'not named'} ({count})"
            for (name, licence, author), count in sorted(authors.items())
            if name == package
        ]
    return "\n".join(lines) + "\n"
