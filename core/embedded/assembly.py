"""Puts the embedded model together from its parts and the weights in `weights/`, once, and caches it.

weights/joiner.safetensors   what was learnt of the projectors
weights/base/                LoRA (PEFT folder), merged into the language model here
weights/discriminative/      LoRA that goes on and off at run time, loaded by `core.adapter`
"""

import csv
import hashlib
import io
import os
import shutil
import tempfile
import time
import zipfile
from contextlib import suppress
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, LlamaForCausalLM, PreTrainedTokenizerBase
from transformers.utils.logging import disable_progress_bar

from core.embedded import parts
from core.embedded.ears import Ears, EventEar
from core.embedded.gguf_llm import open_gguf, read_config, read_state, read_tokenizer
from core.embedded.joiner import FROZEN, Joiner, class_offsets, class_rows
from core.embedded.speech import SpeechEar
from core.embedded.store import Progress, cache_folder, stored
from core.errors import LoadError

WEIGHTS = Path(__file__).parent / "weights"
POOLED = "/model/Reshape_output_0_qdq"
"""YAMNet's 1024-wide embedding: the tensor after global average pooling, before the classifier."""

UNUSED_SECONDS = 30 * 86_400
"""After which an assembled model of another version of Earshot is removed from the cache: it takes half a gigabyte."""

Assembled = tuple[LlamaForCausalLM, PreTrainedTokenizerBase, Ears, Joiner]


def load_embedded(progress: Progress = print, dtype: torch.dtype = torch.bfloat16) -> Assembled:
    """The shipped model.

    Raises:
        LoadError: A part cannot be had, or the learnt weights are missing.
    """
    disable_progress_bar()  # a third of a second needs none
    folder = assembled(progress)
    model = LlamaForCausalLM.from_pretrained(folder, dtype=dtype)
    joiner = Joiner(model.config.hidden_size)
    joiner.load_state_dict(load_file(folder / "joiner.safetensors"))
    event = EventEar((folder / "event.onnx").read_bytes(), load_file(folder / "event.safetensors"))
    ears = Ears(_speech_ear(progress), event)
    return model.eval(), AutoTokenizer.from_pretrained(folder), ears, joiner.to(dtype).eval()


def assembled(progress: Progress = print) -> Path:
    """The folder of the shipped model in the cache, put together where it is not there yet.

    Raises:
        LoadError: A part cannot be had, or the learnt weights are missing.
    """
    folder = cache_folder() / f"embedded-{_fingerprint()}"
    tidy(folder)

    def make(ready: Path) -> None:
        fetched = {part: parts.unpacked(part, progress) for part in parts.PARTS}
        progress("Assembling the embedded model ...")
        _assemble(fetched, ready)

    return stored(folder, make, progress)


def tidy(folder: Path) -> None:
    """Marks a folder of the cache as in use, and removes those beside it that no version of Earshot used for long."""
    with suppress(OSError):  # there is none yet, or it is another's
        os.utime(folder)
    for other in folder.parent.glob("embedded-*"):
        if other != folder and time.time() - other.stat().st_mtime > UNUSED_SECONDS:
            shutil.rmtree(other, ignore_errors=True)


def untrained() -> Assembled:
    """The parts joined with nothing learnt yet, in float32: where training starts."""
    model, tokenizer, joiner = without_ears()
    archive, _ = parts.unpacked(parts.EVENT)
    return model, tokenizer, Ears(_speech_ear(), EventEar(*_event_graph(archive))), joiner


def without_ears() -> tuple[LlamaForCausalLM, PreTrainedTokenizerBase, Joiner]:
    """The language model and the joiner with nothing learnt yet, in float32."""
    reader = open_gguf(parts.unpacked(parts.MIND)[0])
    model, tokenizer = LlamaForCausalLM(read_config(reader)), read_tokenizer(reader)
    missing, unexpected = model.load_state_dict(read_state(reader, model.config), strict=False)
    assert missing == ["lm_head.weight"] and not unexpected, (
        "the head is tied to the embeddings; all else is in the file"
    )
    model.tie_weights()
    _, class_map = parts.unpacked(parts.EVENT)
    names = [row["display_name"] for row in csv.DictReader(io.StringIO(class_map.read_text()))]
    joiner = Joiner(model.config.hidden_size)
    token_ids = {name: tokenizer.encode(" " + name.lower(), add_special_tokens=False) for name in names}
    rows, center = class_rows(names, model.model.embed_tokens.weight.detach(), token_ids)
    for place, name in enumerate(names):
        joiner.class_tokens[place, : len(token_ids[name])] = torch.tensor(token_ids[name])
    joiner.load_state_dict({**joiner.state_dict(), "classes": rows, "center": center, "offsets": class_offsets(names)})
    return model, tokenizer, joiner


def add_learnt(model: LlamaForCausalLM, joiner: Joiner, weights: Path = WEIGHTS) -> LlamaForCausalLM:
    """Loads the learnt parts of the joiner in place and merges the base LoRA into the language model."""
    missing, unexpected = joiner.load_state_dict(load_file(weights / "joiner.safetensors"), strict=False)
    assert not unexpected and set(missing) <= set(FROZEN)
    merged: LlamaForCausalLM = PeftModel.from_pretrained(model, weights / "base").merge_and_unload()
    return merged


def _assemble(fetched: dict[parts.Part, tuple[Path, ...]], folder: Path) -> None:
    model, tokenizer, joiner = without_ears()
    model = add_learnt(model, joiner)
    model.bfloat16().save_pretrained(folder)
    try:
        tokenizer.save_pretrained(folder)
    except Exception as error:  # tokenizers has no other for a full disk
        raise OSError(str(error)) from error
    save_file(joiner.state_dict(), folder / "joiner.safetensors")
    graph, tensors = _event_graph(fetched[parts.EVENT][0])
    (folder / "event.onnx").write_bytes(graph)
    save_file(tensors, folder / "event.safetensors")


def _speech_ear(progress: Progress = print) -> SpeechEar:
    """CTranslate2 reads the wheel's files as they are."""
    return SpeechEar(parts.unpacked(parts.SPEECH, progress)[0].parent)


def _event_graph(archive: Path) -> tuple[bytes, dict[str, torch.Tensor]]:
    """YAMNet cut before its classifier, and the tensors to go on in float."""
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(archive) as unzipped:
        for member in unzipped.namelist():
            if not member.endswith("/"):
                (Path(folder) / Path(member).name).write_bytes(unzipped.read(member))
        model = onnx.load(Path(folder) / "model.onnx")
    values = {value.name: numpy_helper.to_array(value) for value in model.graph.initializer}
    del model.graph.output[:]
    model.graph.output.append(onnx.helper.make_tensor_value_info(POOLED, onnx.TensorProto.FLOAT, [1, 1024]))
    names = {
        "scale": "audio_scale",
        "zero": "audio_zero_point",
        "classifier.weight": "model.classifier.weight",
        "classifier.bias": "model.classifier.bias",
    }
    return model.SerializeToString(), {key: torch.tensor(values[name]) for key, name in names.items()}


def _fingerprint() -> str:
    """Changes with the parts, the shipped weights and this package's code: a stale cache is never loaded."""
    digest = hashlib.sha256("".join(part.sha256 for part in parts.PARTS).encode())
    code = sorted(Path(__file__).parent.glob("*.py"))
    learnt = [WEIGHTS / "joiner.safetensors", *sorted((WEIGHTS / "base").glob("adapter_*"))]
    if not all(file.exists() for file in learnt) or len(learnt) < 3:
        raise LoadError(
            "The embedded model's weights are not in core/embedded/weights: check Earshot out again, whole."
        )
    for file in (*code, *learnt):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
