"""German labels."""


def label(value: str) -> str:
    return value
