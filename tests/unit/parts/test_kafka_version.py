"""The release line of a broker, out of the bytes it answers."""

import pytest

from homeroom.parts.kafka_version import NotKafka, release_line, supported_level

# ApiVersions response v3, by hand: correlation 1, no error, one API, no throttle, one tagged field
# (supported features) holding kraft.version 0..1 and metadata.version 7..30.
FEATURES = (
    b"\x03" + b"\x0ekraft.version\x00\x00\x00\x01\x00" + b"\x11metadata.version\x00\x07\x00\x1e\x00"
)
ANSWER = (
    b"\x00\x00\x00\x01" + b"\x00\x00" + b"\x02\x00\x12\x00\x00\x00\x04\x00" + b"\x00\x00\x00\x00"
    + b"\x01\x00" + bytes([len(FEATURES)]) + FEATURES
)  # fmt: skip


def test_the_highest_supported_level_is_read() -> None:
    assert supported_level(ANSWER) == 30


def test_a_broker_without_the_feature_is_not_what_we_mean() -> None:
    without = ANSWER[:18] + b"\x00"

    with pytest.raises(NotKafka):
        supported_level(without)


@pytest.mark.parametrize("size", [0, 3, 10, 25, 40])
def test_a_torn_answer_is_named_and_not_misread(size: int) -> None:
    with pytest.raises(NotKafka):
        supported_level(ANSWER[:size])


@pytest.mark.parametrize(
    ("level", "line"), [(27, "4.1"), (28, "4.2"), (29, "4.2"), (30, "4.3"), (31, "4.4")]
)
def test_a_level_belongs_to_one_line_of_releases(level: int, line: str) -> None:
    assert release_line(level) == line


def test_a_level_of_the_future_is_not_given_a_name() -> None:
    assert release_line(99) == "newer than 4.4 (metadata.version 99)"
