"""The disk's own rate: what fio reads of the same files, past the page cache."""

import json
import subprocess

from rounds import Failed


def disk_rate(paths):
    """Returns bytes a second, by libaio with 32 direct reads of 1 MiB in flight."""
    files = ":".join(path.replace("\\", "\\\\").replace(":", "\\:") for path in paths)
    try:
        output = _read(files)
    except FileNotFoundError:
        raise Failed("fio is not installed") from None
    except subprocess.CalledProcessError as error:
        raise Failed(f"fio: {error.stderr.strip()}") from None
    return json.loads(output[output.index("{"):])["jobs"][0]["read"]["bw_bytes"]


def _read(files):
    return subprocess.run(
        ["fio", "--name=read", f"--filename={files}", "--readonly", "--rw=read", "--direct=1",
         "--ioengine=libaio", "--bs=1M", "--iodepth=32", "--file_service_type=sequential",
         "--output-format=json"], check=True, capture_output=True, text=True).stdout
