"""What is stored sealed opens with our keys only, also after a change of keys."""

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from chassis.crypto import CannotDecrypt, Vault


def keys(*parts: str) -> SecretStr:
    return SecretStr(" , ".join(parts))


def new_key() -> str:
    return Fernet.generate_key().decode()


def test_a_secret_comes_back_and_does_not_show_in_what_is_stored() -> None:
    vault = Vault(keys(new_key()))
    sealed = vault.seal(SecretStr("Grüße-token"))
    assert b"token" not in sealed
    assert vault.open(sealed).get_secret_value() == "Grüße-token"


def test_the_same_secret_is_sealed_differently_each_time() -> None:
    vault = Vault(keys(new_key()))
    assert vault.seal(SecretStr("a")) != vault.seal(SecretStr("a"))


def test_the_first_key_seals_and_all_keys_open() -> None:
    old, new = new_key(), new_key()
    sealed_before = Vault(keys(old)).seal(SecretStr("a"))
    both = Vault(keys(new, old))
    assert both.open(sealed_before).get_secret_value() == "a"
    assert Vault(keys(new)).open(both.seal(SecretStr("b"))).get_secret_value() == "b"


def test_a_wrong_key_or_a_changed_byte_opens_nothing() -> None:
    vault = Vault(keys(new_key()))
    sealed = vault.seal(SecretStr("a"))
    for wrong in (Vault(keys(new_key())).seal(SecretStr("a")), sealed[:-2] + b"A=", b"", b"garbage"):
        with pytest.raises(CannotDecrypt):
            vault.open(wrong)


@pytest.mark.parametrize("text", ["", " , ", "short", "x" * 44])
def test_without_a_proper_key_there_is_no_vault(text: str) -> None:
    with pytest.raises(ValueError, match=r"key|base64|Fernet"):
        Vault(SecretStr(text))
