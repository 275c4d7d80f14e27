"""What an open tab shows stays, however long nothing is asked; what nobody was seen with goes."""

import time
import urllib.request
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import gradio as gr
import pytest
from gradio import route_utils

from chat_app import visits
from chat_app.panes import Panes
from chat_app.session import Attachment, Exchange, Session
from core.fake import FakeEngine
from core.types import Settings
from tests import wire
from tests.serving import running
from tests.tabs import Tab
from tests.visitors import until

# The server's threads live under the test's filters, and Gradio uses what pandas is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[gr.Blocks, str]]:
    with running(FakeEngine(0)) as demo:
        yield demo, demo.local_url


def test_files_are_those_of_all_panes_of_what_undo_brings_back_and_of_the_box() -> None:
    def session(*names: str) -> Session:
        attached = tuple(Attachment(name, name) for name in names)
        return Session((Exchange("What?", attached, Settings(), "fake"),))

    part = Attachment("/cut", "cut", played="/part.wav")
    panes = Panes((session("/a"), session("/b")), ((Session(),), (session("/c", "/d"),)))
    assert visits.files(panes, (part,)) == {"/a", "/b", "/c", "/d", "/cut", "/part.wav"}


def test_files_of_an_open_tab_outlive_the_age_at_which_others_go(
    server: tuple[gr.Blocks, str], example: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo, address = server
    staying, leaving = Tab(address), Tab(address)
    paths = []
    for visitor, name in ((staying, "dog_bark"), (leaving, "cat_meow")):
        paths.append(Path(wire.upload(address, example / f"{name}.flac")))
        visitor.does("submit", "box", box={"text": "What?", "files": [wire.file(str(paths[-1]))]})
    kept, gone = paths
    before = [path.stat().st_ctime for path in paths]
    until(lambda: time.time() > max(before) + 0.1)
    staying.does("tick")
    assert kept.stat().st_ctime > max(before) and gone.stat().st_ctime == before[1]

    a_day_on = (max(before) + kept.stat().st_ctime) / 2 + visits.KEPT_SECONDS

    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime.fromtimestamp(a_day_on)

    monkeypatch.setattr(route_utils, "datetime", Later)
    route_utils.delete_files_created_by_app(demo, visits.KEPT_SECONDS)
    assert kept.exists() and not gone.exists()
    kept.unlink()
    assert staying.does("tick")[-1]["success"], "a file taken away by hand is nobody's fault"


def test_a_conversation_outlives_a_connection_that_breaks_off_long_after_its_last_question(
    server: tuple[gr.Blocks, str], example: Path
) -> None:
    demo, address = server
    visitor = Tab(address)
    visitor.ask("What?", example / "dog_bark.flac")
    held = demo.state_holder.session_data[visitor.session]
    with urllib.request.urlopen(f"{address}gradio_api/heartbeat/{visitor.session}") as beats:
        beats.readline()
    until(lambda: held.is_closed)
    a_week_ago = datetime.now() - timedelta(days=7)
    held._state_ttl = {key: (lives, a_week_ago) for key, (lives, _) in held._state_ttl.items()}
    demo.state_holder.delete_all_expired_state()
    assert any(isinstance(value, Panes) and value.first.exchanges for value in held.state_data.values())


def test_what_nobody_was_seen_with_for_a_day_goes_at_the_next_sign_of_anybody(
    server: tuple[gr.Blocks, str],
) -> None:
    demo, address = server
    gone, here, other = Tab(address), Tab(address), Tab(address)
    seen = demo.state_holder.time_last_used
    seen[gone.session] = datetime.now() - timedelta(seconds=visits.KEPT_SECONDS + 1)
    seen[here.session] = datetime.now() - timedelta(seconds=visits.KEPT_SECONDS - 600)
    other.does("tick")
    assert gone.session not in demo.state_holder and gone.session not in seen
    assert here.session in demo.state_holder and here.session in seen


def test_no_more_than_so_many_conversations_are_held(server: tuple[gr.Blocks, str]) -> None:
    assert server[0].state_holder.capacity == visits.MOST_VISITS
