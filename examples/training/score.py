"""Compares results with answers and prints the share of exact ones, overall and by distance.

Usage: python score.py ANSWERS.jsonl RESULTS.jsonl [--width N] [--show N] [--misses N] [--require SHARE]

A result is a line with `custom_id` and the generated text: as `text`, or in the body of an OpenAI batch
answer. An answer is exact when the text, without surrounding spaces, is the expected one; a request
without a result counts as wrong. With `--require` the exit status is 1 below that share. Needs only
Python's standard library.
"""

import argparse
import json
import sys
from pathlib import Path


def read_lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]


def generated_text(result: dict) -> str:
    """The text of a result line in either form; empty where the request failed."""
    if isinstance(result.get("text"), str):
        return result["text"]
    response = result.get("response") or {}
    body = response.get("body") or result
    for choice in body.get("choices") or []:
        text = choice.get("text") or (choice.get("message") or {}).get("content")
        return text or ""
    return ""


def report(answers: list[dict], texts: dict[str, str], width: int) -> tuple[float, list[tuple[dict, str | None]]]:
    """Prints the table; returns the share of exact answers and the misses."""
    buckets: dict[int, list[bool]] = {}
    misses = []
    for row in answers:
        text = texts.get(row["custom_id"])
        exact = text is not None and text.strip() == row["answer"]
        buckets.setdefault(row["distance"] // width, []).append(exact)
        if not exact:
            misses.append((row, text))
    for bucket, hits in sorted(buckets.items()):
        print(f"{bucket * width:6d} to {(bucket + 1) * width - 1:6d} tokens  {sum(hits):4d} of {len(hits):4d}"
              f"  {100 * sum(hits) / len(hits):6.2f} %")
    share = 1 - len(misses) / len(answers)
    print(f"{'all':>23}  {len(answers) - len(misses):4d} of {len(answers):4d}  {100 * share:6.2f} %")
    return share, misses


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("answers", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("--width", type=int, default=256, help="tokens of a bucket of distances")
    parser.add_argument("--show", type=int, default=0, help="answers to print first, right or wrong")
    parser.add_argument("--misses", type=int, default=0, help="wrong answers to print")
    parser.add_argument("--require", type=float, default=0.0, help="smallest share of exact answers, 0 to 1")
    options = parser.parse_args()
    texts = {row["custom_id"]: generated_text(row) for row in read_lines(options.results)}
    answers = read_lines(options.answers)
    for row in answers[:options.show]:
        print(f"{row['custom_id']}  {row['distance']:5d} tokens back: {(texts.get(row['custom_id']) or '').strip()}")
    share, misses = report(answers, texts, options.width)
    for row, text in misses[:options.misses]:
        print(f"{row['custom_id']}: expected {row['answer']!r}, got {text!r}")
    sys.exit(share < options.require)


if __name__ == "__main__":
    main()
