"""Every author of a clip is named with the licence."""

from core.training.attribution import attribution
from core.training.manifest import Recording


def row(name: str, licence: str, author: str) -> Recording:
    return Recording(
        id=name,
        path=f"{name}.flac",
        kind="sound",
        label="a dog barking",
        split="train",
        seconds=1.0,
        recording=name,
        package="zoo" if author == "Ann" else "Farm",
        source_rate=16_000,
        licence=licence,
        licence_tier="permissive" if licence == "CC0" else "gpl",
        author=author,
    )


def test_authors_stand_under_their_package_with_counts() -> None:
    text = attribution([row("a", "CC0", "Ann"), row("b", "CC0", "Ann"), row("c", "GPL-2+", "Bob")])
    assert "3 clips: 2 permissive, 1 gpl." in text
    assert text.index("## Farm") < text.index("- GPL-2+: Bob (1)") < text.index("## zoo") < text.index("CC0: Ann (2)")
