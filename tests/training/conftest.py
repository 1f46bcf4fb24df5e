"""Processes of joblib that the tests of this room share."""

import importlib

import pytest


@pytest.fixture(scope="module")
def workers():
    """Two processes that wait for the runs of all tests."""
    joblib = pytest.importorskip("joblib")
    joblib.Parallel(n_jobs=2)(joblib.delayed(abs)(i) for i in range(4))
    yield
    importlib.import_module("joblib.externals.loky").get_reusable_executor().shutdown(wait=True)
