"""Textual inversion: a new word for what a few pictures show (Gal et al. 2022, arXiv 2208.01618).

All networks stay as they are. Learnt are the vectors of one word in the text encoder's table, so that sentences with
it lead the denoiser to the pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from nodeflow.errors import NodeflowError
from nodeflow.training import Objective
from nodeflow.values import Conditioning, TextEncoder

from .. import text
from ..adapters.embedding import FILE_NAME, grow
from ..adapters.patch import patched
from ..checkpoints.save import make_folder, write_tensors
from ..checkpoints.tokenizer import load_tokenizer, taught
from ..schedulers import from_config
from . import lessons
from .buckets import Order
from .conditions import TrainedTexts
from .course import Course, Result
from .folder import scan
from .lessons import Base, Plan
from .loop import Trainer
from .objectives import DenoisingLoss
from .painting import Wanted, painter
from .tasks import DenoisingTask, checkpoint_activations

SENTENCES = ("{}", "a {}", "the {}", "a picture of {}", "a picture of a {}", "one {}", "a small {}", "a {}, close-up")


@dataclass(frozen=True)
class Word:
    """A word to learn.

    Args:
        token: How it is written, such as "<zork>".
        like: What it is like, such as "toy": where its vectors start.
        vectors: How many vectors it has; more can say more and take more room in a prompt.
        sentences: What is said of the pictures, with {} for the word.
    """

    token: str
    like: str
    vectors: int = 1
    sentences: tuple[str, ...] = SENTENCES


class SpokenOf(TrainedTexts):
    """Sentences with a word, drawn anew each time.

    Args:
        sentences: With {} for the word.
        token: The word.
        tokenizer: Which knows it.
        encoder: Which has its vectors.
        dropout: How often the empty caption is said instead.
    """

    def __init__(
        self, sentences: Sequence[str], token: str, tokenizer: text.Tokenizer, encoder: nn.Module, dropout: float
    ) -> None:
        super().__init__([sentence.replace("{}", token) for sentence in sentences], tokenizer, encoder, dropout)

    def __call__(self, chosen: Sequence[int], generator: torch.Generator) -> Conditioning:
        said = torch.randint(len(self.captions), (len(chosen),), generator=generator).tolist()
        return super().__call__(said, generator)


class Learnt(NamedTuple):
    """What a textual inversion brought: a text encoder that knows the word, its file, losses and samples."""

    text_encoder: TextEncoder
    path: Path
    result: Result


def learn_word(
    course: Course, plan: Plan, objective: Objective, base: Base, word: Word, *, wanted: Wanted | None = None
) -> Learnt:
    """Learn a word for what the pictures of a folder show; their captions are not read.

    Args:
        course: Where it runs.
        plan: Data, optimiser, settings, steps.
        objective: What the denoiser is asked.
        base: The model.
        word: How it is written, and where it starts.
        wanted: What to draw with it; by default sentences with the word.

    Raises:
        NodeflowError: NF203, the model has no text encoder; NF404, it reads otherwise than with one CLIP; NF205,
            nothing is said of what it is like; NF408, the tokenizer has such a word already; and as scanning, loading
            and training raise.
    """
    encoder_handle = base.text_encoder
    if encoder_handle is None:
        raise NodeflowError("NF203", "a word needs a model that reads texts", where="text_encoder")
    lessons.require_one_reader(encoder_handle, "a word can be learnt")
    place = course.place("word", objective, *base.decides, vars(word), *plan.decides)
    found = course.done(place, plan.steps)
    if found is None:
        there = scan(plan.data)
        net: Any = course.own(base.denoiser).requires_grad_(False)
        encoder: Any = course.own(encoder_handle).requires_grad_(False)
        plain = load_tokenizer(encoder_handle)
        grown = grow(encoder, first_rows(encoder, plain, word))
        if plan.settings.checkpointing:
            checkpoint_activations(net)
        told = SpokenOf(
            word.sentences, word.token, taught(plain, {word.token: word.vectors}), encoder, objective.dropout
        )
        material = lessons.prepared_material(course, plan.data, there, base)
        order = Order(material.groups, plan.settings.batch, plan.settings.seed)
        loss = DenoisingLoss.of(from_config(base.scheduler.config), objective)
        task = DenoisingTask(net, loss, material, order, told)
        lesson = lessons.Lesson(base, net, nn.ModuleDict({"text_encoder": encoder}), {}, there, task, task)
        trainer = Trainer(grown, task, plan.optimiser, plan.settings, course.peers)

        def export(folder: Path, run: Trainer) -> None:
            make_folder(folder)
            write_tensors(folder / FILE_NAME, {word.token: run.average()["rows"].detach().float().cpu().contiguous()})

        shown = wanted or Wanted()
        prompts = shown.prompts or tuple(told.captions[: shown.count])
        drawn = painter(course, lesson, replace(shown, prompts=prompts))
        found = course.train(place, trainer, plan.steps, export, drawn)
    path = found.folder / FILE_NAME
    return Learnt(patched(encoder_handle, path), path, found)


def first_rows(encoder: Any, tokenizer: text.Tokenizer, word: Word) -> Tensor:
    """Where a word's vectors start, [n, D]: at the mean of the tokens of what it is like.

    Raises:
        NodeflowError: NF205, nothing is said of what it is like, or a sentence lacks its place.
    """
    ids = list(tokenizer.encode(word.like, add_special_tokens=False))
    if not ids:
        raise NodeflowError("NF205", "say what the word is like", where="like", fix='as in "toy"')
    if any("{}" not in sentence for sentence in word.sentences) or not word.sentences:
        raise NodeflowError("NF205", "a sentence has no {} for the word", where="sentences", fix='as in "a {}"')
    table: Any = next(m for name, m in encoder.named_modules() if name.endswith("token_embedding"))
    device = next(table.parameters()).device
    with torch.no_grad():
        return table(torch.tensor([ids], device=device))[0].mean(0, keepdim=True).repeat(word.vectors, 1)
