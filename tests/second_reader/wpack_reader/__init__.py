"""A reader of wpack containers, written from format/SPEC.md alone."""
