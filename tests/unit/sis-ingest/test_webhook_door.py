"""What of a webhook is kept beside its body."""

from sis_ingest.domain.deliveries import Knock


def test_only_headers_that_the_reader_needs_are_kept() -> None:
    headers = {"content-type": "application/json", "authorization": "secret", "ce-id": ""}

    kept = Knock(headers=headers, body=b"", token=None).kept(frozenset({"content-type", "ce-id"}))

    assert kept == {"content-type": "application/json"}


def test_a_header_that_no_store_could_keep_was_never_sent() -> None:
    knock = Knock(headers={"ce-id": "a\x00b", "ce-type": "a\x85b"}, body=b"", token=None)

    assert knock.kept(frozenset({"ce-id", "ce-type"})) == {}
