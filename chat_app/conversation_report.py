"""A conversation as a report: a section for each question, the panes' answers side by side."""

from collections.abc import Sequence

from chat_app import strings, view
from chat_app.report import Section, report
from chat_app.session import Session
from core.engine import EngineInfo
from core.texts import one_line

TITLE_LENGTH = 120


def conversation_report(sessions: Sequence[Session], infos: Sequence[EngineInfo]) -> str:
    """The whole file.

    Args:
        sessions: Of the panes; all were asked the same questions.
        infos: Of the engines there are, for more to say of those who answered.
    """
    title = one_line(sessions[0].exchanges[0].text, TITLE_LENGTH) or strings.CHAT_LABEL
    return report(title, " / ".join(who_answered(sessions, infos)), sections(sessions))


def who_answered(sessions: Sequence[Session], infos: Sequence[EngineInfo]) -> tuple[str, ...]:
    """Each model that answered, once; as it is loaded now where it is, else its name alone."""
    loaded = {info.name: view.who_answers(info) for info in infos}
    models = [exchange.model for session in sessions for exchange in session.exchanges]
    return tuple(loaded.get(model, model) for model in dict.fromkeys(models))


def sections(sessions: Sequence[Session]) -> tuple[Section, ...]:
    """One for each question."""
    names = _names(sessions)
    found = []
    for turn, exchange in enumerate(sessions[0].exchanges):
        found.append(
            Section(
                name=strings.QUESTION_NUMBER.format(number=turn + 1),
                clips=exchange.clips,
                problem=" ".join(exchange.left_out),
                answers=tuple((names[pane][turn], session.exchanges[turn]) for pane, session in enumerate(sessions)),
                earlier=Session(sessions[0].exchanges[:turn]).clips,
            )
        )
    return tuple(found)


def _names(sessions: Sequence[Session]) -> list[list[str]]:
    """A name for each answer of each pane: its pane and model, and a number where its settings changed on the way."""
    many_models = len({exchange.model for session in sessions for exchange in session.exchanges}) > 1
    names = []
    for place, session in enumerate(sessions, start=1):
        pane = strings.PANE.format(number=place) if len(sessions) > 1 else strings.ANSWER_HEADING
        variants = list(dict.fromkeys((exchange.model, exchange.settings) for exchange in session.exchanges))
        named = []
        for exchange in session.exchanges:
            number = variants.index((exchange.model, exchange.settings)) + 1
            settings = strings.SETTINGS_NUMBER.format(number=number) if len(variants) > 1 else ""
            named.append(" · ".join(filter(None, (pane, exchange.model if many_models else "", settings))))
        names.append(named)
    return names
