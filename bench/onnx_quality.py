"""What int8 costs the embedded model in quality: perplexity, agreement and divergence against plain torch.

    python -m bench.onnx_quality

Two texts, teacher-forced: the beginnings of this repository's documents, and answers that the bf16 model gives, word by
word likeliest, to chat prompts of prompts/chat.toml. fp32 is the same bf16 weights computed in fp32, the reference of
the last two columns: how often the likeliest token is the same, and the mean Kullback-Leibler divergence in nats.

Prints a table, then one JSON line.
"""

import argparse
import json
import tomllib
from pathlib import Path

import torch
from torch import Tensor
from transformers import LlamaForCausalLM, PreTrainedTokenizerBase

from core.adapter import Adapters
from core.embedded.assembly import WEIGHTS, load_embedded
from core.embedded.onnx_decoder import OnnxDecoder
from core.observation import Observation
from core.types import Boost, Span

ROOT = Path(__file__).parent.parent
ADAPTER = "discriminative"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=300, help="of each document and each answer, at most")
    parser.add_argument("--documents", type=int, default=8)
    parser.add_argument("--answers", type=int, default=8)
    arguments = parser.parse_args()
    model, tokenizer, *_ = load_embedded(progress=lambda line: None)
    folder, adapter = Path(model.name_or_path), WEIGHTS / ADAPTER
    decoder = OnnxDecoder.of(lambda: model, model.config, {ADAPTER: adapter}, folder, torch.get_num_threads())
    texts = {
        "documents": documents(tokenizer, arguments.documents, arguments.tokens),
        "answers": answers(model, tokenizer, arguments.answers, arguments.tokens),
    }
    adapters = Adapters(model)
    adapters.load(ADAPTER, adapter)
    rows = []
    for name in (None, ADAPTER):
        adapters.select(name)
        for kind, sequences in texts.items():
            tokens = sum(len(ids) - start for ids, start in sequences)
            logits = {"bf16": [torch_logits(model, ids, start) for ids, start in sequences]}
            logits["int8"] = [onnx_logits(decoder, model, ids, start, name) for ids, start in sequences]
            model.float()
            exact = [torch_logits(model, ids, start) for ids, start in sequences]
            model.bfloat16()
            logits = {"fp32": exact} | logits
            targets = torch.cat([ids[start:] for ids, start in sequences])
            reference = torch.cat(exact).log_softmax(-1)
            for path, found in logits.items():
                scores = torch.cat(found).log_softmax(-1)
                likelihood = scores.gather(1, targets[:, None]).mean()
                rows.append(
                    {
                        "adapter": name,
                        "text": kind,
                        "tokens": tokens,
                        "path": path,
                        "perplexity": round((-likelihood).exp().item(), 4),
                        "same_token": round((scores.argmax(1) == reference.argmax(1)).double().mean().item(), 4),
                        "divergence": round((reference.exp() * (reference - scores)).sum(1).mean().item(), 6),
                    }
                )
                print("  ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
    print(json.dumps(rows))


def documents(tokenizer: PreTrainedTokenizerBase, count: int, tokens: int) -> list[tuple[Tensor, int]]:
    """Beginnings of documents as ids, with the first token to predict."""
    files = sorted((ROOT / "docs").glob("*.md"))[:count]
    return [(torch.tensor(tokenizer.encode(file.read_text("utf-8"))[:tokens]), 1) for file in files]


def answers(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerBase, count: int, tokens: int
) -> list[tuple[Tensor, int]]:
    """Prompts with the model's answers as ids, with the first token of the answer."""
    prompts = tomllib.loads((ROOT / "prompts" / "chat.toml").read_text("utf-8"))["facts"]["prompts"][:count]
    found = []
    for prompt in prompts:
        asked = tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}], add_generation_prompt=True, return_tensors="pt"
        )["input_ids"]
        whole = model.generate(asked, max_new_tokens=tokens, do_sample=False, attention_mask=torch.ones_like(asked))
        found.append((whole[0], asked.shape[1]))
    return found


@torch.inference_mode()
def torch_logits(model: LlamaForCausalLM, ids: Tensor, start: int) -> Tensor:
    """Logits for the tokens from `start` on, shape (tokens, vocabulary)."""
    logits: Tensor = model(ids[None]).logits[0, start - 1 : -1]
    return logits.float()


@torch.inference_mode()
def onnx_logits(decoder: OnnxDecoder, model: LlamaForCausalLM, ids: Tensor, start: int, adapter: str | None) -> Tensor:
    """The same, step by step."""
    plan = Observation.of((Span(0, start, "template"),), (), (), Boost(), len(ids), meter=False)
    memory, rows = decoder.memory(), model.get_input_embeddings()(ids[None])
    parts = [rows[:, :start], *rows[:, start:-1].split(1, 1)]
    return torch.stack([decoder.step(part, memory, adapter, plan)[0] for part in parts])


if __name__ == "__main__":
    main()
