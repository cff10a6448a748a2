"""Bounds-checked access to the root table of a FlatBuffer: scalars, strings, vectors of structs.

After the FlatBuffers internals document. Everything is checked when it is asked for, and nothing
is read outside the buffer.
"""

import struct

from .refusal import require, require_utf8

RULE = "F1"


class Table:
    """The root table of `data`, whose first byte counts as aligned to 8 bytes."""

    def __init__(self, data, identifier):
        require(len(data) >= 8, RULE, f"{len(data)} bytes are no FlatBuffer")
        require(data[4:8] == identifier, RULE, f"the file identifier is {bytes(data[4:8])!r}")
        self._data = data
        self._begin = self._follow(0, "the root table")
        back = self._read("<i", self._begin, "the root table's vtable offset")
        vtable = self._begin - back
        vtable_size = self._read("<H", vtable, "the vtable's size")
        require(
            vtable_size >= 4 and vtable_size % 2 == 0 and vtable + vtable_size <= len(data),
            RULE,
            f"a vtable of {vtable_size} bytes at {vtable}",
        )
        count = vtable_size // 2 - 2
        self._places = struct.unpack_from(f"<{count}H", data, vtable + 4)

    def scalar(self, field, form, default, what):
        """The value of a scalar field, or its default where the field is absent."""
        place = self._place(field)
        return default if place is None else self._read(form, place, what)

    def string(self, field, what):
        """The text of a required string."""
        begin, count = self.vector(field, 1, 1, what)
        end = begin + count
        require(end < len(self._data) and self._data[end] == 0, RULE, f"{what} does not end")
        return require_utf8(self._data[begin:end], RULE, what)

    def blob(self, field, what):
        """The bytes of a required vector of bytes."""
        begin, count = self.vector(field, 1, 1, what)
        return bytes(self._data[begin : begin + count])

    def vector(self, field, element_size, alignment, what):
        """Where the first element of a required vector stands, and the number of elements."""
        place = self._place(field)
        require(place is not None, RULE, f"{what} is missing")
        at = self._follow(place, what)
        count = self._read("<I", at, what)
        begin = at + 4
        require(
            count * element_size <= len(self._data) - begin,
            RULE,
            f"{what}: {count} elements do not fit",
        )
        aligned = count == 0 or begin % alignment == 0
        require(aligned, RULE, f"{what}: elements at {begin} are not aligned")
        return begin, count

    def _place(self, field):
        if field >= len(self._places) or self._places[field] == 0:
            return None
        return self._begin + self._places[field]

    def _follow(self, at, what):
        offset = self._read("<I", at, what)
        require(offset != 0, RULE, f"{what} points at itself")
        return at + offset

    def _read(self, form, at, what):
        size = struct.calcsize(form)
        require(
            0 <= at and at + size <= len(self._data), RULE, f"{what} lies outside of the buffer"
        )
        require(at % size == 0, RULE, f"{what} at {at} is not aligned")
        return struct.unpack_from(form, self._data, at)[0]
