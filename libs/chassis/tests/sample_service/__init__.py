"""A service of the smallest kind, as the chassis's tests need it: one RPC, one stream, one table."""
