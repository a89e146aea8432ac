"""An installed Lockstep serves a program of its own: examples/api is built against the package and run on ranks."""
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "launcher" / "cli"))
import lockstep_cli as cli


class Package(cli.CliTest):
    def run_ok(self, *arguments):
        done = subprocess.run([str(item) for item in arguments], capture_output=True, text=True,
                              timeout=cli.TIMEOUT_S, env=cli.environment())
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def test_a_program_on_the_installed_package(self):
        prefix, build = self.directory / "prefix", self.directory / "build"
        self.run_ok("cmake", "--install", cli.BIN.parent, "--prefix", prefix)
        self.run_ok("cmake", "-S", cli.SOURCE / "examples" / "api", "-B", build, "-G", "Ninja",
                    f"-DCMAKE_PREFIX_PATH={prefix}")
        self.run_ok("cmake", "--build", build)
        prompts = ["Mira keeps the copper key in the attic.\nWhere is the copper key?\n", "Once"]
        outputs = set()
        for ranks in (1, 2):
            out = self.run_ok(cli.MPIEXEC, "-n", ranks, build / "answer", cli.RECALL, *prompts)
            self.assertIn("attic", out)
            outputs.add("".join(sorted(out.splitlines(keepends=True))))
        self.assertEqual(len(outputs), 1, outputs)
        self.assertIn("lockstep", self.run_ok(prefix / "bin" / "lockstep", "--version"))


if __name__ == "__main__":
    sys.exit(unittest.main())
