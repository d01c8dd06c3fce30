"""The proof by chance: random life on both sides, random mishaps between them, and every edit accounted for."""
