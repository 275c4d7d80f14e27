"""Every family, tiny, random and offline: real classes and real processors, weights from a seed."""

import atexit
import shutil
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from ctranslate2.converters.transformers import WhisperLoader
from onnx import TensorProto, helper, numpy_helper
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2AudioConfig,
    Qwen2AudioEncoderConfig,
    Qwen2AudioForConditionalGeneration,
    Qwen2AudioProcessor,
    Qwen2Config,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
)

from core.adapter import Adapters
from core.embedded.comparer import Comparer
from core.embedded.ears import EVENT_CLASSES, EVENT_WIDTH, Ears, EventEar
from core.embedded.joiner import Joiner
from core.embedded.speech import SPEECH_WIDTH, SpeechEar
from core.engine import EngineInfo
from core.families import FAMILIES, Loaded
from core.families.embedded import AUDIO_TOKEN, EmbeddedHearing
from core.lalm import Lalm
from core.types import SAMPLING_RATE_HZ, Clip
from tests.tiny_audioflamingo3 import audioflamingo3
from tests.tiny_gemma3n import gemma3n
from tests.tiny_gemma4 import gemma4
from tests.tiny_gemma4_unified import gemma4_unified
from tests.tiny_granite_speech import granite_speech
from tests.tiny_musicflamingo import musicflamingo
from tests.tiny_phi4_multimodal import phi4_multimodal
from tests.tiny_qwen2_5_omni import qwen2_5_omni
from tests.tiny_qwen3_omni_moe import qwen3_omni_moe
from tests.tiny_voxtral import voxtral

CHATML = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}"
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
    "<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SENTENCES = ["Which clip has the dog?", "Clip A: user assistant system Audio 1:", "You are a helpful assistant."]
CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
DECODER: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
}
"""What every tiny decoder has: enough layers to tell them apart, and widths that nf4 takes on a CPU."""


def tone(hz: float, seconds: float = 1.0, label: str = "tone.wav") -> Clip:
    """A sine at half scale."""
    time = np.arange(round(seconds * SAMPLING_RATE_HZ)) / SAMPLING_RATE_HZ
    return Clip((0.5 * np.sin(2 * np.pi * hz * time)).astype(np.float32), label)


def noise(seed: int, seconds: float = 1.0) -> Clip:
    """White noise from a seed."""
    rng = np.random.default_rng(seed)
    return Clip((0.1 * rng.standard_normal(round(seconds * SAMPLING_RATE_HZ))).astype(np.float32), f"noise{seed}.wav")


