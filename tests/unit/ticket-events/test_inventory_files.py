"""What an inventory file may say, and how everything else is refused: by row, column and code."""

import pytest

from ticket_events.domain.device import DeviceStatus
from ticket_events.domain.inventory import FileRefused, Refusal, read_inventory

HEADER = "assetTag,serial,model,status,holder,site"
GOOD = "A-1,S-1,Book,assigned,p-1,hill"


def _read(*rows, header=HEADER):
    return read_inventory("\n".join([header, *rows]).encode())


def test_a_good_row_is_read_whole():
    found = read_inventory(
        "\ufeffSite , ASSET TAG,serial,model,Status,Holder,funding_source,purchased-on,colour\r\n"
        'hill,A-1,S-1,"Book, 11",Checked Out,p-1,e-rate,8/31/2026,red\r\n\r\n'.encode()
    )

    (row,) = found.rows
    assert (row.asset_tag, row.serial, row.model) == ("A-1", "S-1", "Book, 11")
    assert (row.status, row.holder_id, row.site_id) == (DeviceStatus.CHECKED_OUT, "p-1", "hill")
    assert (row.funding_source, str(row.purchased_on)) == ("e-rate", "2026-08-31")
    assert (found.read, found.refusals, found.unknown_columns) == (1, [], [9])


@pytest.mark.parametrize(
    ("row", "column", "code"),
    [
        (",S-2,Book,in_stock,,hill", "assetTag", "missing"),
        ("A-2,S-2,Book,,,hill", "status", "missing"),
        ("A-2,S-2,Book,on the moon,,hill", "status", "unknown_status"),
        ("A-2,S-2,Book,checked_out,,hill", "holder", "missing"),
        ("A-2,S-2,Book,assigned,,", "holder", "missing"),
        ("A-2,S-2,Book,in_stock,p-1,hill", "holder", "holder_not_allowed"),
        ("A-2,S-2,Book,retired,p-1,hill", "holder", "holder_not_allowed"),
        ("A-2,S-2,Book,assigned,ada@school.test,hill", "holder", "not_an_id"),
        ("A-2,S-2,Book,assigned,Ada Lovelace,hill", "holder", "not_an_id"),
        ("A-2,S-2,Book,assigned,p-1,a@b", "site", "not_an_id"),
        ("A-2,S-2,Bo\x00ok,assigned,p-1,hill", "model", "control_character"),
        ("A-2," + "S" * 101 + ",Book,assigned,p-1,hill", "serial", "too_long"),
        ("A-2,S-2,Book,assigned,p-1", None, "wrong_cell_count"),
        ("A-2,S-2,Book,assigned,p-1,hill,more", None, "wrong_cell_count"),
    ],
)
def test_a_bad_row_is_refused_and_the_good_ones_beside_it_are_kept(row, column, code):
    found = _read(row, GOOD)

    assert found.refusals == [Refusal(row=2, column=column, code=code)]
    assert [good.asset_tag for good in found.rows] == ["A-1"]


@pytest.mark.parametrize("cell", ["2026-02-30", "31.8.2026", "13/1/2026", "soon"])
def test_a_day_that_is_none_is_refused(cell):
    good = "A-9,S-9,Book,in_stock,,hill,"

    found = _read(f"{GOOD},{cell}", good, header=f"{HEADER},purchasedOn")

    assert found.refusals == [Refusal(row=2, column="purchasedOn", code="not_a_date")]


@pytest.mark.parametrize(
    ("second", "column"),
    [("A-1,S-2,Book,in_stock,,hill", "assetTag"), ("A-2,S-1,Book,in_stock,,hill", "serial")],
)
def test_rows_that_claim_the_same_device_are_all_refused(second, column):
    found = _read(GOOD, second, "A-3,S-3,Book,in_stock,,hill")

    assert found.refusals == [
        Refusal(row=2, column=column, code="duplicate"),
        Refusal(row=3, column=column, code="duplicate"),
    ]
    assert [good.asset_tag for good in found.rows] == ["A-3"]


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        (b"", [("body", "empty")]),
        (b"\xef\xbb\xbf \n", [("body", "empty")]),
        (HEADER.encode(), [("body", "no_rows")]),
        (f"{HEADER}\n{GOOD}\n\xe9".encode("latin-1"), [("body", "not_utf8")]),
        (f'{HEADER}\nA-1,"S-1'.encode(), [("body", "malformed_csv")]),
        (b"name,age\nada,9", [(n, "missing_column") for n in HEADER.split(",")]),
        (f"{HEADER},SITE\n{GOOD},x".encode(), [("site", "duplicate_column")]),
        ("\n".join([HEADER, *["A-1"] * 6, *[GOOD] * 10]).encode(), [("body", "ragged")]),
        (
            f"{HEADER}\nA-1,S-1,Book,lent,,hill\nA-2".encode(),
            [
                ("body", "no_good_row"),
                ("rows.2.status", "unknown_status"),
                ("rows.3", "wrong_cell_count"),
            ],
        ),
    ],
)
def test_a_broken_file_is_refused_as_a_whole(body, faults):
    with pytest.raises(FileRefused) as refused:
        read_inventory(body)

    assert list(refused.value.faults) == faults
