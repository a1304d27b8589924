import pytest

from tests.gateway.adopt.making import Adopting


@pytest.fixture
def adopting(tmp_path):
    return Adopting(tmp_path)
