"""How Ameise says no: Meldungen as JSON when the fault is the user's, else a standard HTML error page."""

from starlette.responses import JSONResponse, Response

from sandbox.faults import html_error


class AmeiseError(Exception):
    """Ends a request with an HTML error page."""

    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status

    def response(self) -> Response:
        """The HTTP answer: it names no field and gives no reason."""
        return html_error(self.status)


class UserError(AmeiseError):
    """Ends a request with 400 and Meldungen for the user."""

    def __init__(self, *meldungen: str) -> None:
        super().__init__(400)
        self.meldungen = meldungen

    def response(self) -> Response:
        """The HTTP answer."""
        return JSONResponse({"Meldungen": [{"Text": text} for text in self.meldungen]}, status_code=400)
