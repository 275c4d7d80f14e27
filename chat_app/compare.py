"""Runs a sheet of clips, questions and settings without a browser (docs/compare.md).

python -m chat_app.compare SHEET.toml [--out FOLDER]

Which is `app.py --sheet SHEET.toml`: that file alone knows how a model is loaded.
"""

import argparse
import runpy
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from chat_app import strings, view
from chat_app.report import Section, report
from chat_app.session import Attachment, Exchange, Session
from chat_app.sheet import Group, Sheet, read_sheet
from chat_app.table import Cell, Table
from core.audio import Limits, read_clip
from core.engine import Engine
from core.errors import AudioError, LalmError, SettingsError, SheetError, WriteError
from core.files import save_whole
from core.texts import one_line
from core.types import Clip, Settings, Waiting, letter

TABLE, REPORT = "answers.csv", "report.html"
COLUMNS = (
    *("clips", "files", "question", "settings", "answer", "ended", "problem"),
    *("first_token_seconds", "tokens_per_second", "audio_share", "audio_lift"),
)
LINE_LENGTH, QUESTION_LENGTH = 600, 60
FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")


def run(path: Path, out: Path | None, load: Callable[[Sheet], Engine]) -> int:
    """Asks everything in the sheet; a line for each answer on stderr, a table and a report in a folder.

    Args:
        path: The sheet.
        out: Folder of the results; where None, beside the sheet under its name and "-answers".
        load: Gives the engine for a sheet.

    Returns:
        The program's exit status: 0, 2 where sheet or model are no use or the disk is full, 130 when interrupted.
    """
    folder = out or path.with_name(f"{path.stem}-answers")
    try:
        sheet = read_sheet(path)
        _make(folder)
        engine = load(sheet)
        settings = _settings(sheet, engine)
        table = _table(folder)
    except LalmError as error:
        print(error, file=sys.stderr)
        return 2
    sections: list[Section] = []
    status = 0
    try:
        with table:
            _ask_all(sheet, engine, settings, table, sections)
    except KeyboardInterrupt:
        print(strings.INTERRUPTED, file=sys.stderr)
        status = 130
    except WriteError as error:
        print(error, file=sys.stderr)
        status = 2
    finally:
        html = report(one_line(path.stem, LINE_LENGTH), view.who_answers(engine.info), sections)
        status = max(status, _reported(folder, html))
        print(folder / TABLE, folder / REPORT, sep="\n")
    return status


