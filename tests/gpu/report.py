"""One markdown table from the folder that tests/gpu/run.sh filled: `report.py DIR`. Needs nothing but Python."""
import json
import pathlib
import sys


def read_pairs(path):
    lines = path.read_text().splitlines() if path.exists() else []
    return [line.split("\t") for line in lines]


def read_json(path):
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


class Report:
    def __init__(self, folder):
        self.folder = folder
        self.facts = {pair[0]: pair[1] for pair in read_pairs(folder / "facts.tsv")}
        self.steps = read_pairs(folder / "steps.tsv")
        self.torch = read_json(folder / "torch.json") or {}

    def rows_of(self, name):
        """(limits, rows) of one benchmark; nothing if it did not run."""
        report = read_json(self.folder / f"{name}.json")
        return (report["limits"], report["rows"]) if report else (None, [])

    def names(self, prefix):
        """Benchmarks whose names begin so, without that, in the order in which they ran."""
        prefix = "bench." + prefix
        return [name[len(prefix):] for name, *_ in self.steps if name.startswith(prefix)]

    def formats(self):
        """Attention to coded pages, without an aim; operations on pages of every format."""
        formats = [name for name in self.names("kernels_") if name != "gqa8"]
        for name in formats:
            for what, measured, _, _, _ in self.attention(f"kernels_{name}", f"8B, {name}", ""):
                yield what, measured, "", None, ""
        for name in ["kernels"] + [f"kernels_{name}" for name in formats]:
            _, rows = self.rows_of(name)
            for op in ("seal_pages", "index_pages", "select_pages", "hot_pages", "transcode"):
                of_op = [row for row in rows if row["op"] == op]
                # The largest; of copies of host pages those that were fetched and those that were there.
                for row in of_op[-2:] if op in ("hot_pages", "transcode") else of_op[-1:]:
                    share = row["share_of_bandwidth"]
                    yield (f"{op}, {row['shape']}",
                           f"{1e6 * row['seconds']['median']:.1f} us, {row['bytes_per_second'] / 1e9:.1f} GB/s"
                           + (f", {100 * share:.0f} % of copies" if share is not None else ""), "", None, "")
            sparse = [row for row in rows if row["op"] == "paged_attention" and row["shape"].startswith("sparse")]
            for row in sparse[-1:]:
                yield (f"attention to listed pages, {row['shape']}",
                       f"{1e6 * row['seconds']['median']:.1f} us, {row['bytes_per_second'] / 1e9:.0f} GB/s", "", None, "")

    def long_contexts(self):
        """Decode steps behind a long context: each format and ratio beside `full`."""
        _, full = self.rows_of("long_full")
        for name in self.names("long_"):
            _, rows = self.rows_of(f"long_{name}")
            for row, dense in zip(rows, full):
                speed = row["tokens_per_second"]["median"] / dense["tokens_per_second"]["median"]
                is_same_batch = row["batch"] == dense["batch"]
                beside = "" if name == "full" else f"{speed:.2f} x full" + ("" if is_same_batch else f" of batch {dense['batch']}")
                yield (f"decode step, {name}, batch {row['batch']}, {row['context']:.0f} tokens behind",
                       f"{1e3 * row['step_seconds']['median']:.2f} ms, {row['tokens_per_second']['median']:.0f} tokens/s, "
                       f"{100 * row['share_of_roofline']:.0f} % of the roofline", "", None, beside)

    def attention(self, name, label, torch_prefix):
        """Decode at the largest batch against the bandwidth, the longest prompt against the product peak."""
        _, rows = self.rows_of(name)
        attention = [row for row in rows if row["op"] == "paged_attention"]
        decode = [row for row in attention if row["shape"].startswith("decode")]
        prefill = [row for row in attention if row["shape"].startswith("prefill")]
        if decode:
            row = decode[-1]
            yield (f"decode attention, {label}: {row['shape']}",
                   f"{row['bytes_per_second'] / 1e9:.0f} GB/s, {100 * row['share_of_bandwidth']:.0f} % of copies", ">= 80 %",
                   row["share_of_bandwidth"] >= 0.80, self.torch_text(f"{torch_prefix}_decode", "GB/s"))
        if prefill:
            row = prefill[-1]
            yield (f"prefill attention, {label}: {row['shape']}",
                   f"{row['flops_per_second'] / 1e12:.0f} TFLOP/s, {100 * row['share_of_peak']:.0f} % of the product peak",
                   ">= 45 %", row["share_of_peak"] >= 0.45, self.torch_text(f"{torch_prefix}_prefill", "TFLOP/s"))

    def decode(self):
        _, rows = self.rows_of("decode")
        for row in rows:
            aim = 0.80 if row["batch"] == 1 else 0.70
            yield (f"decode step, batch {row['batch']}, {row['context']:.0f} tokens behind",
                   f"{1e3 * row['step_seconds']['median']:.2f} ms, {row['tokens_per_second']['median']:.0f} tokens/s, "
                   f"{100 * row['share_of_roofline']:.0f} % of the roofline", f">= {100 * aim:.0f} %",
                   row["share_of_roofline"] >= aim, "")

    def prefill(self):
        _, rows = self.rows_of("prefill")
        for row in rows:
            yield (f"prompt of {row['prompt_tokens']} tokens",
                   f"{1e3 * row['seconds']['median']:.1f} ms, {row['tokens_per_second']['median']:.0f} tokens/s, "
                   f"{100 * row['share_of_roofline']:.0f} % of the roofline", "", None, "")

    def latency(self):
        _, rows = self.rows_of("latency")
        for row in rows:
            ms = 1e3 * row["seconds"]["median"]
            yield (f"batch {row['batch']}, {row['input_tokens']} tokens in, {row['output_tokens']} out", f"{ms:.0f} ms",
                   "<= 600 ms", ms <= 600, "vLLM published 833 ms (H200)")

    def same_answers(self):
        for name, value in sorted(self.facts.items()):
            if name.startswith("same."):
                yield (f"bytes of answers: {name[5:]}", value, "same", value == "yes", "")
            if name.startswith("happened."):
                yield (f"compared with something in it: {name[9:]}", value, "above 0", value != "NO", "")
            if name.startswith("equal_to_cpu."):
                yield (f"answers equal to the CPU's: {name[13:]}", value, "", None, "")

    def torch_text(self, key, unit):
        return f"torch {self.torch[key]:.0f} {unit}" if key in self.torch else ""

    def limits(self):
        limits, _ = self.rows_of("kernels")
        if limits:
            torch = ", ".join(filter(None, (self.torch_text("copy", "GB/s"), self.torch_text("gemm", "TFLOP/s"))))
            yield ("the device at best", limits["text"], "", None, torch)

    def tests(self):
        for name, code, *rest in self.steps:
            if name.startswith("answers.") or name.startswith("bench."):
                if code != "0":
                    yield (name, f"FAILED ({code})", "", False, "")
            elif code == "skipped":
                yield (name, f"skipped: {rest[0]}", "", None, "")
            else:
                yield (name, "passed" if code == "0" else f"FAILED ({code})", "passed", code == "0", "")

    def text(self):
        gpu, driver = self.facts.get("gpu", "unknown"), self.facts.get("driver", "unknown")
        is_dry = self.facts.get("dry") == "1"
        lines = [f"### {self.facts.get('date')}, {gpu}, driver {driver}, commit {self.facts.get('commit')}", ""]
        if is_dry:
            lines += ["A dry run on tiny shapes: it tests the script, its figures mean nothing.", ""]
        lines += ["| what | measured | aim | reached | beside |", "|---|---|---|---|---|"]
        groups = (self.tests(), self.same_answers(), self.limits(), self.attention("kernels", "8B", "gqa4"),
                  self.attention("kernels_gqa8", "70B", "gqa8"), self.formats(), self.decode(), self.long_contexts(),
                  self.prefill(), self.latency())
        for group in groups:
            for what, measured, aim, reached, beside in group:
                if is_dry and aim.startswith((">", "<")):
                    reached = None
                mark = {True: "yes", False: "**no**", None: ""}[reached]
                lines.append(f"| {what} | {measured} | {aim} | {mark} | {beside} |")
        return "\n".join(lines)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print(Report(pathlib.Path(sys.argv[1])).text())
