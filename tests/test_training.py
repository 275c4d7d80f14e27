"""Recipes, targets, alignment and checkpoints of the training loop."""

from pathlib import Path

import numpy as np
import pytest
import torch

from core.errors import LoadError
from core.families import FAMILIES
from core.prompt import Prompt, build
from core.training import align
from core.training.batches import answer_targets, collate, conversation_of, shared_tokens
from core.training.checkpoint import load_checkpoint, save_checkpoint
from core.training.recipe import read_recipes
from core.training.trainee import Trainee, with_lora
from core.types import Clip
from tests import tiny

RECIPES = Path(__file__).parent.parent / "core" / "training" / "recipes"
LOADED, FAMILY = tiny.embedded(), FAMILIES["embedded"]
embed = LOADED.embed_tokens


def test_the_shipped_recipe_is_the_three_stages_in_a_row() -> None:
    recipes = read_recipes(RECIPES / "embedded.toml")
    assert [recipe.stage for recipe in recipes] == ["align", "base", "discriminative"]
    assert [recipe.start for recipe in recipes] == ["", recipes[0].out, recipes[1].out]


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("nonsense", "is not a recipe"),
        ("[[run]]\nstage = 'align'\ncorpus = 'a'\nout = 'b'\nstep = 3", "unknown keys"),
        ("[[run]]\nstage = 'more'\ncorpus = 'a'\nout = 'b'", "choose one of align, base, discriminative"),
        ("[[run]]\nstage = 'align'\ncorpus = 'a'", "not complete"),
    ],
)
def test_a_bad_recipe_is_one_sentence(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "recipe.toml").write_text(text)
    with pytest.raises(LoadError, match=complaint):
        read_recipes(tmp_path / "recipe.toml")


def sample(clips: tuple[Clip, ...], *exchanges: tuple[str, str]) -> list[Prompt]:
    """A prompt for each exchange about the same clips."""
    encoded = [FAMILY.encode(LOADED, clip) for clip in clips]
    return [build(conversation_of(clips, [one]), encoded, FAMILY, LOADED.tokenizer) for one in exchanges]


def test_what_is_learnt_are_the_answers_and_the_token_that_ends_them() -> None:
    prompts = sample((tiny.tone(440),), ("Which clip?", "the dog"), ("Why?", "system"))
    batch = collate([prompts], embed)
    texts = [LOADED.tokenizer.decode(batch.target[batch.answer == answer]) for answer in (0, 1)]
    assert texts == [f"the dog{LOADED.tokenizer.eos_token}", f"system{LOADED.tokenizer.eos_token}"]
    alone = [token for prompt in prompts for _, token, _ in answer_targets(prompt)]
    assert batch.target.tolist() == alone


def test_each_question_gets_what_it_would_get_alone() -> None:
    about_two = sample(
        (tiny.noise(1, 3.0), tiny.tone(300)), ("Which clip has the dog?", "A"), ("Why?", "Clip A: the dog")
    )
    choices = sample(
        (tiny.noise(2),), ("Which clip?", "the dog"), ("Which clip?", "system"), ("Which clip?", "the cat")
    )
    chat = sample((), ("Why?", "the dog"))

    def losses(samples: list[list[Prompt]]) -> torch.Tensor:
        batch = collate(samples, embed)
        hidden = LOADED.model.get_decoder()(
            inputs_embeds=batch.rows, attention_mask=batch.mask, position_ids=batch.positions
        ).last_hidden_state
        logits = LOADED.model.get_output_embeddings()(hidden[batch.sample, batch.place])
        return torch.nn.functional.cross_entropy(logits, batch.target, reduction="none")

    with torch.inference_mode():
        together = losses([about_two, choices, chat])
        alone = torch.cat([losses([[prompt]]) for prompt in (*about_two, *choices, *chat)])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)


@pytest.mark.filterwarnings("ignore:The following (rank|alpha)_pattern keys")
@pytest.mark.parametrize("model_type", sorted(tiny.BUILD))
def test_a_lora_stays_in_the_decoder_or_is_refused(model_type: str) -> None:
    loaded = tiny.BUILD[model_type]()
    loaded.model.requires_grad_(False)
    decoder = loaded.model.get_decoder()
    before = {id(parameter) for parameter in loaded.model.parameters()}
    try:
        model = with_lora(loaded, 2)
    except LoadError as error:
        assert "Choose a checkpoint of another family" in str(error) and model_type == "qwen3_omni_moe"
        return
    learnt = [parameter for parameter in model.parameters() if parameter.requires_grad]
    inside = {id(parameter) for parameter in decoder.parameters()}
    assert learnt and all(id(parameter) in inside and id(parameter) not in before for parameter in learnt)


