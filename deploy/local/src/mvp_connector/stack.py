"""What the demo is told about the running installation."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stack:
    """The addresses of a running installation with its sandboxes, seen from this machine."""

    gateway_url: str
    admin_password: str
    """Of the user `admin`."""
    sandbox_url: str
    ftp_host: str
    ftp_port: int
