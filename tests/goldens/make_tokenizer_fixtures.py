"""Writes tests/goldens/tokenizers/: what Hugging Face `tokenizers` makes of unicode_corpus.json.

    python3 -m venv venv && venv/bin/pip install tokenizers sentencepiece
    venv/bin/python tests/goldens/make_tokenizer_fixtures.py [shared data directory]

Two kinds of tokenizers: small ones made here, written to tokenizers/<name>/tokenizer.json, and real ones, which are read
from the shared data directory (default ../shared/data beside the repository) or from the repository and are not copied.
Each gives tokenizers/<name>.fixture.json:

    {"directory": "shared:tokenizers/gpt2" or "repository:tests/…", "made_by": "tokenizers 0.23.3",
     "vocab_size": highest id + 1,
     "encode": [{"name": corpus entry, "ids": with special tokens, "body": position and length of the ids without them,
                 "text": decoded without special tokens, "all": decoded with them}],   absent text or all: see below
     "decode": [{"ids": […], "text": …, "all": …}]}                                    random ids: broken bytes and runs

Absent `text` means that decoding gives the input back; absent `all`, that it equals `text`. Invalid UTF-8 is replaced by
U+FFFD before it reaches `tokenizers`, which takes valid text only. The result is deterministic.
"""

import collections
import json
import pathlib
import random
import sys

import sentencepiece
import tokenizers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
OUT = HERE / "tokenizers"
SHARED = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT.parent / "shared" / "data"

SHARED_SOURCES = {
    "gpt2": "tokenizers/gpt2",
    "qwen2": "tokenizers/qwen2",
    "minimind": "tokenizers/minimind",
    "tiny_stories_2k": "tokenizers/tiny_stories_2k",
    "stories260k": "models/stories260K/f32",
}
REPOSITORY_SOURCES = {"recall": "examples/models/recall"}

LLAMA3_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)


# Entries for tokenizers that differ from others in one component only: spaces, digits, signs, Unicode forms.
FEW = {"empty", "space", "spaces", "space runs", "leading and trailing spaces", "tabs and newlines", "cr lf", "numbers",
       "other digits", "punctuation", "vietnamese", "vietnamese nfd", "japanese nfd", "korean jamo", "combining order",
       "nfc and nfd", "compatibility", "unicode spaces", "space mixes", "metaspace mark", "camel", "emoji zwj",
       "special tokens sentencepiece", "surrogate bytes", "alternating"}


def corpus(few=False):
    entries = json.loads((HERE / "unicode_corpus.json").read_text("utf-8"))
    for entry in entries:
        if few and entry["name"] not in FEW:
            continue
        raw = bytes.fromhex(entry["hex"]) if "hex" in entry else entry["text"].encode("utf-8")
        yield entry["name"], raw.decode("utf-8", "replace")


def training_texts():
    return [text for _, text in corpus() if "\0" not in text]


def added(content, special=False, lstrip=False, rstrip=False, single_word=False, normalized=False):
    return {"content": content, "special": special, "lstrip": lstrip, "rstrip": rstrip, "single_word": single_word,
            "normalized": normalized}


def with_added(spec, tokens):
    """The file with `tokens` behind its vocabulary, ids counted on."""
    vocab = spec["model"]["vocab"]
    next_id = len(vocab)
    spec["added_tokens"] = []
    for token in tokens:
        if token["content"] in vocab:
            spec["added_tokens"].append({"id": vocab[token["content"]], **token})
        else:
            spec["added_tokens"].append({"id": next_id, **token})
            next_id += 1
    return spec


def id_of(spec, content):
    return next(token["id"] for token in spec["added_tokens"] if token["content"] == content)


def template(spec, before, after=()):
    names = list(before) + list(after)
    special = {n: {"id": n, "ids": [id_of(spec, n)], "tokens": [n]} for n in names}
    single = [{"SpecialToken": {"id": n, "type_id": 0}} for n in before]
    single += [{"Sequence": {"id": "A", "type_id": 0}}]
    single += [{"SpecialToken": {"id": n, "type_id": 0}} for n in after]
    pair = single + [{"Sequence": {"id": "B", "type_id": 1}}]
    return {"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": special}


def string_merges(spec):
    spec["model"]["merges"] = [" ".join(pair) for pair in spec["model"]["merges"]]
    return spec