def tokenizer(control: list[str]) -> PreTrainedTokenizerFast:
    """A byte-level BPE of a few hundred tokens."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    special = [AddedToken(token, normalized=False, special=True) for token in control]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator(
        SENTENCES, trainers.BpeTrainer(vocab_size=320, special_tokens=special, initial_alphabet=alphabet)
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe, eos_token="<|im_end|>", pad_token="<|endoftext|>", chat_template=CHATML
    )


def event_graph(seed: int = 0) -> bytes:
    """An ONNX graph with YAMNet's input and pooled output: a random projection of the 64 band means."""
    rng = np.random.default_rng(seed)
    weight = numpy_helper.from_array(rng.standard_normal((64, EVENT_WIDTH)).astype(np.float32) / 8, "weight")
    axes = numpy_helper.from_array(np.array([1, 2]), "axes")
    scale = numpy_helper.from_array(np.float32(1 / 64), "step")
    nodes = [
        helper.make_node("Cast", ["audio"], ["levels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["levels", "axes"], ["bands"], keepdims=0),
        helper.make_node("Mul", ["bands", "step"], ["scaled"]),
        helper.make_node("MatMul", ["scaled", "weight"], ["raw"]),
        helper.make_node("Relu", ["raw"], ["pooled"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("audio", TensorProto.UINT8, [1, 1, 96, 64])],
        [helper.make_tensor_value_info("pooled", TensorProto.FLOAT, [1, EVENT_WIDTH])],
        [weight, axes, scale],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    serialized: bytes = model.SerializeToString()
    return serialized


WHISPER_CONTROL = ["<|endoftext|>", "<|startoftranscript|>", "<|notimestamps|>"]


def whisper() -> tuple[WhisperForConditionalGeneration, PreTrainedTokenizerFast]:
    """A Whisper of two layers as wide as tiny.en, with opinions."""
    torch.manual_seed(1)
    words = tokenizer(WHISPER_CONTROL)
    config = WhisperConfig(
        vocab_size=len(words),
        num_mel_bins=80,
        encoder_layers=2,
        encoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_layers=2,
        decoder_attention_heads=2,
        decoder_ffn_dim=32,
        d_model=SPEECH_WIDTH,
        max_source_positions=1500,
        max_target_positions=448,
        decoder_start_token_id=1,
        pad_token_id=0,
        bos_token_id=0,
        eos_token_id=0,
        suppress_tokens=[],
        begin_suppress_tokens=[],
    )
    return WhisperForConditionalGeneration(config).eval(), words


@cache
def whisper_folder() -> Path:
    """The tiny Whisper as CTranslate2's own converter writes it; removed when Python ends."""
    folder = Path(tempfile.mkdtemp(prefix="earshot-whisper-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    model, words = whisper()
    loader = WhisperLoader()
    spec = loader.get_model_spec(model)
    loader.set_config(spec.config, model, words)
    loader.set_vocabulary(spec, words.convert_ids_to_tokens(range(len(words))))
    spec.validate()
    spec.save(str(folder))
    words.backend_tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def ears() -> Ears:
    """Both ears with random weights; the voice classes are loud enough that the speech ear is used."""
    torch.manual_seed(1)
    bias = torch.full((EVENT_CLASSES,), -4.0)
    bias[0] = 4.0
    tensors = {
        "scale": torch.tensor(0.05),
        "zero": torch.tensor(140.0),
        "classifier.weight": torch.randn(EVENT_CLASSES, EVENT_WIDTH) / EVENT_WIDTH,
        "classifier.bias": bias,
    }
    return Ears(SpeechEar(whisper_folder()), EventEar(event_graph(), tensors))


def embedded() -> Loaded:
    """A Llama of three layers with grouped queries behind the two ears."""
    torch.manual_seed(0)
    words = tokenizer([*CONTROL, AUDIO_TOKEN])
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )
    joiner = Joiner(config.hidden_size)
    torch.nn.init.normal_(joiner.classes)
    torch.nn.init.normal_(joiner.event_residual.weight, std=0.05)
    joiner.class_tokens[:, 0] = torch.arange(len(joiner.class_tokens)) % len(words)
    comparers = {"comparing": Comparer(config.hidden_size).eval()}
    model = opinionated(LlamaForCausalLM(config), words)
    joiner.center.copy_(model.model.embed_tokens.weight.detach().mean(0))
    return Loaded(model, words, EmbeddedHearing(ears(), joiner.eval(), comparers))


def qwen2_audio() -> Loaded:
    """Qwen2-Audio with two layers in tower and decoder and a real processor of its own."""
    torch.manual_seed(0)
    words = tokenizer([*CONTROL, "<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>"])
    features = WhisperFeatureExtractor(feature_size=16)
    processor = Qwen2AudioProcessor(features, words)
    words.chat_template = processor.chat_template
    tower = Qwen2AudioEncoderConfig(
        num_mel_bins=16,
        encoder_layers=2,
        encoder_attention_heads=2,
        encoder_ffn_dim=32,
        d_model=16,
        max_source_positions=1500,
    )
    text = Qwen2Config(
        **DECODER,
        vocab_size=len(words),
    )
    config = Qwen2AudioConfig(
        audio_config=tower, text_config=text, audio_token_id=words.convert_tokens_to_ids("<|AUDIO|>")
    )
    model = opinionated(Qwen2AudioForConditionalGeneration(config), words)
    return Loaded(model, words, processor)


def opinionated(model: Any, words: PreTrainedTokenizerFast) -> Any:
    """Larger weights than the default initialisation, so that the tiny model has opinions; answers end by `words`."""
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1 and "conv" not in name:
            torch.nn.init.normal_(parameter, std=0.15)
    model.generation_config.eos_token_id = words.eos_token_id
    model.generation_config.pad_token_id = words.pad_token_id
    return model.eval()


BUILD = {
    "embedded": embedded,
    "qwen2_audio": qwen2_audio,
    "qwen2_5_omni": qwen2_5_omni,
    "qwen3_omni_moe": qwen3_omni_moe,
    "voxtral": voxtral,
    "audioflamingo3": audioflamingo3,
    "musicflamingo": musicflamingo,
    "gemma3n": gemma3n,
    "gemma4": gemma4,
    "gemma4_unified": gemma4_unified,
    "phi4_multimodal": phi4_multimodal,
    "granite_speech": granite_speech,
}


def whole(loaded: Loaded, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Logits of the last position by the family's whole model, shape (vocabulary,)."""
    logits: torch.Tensor = loaded.model(**inputs).logits[0, -1].float()
    # Granite Speech's leaves out the division of its own language model (tests/test_granite_speech.py)
    return logits / getattr(loaded.model.config.get_text_config(), "logits_scaling", 1.0)


def engine(model_type: str) -> Lalm:
    """A whole engine of a tiny model."""
    loaded, family = BUILD[model_type](), FAMILIES[model_type]
    adapters = Adapters(loaded.model)
    info = EngineInfo(
        name=f"tiny {model_type}",
        family=model_type,
        precision="fp32",
        reason="a test",
        adapters=adapters.names,
        layers=3,
        window_seconds=family.window_seconds,
        longest_seconds=family.limit_seconds,
        context_tokens=4096,
    )
    return Lalm(loaded, family, info, adapters)