def test_chat_is_held_to_the_bare_model_and_not_to_its_answer() -> None:
    loaded = tiny.embedded()
    loaded.model.requires_grad_(False)
    trainee = Trainee(loaded, FAMILY, with_lora(loaded, 4))
    learnt = [parameter for parameter in trainee.model.parameters() if parameter.requires_grad]
    chat = [trainee.sample((), [("Why?", "the dog")]), trainee.sample((), [("Which clip?", "the cat")])]
    heard = trainee.sample((tiny.tone(300),), [("Which clip?", "A")])
    assert trainee.loss(trainee.batch(chat)).item() == pytest.approx(0.0, abs=1e-5)  # nothing was learnt yet
    torch.manual_seed(0)
    for parameter in learnt:
        torch.nn.init.normal_(parameter, std=0.2)
    batch = trainee.batch([*chat, heard])
    assert torch.equal(batch.chat, batch.answer < 2)
    start, optimizer = trainee.loss(trainee.batch(chat)).item(), torch.optim.Adam(learnt, 0.02)
    assert start > 0.01
    for _ in range(40):
        trainee.loss(batch).backward()
        optimizer.step()
        optimizer.zero_grad()
    assert trainee.loss(trainee.batch(chat)).item() < 0.3 * start
    assert trainee.log_likelihoods(trainee.batch([heard])).item() > -0.5


def test_a_shared_beginning_is_there_once() -> None:
    prompts = sample((tiny.noise(1, 3.0),), ("Which clip?", "the dog"), ("Why?", "system"))
    batch, alone = collate([prompts], embed), [collate([[prompt]], embed) for prompt in prompts]
    assert batch.rows.shape[1] == sum(one.rows.shape[1] for one in alone) - shared_tokens(prompts)
    assert shared_tokens(prompts) > len(FAMILY.encode(LOADED, tiny.noise(1, 3.0)).rows)


def test_alignment_prefers_rows_that_point_at_their_words() -> None:
    torch.manual_seed(0)
    embeddings = torch.randn(30, 16)
    center = embeddings.mean(0)
    words = torch.nn.functional.normalize(embeddings - center, dim=1)
    right = center + 2 * words[[4, 9]]
    wrong = center + 2 * words[[5, 6]]
    losses = [align.alignment_loss([rows], [[4, 9]], words, center) for rows in (right, wrong)]
    assert losses[0] < losses[1]
    assert align.words_of("The dog's on a Mat.") == ["dog's", "mat"]


def test_a_run_goes_on_from_its_checkpoint_as_if_never_stopped(tmp_path: Path) -> None:
    def fresh() -> tuple[torch.nn.Linear, torch.optim.AdamW, np.random.Generator]:
        torch.manual_seed(0)
        layer = torch.nn.Linear(4, 3)
        return layer, torch.optim.AdamW(layer.parameters(), lr=0.1), np.random.default_rng(0)

    def step(layer: torch.nn.Linear, optimizer: torch.optim.AdamW, rng: np.random.Generator) -> None:
        layer(torch.tensor(rng.standard_normal((2, 4)), dtype=torch.float32)).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()

    whole = fresh()
    for _ in range(6):
        step(*whole)
    first = fresh()
    for _ in range(3):
        step(*first)
    named = dict(first[0].named_parameters())
    save_checkpoint(tmp_path / "checkpoint.safetensors", named, first[1], 3, dict(first[2].bit_generator.state))
    second = fresh()
    resumed = load_checkpoint(tmp_path / "checkpoint.safetensors", dict(second[0].named_parameters()), second[1])
    assert resumed is not None and resumed[0] == 3
    second[2].bit_generator.state = resumed[1]
    for _ in range(3):
        step(*second)
    for name, parameter in whole[0].named_parameters():
        assert torch.equal(parameter, dict(second[0].named_parameters())[name])


def test_no_checkpoint_is_no_resumption(tmp_path: Path) -> None:
    layer = torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(layer.parameters())
    assert load_checkpoint(tmp_path / "none.safetensors", dict(layer.named_parameters()), optimizer) is None
