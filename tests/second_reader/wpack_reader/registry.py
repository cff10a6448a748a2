"""The element types, read from the table in format/REGISTRY.md, which SPEC.md makes normative."""

import re
from collections import namedtuple
from pathlib import Path

RAW = 0

ElementType = namedtuple("ElementType", "name bits")

_REGISTRY = Path(__file__).resolve().parents[3] / "format" / "REGISTRY.md"


def _element_types():
    text = _REGISTRY.read_text(encoding="utf-8")
    section = text.split("\n## Element types", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| (\d+) \| (\w+) \|[^|]*\|[^|]*\| (\d+) \|", section, re.MULTILINE)
    return {int(number): ElementType(name, int(bits)) for number, name, bits in rows}


ELEMENT_TYPES = _element_types()