def frequent_characters(count):
    """The characters most frequent in the corpus; spaces as SentencePiece writes them."""
    counts = collections.Counter("\u2581".join(training_texts()).replace(" ", "\u2581"))
    return sorted(sorted(counts, key=lambda c: (-counts[c], c))[:count])


def trained(normalizer, pre_tokenizer, vocab_size, alphabet, **options):
    tokenizer = Tokenizer(models.BPE(**options))
    if normalizer:
        tokenizer.normalizer = normalizer
    if pre_tokenizer:
        tokenizer.pre_tokenizer = pre_tokenizer
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, initial_alphabet=alphabet, show_progress=False,
                                  limit_alphabet=len(alphabet))
    tokenizer.train_from_iterator(training_texts(), trainer)
    return json.loads(tokenizer.to_str())


def llama3_style():
    """Byte-level, Llama 3's expression, ignore_merges, BOS by a template inside a Sequence; pair merges."""
    split = pre_tokenizers.Sequence([
        pre_tokenizers.Split(tokenizers.Regex(LLAMA3_SPLIT), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    spec = trained(None, split, 420, sorted(pre_tokenizers.ByteLevel.alphabet()), ignore_merges=True)
    vocab = spec["model"]["vocab"]
    for word in ("Ġnobody", "library", "Ġtoday", "!!!", "ĠLily", "å®"):  # whole words that no merge builds
        vocab.setdefault(word, len(vocab))
    spec["decoder"] = json.loads(decoders.ByteLevel().__getstate__())
    with_added(spec, [added("<|begin_of_text|>", special=True), added("<|endoftext|>", special=True),
                      added("<|im_start|>", special=True), added("<|im_end|>", special=True), added("<think>")])
    spec["post_processor"] = {"type": "Sequence", "processors": [
        {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True},
        template(spec, ["<|begin_of_text|>"])]}
    return spec


def byte_tokens(spec):
    """The vocabulary behind <unk>, <s>, </s> and the 256 byte tokens; string merges."""
    old = sorted(spec["model"]["vocab"], key=spec["model"]["vocab"].get)
    first = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    spec["model"]["vocab"] = {token: index for index, token in enumerate(first + old)}
    spec["model"].update(byte_fallback=True, unk_token="<unk>", fuse_unk=True)
    return string_merges(spec)


SENTENCEPIECE_TOKENS = [added("<unk>", special=True), added("<s>", special=True), added("</s>", special=True)]


def llama2_style():
    """SentencePiece-style as Llama 2 files have it: Prepend and Replace normalizers, byte fallback, string merges."""
    normal = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    spec = byte_tokens(trained(normal, None, 220, frequent_characters(100)))
    with_added(spec, SENTENCEPIECE_TOKENS + [added("[INST]", normalized=True), added("[/INST]", rstrip=True)])
    spec["post_processor"] = template(spec, ["<s>"], ["</s>"])
    spec["decoder"] = {"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
        {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}
    return spec


def metaspace(scheme, split):
    spec = byte_tokens(trained(None, pre_tokenizers.Metaspace(prepend_scheme=scheme, split=split), 160,
                               frequent_characters(80)))
    with_added(spec, SENTENCEPIECE_TOKENS)
    spec["post_processor"] = template(spec, ["<s>"])
    spec["decoder"] = {"type": "Sequence", "decoders": [
        {"type": "ByteFallback"},
        {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": scheme, "split": split}]}
    return spec


def flags():
    """Added tokens with every flag, over NFC and a byte-level vocabulary."""
    split = pre_tokenizers.ByteLevel(add_prefix_space=True)
    spec = string_merges(trained(normalizers.NFC(), split, 256 + 40, sorted(pre_tokenizers.ByteLevel.alphabet())))
    spec["decoder"] = json.loads(decoders.ByteLevel().__getstate__())
    return with_added(spec, [
        added("[MASK]", special=True, lstrip=True), added("[TRIM]", rstrip=True), added("[LEFT]", lstrip=True),
        added("[RIGHT]", rstrip=True), added("[BOTH]", lstrip=True, rstrip=True, special=True),
        added("[WORD]", single_word=True), added("<tool>"), added("<tool_call>"), added("<tool_call_end>", special=True),
        added("Cafe\u0301", normalized=True), added("tok", normalized=True, single_word=True), added("e\u0301"),
        added("  "), added("<|endoftext|>", special=True, normalized=True)])


def small(normalizer, pre_tokenizer, decoder, unk_token="?", fuse_unk=False):
    """A vocabulary of ASCII characters and a few merges: for components rather than for compression."""
    letters = [chr(c) for c in range(0x20, 0x7F)] + ["\u2581", "é", "が", "가", "1", "Ⅳ"]
    merges = [("t", "h"), ("th", "e"), ("a", "n"), ("i", "n"), ("in", "g"), ("1", "2"), ("12", "3"), ("-", "-"), (" ", " "),
              ("a", "b"), ("ab", "ab"), ("a", "a"), ("aa", "aa"), (" ", "x")]
    vocab = {letter: index for index, letter in enumerate(dict.fromkeys(letters))}
    for left, right in merges:
        vocab.setdefault(left + right, len(vocab))
    model = {"type": "BPE", "dropout": None, "unk_token": unk_token, "continuing_subword_prefix": None,
             "end_of_word_suffix": None, "fuse_unk": fuse_unk, "byte_fallback": False, "ignore_merges": False,
             "vocab": vocab, "merges": [list(pair) for pair in merges]}
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": normalizer,
            "pre_tokenizer": pre_tokenizer, "post_processor": None, "decoder": decoder, "model": model}


def split(pattern, behavior, invert=False):
    kind = "Regex" if pattern.startswith("re:") else "String"
    return {"type": "Split", "pattern": {kind: pattern.removeprefix("re:")}, "behavior": behavior, "invert": invert}


def sequence(*steps):
    return {"type": "Sequence", "pretokenizers": list(steps)}


def made_here():
    yield "llama3_style", llama3_style()
    yield "llama2_style", llama2_style()
    yield "metaspace_first", metaspace("first", False)
    yield "metaspace_always", metaspace("always", True)
    yield "metaspace_never", metaspace("never", True)
    yield "flags", flags()
    strip = {"type": "Strip", "content": "a", "start": 2, "stop": 0}
    yield "split_previous", small(None, sequence(split(" ", "MergedWithPrevious"), split("re:[,.]", "Removed"),
                                                 {"type": "Digits", "individual_digits": True}), None)
    yield "split_next", small({"type": "NFD"}, sequence(split("re:\\s+|(?=[A-Z])", "MergedWithNext"),
                                                        {"type": "Punctuation", "behavior": "Contiguous"}), strip,
                              fuse_unk=True)
    yield "split_contiguous", small({"type": "NFKC"}, sequence(split("re:[a-m]", "Contiguous"),
                                                               {"type": "Digits", "individual_digits": False}),
                                    {"type": "Fuse"}, unk_token=None)
    yield "split_inverted", small({"type": "NFKD"}, split("re:[\\p{L}\\d]+|\\S", "Removed", True),
                                  {"type": "Replace", "pattern": {"Regex": "[aeiou]"}, "content": "_"})
    yield "whitespace", small({"type": "Sequence", "normalizers": [
        {"type": "Strip", "strip_left": True, "strip_right": True},
        {"type": "Replace", "pattern": {"Regex": "o+"}, "content": "0"}]}, {"type": "Whitespace"}, None)
    yield "whitespace_split", small({"type": "Strip", "strip_left": False, "strip_right": True},
                                    {"type": "WhitespaceSplit"}, None)


def decode_fields(tokenizer, ids, expected):
    fields = {}
    text = tokenizer.decode(ids, skip_special_tokens=True)
    full = tokenizer.decode(ids, skip_special_tokens=False)
    if text != expected:
        fields["text"] = text
    if full != text:
        fields["all"] = full
    return fields


def write_fixture(name, directory, tokenizer, few=False):
    entries = []
    for entry, text in corpus(few):
        ids = tokenizer.encode(text).ids
        body = tokenizer.encode(text, add_special_tokens=False).ids
        start = next(i for i in range(len(ids) + 1) if ids[i:i + len(body)] == body)
        entries.append({"name": entry, "ids": ids, "body": [start, len(body)], **decode_fields(tokenizer, ids, text)})
    vocab_size = 1 + max(tokenizer.get_vocab(with_added_tokens=True).values())
    chance = random.Random(name)
    # Low ids are bytes or letters in most vocabularies: half of the draws come from there, so that bytes meet.
    lows = min(vocab_size, 262)
    random_ids = [[chance.randrange(lows if chance.random() < 0.6 else vocab_size) for _ in range(chance.randrange(1, 14))]
                  for _ in range(24)]
    decode = [{"ids": ids, **decode_fields(tokenizer, ids, None)} for ids in random_ids]
    fixture = {"directory": directory, "made_by": f"tokenizers {tokenizers.__version__}", "vocab_size": vocab_size}
    head = json.dumps(fixture, ensure_ascii=True)[:-1]
    lines = lambda items: ",\n".join(json.dumps(item, ensure_ascii=False, separators=(",", ":")) for item in items)
    (OUT / f"{name}.fixture.json").write_text(
        f'{head},\n"encode": [\n{lines(entries)}\n],\n"decode": [\n{lines(decode)}\n]}}\n', "utf-8")


class SentencePiece:
    """tokenizer.model with Hugging Face's Llama conventions: special tokens cut the text, BOS in front."""

    def __init__(self, path):
        self.model = sentencepiece.SentencePieceProcessor(model_file=str(path))
        self.special = {self.model.id_to_piece(i): i for i in range(3)}

    def encode(self, text, add_special_tokens=True):
        ids = [self.model.bos_id()] if add_special_tokens else []
        while text:
            found = [(text.find(s), s) for s in self.special if s in text]
            begin, token = min(found) if found else (len(text), "")
            if begin:
                ids += self.model.encode(text[:begin])
            if token:
                ids.append(self.special[token])
            text = text[begin + len(token):]
        return type("Encoding", (), {"ids": ids})

    def decode(self, ids, skip_special_tokens):
        """Between special tokens as the library decodes, which drops one leading space of the whole."""
        text, run = "", []
        def flush():
            nonlocal text, run
            # A piece in front keeps the library from dropping a space that is not at the front.
            guard = self.model.piece_to_id("a")
            text += self.model.decode([guard] + run)[1:] if run else ""
            run = []
        for i in ids:
            if i not in self.special.values():
                run.append(i)
            elif not skip_special_tokens:
                flush()
                text += self.model.id_to_piece(i)
        flush()
        return text.removeprefix(" ")

    def get_vocab(self, with_added_tokens):
        return {self.model.id_to_piece(i): i for i in range(self.model.get_piece_size())}


def train_sentencepiece(directory):
    """A small tokenizer.model as Llama's: BPE over Latin texts, byte fallback, no normalization."""
    directory.mkdir(exist_ok=True)
    lines = [line for text in training_texts() for line in text.split("\n") if line and max(line) < "\u0250"]
    with open(directory / "tokenizer.model", "wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines), model_writer=file, model_type="bpe", vocab_size=400, byte_fallback=True,
            character_coverage=0.98, normalization_rule_name="identity", remove_extra_whitespaces=False,
            hard_vocab_limit=False, num_threads=1, minloglevel=2)


def main():
    OUT.mkdir(exist_ok=True)
    directory = OUT / "sentencepiece"
    train_sentencepiece(directory)
    write_fixture("sentencepiece", f"repository:{directory.relative_to(ROOT)}",
                  SentencePiece(directory / "tokenizer.model"), few=True)
    for name, spec in made_here():
        directory = OUT / name
        directory.mkdir(exist_ok=True)
        text = json.dumps(spec, ensure_ascii=False, separators=(",", ":"))
        (directory / "tokenizer.json").write_text(text + "\n", "utf-8")
        write_fixture(name, f"repository:{directory.relative_to(ROOT)}", Tokenizer.from_str(text),
                      few=name.startswith(("metaspace", "split", "white")))
    for name, path in REPOSITORY_SOURCES.items():
        file = ROOT / path / "tokenizer.json"
        if file.exists():
            write_fixture(name, f"repository:{path}", Tokenizer.from_file(str(file)))
    for name, path in SHARED_SOURCES.items():
        file = SHARED / path / "tokenizer.json"
        if file.exists():
            write_fixture(name, f"shared:{path}", Tokenizer.from_file(str(file)))
    model = SHARED / SHARED_SOURCES["stories260k"] / "tokenizer.model"
    if model.exists():
        write_fixture("stories260k_sentencepiece", f"sentencepiece:{SHARED_SOURCES['stories260k']}", SentencePiece(model),
                      few=True)


main()
