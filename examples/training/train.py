"""Trains the recall model stage by stage; each stage ends with a checkpoint OUT/stage-N.pt.

Usage: python train.py OUT [--from N] [--threads T]

OUT holds tokenizer.json (see build_tokenizer.py). `--from N` starts after the checkpoint of stage N.
The first stage teaches repetition, the later ones facts and questions over longer and longer texts. A
stage ends early once its answers are right.
"""

import argparse
import time
from collections import deque
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

from build_tokenizer import EOS_ID
from model import Llama, Shape, start_weights
from scenes import Mix, training_document

FIRST_WORD = 2                  # ids below are the begin and end marks


@dataclass(frozen=True)
class Stage:
    lengths: tuple[int, ...]    # tokens of a document; one length is drawn for a step
    tokens: int                 # tokens of a step, all documents together
    steps: int
    rates: tuple[float, float]  # learning rate, from first to last step (linear)
    one_word: float = 0.0       # share of documents with keys that one word tells apart
    far: float = 0.0            # largest share of facts in the harder wording
    people: float = 0.25
    repeats: float = 0.1        # share of documents that are plain repetition
    enough: float = 2.0         # ends early at this share of right answers


STAGES = [
    Stage((33, 65, 97, 129), 2600, 500, (1e-3, 1e-3), repeats=1.0, enough=0.97),
    Stage((128,), 6144, 400, (1e-3, 1e-3), one_word=1.0, people=0.0, repeats=0.3, enough=0.97),
    Stage((128, 256), 6144, 500, (1e-3, 1e-3), one_word=0.2, repeats=0.2, enough=0.98),
    Stage((256, 512), 6144, 500, (1e-3, 8e-4), far=0.5, repeats=0.1, enough=0.985),
    Stage((512, 1024), 8192, 350, (8e-4, 6e-4), far=0.4, repeats=0.1, enough=0.99),
    Stage((1024, 2048), 8192, 500, (6e-4, 3e-4), far=0.4, repeats=0.05),
    Stage((512, 2048, 3584), 8192, 500, (3e-4, 2e-5), far=0.4, repeats=0.05),
]


def repetition(rng: Random, vocabulary: int, length: int) -> tuple[list[int], list[int]]:
    """Random tokens said again and again; the targets are the tokens that can be known."""
    period = rng.randint(8, max(9, (length - 1) // 2))
    pool = rng.sample(range(FIRST_WORD, vocabulary), rng.choice([64, 200, vocabulary - FIRST_WORD]))
    once = [rng.choice(pool) for _ in range(period)]
    ids = ([0] + once * (length // period + 1))[:length + 1]
    return ids, [0] * (period + 2) + [1] * (length - 1 - period)


def facts(rng: Random, tokenizer: Tokenizer, stage: Stage, length: int) -> tuple[list[int], list[int]]:
    """A document of facts and questions; the targets are the places that answer."""
    mix = Mix(facts=rng.uniform(0.3, 0.95), people=stage.people, far=rng.uniform(0, stage.far),
              one_word=rng.random() < stage.one_word)
    document = training_document(rng, mix, int(length * 4.5))
    encoded = tokenizer.encode(document.text)
    ids = (encoded.ids + [EOS_ID] * length)[:length + 1]
    answers = set(document.answers)
    marks = [int(start in answers and i > 0) for i, (start, _) in enumerate(encoded.offsets)]
    return ids, (marks + [0] * length)[:length + 1]


def batch(rng: Random, tokenizer: Tokenizer, stage: Stage, vocabulary: int):
    """Ids [batch, length + 1], and the weights of the targets of answers and of repetitions."""
    length = rng.choice(stage.lengths)
    rows = max(1, stage.tokens // length)
    whole_batch = rng.random() < stage.repeats if rows < 8 else None
    ids, marks, repeated = [], [], []
    for _ in range(rows):
        is_repeat = whole_batch if whole_batch is not None else rng.random() < stage.repeats
        row, mark = (repetition(rng, vocabulary, length) if is_repeat else facts(rng, tokenizer, stage, length))
        ids.append(row)
        marks.append(mark)
        repeated.append([float(is_repeat)])
    marks, repeated = torch.tensor(marks)[:, 1:].float(), torch.tensor(repeated)
    return torch.tensor(ids), marks * (1 - repeated), marks * repeated


def share(hits, weights) -> float | None:
    total = weights.sum().item()
    return (hits * weights).sum().item() / total if total else None


def mean(values) -> float:
    values = [v for v in values if v is not None]
    return sum(values) / len(values) if values else 0.0


def train_stage(number: int, stage: Stage, model: Llama, tokenizer: Tokenizer, optimizer, log) -> None:
    rng = Random(1000 + number)
    vocabulary = model.shape.vocabulary
    right_answers, right_repeats = deque(maxlen=20), deque(maxlen=20)
    started, tokens = time.time(), 0
    for step in range(1, stage.steps + 1):
        first, last = stage.rates
        rate = (first + (last - first) * step / stage.steps) * min(1.0, step / 40)
        for group in optimizer.param_groups:
            group["lr"] = rate
        ids, answers, repeats = batch(rng, tokenizer, stage, vocabulary)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(ids[:, :-1])
        targets = ids[:, 1:]
        losses = F.cross_entropy(logits.float().reshape(-1, vocabulary), targets.reshape(-1),
                                 reduction="none").view(targets.shape)
        loss = (0.2 * losses.mean() + (losses * answers).sum() / answers.sum().clamp(min=1)
                + (losses * repeats).sum() / repeats.sum().clamp(min=1))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        tokens += targets.numel()
        hits = (logits.argmax(-1) == targets).float()
        right_answers.append(share(hits, answers))
        right_repeats.append(share(hits, repeats))
        if step % 20 == 0:
            log(f"stage {number} step {step} loss {loss.item():.3f} answers {mean(right_answers):.3f} "
                f"repeats {mean(right_repeats):.3f} {tokens / 1e6:.2f}M tokens {time.time() - started:.0f}s")
            judged = right_repeats if stage.repeats == 1.0 else right_answers
            if mean(judged) >= stage.enough:
                break


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--from", dest="start", type=int, default=-1)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(options.threads)
    tokenizer = Tokenizer.from_file(str(options.out / "tokenizer.json"))
    model = Llama(replace(Shape(), vocabulary=tokenizer.get_vocab_size()))
    start_weights(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.98), weight_decay=0.01)
    if options.start >= 0:
        saved = torch.load(options.out / f"stage-{options.start}.pt")
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
    for number in range(options.start + 1, len(STAGES)):
        train_stage(number, STAGES[number], model, tokenizer, optimizer, lambda line: print(line, flush=True))
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()},
                   options.out / f"stage-{number}.pt")


if __name__ == "__main__":
    main()
