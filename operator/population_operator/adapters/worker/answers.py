"""What workers answer, taken within bounds: they are their users' programs, and may say anything.

Requests to them follow no redirect, and ask for plain bytes: what is compressed has no bound.
"""

from __future__ import annotations

import logging

import aiohttp

log = logging.getLogger(__name__)

PLAIN = {"Accept-Encoding": "identity"}


class UnusableAnswerError(ValueError):
    """An answer whose encoding or length is not taken."""


def check_status(response: aiohttp.ClientResponse) -> None:
    """Also a redirect is an error.

    Raises:
      ClientResponseError: the answer does not say that all is well.
    """
    if response.status >= 300:
        raise aiohttp.ClientResponseError(
            response.request_info,
            response.history,
            status=response.status,
            message=response.reason or "",
        )


async def body(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The whole body.

    Raises:
      ClientResponseError: the answer does not say that all is well.
      UnusableAnswerError: it is encoded, or longer than `limit` bytes.
    """
    check_status(response)
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding != "identity":
        raise UnusableAnswerError(f"its answer is encoded ({encoding[:20]}), which is not taken")
    data = await beginning(response, limit)
    if len(data) > limit:
        raise UnusableAnswerError(f"its answer is longer than {limit / 2**20:g} MiB")
    return data


async def beginning(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The body, of which no more is read than it takes to see that it is longer than `limit`."""
    data = bytearray()
    async for chunk in response.content.iter_any():
        data += chunk
        if len(data) > limit:
            break
    return bytes(data)


def note(who: str, what: str, error: Exception) -> None:
    """Say it where it was not to be expected: workers that cannot be reached are everyday."""
    expected = isinstance(error, (aiohttp.ClientError, OSError, ValueError))
    level = logging.DEBUG if expected else logging.ERROR
    log.log(level, "%s: %s: %r", who, what, error, exc_info=not expected)
