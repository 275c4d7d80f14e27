"""Reading a corpus and picking from it."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from core.errors import AudioError, LoadError
from core.texts import PROMPTS
from core.training.corpus import KINDS, Corpus, one_of, plain_words, read_alike
from core.training.manifest import Recording, licence_tier
from tests import corpora


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return corpora.write_corpus(tmp_path_factory.mktemp("corpus"), KINDS)


@pytest.fixture
def train(folder: Path) -> Corpus:
    return Corpus.read(folder, "train")


def test_the_splits_share_no_row(folder: Path, train: Corpus) -> None:
    dev = Corpus.read(folder, "dev")
    assert not {row.id for row in train.recordings} & {row.id for row in dev.recordings}
    assert len(train.recordings) + len(dev.recordings) == len((folder / "manifest.jsonl").read_text().splitlines())


def test_a_row_with_unknown_fields_is_read_and_one_without_a_field_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "manifest.jsonl").write_text('{"id": "a", "mood": "sad"}')
    with pytest.raises(LoadError, match=r"Row 1 of the manifest .* missing .*'path'"):
        Corpus.read(tmp_path, "train")


def test_no_manifest_and_no_rows_are_sentences_with_a_way_out(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(LoadError, match=r"put a manifest\.jsonl there, or a clips\.csv"):
        Corpus.read(tmp_path, "train")
    with pytest.raises(LoadError, match="name other tiers"):
        Corpus.read(folder, "train", ["gpl"])


def test_samples_are_those_of_the_file_and_a_fresh_array(train: Corpus) -> None:
    row = train.recordings[0]
    expected, _ = soundfile.read(train.folder / row.path, dtype="float32")
    first = train.samples(row)
    assert np.array_equal(first, expected)
    first[:] = 0.0
    assert np.array_equal(train.samples(row), expected)


def test_a_folder_of_ones_own_with_a_table(tmp_path: Path) -> None:
    stereo = np.stack([corpora.tone(440.0, 1.0)] * 2, axis=1)
    soundfile.write(tmp_path / "kettle.wav", stereo, 44_100)
    soundfile.write(tmp_path / "word.wav", corpora.tone(440.0, 1.0), 16_000)
    corpora.write_table(
        tmp_path,
        [
            {"path": "kettle.wav", "label": "a kettle", "licence": "CC BY-SA 4.0", "split": "train"},
            {"path": "word.wav", "label": "a person speaking", "licence": "MIT", "split": "train", "transcript": "yes"},
        ],
    )
    corpus = Corpus.read(tmp_path, "train")
    kettle, word = corpus.recordings
    assert (kettle.kind, kettle.licence_tier, kettle.source_rate) == ("sound", "share-alike", 44_100)
    assert (word.kind, word.utterance, word.language, word.licence_tier) == ("speech", "word", "en", "permissive")
    assert kettle.seconds == pytest.approx(16_000 / 44_100) and corpus.samples(kettle).shape == (5805,)
    assert np.abs(corpus.samples(kettle)).max() == pytest.approx(0.3, abs=0.02)


def test_a_table_without_splits_holds_out_whole_recordings(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", corpora.tone(440.0, 0.5), 16_000)
    rows = [
        {"path": "a.wav", "id": f"{take}{piece}", "label": "a bell", "licence": "CC0", "recording": str(take)}
        for take in range(60)
        for piece in "ab"
    ]
    corpora.write_table(tmp_path, rows)
    parts = [Counter(row.recording for row in Corpus.read(tmp_path, split).recordings) for split in ("train", "dev")]
    assert not set(parts[0]) & set(parts[1])
    assert 3 <= len(parts[1]) <= 18 and set((parts[0] + parts[1]).values()) == {2}


@pytest.mark.parametrize(
    "rows, complaint",
    [
        ([{"path": "a.wav", "label": "a bell"}], "lacks .*licence"),
        ([{"path": "gone.wav", "label": "a bell", "licence": "CC0"}], "gone.wav cannot be read"),
    ],
)
def test_a_bad_table_is_one_sentence(tmp_path: Path, rows: list[dict[str, str]], complaint: str) -> None:
    corpora.write_table(tmp_path, rows)
    with pytest.raises(LoadError, match=complaint):
        Corpus.read(tmp_path, "train")


def test_a_silent_and_a_missing_file_are_named(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "still.wav", np.zeros(16_000), 16_000)
    soundfile.write(tmp_path / "gone.wav", corpora.tone(440.0, 0.5), 16_000)
    common = {"label": "a bell", "licence": "CC0", "split": "train"}
    corpora.write_table(tmp_path, [{"path": "still.wav", **common}, {"path": "gone.wav", **common}])
    corpus = Corpus.read(tmp_path, "train")
    (tmp_path / "gone.wav").unlink()
    with pytest.raises(AudioError, match=r"still\.wav: it is silent"):
        corpus.samples(corpus.recordings[0])
    with pytest.raises(AudioError, match=r"gone\.wav: it is not in"):
        corpus.samples(corpus.recordings[1])


def test_tiers_follow_the_name_of_the_licence() -> None:
    names = ("CC0-1.0", "CC-BY-3.0", "CC-BY-SA-3.0", "GPL-2+", "GFDL-1.3", "Apache-2.0", "all rights reserved")
    tiers = ["permissive", "permissive", "share-alike", "gpl", "gpl", "permissive", "other"]
    assert [licence_tier(name) for name in names] == tiers


def test_a_pick_keeps_its_conditions(train: Corpus) -> None:
    rng = np.random.default_rng(0)
    like = next(row for row in train.recordings if row.package == "echoes")
    picked = [train.pick(rng, ("sound",), ["a duck"], like, lambda row: row.seconds < 3.0) for _ in range(200)]
    assert {row.kind for row in picked} == {"sound"} and {row.package for row in picked} == {"echoes"}
    assert {row.label for row in picked} == set(corpora.EVENTS) - {"a duck"}
    assert max(row.seconds for row in picked) < 3.0


def test_a_pick_goes_beyond_the_package_and_the_kind_only_where_it_must(train: Corpus) -> None:
    rng = np.random.default_rng(0)
    echo = next(row for row in train.recordings if row.package == "echoes")
    assert train.pick(rng, ("ambience",), like=echo).package == "tones"
    assert train.pick(rng, ("song", "ambience")).kind == "ambience"
    with pytest.raises(LoadError, match="too few song clips"):
        train.pick(rng, ("song",))


def test_labels_that_are_alike_are_avoided_together(train: Corpus) -> None:
    near = Corpus(train.folder, train.recordings, (frozenset({"a duck", "a horn"}), frozenset({"a horn", "a saw"})))
    assert near.near("a horn") == {"a duck", "a horn", "a saw"} and near.near("a duck") == {"a duck", "a horn"}
    rng = np.random.default_rng(0)
    picked = {near.pick(rng, ("sound",), ["a horn"]).label for _ in range(200)}
    assert picked == set(corpora.EVENTS) - {"a duck", "a horn", "a saw"}


def test_several_are_of_one_label_and_of_different_recordings(train: Corpus) -> None:
    pieces = Corpus(train.folder, tuple(_joined(row) for row in train.recordings))
    rng = np.random.default_rng(0)
    for _ in range(100):
        rows = pieces.several(rng, 3, ("sound",))
        assert len({row.label for row in rows}) == 1 and len({row.recording for row in rows}) == 3
    assert pieces.takes("a kettle") == len({row.recording for row in pieces.recordings if row.label == "a kettle"}) < 10
    with pytest.raises(LoadError, match="has 11 recordings"):
        pieces.several(rng, 11, ("sound",))


def _joined(row: Recording) -> Recording:
    """Neighbours in the manifest become pieces of one recording."""
    return replace(row, recording=f"{row.label} {int(row.id) // 4}")


def test_minimal_pairs_are_two_sides_of_one_voice(train: Corpus) -> None:
    assert len(train.pairs) == 2 * (len(corpora.VOICES) - 1)  # what the French voice says is not known
    for first, second in train.pairs:
        assert (first.pair_side, second.pair_side) == ("a", "b") and first.voice == second.voice
        assert first.transcript != second.transcript


def test_echoed_words_are_said_by_another_voice_of_the_package(train: Corpus) -> None:
    spoken = [row for row in train.recordings if row.kind == "speech"]
    assert train.echoed == {row.id for row in spoken if row.voice != corpora.FRENCH}
    alone = Corpus(train.folder, tuple(row for row in spoken if row.voice == "ann"))
    assert alone.echoed == frozenset()


def test_words_are_compared_without_case_and_stops() -> None:
    assert plain_words("It's noon, Ann.") == plain_words("it's noon ann") == "it's noon ann"


def test_one_of_follows_its_weights() -> None:
    rng = np.random.default_rng(0)
    drawn = Counter(one_of(rng, "abc", [1, 0, 3]) for _ in range(4000))
    assert drawn["b"] == 0 and drawn["c"] / drawn["a"] == pytest.approx(3.0, rel=0.2)


def test_the_shipped_groups_of_like_labels_hold_two_labels_at_least_and_none_twice() -> None:
    for group in read_alike(PROMPTS / "training.toml"):
        assert len(group) >= 2
