"""At which moment a reader refuses a container, and as what: as exit statuses of the command."""

from collections import namedtuple

from wpack_command import Failure
from wpack_reader.container import Container
from wpack_reader.refusal import BAD_INPUT, INTEGRITY, IO, LIMIT, UNSUPPORTED, Refusal

STATUSES = {BAD_INPUT: 3, UNSUPPORTED: 3, INTEGRITY: 4, IO: 5, LIMIT: 6}

# 0 where the reader does what it was asked for. `rules` are those of the second reader.
Verdict = namedtuple("Verdict", "open use verify rules text")


def statuses(verdict):
    return verdict[:3]


def of_second_reader(path):
    try:
        container = Container(path)
    except Refusal as refusal:
        status = STATUSES[refusal.kind]
        return Verdict(status, status, status, [refusal.rule], str(refusal))
    with container:
        use = use_tensors(container)
        faults = container.verify()
        return Verdict(
            0,
            STATUSES[use.kind] if use else 0,
            _worst([STATUSES[fault.kind] for fault in faults]),
            [fault.rule for fault in faults],
            "; ".join(map(str, faults)) or str(use),
        )


def of_wpack(wpack, path):
    found = []
    texts = []
    for attempt in (wpack.tensors, wpack.load, wpack.verify):
        try:
            attempt(path)
            found.append(0)
        except Failure as failure:
            found.append(failure.status)
            texts.append(str(failure))
    return Verdict(*found, [], "; ".join(texts))


def use_tensors(container):
    """The first refusal to hand out a tensor, or None."""
    try:
        for tensor in container.index.tensors:
            container.tensor_bytes(tensor)
    except Refusal as refusal:
        return refusal
    return None


def _worst(found):
    """A mismatch outranks what else is wrong."""
    integrity = STATUSES[INTEGRITY]
    return integrity if integrity in found else next(iter(found), 0)
