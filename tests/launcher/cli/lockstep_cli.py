"""Runs the built programs from tests. The environment names them: LOCKSTEP_BIN_DIR, LOCKSTEP_MPIEXEC, LOCKSTEP_SOURCE_DIR."""
import json
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile
import unittest

BIN = pathlib.Path(os.environ["LOCKSTEP_BIN_DIR"])
SOURCE = pathlib.Path(os.environ["LOCKSTEP_SOURCE_DIR"])
MPIEXEC = os.environ["LOCKSTEP_MPIEXEC"]
RECALL = SOURCE / "examples" / "models" / "recall"
TIMEOUT_S = 240  # a hang is a failure; sanitizers are slow


def environment(**extra):
    env = dict(os.environ, OMPI_MCA_rmaps_base_oversubscribe="1", OMPI_ALLOW_RUN_AS_ROOT="1",
               OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    env.update({key: str(value) for key, value in extra.items()})
    return env


def command(ranks, *arguments):
    """The command line of `lockstep arguments…` on `ranks` ranks; 0 = without mpirun."""
    program = [str(BIN / "lockstep"), *map(str, arguments)]
    return program if ranks == 0 else [MPIEXEC, "-n", str(ranks), *program]


def run(ranks, *arguments, **kwargs):
    return subprocess.run(command(ranks, *arguments), capture_output=True, text=True, timeout=TIMEOUT_S,
                          env=environment(), **kwargs)


def make_model(directory, **shape):
    """Writes a random checkpoint with a byte-level tokenizer; `shape` overrides the defaults."""
    options = {"hidden": 64, "layers": 2, "heads": 8, "kv-heads": 2, "ffn": 96, "vocab": 300, "max-positions": 1024,
               "dtype": "bf16", "seed": 7}
    options.update({key.replace("_", "-"): value for key, value in shape.items()})
    arguments = [item for key, value in options.items() for item in (f"--{key}", str(value))]
    subprocess.run([str(BIN / "make_random_checkpoint"), "--output", str(directory), *arguments], check=True,
                   capture_output=True, text=True, timeout=TIMEOUT_S)
    return directory


def poison_token(model, token):
    """Makes the embedding of one token of an F32 model NaN: rows that hold it have no finite logits."""
    path = next(model.glob("*.safetensors"))
    data = bytearray(path.read_bytes())
    begin = 8 + struct.unpack("<Q", data[:8])[0]
    tensor = json.loads(data[8:begin])["model.embed_tokens.weight"]
    if tensor["dtype"] != "F32":
        raise ValueError(tensor["dtype"])
    row_bytes = 4 * tensor["shape"][1]
    at = begin + tensor["data_offsets"][0] + token * row_bytes
    data[at:at + row_bytes] = struct.pack("<f", float("nan")) * tensor["shape"][1]
    path.write_bytes(data)


def shared_data():
    """Real data outside the repository; tests that need it skip, visibly, without it."""
    return pathlib.Path(os.environ.get("LOCKSTEP_SHARED_DATA", SOURCE.parent / "shared" / "data"))


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read_rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


class CliTest(unittest.TestCase):
    """A test with a directory of its own."""

    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="lockstep-test-"))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)

    def generate(self, ranks, model, rows, *arguments, output="out.jsonl", code=0):
        """Runs a job that must end with `code`; returns the bytes of its output."""
        rows = rows if isinstance(rows, pathlib.Path) else write_rows(self.directory / "in.jsonl", rows)
        out = self.directory / output
        done = run(ranks, "generate", "--model", model, "--input", rows, "--output", out, "--restart", *arguments)
        self.assertEqual(done.returncode, code, done.stderr)
        return out.read_bytes()