def _reported(folder: Path, html: str) -> int:
    """Writes the report; gives the exit status."""
    try:
        save_whole(folder / REPORT, html)
    except WriteError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _make(folder: Path) -> None:
    if (folder / TABLE).exists():
        raise SheetError(f"{folder / TABLE} is there already: name another folder with --out, or move it away.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SheetError(f"{folder} cannot be made ({error.strerror}): name another folder with --out.") from None


def _table(folder: Path) -> Table:
    try:
        return Table(folder / TABLE)
    except OSError as error:
        raise SheetError(f"Nothing can be written to {folder} ({error.strerror}): name another with --out.") from None


def _settings(sheet: Sheet, engine: Engine) -> list[tuple[str, Settings]]:
    """Each variant by its name, as this engine takes it."""
    taken = []
    for variant in sheet.variants:
        try:
            taken.append((variant.name, variant.taken_by(engine.info)))
        except SettingsError as error:
            raise SheetError(f"settings {variant.name!r}: {error}") from None
    return taken


def _ask_all(
    sheet: Sheet, engine: Engine, settings: Sequence[tuple[str, Settings]], table: Table, sections: list[Section]
) -> None:
    """Asks group by group; each answer is in `table` and `sections` as soon as there is one."""
    letters = [letter(index) for index in range(max(len(group.files) for group in sheet.groups))]
    table.row([*COLUMNS, *(f"{name}_{what}" for name in letters for what in ("share", "lift"))])
    total, done = len(sheet.groups) * len(sheet.questions) * len(settings), 0
    for group in sheet.groups:
        clips, problem = _clips(group, engine)
        if problem:
            _say(problem)
        sections.append(Section(group.name, clips, problem, ()))
        for question in sheet.questions:
            for name, chosen in settings:
                exchange = _asked(engine, group, clips, problem, question, chosen)
                table.row(list(map(_harmless, _row(group, name, exchange, clips, letters))))
                sections[-1] = replace(sections[-1], answers=(*sections[-1].answers, (name, exchange)))
                done += 1
                asked = one_line(question, QUESTION_LENGTH)
                _say(f"{done}/{total} {group.name} · {name} · {asked}: {exchange.problem or view.cost(exchange)}")


def _say(line: str) -> None:
    print(one_line(line, LINE_LENGTH), file=sys.stderr, flush=True)


def _clips(group: Group, engine: Engine) -> tuple[tuple[Clip, ...], str]:
    """The clips; or none and a sentence, for without one of them the letters would name others."""
    limits = Limits().up_to(engine.info.longest_seconds)
    try:
        return tuple(read_clip(file, limits=limits) for file in group.files), ""
    except AudioError as error:
        return (), strings.GROUP_LEFT_OUT.format(name=group.name, problem=error)


def _asked(
    engine: Engine, group: Group, clips: tuple[Clip, ...], problem: str, question: str, settings: Settings
) -> Exchange:
    """One answer, in a conversation of its own."""
    attached = tuple(
        Attachment(str(file), clip.label, clip) for file, clip in zip(group.files, clips, strict=bool(clips))
    )
    session = Session().asked(Exchange(question, attached, settings, engine.info.name))
    if problem:
        return session.ended("failed", problem=problem).exchanges[-1]
    try:
        for event in engine.stream(session.conversation, settings):
            if not isinstance(event, Waiting):
                session = session.took(event)
    except LalmError as error:
        session = session.ended("failed", problem=str(error))
    assert not session.answering, "an answer ends with Done"
    return session.exchanges[-1]


def _row(group: Group, name: str, exchange: Exchange, clips: Sequence[Clip], letters: Sequence[str]) -> Iterator[Cell]:
    """The cells of one answer; empty where there is nothing to say."""
    files = ", ".join(f"{letter(index)} {clip.label}" for index, clip in enumerate(clips))
    yield from (group.name, files, exchange.text, name, exchange.words.strip())
    yield from (exchange.ending, exchange.problem)
    stats, summary = exchange.stats, exchange.summary
    rate = view.tokens_per_second(stats) if stats else None
    yield from ("" if stats is None else round(stats.first_token_seconds, 3), "" if rate is None else round(rate, 2))
    shares = summary.applied if summary is not None and summary.clips else None
    yield from ("", "") if shares is None else (round(shares.audio, 5), round(shares.audio_lift, 4))
    for clip in (f"clip {name}" for name in letters):
        there = shares is not None and clip in shares.sources
        yield from (round(shares.share(clip), 5), round(shares.lift(clip), 4)) if shares and there else ("", "")


def _harmless(cell: Cell) -> Cell:
    """A spreadsheet takes a text that begins with one of these for a formula; after an apostrophe it does not."""
    if isinstance(cell, float | int):
        return cell
    # Without blanks and what cannot be seen, which a spreadsheet may skip too.
    return f"'{cell}" if one_line(cell, len(cell) + 12).startswith(FORMULA) else cell


def main() -> None:
    """The command line, handed to app.py."""
    parser = argparse.ArgumentParser(prog="python -m chat_app.compare", description="Run a sheet without a browser.")
    parser.add_argument("sheet", help="a TOML file: clips, questions, settings (docs/compare.md)")
    parser.add_argument("--out", help="folder of the results; default: beside the sheet, its name and -answers")
    chosen = parser.parse_args()
    sys.argv = ["app.py", f"--sheet={chosen.sheet}", *([f"--out={chosen.out}"] if chosen.out else [])]
    runpy.run_path(str(Path(__file__).parent.parent / "app.py"), run_name="__main__")


if __name__ == "__main__":
    main()
