"""How this reader says no."""

# What the refusal means to a caller; SPEC.md section 9 says which rule is of which kind.
INTEGRITY = "integrity"
INVALID = "invalid"
UNSUPPORTED = "unsupported"
MISSING = "missing"

_KINDS = {
    "D2": MISSING,
    "E2": INTEGRITY,
    "E3": UNSUPPORTED,
    "E4": UNSUPPORTED,
    "E6": INTEGRITY,
    "E9": INTEGRITY,
    "E10": INTEGRITY,
    "X4": UNSUPPORTED,
    "C4": INTEGRITY,
    "T2": UNSUPPORTED,
    "T5": INTEGRITY,
    "P1": INTEGRITY,
    "U1": INTEGRITY,
}


class Refusal(Exception):
    """One rule of SPEC.md that the container breaks."""

    def __init__(self, rule, message, kind=None):
        super().__init__(message)
        self.rule = rule
        self.kind = kind or _KINDS.get(rule, INVALID)

    def __str__(self):
        return f"{self.rule} ({self.kind}): {self.args[0]}"


def require(condition, rule, message, kind=None):
    if not condition:
        raise Refusal(rule, message, kind)
