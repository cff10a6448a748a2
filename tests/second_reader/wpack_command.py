"""The wpack command, seen from outside."""

import json
import os
import subprocess
from pathlib import Path

SOURCE_TREE = Path(__file__).resolve().parents[2]


class Failure(Exception):
    """The command's exit status is not 0."""

    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


class Wpack:
    def __init__(self, command):
        self._command = command

    def run(self, *arguments):
        """Returns what the command printed, or raises Failure."""
        words = [self._command, *map(str, arguments)]
        result = subprocess.run(words, capture_output=True, check=False, timeout=60)
        if result.returncode != 0:
            raise Failure(result.returncode, result.stderr.decode("utf-8").strip())
        return result.stdout.decode("utf-8")

    def tensors(self, path):
        """Opens the container; what `ls` lists."""
        return json.loads(self.run("ls", "--json", path))["tensors"]

    def layers(self, path):
        return json.loads(self.run("ls", "--layers", "--json", path))["layers"]

    def facts(self, path):
        found = json.loads(self.run("inspect", "--json", path))
        del found["path"]
        return found

    def load(self, path):
        """Reads every tensor into memory, and checks its chunks."""
        self.run("load", "--json", "--access", "read", "--verify", "touch", path)

    def verify(self, path):
        self.run("verify", "--json", path)


def from_environment():
    """The command that ctest names."""
    return Wpack(os.environ["WPACK_COMMAND"])
