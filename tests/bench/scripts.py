"""Runs the scripts of bench/ on small models; what they need, or why a test is skipped."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

SOURCE_TREE = pathlib.Path(__file__).resolve().parents[2]
BENCH = SOURCE_TREE / "bench"
WPACK = os.environ.get("WPACK_COMMAND", "")
PROGRAMS = pathlib.Path(os.environ.get("WPACK_BENCH_PROGRAMS", "none"))
# The interpreter that has torch, if there is one.
PYTHON = os.environ.get("WPACK_TEST_PYTHON") or os.environ.get("WPACK_PYTHON") or sys.executable

sys.path.insert(0, str(BENCH))
sys.path.insert(0, str(BENCH / "start"))


def run(*words):
    """Returns stdout of a command that must end well."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True,
                          check=False, timeout=300)
    if done.returncode != 0:
        raise AssertionError(f"{words[0]}: exit status {done.returncode}\n{done.stderr}")
    return done.stdout


def bench(script, *words):
    """Runs one round of a script of bench/, with little memory to level and no wait."""
    return run(sys.executable, "-B", BENCH / script, *words, "--rounds", 1,
               "--fresh-memory", 1 << 20, "--settle", 0)


def require_program(name):
    if not (PROGRAMS / name).exists():
        raise unittest.SkipTest(f"{name} is not built: WPACK_BUILD_BENCH is off")
    return PROGRAMS / name


def require_packages(*packages):
    for package in packages:
        try:
            subprocess.run([PYTHON, "-c", f"import {package}"], capture_output=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            raise unittest.SkipTest(f"{PYTHON} has no {package}; WPACK_TEST_PYTHON may name one "
                                    "that has") from None


def skip_if_unmeasured(text):
    """A file system in memory has no cold state, and others' rules may forbid what a script needs."""
    for line in text.splitlines():
        if "not measured: " in line:
            raise unittest.SkipTest(line)


class ModelTest(unittest.TestCase):
    """Has a directory with a model of about 1 MB as torch saves it, and packed."""

    @classmethod
    def setUpClass(cls):
        require_packages("torch")
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        cls.directory = pathlib.Path(temporary.name)
        cls.checkpoint = cls.directory / "m.pth"
        cls.container = cls.directory / "m.wpack"
        run(PYTHON, "-B", BENCH / "make_checkpoint.py", cls.checkpoint, "--size", "1M")
        run(WPACK, "pack", cls.checkpoint, "-o", cls.container)


def main():
    """Runs the tests of the calling file; exits with 77 if there is none that was not skipped."""
    program = unittest.main(module="__main__", exit=False, verbosity=2)
    result = program.result
    if not result.wasSuccessful():
        sys.exit(1)
    # A class that is skipped counts as one, and none of its tests as run.
    sys.exit(77 if result.testsRun <= len(result.skipped) else 0)
