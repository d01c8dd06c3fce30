"""What was refused, counted by reason and address block."""

import pytest

from gateway.refusals import MOST_BLOCKS, Refusals, address_block


@pytest.mark.parametrize(
    ("address", "block"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:aaaa:bbbb::1", "2001:db8:aaaa::/48"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("fe80::1%eth0", "fe80::/48"),
        ("testclient", "unknown"),
        (None, "unknown"),
        ("", "unknown"),
    ],
)
def test_addresses_are_told_as_blocks(address, block):
    assert address_block(address) == block


def test_counts_are_taken_once():
    refusals = Refusals()
    for address in ("203.0.113.1", "203.0.113.2", "198.51.100.1"):
        refusals.count("invalid", address)
    assert refusals.taken() == {"invalid": {"203.0.113.0/24": 2, "198.51.100.0/24": 1}}
    assert refusals.taken() == {}


def test_an_attack_from_everywhere_makes_no_endless_event():
    refusals = Refusals()
    for n in range(MOST_BLOCKS + 50):
        refusals.count("invalid", f"10.{n // 256}.{n % 256}.1")
    told = refusals.taken()["invalid"]
    assert len(told) == MOST_BLOCKS + 1
    assert told["other"] == 50
