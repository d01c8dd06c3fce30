"""HTML consent pages and form bodies: what a browser and an OAuth client send."""

from collections.abc import Mapping
from html import escape
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.requests import Request


async def form_of(request: Request) -> dict[str, str]:
    """Query and urlencoded body together, the body winning: Zoho's token endpoint takes either."""
    body = (await request.body()).decode("utf-8", "replace")
    return {**dict(request.query_params), **dict(parse_qsl(body, keep_blank_values=True))}


def with_query(uri: str, parameters: Mapping[str, str]) -> str:
    """`uri` with further query parameters."""
    separator = "&" if urlsplit(uri).query else "?"
    return f"{uri}{separator}{urlencode(parameters)}"


def consent_page(
    *, title: str, question: str, field: str, label: str, value: str, hidden: Mapping[str, str]
) -> str:
    """A page that asks which world to connect, with the buttons `decision=accept` and `decision=reject`."""
    inputs = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(text)}">' for name, text in hidden.items()
    )
    return (
        f'<!DOCTYPE html><html lang="de"><head><meta charset="utf-8"><title>{escape(title)}</title></head>'
        f"<body><main><h1>{escape(title)}</h1><p>{escape(question)}</p>"
        f'<form method="post">{inputs}<p><label for="{field}">{escape(label)}</label> '
        f'<input id="{field}" name="{field}" value="{escape(value)}" required></p>'
        '<p><button name="decision" value="accept">Zustimmen</button> '
        '<button name="decision" value="reject" formnovalidate>Ablehnen</button></p></form>'
        "</main></body></html>"
    )
