"""Which requests the page answers, and what browsers are told of its answers. It stands before everything of Gradio's.

Gradio keeps other sites from reading what it answers on this machine, but it answers; it believes any name it is called
by (DNS rebinding); it fetches `file=https://...` from the net; and it has more routes than this page uses.
"""

import re
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chat_app import faults, strings

THIS_MACHINE = ("127.0.0.1", "localhost", "::1")

SERVED = re.compile(
    r"/(config|login|logout|favicon\.ico|manifest\.json|robots\.txt|theme\.css|(assets|static|svelte)/.+"
    r"|gradio_api/(user|login_check|app_id|info|openapi\.json|theme\.css|startup-events|upload|upload_progress"
    r"|queue/(join|data|status)|cancel|reset|heartbeat/[^/]+|(run|api|call|call/v2)/[^/]+|call(/v2)?/[^/]+/[^/]+"
    r"|mcp(/.*)?|file=(?!\w+://).+))?/?",
    re.DOTALL,
)
"""Every address there is. What Gradio has beside is closed: its proxy, editor, monitoring, recorder and the rest."""
FILE = "/gradio_api/file="

PAGE_POLICY = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
"""Gradio's page needs scripts of its own in it. Whatever else comes to be in it reaches no other machine."""
FILE_POLICY = "default-src 'none'; sandbox"
FILE_HEADERS = re.compile(r"accept-ranges|cache-control|content-\w+|date|etag|last-modified|server|vary")
"""What an answer with a part of a file may have: Gradio sends a request's own headers back in it, cookies included."""


class Guard:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, names: Collection[str] = (), private: bool = True):
        """What it lets through.

        Args:
            app: What stands behind it.
            names: Hosts the page may be asked for by; empty: any, where it listens to other machines.
            private: Whether other sites are kept out. A Space is public, and stands in a frame of another site.
        """
        self.app, self.names, self.private = app, frozenset(names), private

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path, begun = str(scope["path"]), False

        async def answer(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                _label(MutableHeaders(scope=message), path.startswith(FILE), self.private)
            await send(message)

        refusal = self._refusal(scope, path)
        if refusal is not None:
            await refusal(scope, receive, answer)
            return
        try:
            await self.app(scope, receive, answer)
        except Exception as error:  # noqa: BLE001
            # Left to itself the server would write the message into its log, and with it what somebody asked.
            faults.log("A request failed", error)
            if not begun:
                await PlainTextResponse(strings.CRASHED, 500)(scope, receive, answer)

    def _refusal(self, scope: Scope, path: str) -> PlainTextResponse | None:
        if SERVED.fullmatch(path) is None:
            return PlainTextResponse(strings.NOT_SERVED, 404)
        if not self.private:
            return None
        headers = Headers(scope=scope)
        host, forwarded = _host(headers.get("host", "")), _host(headers.get("x-forwarded-host", ""))
        if self.names and host not in self.names:
            return PlainTextResponse(strings.OTHER_HOST, 403)
        origin = headers.get("origin")
        if origin is None:
            # Browsers send none with a picture, a sound or a link, but say where those come from.
            link = (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")) == ("navigate", "document")
            foreign = headers.get("sec-fetch-site") == "cross-site" and not link
        else:
            foreign = urlsplit(origin).hostname not in (self.names or {host, forwarded} - {None})
        return PlainTextResponse(strings.OTHER_SITE, 403) if foreign else None


def _host(named: str) -> str | None:
    """The name in a Host header, without its port."""
    try:
        return urlsplit(f"//{named}").hostname
    except ValueError:
        return None


def _label(headers: MutableHeaders, file: bool, private: bool) -> None:
    """Puts what browsers are told into an answer's headers."""
    if file:
        for name in {name for name in headers if FILE_HEADERS.fullmatch(name) is None}:
            del headers[name]
        headers["Content-Security-Policy"] = FILE_POLICY
    elif private:
        headers["Content-Security-Policy"] = PAGE_POLICY
        headers["X-Frame-Options"] = "SAMEORIGIN"
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "same-origin"
    if private:
        headers["Cross-Origin-Resource-Policy"] = "same-origin"
        headers["Cross-Origin-Opener-Policy"] = "same-origin"
