"""The files of a container: rules D1 and D2."""

import os
import stat

from .refusal import Refusal


class File:
    """A regular file of the directory `directory_fd`, read by position."""

    def __init__(self, directory_fd, name):
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            self._fd = os.open(name, flags, dir_fd=directory_fd)
        except OSError as error:
            raise Refusal("D1", f"{name}: {error.strerror}") from None
        status = os.fstat(self._fd)
        if not stat.S_ISREG(status.st_mode):
            self.close()
            raise Refusal("D2", f"{name} is not a regular file")
        self.size = status.st_size

    def read(self, offset, size):
        """At most `size` bytes from `offset`: fewer only at the end of the file."""
        parts = []
        while size > 0:
            part = os.pread(self._fd, size, offset)
            if not part:
                break
            parts.append(part)
            offset += len(part)
            size -= len(part)
        return b"".join(parts)

    def close(self):
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
