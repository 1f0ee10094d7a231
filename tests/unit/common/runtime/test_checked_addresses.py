"""Addresses that others give us lead to nobody's private network, whatever a name says."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from roster_common.runtime.checked_addresses import AddressRefused, CheckedTransport, is_public

LOOPBACK = [ip_network("127.0.0.0/8")]
NOT_PUBLIC = [
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fc00::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::7f00:1",
    "64:ff9b::a00:1",
    "2002:7f00:1::",
]


class Names:
    """Answers look-ups in turn, the last answer for ever; counts them."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, _port: int) -> Sequence[str]:
        self.asked.append(host)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


@asynccontextmanager
async def serving(*, tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server on loopback that says 204; its port, and the heads of the requests it got."""
    heads: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1], heads


@pytest.mark.parametrize("text", NOT_PUBLIC)
def test_what_is_not_on_the_internet_is_not_public(text: str) -> None:
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("text", ["93.184.216.34", "2606:4700::1111", "64:ff9b::808:808"])
def test_what_is_on_the_internet_is_public(text: str) -> None:
    assert is_public(ip_address(text))


@pytest.mark.parametrize("text", NOT_PUBLIC)
async def test_a_private_address_is_refused_before_anything_is_sent(text: str) -> None:
    host = f"[{text}]" if ":" in text else text
    async with httpx2.AsyncClient(transport=CheckedTransport()) as http:
        with pytest.raises(AddressRefused) as refused:
            await http.post(f"https://{host}/hook", content=b"x")
    assert refused.value.reason == "private"


async def test_a_name_with_one_private_address_is_refused() -> None:
    names = Names(["93.184.216.34", "10.0.0.1"])
    async with httpx2.AsyncClient(transport=CheckedTransport(resolve=names)) as http:
        with pytest.raises(AddressRefused):
            await http.post("https://vendor.example/hook")


async def test_a_public_address_is_not_called_without_tls() -> None:
    names = Names(["93.184.216.34"])
    async with httpx2.AsyncClient(transport=CheckedTransport(resolve=names)) as http:
        with pytest.raises(AddressRefused) as refused:
            await http.post("http://vendor.example/hook")
    assert refused.value.reason == "unencrypted"


async def test_the_address_that_was_checked_is_the_one_that_is_called() -> None:
    names = Names(["127.0.0.1"], ["10.0.0.1"])
    async with serving() as (port, heads):
        transport = CheckedTransport(allowed=LOOPBACK, resolve=names)
        async with httpx2.AsyncClient(transport=transport) as http:
            answer = await http.post(f"http://vendor.example:{port}/hook?a=b", content=b"x")
            with pytest.raises(AddressRefused):
                await http.post(f"http://vendor.example:{port}/hook", content=b"x")

    assert answer.status_code == 204
    (head,) = heads
    assert head.startswith(b"POST /hook?a=b HTTP/1.1\r\n")
    assert f"host: vendor.example:{port}".encode() in head.lower()
    assert names.asked == ["vendor.example", "vendor.example"]


async def test_a_name_that_leads_nowhere_is_unreachable() -> None:
    async def nowhere(_host: str, _port: int) -> Sequence[str]:
        raise OSError

    async with httpx2.AsyncClient(transport=CheckedTransport(resolve=nowhere)) as http:
        with pytest.raises(httpx2.ConnectError):
            await http.post("https://vendor.example/hook")


async def test_the_certificate_must_be_for_the_name_and_not_for_the_address(
    tmp_path: Path,
) -> None:
    served, trusting = _certificate(tmp_path, "vendor.example")
    names = Names(["127.0.0.1"])
    async with serving(tls=served) as (port, heads):
        transport = CheckedTransport(allowed=LOOPBACK, resolve=names, verify=trusting)
        async with httpx2.AsyncClient(transport=transport) as http:
            answer = await http.post(f"https://vendor.example:{port}/hook")
            with pytest.raises(httpx2.ConnectError):
                await http.post(f"https://other.example:{port}/hook")

    assert answer.status_code == 204
    assert len(heads) == 1


def _certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate for `name`, and a client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    encode: Callable[..., bytes] = key.private_bytes
    (folder / "key.pem").write_bytes(
        encode(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return served, ssl.create_default_context(cafile=str(folder / "cert.pem"))
