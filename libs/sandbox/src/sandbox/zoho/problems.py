"""How Zoho says no: `{"code", "details", "message", "status": "error"}`, alone or per record in `data`."""

from typing import Any

from starlette.responses import JSONResponse


class ZohoError(Exception):
    """Ends a request with Zoho's error body."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        details: dict[str, Any] | None = None,
        *,
        within: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = problem(code, message, details)
        self.within = within
        """The list that holds the error, e.g. `webhooks` for `{"webhooks": [error]}`."""

    def response(self) -> JSONResponse:
        """The HTTP answer."""
        content = self.body if self.within is None else {self.within: [self.body]}
        return JSONResponse(content, status_code=self.status)


def problem(code: str, message: str, details: dict[str, Any] | None = None) -> dict[str, Any]:
    """An error body."""
    return {"code": code, "details": details or {}, "message": message, "status": "error"}


def invalid_module() -> ZohoError:
    """For a module that the org does not have."""
    return ZohoError(
        400, "INVALID_MODULE", "the module name given seems to be invalid", {"resource_path_index": 0}
    )


def invalid_token() -> ZohoError:
    """For a missing, unknown or expired access token."""
    return ZohoError(401, "INVALID_TOKEN", "invalid oauth token")
