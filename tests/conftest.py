"""Options and settings of all tests."""

from __future__ import annotations

import os

import pytest
from hypothesis import Phase, settings

# a run depends on the code alone; HYPOTHESIS_PROFILE=explore looks for new cases and shrinks them
settings.register_profile(
    "fixed", derandomize=True, deadline=None, database=None, phases=[Phase.explicit, Phase.generate]
)
settings.register_profile("explore", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--bless", action="store_true", help="rewrite the expectations of file tests with what happens")


@pytest.fixture
def bless(request: pytest.FixtureRequest) -> bool:
    """Whether expectations are to be rewritten."""
    return bool(request.config.getoption("--bless"))
