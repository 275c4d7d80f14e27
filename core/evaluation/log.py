"""Each result on disk as it comes, so that an evaluation that was stopped goes on where it was."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

Key = tuple[str, str, str, str, str]


@dataclass(frozen=True)
class Reading:
    """One question, read once.

    Attributes:
        task: Gate.
        question: Digest of the question and its clips.
        arm: What was done to the clips.
        adapter: `on` or `off`.
        boost: As `str(BoostAt)`; empty without one.
        choices: Number of admissible answers.
        right: Whether the likeliest was the right one.
        seen: Whether training had all that the question is about.
    """

    task: str
    question: str
    arm: str
    adapter: str
    boost: str
    choices: int
    right: bool
    seen: bool

    @property
    def key(self) -> Key:
        """What tells readings of one model apart."""
        return self.task, self.question, self.arm, self.adapter, self.boost


@dataclass(frozen=True)
class Log:
    """Readings in a file, one JSON object a line; the first line says of what model they are.

    Attributes:
        file: Appended to; None keeps nothing.
        known: What was read from it, and added since.
    """

    file: Path | None = None
    known: dict[Key, Reading] = field(default_factory=dict)

    @classmethod
    def open(cls, file: Path, header: dict[str, object]) -> "Log":
        """Goes on with a file of the same header; begins anew over any other."""
        log = cls(file)
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        if lines and lines[0] == json.dumps(header):
            # a line cut by the end of a process is no reading
            lines = [lines[0], *(line for line in lines[1:] if line.endswith("}"))]
            readings = [Reading(**json.loads(line)) for line in lines[1:]]
            log.known.update({reading.key: reading for reading in readings})
        else:
            lines = [json.dumps(header)]
        file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return log

    def add(self, reading: Reading) -> None:
        """Keeps one more."""
        self.known[reading.key] = reading
        if self.file is not None:
            with self.file.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(asdict(reading)) + "\n")
