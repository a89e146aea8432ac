#!/usr/bin/env python3
"""Prints what a trace of `lockstep generate --trace FILE` says about overlap, for each rank: how long each track was
busy, how much of that was hidden behind computing, and the gaps between forward passes.

Usage: trace_overlap.py TRACE [TRACE…]

A GPU computes while a span of the compute track is open in which its stream is not busy with a collective or a transfer
of its own. Hidden are collectives and transfers of other streams, and the host's work (not its waiting), at such times.
On CPU ranks one thread does all of it, and nothing overlaps.
"""
import collections
import json
import sys

TRACKS = ["host", "compute", "collectives", "transfers"]


def union(spans):
    """Sorted, disjoint intervals."""
    merged = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([begin, end])
    return merged


def length(spans):
    return sum(end - begin for begin, end in spans)


def common(a, b):
    """What two unions share, as a union."""
    result, i, j = [], 0, 0
    while i < len(a) and j < len(b):
        begin, end = max(a[i][0], b[j][0]), min(a[i][1], b[j][1])
        if begin < end:
            result.append([begin, end])
        if a[i][1] < b[j][1]:
            i += 1
        else:
            j += 1
    return result


def without(a, b):
    """What of a union is not in another."""
    result = []
    for begin, end in a:
        for other_begin, other_end in common([[begin, end]], b):
            if begin < other_begin:
                result.append([begin, other_begin])
            begin = other_end
        if begin < end:
            result.append([begin, end])
    return result


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))]


class Rank:
    def __init__(self):
        self.name, self.labels = "", ""
        self.tracks = collections.defaultdict(list)
        self.aside = collections.defaultdict(list)  # of the same tracks, what is not on the compute stream
        self.waits, self.forwards = [], []


def read(path):
    """The ranks of a trace, by number, and its figures."""
    with open(path, encoding="utf-8") as file:
        trace = json.load(file)
    ranks = collections.defaultdict(Rank)
    for event in trace["traceEvents"]:
        rank = ranks[event["pid"]]
        if event["ph"] == "M":
            if event["name"] == "process_name":
                rank.name = event["args"]["name"]
            elif event["name"] == "process_labels":
                rank.labels = event["args"]["labels"]
        elif event["ph"] == "X":
            span = (event["ts"], event["ts"] + event["dur"])
            track = TRACKS[event["tid"]]
            rank.tracks[track].append(span)
            if event.get("args", {}).get("stream", 0) != 0:
                rank.aside[track].append(span)
            if event["name"] == "forward":
                rank.forwards.append(span)
            elif event["name"].startswith("wait "):
                rank.waits.append(span)
    return dict(sorted(ranks.items())), trace["otherData"]


def describe(rank, is_device):
    """Lines of text."""
    lines = [f"{rank.name} on {rank.labels}"]
    everything = [span for spans in rank.tracks.values() for span in spans]
    if not everything:
        return lines + ["  no spans"]
    total = max(end for _, end in everything) - min(begin for begin, _ in everything)
    busy = {track: union(rank.tracks[track]) for track in TRACKS}
    aside = {track: union(rank.aside[track]) for track in TRACKS}
    computing = busy["compute"]
    for track in ("collectives", "transfers"):
        computing = without(computing, without(busy[track], aside[track]))
    hideable = dict(aside, host=without(busy["host"], union(rank.waits)), compute=[])
    for track in TRACKS:
        line = f"  {track:<12} {length(busy[track]) / 1e3:10.2f} ms busy, {100 * length(busy[track]) / total:5.1f} %"
        if is_device and track != "compute" and busy[track]:
            line += f"; {length(common(hideable[track], computing)) / 1e3:10.2f} ms hidden"
        lines.append(line + f"; {len(rank.tracks[track])} spans")
    forwards = union(rank.forwards)
    gaps = [later[0] - earlier[1] for earlier, later in zip(forwards, forwards[1:])]
    if gaps:
        lines.append(f"  gaps between {len(forwards)} forward passes: median {percentile(gaps, 0.5):.1f} us, "
                     f"99 % {percentile(gaps, 0.99):.1f} us, all {sum(gaps) / 1e3:.2f} ms")
    return lines


def main():
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        print(__doc__.strip())
        return 0 if len(sys.argv) > 1 else 2
    for path in sys.argv[1:]:
        ranks, facts = read(path)
        print(f"{path}: {len(ranks)} ranks, {sum(facts['dropped_spans_by_rank'])} spans dropped")
        for rank in ranks.values():
            print("\n".join(describe(rank, facts["device"] != "cpu")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
