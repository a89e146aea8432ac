"""Writes a request file and its answers: scenes told in full, then one question each.

Usage: python make_requests.py TOKENIZER.json OUT.jsonl [options]

Writes OUT.jsonl (a request a line) and OUT_answers.jsonl (answer and distance a line). The farthest
questions of the scenes are spread evenly from `--near` to `--max` tokens behind their facts; the other
questions of a scene ask for facts at even steps from there towards `--closest`. A scene is at most
`--slack` tokens longer than its farthest distance. Questions of one scene share its whole text as prefix.

With `--in-rows` each request carries its "answer" and "distance", as `lockstep eval` takes them, and there is
no second file. README.md lists the options behind each file and figure.
"""

import argparse
import json
from pathlib import Path
from random import Random

from tokenizers import Tokenizer

from scenes import Fact, Mix, Told, answer_text, told_scene

ROOM = 16                   # tokens kept for the begin mark and the question
EVALUATION = 10_000_019     # keeps the seeds here apart from those of training


def scene(rng: Random, tokenizer: Tokenizer, num_tokens: int) -> Told:
    mix = Mix(facts=rng.uniform(0.3, 0.9), far=rng.uniform(0.0, 0.4))
    return told_scene(rng, mix, num_tokens,
                      lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids))


def distances(tokenizer: Tokenizer, told: Told) -> list[int]:
    """Per fact, the tokens from its place to the place in the answer to its question."""
    starts = {start: i for i, (start, _) in enumerate(tokenizer.encode(told.text).offsets) if i}
    end = len(tokenizer.encode(told.text).ids)
    tails = [len(tokenizer.encode(f.question + " In the", add_special_tokens=False).ids) for f in told.facts]
    return [end + tail - starts[place] for tail, place in zip(tails, told.places)]


def nearest(away: list[int], wanted: float, taken: set[int]) -> int:
    """The fact not yet asked for whose distance is nearest to `wanted`."""
    return min((i for i in range(len(away)) if i not in taken), key=lambda i: abs(away[i] - wanted))


def request(number: int, told: Told, fact: Fact) -> dict:
    return {"custom_id": f"recall-{number:04d}", "prompt": told.text + fact.question, "max_tokens": 8, "stop": ["\n"]}


def build(options, tokenizer: Tokenizer) -> tuple[list[dict], list[dict]]:
    rng = Random(EVALUATION + options.seed)
    requests, answers = [], []
    for i in range(options.scenes):
        # a step near the golden ratio: scenes of all lengths follow each other
        spread = (i * 0.6180339887) % 1.0
        farthest = options.near + spread * (options.max - ROOM - options.near)
        longest = min(options.max, farthest + options.slack)
        length = int(rng.uniform(farthest, longest))
        told = scene(rng, tokenizer, max(length - ROOM, 64))
        away, taken = distances(tokenizer, told), set()
        for q in range(min(options.questions, len(away))):
            step = (farthest - options.closest) / options.questions
            chosen = nearest(away, farthest - q * step, taken)
            taken.add(chosen)
            fact = told.facts[chosen]
            requests.append(request(len(requests) + 1, told, fact))
            answers.append({"custom_id": requests[-1]["custom_id"], "answer": answer_text(fact).strip(),
                            "distance": away[chosen]})
    return requests, answers


def write_lines(path: Path, rows: list[dict]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--scenes", type=int, default=16)
    parser.add_argument("--questions", type=int, default=4, help="a scene")
    parser.add_argument("--near", type=int, default=100, help="smallest farthest distance, in tokens")
    parser.add_argument("--closest", type=int, default=100, help="smallest distance asked for, in tokens")
    parser.add_argument("--max", type=int, default=2048, help="tokens of the longest prompt")
    parser.add_argument("--slack", type=int, default=1 << 30, help="tokens a scene may be longer than its distance")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--in-rows", action="store_true", help="answers and distances in the requests themselves")
    options = parser.parse_args()
    tokenizer = Tokenizer.from_file(str(options.tokenizer))
    requests, answers = build(options, tokenizer)
    if options.in_rows:
        write_lines(options.out, [request | answer for request, answer in zip(requests, answers)])
    else:
        write_lines(options.out, requests)
        write_lines(options.out.with_name(options.out.stem + "_answers.jsonl"), answers)
    lengths = [len(tokenizer.encode(r["prompt"]).ids) for r in requests]
    away = [a["distance"] for a in answers]
    print(f"{len(requests)} requests, {sum(lengths)} prompt tokens ({min(lengths)} to {max(lengths)}), "
          f"distances {min(away)} to {max(away)}")


if __name__ == "__main__":
    main()
