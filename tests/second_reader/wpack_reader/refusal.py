"""How this reader says no: the rule that is broken, and the kind, of SPEC.md section 9."""

BAD_INPUT = "bad-input"
INTEGRITY = "integrity"
IO = "io"
LIMIT = "limit"
UNSUPPORTED = "unsupported"

# Of the rules that are not of the kind BAD_INPUT.
_KINDS = {"D1": IO, "E3": UNSUPPORTED, "E4": UNSUPPORTED, "Z1": LIMIT}
_KINDS.update(
    dict.fromkeys(("D3", "E2", "E6", "E9", "E10", "C4", "T5", "P1", "U1"), INTEGRITY)
)


class Refusal(Exception):
    """One rule of SPEC.md that a container breaks."""

    def __init__(self, rule, message, kind=None):
        super().__init__(message)
        self.rule = rule
        self.kind = kind or _KINDS.get(rule, BAD_INPUT)

    def __str__(self):
        return f"{self.rule} ({self.kind}): {self.args[0]}"


def require(condition, rule, message, kind=None):
    if not condition:
        raise Refusal(rule, message, kind)


def require_utf8(data, rule, what):
    """The text of `data`."""
    try:
        return bytes(data).decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refusal(rule, f"{what} is not UTF-8: {error.reason} at {error.start}") from None
