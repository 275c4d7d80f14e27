"""The settings of the page for conversations that come back: as they were asked last, where the engines can."""

from collections.abc import Sequence
from dataclasses import replace

from chat_app import strings
from chat_app.form import Form, Forms
from chat_app.session import Exchange, Session
from chat_app.sidebar import HOTTEST, LARGEST, STRENGTHS, asked_of, start
from chat_app.told import told
from core.engine import EngineInfo, check
from core.errors import ConversationError
from core.types import Settings


def forms_of(sessions: Sequence[Session], infos: Sequence[EngineInfo]) -> tuple[Forms, tuple[str, ...]]:
    """A form for each session, and a sentence for each thing that is not as it was or cannot be asked here."""
    names, forms, notes = [info.name for info in infos], list[Form](), list[str]()
    for session in sessions:
        if not session.exchanges:
            forms.append(start(infos))
            continue
        last = session.exchanges[-1]
        engine = names.index(last.model) if last.model in names else 0
        form = form_of(last.settings, infos, engine)
        forms.append(form)
        if last.model not in names:
            notes.append(strings.OTHER_MODEL.format(missing=last.model or strings.NAMELESS_MODEL, name=names[engine]))
        if told(form.settings(infos[engine])) != told(last.settings):
            notes.append(strings.OTHER_SETTINGS)
        try:
            check(session.asked(Exchange("", (), last.settings)).conversation, infos[engine])
        except ConversationError as error:
            notes.append(str(error))
    return Forms(tuple(forms)), tuple(dict.fromkeys(notes))


def fitting(forms: Forms, sessions: Sequence[Session], infos: Sequence[EngineInfo]) -> Forms:
    """The forms as they are where there is one for each session, else those of `forms_of`."""
    return forms if len(forms.each) == len(sessions) else forms_of(sessions, infos)[0]


def form_of(settings: Settings, infos: Sequence[EngineInfo], engine: int) -> Form:
    """The form that asks an engine with these settings, or as near as the page and the engine come to it."""
    boost, best = settings.boost, start(infos, engine)
    low, high, *_ = STRENGTHS[boost.method]
    weights = (*boost.clip_weights, *best.clip_weights[len(boost.clip_weights) :])
    form = replace(
        best,
        method=boost.method,
        alpha=min(max(boost.alpha, low), high),
        band_from=boost.band[0],
        band_to=boost.band[1],
        adapter=settings.adapter or "",
        system=settings.system,
        temperature=min(settings.temperature, HOTTEST),
        max_tokens=settings.max_tokens,
        seed=min(settings.seed, LARGEST),
        facts=settings.facts,
        clip_weights=weights[: len(best.clip_weights)],
    )
    return asked_of(form, infos, engine)
