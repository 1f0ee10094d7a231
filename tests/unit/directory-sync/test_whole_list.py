"""A list of accounts is whole when it holds as many different ones as the target says it has."""

import pytest

from directory_sync.domain.account import ActualAccount
from directory_sync.ports import Page
from directory_sync.usecases.connect_target import TargetReadIncomplete, whole


class Listing:
    """A target that lists these ids, two a page, and says how many it has."""

    def __init__(self, ids, *, total):
        self._ids = ids
        self._total = total

    async def read_all(self):
        """The pages."""
        for start in range(0, len(self._ids), 2):
            accounts = [_account(i) for i in self._ids[start : start + 2]]
            yield Page(accounts=accounts, total=self._total)


async def test_every_account_of_a_whole_list_is_read():
    pages = [page async for page in whole(Listing(["a", "b", "c"], total=3))]

    assert [account.account_id for page in pages for account in page] == ["a", "b", "c"]


@pytest.mark.parametrize("ids", [["a", "b"], ["a", "b", "b"]])
async def test_a_list_that_was_cut_or_moved_under_its_pages_is_not_whole(ids):
    with pytest.raises(TargetReadIncomplete):
        [page async for page in whole(Listing(ids, total=3))]


def _account(account_id):
    return ActualAccount(
        account_id=account_id,
        external_id=None,
        username=account_id,
        email=None,
        enabled=True,
        attributes={},
    )
