"""Granite Speech where it differs: features without torchaudio, and the scale of its logits."""

import numpy as np
import pytest
import scipy.fft
import scipy.signal
import torch
from numpy.typing import NDArray
from transformers import DynamicCache, GraniteForCausalLM

from core.decoder import last_logits
from core.families.granite_speech import FAMILY, MEL, LogMel
from core.types import SAMPLING_RATE_HZ
from tests import tiny


def power_in_bands(sound: NDArray[np.float64]) -> NDArray[np.float64]:
    """What torchaudio's documentation says of `MelSpectrogram`, written out: shape (bands, frames)."""
    size, length, hop, bands = MEL["n_fft"], MEL["win_length"], MEL["hop_length"], MEL["n_mels"]
    window = np.pad(scipy.signal.get_window("hann", length), (size - length) // 2)  # periodic
    padded = np.pad(sound, size // 2, mode="reflect")
    starts = range(0, len(sound) + 1, hop)
    power = np.stack([np.abs(scipy.fft.rfft(window * padded[at : at + size])) ** 2 for at in starts], axis=1)
    # HTK: 2595 log10(1 + f / 700); triangles in Hz, of height 1, from 0 to half the rate
    highest = 2595 * np.log10(1 + SAMPLING_RATE_HZ / 2 / 700)
    corners = 700 * (10 ** (np.linspace(0, highest, bands + 2) / 2595) - 1)
    frequencies = np.arange(size // 2 + 1) * SAMPLING_RATE_HZ / size
    triangles = [np.interp(frequencies, corners[band : band + 3], [0, 1, 0]) for band in range(bands)]
    found: NDArray[np.float64] = np.stack(triangles) @ power
    return found


SOUNDS = [tiny.noise(1, 1.0), tiny.noise(2, 0.337), tiny.tone(440, 0.51), tiny.tone(7000, 2.0)]


@pytest.mark.parametrize("clip", SOUNDS, ids=lambda clip: f"{clip.label} {clip.seconds}")
def test_bands_are_those_of_the_formula(clip: tiny.Clip) -> None:
    expected = power_in_bands(clip.samples.astype(np.float64))
    found = LogMel().mel(torch.tensor(clip.samples)).numpy()
    assert found.shape == expected.shape == (80, len(clip.samples) // 160 + 1)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6 * expected.max())


@pytest.mark.parametrize("clip", SOUNDS, ids=lambda clip: f"{clip.label} {clip.seconds}")
def test_features_are_levels_in_pairs_of_frames(clip: tiny.Clip) -> None:
    power = power_in_bands(clip.samples.astype(np.float64))
    levels = np.log10(np.maximum(power, 1e-10))
    levels = np.maximum(levels, levels.max() - 8) / 4 + 1
    made = LogMel()([clip.samples])
    found = made["input_features"][0].numpy()
    assert found.shape == (levels.shape[1] // 2, 160)
    for pair, row in enumerate(found):
        np.testing.assert_allclose(row[:80], levels[:, 2 * pair], atol=2e-3)
        np.testing.assert_allclose(row[80:], levels[:, 2 * pair + 1], atol=2e-3)


def test_a_shorter_sound_is_filled_up_and_its_rows_are_marked() -> None:
    long, short = tiny.noise(1, 2.0), tiny.noise(2, 0.5)
    both, alone = LogMel()([long.samples, short.samples]), LogMel()([short.samples])
    assert both["audio_embed_sizes"] == [21, 6] and alone["audio_embed_sizes"] == [6]
    assert both["input_features_mask"].sum(1).tolist() == [21, 6]
    # the last frames see the edge: reflected alone, followed by silence beside a longer sound
    torch.testing.assert_close(both["input_features"][1][:23], alone["input_features"][0][:23])


def test_what_a_checkpoint_says_of_its_features_is_kept(tmp_path) -> None:  # type: ignore[no-untyped-def]
    LogMel(melspec_kwargs={"n_mels": 40}, projector_window_size=9, projector_downsample_rate=3).save_pretrained(
        tmp_path
    )
    again = LogMel.from_pretrained(tmp_path)
    assert again.melspec_kwargs == MEL | {"n_mels": 40}
    assert again([tiny.noise(1).samples])["input_features"].shape == (1, 50, 80)
    assert again([tiny.noise(1).samples])["audio_embed_sizes"] == [3 * 6]


def test_logits_are_those_of_its_own_language_model() -> None:
    loaded = tiny.granite_speech()
    text = loaded.model.config.text_config
    whole = GraniteForCausalLM(text).eval()
    whole.model.load_state_dict(loaded.model.get_decoder().state_dict())
    whole.lm_head.load_state_dict(loaded.model.get_output_embeddings().state_dict())
    assert text.logits_scaling != 1
    ids = loaded.tokenizer.encode("Which clip has the dog?")
    with torch.inference_mode():
        expected = whole(torch.tensor([ids])).logits[0, -1]
        found = last_logits(loaded, loaded.embed_tokens(ids)[None], DynamicCache())
    torch.testing.assert_close(found, expected)


def test_three_rows_share_the_times_of_their_block() -> None:
    clip = tiny.noise(1, 1.0)
    times = FAMILY.encode(tiny.granite_speech(), clip).seconds
    expected = [[0, 0.3]] * 3 + [[0.3, 0.6]] * 3 + [[0.6, 0.9]] * 3 + [[0.9, 1.0]] * 3
    torch.testing.assert_close(times, torch.tensor(expected))
