"""A way out for addresses that others give us: nothing private is reached through it.

A name is looked up once for each connection, every address it has is checked, and the connection
goes to the address that was checked: a name that answers otherwise a moment later gains nothing.
Connections are shared per name only, because what was proved by a certificate was proved for it.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Literal, TypeAlias

import httpx2

from roster_common.errors import Retriable

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_COMPATIBLE: Final = ipaddress.IPv6Network("::/96")
_LONGEST_LOOKUP_S: Final = 10.0


class AddressRefused(Retriable):
    """The host is at an address that may not be called; nothing was sent."""

    def __init__(self, reason: Literal["private", "unencrypted"]) -> None:
        super().__init__(f"address refused: {reason}")
        self.reason = reason


def is_public(address: Address) -> bool:
    """Whether anybody on the internet is at `address`: not private, loopback, link-local, shared,
    reserved or multicast, nor a form of IPv6 that leads to such an address of IPv4.
    """
    if not address.is_global or address.is_multicast:
        return False
    inner = _inner(address) if isinstance(address, ipaddress.IPv6Address) else None
    return inner is None or is_public(inner)


async def resolve(host: str, port: int) -> Sequence[str]:
    """Every address of `host`, as text. Raises OSError when there is none."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(one[4][0]) for one in found]


class CheckedTransport(httpx2.AsyncBaseTransport):
    """`allowed` are networks that may be called although they are not public, also without TLS.

    Raises AddressRefused for every other address that is not public, and for any without TLS.
    """

    def __init__(
        self,
        *,
        allowed: Sequence[Network] = (),
        resolve: Resolve = resolve,
        verify: ssl.SSLContext | bool = True,
    ) -> None:
        self._allowed = tuple(allowed)
        self._resolve = resolve
        self._verify = verify
        self._by_host: dict[str, httpx2.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send the request to the address that was checked, under the name that was given."""
        host = request.url.host
        address = await self._checked(request)
        sending = httpx2.Request(
            request.method,
            request.url.copy_with(host=str(address)),
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": host},
        )
        return await self._pool(host).handle_async_request(sending)

    async def aclose(self) -> None:
        """Close every connection."""
        pools, self._by_host = list(self._by_host.values()), {}
        for pool in pools:
            await pool.aclose()

    async def _checked(self, request: httpx2.Request) -> Address:
        url = request.url
        port = url.port or (443 if url.scheme == "https" else 80)
        limit_s = request.extensions.get("timeout", {}).get("connect") or _LONGEST_LOOKUP_S
        try:
            async with asyncio.timeout(limit_s):
                texts = await self._resolve(url.host, port)
        except TimeoutError as error:
            raise httpx2.ConnectTimeout("the lookup took too long", request=request) from error
        except OSError as error:
            raise httpx2.ConnectError("the name leads nowhere", request=request) from error
        addresses = [ipaddress.ip_address(text) for text in texts]
        for address in addresses:
            inside = any(address in network for network in self._allowed)
            if not inside and not is_public(address):
                raise AddressRefused("private")
            if not inside and url.scheme != "https":
                raise AddressRefused("unencrypted")
        if not addresses:
            raise httpx2.ConnectError("the name leads nowhere", request=request)
        return addresses[0]

    def _pool(self, host: str) -> httpx2.AsyncHTTPTransport:
        found = self._by_host.get(host)
        if found is None:
            limits = httpx2.Limits(max_connections=8, max_keepalive_connections=2)
            found = httpx2.AsyncHTTPTransport(verify=self._verify, trust_env=False, limits=limits)
            self._by_host[host] = found
        return found


def _inner(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The address of IPv4 that one of IPv6 leads to, where it does."""
    if address.teredo is not None:
        return address.teredo[1]
    if address in _NAT64 or address in _COMPATIBLE:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour
