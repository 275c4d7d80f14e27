"""The one way in which every family from the hub turns a clip into rows of its text backbone.

A stub prompt holding one clip goes through the model's own processor and its own audio tower and projector; the
embeddings are caught where they enter the decoder, which then does not run. So no family's merging code is written
again, and what is caught is what the model itself would have used.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase, ProcessorMixin, SequenceFeatureExtractor

from core.families.family import EncodedClip, Loaded
from core.types import SAMPLING_RATE_HZ, Clip


class AudioOnly(ProcessorMixin):
    """Goes before the processor class of a family that sees too, and leaves out its image and video processors.

    They would need torchvision, and no picture is ever shown. `from_pretrained` finds the parts by the names of the
    arguments.
    """

    def __init__(
        self,
        feature_extractor: SequenceFeatureExtractor,
        tokenizer: PreTrainedTokenizerBase,
        chat_template: str | None = None,
    ):
        """Args: feature_extractor, tokenizer: both parts; chat_template: of the checkpoint."""
        ProcessorMixin.__init__(self, feature_extractor, tokenizer, chat_template=chat_template)
        self.audio_token, self.audio_token_id = tokenizer.audio_token, tokenizer.audio_token_id


class _Caught(BaseException):
    """Carries the embeddings out of the model; never leaves this module."""

    def __init__(self, rows: Tensor):
        self.rows = rows


def load_from_hub(checkpoint: str, processors: Any, models: Any, **options: Any) -> Loaded:
    """A model and its processor, from the hub or a folder; the chat template lives with the processor.

    Args:
        checkpoint: Id or folder.
        processors: Class of the processor.
        models: Class of the model.
        options: For the model's `from_pretrained`.
    """
    processor = processors.from_pretrained(checkpoint)
    processor.tokenizer.chat_template = processor.chat_template
    model = models.from_pretrained(checkpoint, use_safetensors=True, **options)
    return Loaded(model.eval(), processor.tokenizer, processor)


@torch.inference_mode()
def encode_by_stub(loaded: Loaded, clip: Clip, stub: str, audio_token_id: int, row_seconds: float = 0.0) -> EncodedClip:
    """Rows of one clip.

    Args:
        loaded: A model from the hub whose `hearing` is its processor.
        clip: The clip, within the family's window.
        stub: Text with the family's audio placeholder once.
        audio_token_id: The id that stands for audio after the processor's expansion.
        row_seconds: What one row stands for, in a family that pads clips: rows of padding stand at the clip's end. With
            0 the rows share the clip equally.
    """
    processor: ProcessorMixin = loaded.hearing
    inputs = processor(text=stub, audio=[clip.samples], sampling_rate=SAMPLING_RATE_HZ, return_tensors="pt")
    device, dtype = loaded.model.device, loaded.model.dtype
    moved = {k: v.to(device, dtype) if v.is_floating_point() else v.to(device) for k, v in inputs.items()}
    rows = caught_embeddings(loaded.model, moved)[0]
    rows = rows[inputs["input_ids"][0] == audio_token_id]
    assert len(rows), "the processor dropped the audio"
    edges = torch.linspace(0, len(rows) * row_seconds or clip.seconds, len(rows) + 1).clamp(max=clip.seconds)
    return EncodedClip(rows.clone(), torch.stack([edges[:-1], edges[1:]], dim=1), clip.seconds)


def caught_embeddings(model: PreTrainedModel, inputs: Mapping[str, Tensor]) -> Tensor:
    """What the decoder would have received for `inputs`, shape (1, tokens, width).

    The width is that of the embeddings, and of what each layer gets beside them where layers do (`widen`).
    """
    decoder = model.get_decoder()

    def catch(_module: torch.nn.Module, _args: Any, kwargs: dict[str, Any]) -> None:
        rows, beside = kwargs.get("inputs_embeds"), kwargs.get("per_layer_inputs")
        if rows is not None:
            raise _Caught(rows if beside is None else torch.cat([rows, beside.flatten(2)], dim=-1))

    def catch_late(_module: torch.nn.Module, args: tuple[Tensor, ...]) -> None:
        # a decoder that is given ids embeds them for itself: its first layer shows how
        raise _Caught(args[0])

    handles = [
        decoder.register_forward_pre_hook(catch, with_kwargs=True),
        decoder.layers[0].register_forward_pre_hook(catch_late),
    ]
    try:
        model(**inputs, use_cache=False)
    except _Caught as caught:
        return caught.rows
    finally:
        for handle in handles:
            handle.remove()
    raise AssertionError("the decoder was not reached")


@torch.no_grad()
def embed_by_model(model: PreTrainedModel, ids: Sequence[int]) -> Tensor:
    """Rows of text as the model itself embeds it, shape (tokens, width); for a family whose table is not all of it."""
    # one token more, because no model takes none
    return caught_embeddings(model, {"input_ids": torch.tensor([[*ids, 0]], device=model.device)})[0, :-1]


def widen(model: PreTrainedModel) -> None:
    """Lets a model take rows that hold, behind the embedding, what each layer gets beside it (per-layer embeddings)."""
    text = model.config.get_text_config()

    def unpack(_module: torch.nn.Module, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        rows = kwargs.get("inputs_embeds")
        if rows is None or rows.shape[-1] == text.hidden_size:
            return args, kwargs
        beside = rows[..., text.hidden_size :].unflatten(-1, (text.num_hidden_layers, -1))
        return args, kwargs | {"inputs_embeds": rows[..., : text.hidden_size], "per_layer_inputs": beside}

    for module in (model, model.get_decoder()):
        module.register_forward_pre_hook(unpack, with_kwargs=True)
