"""Trains the byte-level BPE vocabulary and writes tokenizer.json.

Usage: python build_tokenizer.py OUT_FOLDER
"""

import sys
from pathlib import Path
from random import Random

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

import words
from scenes import Mix, training_document

VOCABULARY = 896          # a multiple of 128, so that the output layer can be cut evenly over devices
BOS, EOS = "<|begin|>", "<|end|>"
BOS_ID, EOS_ID = 0, 1


def content_words() -> list[str]:
    """The words that facts and questions turn on."""
    habits = [form for pair in words.HABITS for form in pair]
    return words.NAMES + words.ADJECTIVES + words.OBJECTS + words.PLACES + habits


def corpus(rng: Random):
    """Scenes, and the content words again and again so that each becomes a token of its own."""
    for _ in range(400):
        yield training_document(rng, Mix(far=0.2), 4000).text
    for _ in range(400):
        yield "".join(" " + word for word in content_words())


def build() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=[BOS, EOS], show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(corpus(Random(7)), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A {BOS} $B", special_tokens=[(BOS, BOS_ID)])
    return tokenizer


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = build()
    split = [w for w in content_words() if len(tokenizer.encode(" " + w, add_special_tokens=False).ids) != 1]
    if split:
        raise SystemExit(f"not single tokens: {split}")
    tokenizer.save(str(folder / "tokenizer.json"))
    print(f"{tokenizer.get_vocab_size()} tokens, {len(content_words())} content words, each one token")


if __name__ == "__main__":
    main()
