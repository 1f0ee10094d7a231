"""A correlation id from outside is taken only if it is a harmless word."""

import pytest

from roster_common.runtime.correlation import accept_or_mint


@pytest.mark.parametrize("offered", ["a", "0190-abc.DEF_9", "x" * 128])
def test_a_harmless_word_is_kept(offered):
    assert accept_or_mint(offered) == offered


@pytest.mark.parametrize("offered", [None, "", "x" * 129, "a b", "a\n", "é", 'a"', "a/b"])
def test_anything_else_is_replaced_by_a_fresh_id(offered):
    found = accept_or_mint(offered)

    assert found != offered
    assert len(found) == 36
