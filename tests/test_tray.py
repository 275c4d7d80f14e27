"""The tray: letters, players, what is to be known before sending, and nobody's name as markup."""

import pytest

from chat_app import strings
from chat_app.session import Attachment, Exchange, Session
from chat_app.tray import told, tray
from core.types import Clip, Settings
from tests.seen import Elements


def asked(clip: Clip, path: str = "/uploads/x/clip.wav") -> Session:
    return Session().asked(Exchange("Which?", (Attachment(path, clip.label, clip),), Settings()))


def test_it_letters_sent_and_waiting_clips_and_skips_what_cannot_be_used(tone_clip) -> None:
    shown = tray(
        asked(tone_clip("first.wav")),
        (
            Attachment("/u/second.wav", "second.wav", tone_clip("second.wav")),
            Attachment("/u/bad.wav", "bad.wav", problem="bad.wav: the file is empty."),
        ),
    )
    assert shown.clips == 2
    seen = Elements(shown.html)
    assert [word for word in seen.words if word in {"A", "B", "C"}] == ["A", "B"]
    assert "bad.wav: the file is empty." in seen.words
    assert seen.words.count(strings.NOT_SENT) == 1
    assert [value for name, value in seen.attributes if name == "data-place"] == ["0", "1", "2"]
    assert [name for name, _ in seen.attributes].count("draggable") == 1, "only what is not sent yet moves"
    assert shown.html.count("es-remove") == 2, "what is not sent, and what cannot be"


def test_each_clip_has_a_slider_a_player_and_a_button_with_its_name(tone_clip) -> None:
    attributes = Elements(tray(asked(tone_clip("a.wav", seconds=2.5)), opened=0).html).attributes
    for expected in (
        ("role", "slider"),
        ("tabindex", "0"),
        ("aria-valuemin", "0"),
        ("aria-valuemax", "2.5"),
        ("aria-label", strings.POSITION.format(letter="A", name="a.wav")),
        ("aria-label", strings.PLAY.format(letter="A", name="a.wav")),
        ("aria-label", strings.OPEN_CLIP.format(letter="A", name="a.wav")),
        ("aria-expanded", "true"),
    ):
        assert expected in attributes


def test_it_says_which_clips_are_heard_in_parts_and_which_are_parts(tone_clip) -> None:
    clips = [Attachment("/u/x", "x", tone_clip("x", seconds=seconds)) for seconds in (2.0, 0.5, 1.0)]
    clips.append(Attachment("/u/x", "x", tone_clip("x", seconds=0.5), whole=tone_clip("x"), start_seconds=0.1))
    words = Elements(tray(Session(), clips, window_seconds=1.0).html).words
    assert words.count(strings.IN_PARTS.format(window_seconds=1.0)) == 1
    assert words.count("0.10 to 0.60 s of it") == 1


def test_a_player_is_given_the_file_that_sounds_like_the_clip_with_its_path_quoted(tone_clip) -> None:
    whole = asked(tone_clip(), path='/uploads/ü "b"#1?.wav')
    part = Attachment("/uploads/x/x.wav", "x", tone_clip(), whole=tone_clip(), played="/uploads/x/part.wav")
    sources = [value for name, value in Elements(tray(whole, (part,)).html).attributes if name == "data-src"]
    assert sources == ["gradio_api/file=/uploads/%C3%BC%20%22b%22%231%3F.wav", "gradio_api/file=/uploads/x/part.wav"]


@pytest.mark.parametrize(
    ("clips", "said"),
    [
        (3, "3 of 8 clips, 12.4 s · letters D to H are free"),
        (7, "7 of 8 clips, 12.4 s · letter H is free"),
        (8, "8 of 8 clips, 12.4 s · no letter is free"),
        (10, "10 of 8 clips, 12.4 s · remove 2 before you ask"),
    ],
)
def test_it_says_how_much_the_model_will_hear_and_which_letters_are_free(clips: int, said: str) -> None:
    assert Elements(told(clips, 12.4, 8)).words[0] == said


def test_the_sum_of_seconds_is_of_what_is_heard(tone_clip) -> None:
    part = Attachment("/u/b", "b", tone_clip(seconds=0.5), whole=tone_clip(seconds=9.0), played="/u/p")
    words = Elements(tray(asked(tone_clip(seconds=1.0)), (part,)).html).words
    assert words[0].startswith("2 of 8 clips, 1.5 s")
