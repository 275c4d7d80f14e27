"""One to four conversations side by side, asked the same questions, and what was there before."""

from dataclasses import dataclass, replace

from chat_app import strings
from chat_app.session import Box, Session

MOST_PANES = 4
MOST_UNDOS = 20

Sessions = tuple[Session, ...]


@dataclass(frozen=True)
class Panes:
    """What one tab of the browser shows.

    Attributes:
        sessions: Side by side, the first one first. All have been asked the same questions.
        before: The same before each of the last actions, the latest last. Before a conversation was opened there may
            have been more panes, or fewer.
        busy: While something is found out about answers that have ended.
        back: A question that was not answered after all: it goes into the box, before what is there by then.
    """

    sessions: Sessions = (Session(),)
    before: tuple[Sessions, ...] = ()
    busy: bool = False
    back: Box | None = None

    @property
    def first(self) -> Session:
        """The conversation whose clips and questions are those of all."""
        return self.sessions[0]

    @property
    def answering(self) -> bool:
        """True while an answer has not ended, something is found out about one, or a question is on its way back.

        Nothing else may change them then.
        """
        return self.busy or self.back is not None or any(session.answering for session in self.sessions)

    def now(self, sessions: Sessions) -> "Panes":
        """With other sessions, as part of the action that runs."""
        return replace(self, sessions=sessions)

    def then(self, sessions: Sessions) -> "Panes":
        """With other sessions after an action that can be undone."""
        return Panes(sessions, (*self.before, self.sessions)[-MOST_UNDOS:])

    def undone(self) -> "Panes":
        """As it was before the last action."""
        assert self.before, "there is nothing to undo"
        return Panes(self.before[-1], self.before[:-1])

    def beside(self, place: int) -> "Panes":
        """With one pane more, which has had the conversation of the pane at `place` so far."""
        assert len(self.sessions) < MOST_PANES
        return Panes(
            (*self.sessions, replace(self.sessions[place], notice="")),
            tuple(
                (*sessions, sessions[place]) if len(sessions) == len(self.sessions) else sessions
                for sessions in self.before
            ),
        )

    def without(self, place: int) -> "Panes":
        """With one pane less; what was there before forgets it too."""
        assert len(self.sessions) > 1
        return Panes(
            _without(self.sessions, place),
            tuple(
                _without(sessions, place) if len(sessions) == len(self.sessions) else sessions
                for sessions in self.before
            ),
        )

    def without_last(self) -> tuple[Sessions, Box]:
        """All with the last exchange taken back, and what to put into the input box for it."""
        return tuple(session.without_last()[0] for session in self.sessions), self.first.without_last()[1]


def _without(sessions: Sessions, place: int) -> Sessions:
    return sessions[:place] + sessions[place + 1 :]


def settled(panes: Panes) -> Panes:
    """Answers wait for each other, so one that seems to run now was left behind by a breakdown."""
    return replace(panes.now(tuple(_session_settled(session) for session in panes.sessions)), busy=False, back=None)


def _session_settled(session: Session) -> Session:
    session = replace(session, notice="")
    return session.ended("failed", problem=strings.CRASHED) if session.answering else session
