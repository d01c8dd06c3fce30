"""The proof by chance: random life on both sides, mishaps between them, and every edit accounted for."""
