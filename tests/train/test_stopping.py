"""Signals that ask a run to stop."""

import os
import signal

import pytest

from train.run.stopping import Stopping

BOTH = [signal.SIGINT, signal.SIGTERM]


@pytest.fixture(autouse=True)
def ctrl_c():
    """Ctrl-C interrupts, also where the tests were started with it ignored, as by ``nohup``."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", BOTH)
def test_before_the_first_step_a_signal_interrupts(number):
    with Stopping() as stopping:
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
        assert stopping.by == (None if number == signal.SIGINT else "SIGTERM")


@pytest.mark.parametrize("number", BOTH)
def test_from_the_first_step_on_a_signal_is_noted(number):
    handlers = [signal.getsignal(n) for n in BOTH]
    with Stopping() as stopping:
        assert stopping() is None
        os.kill(os.getpid(), number)
        assert stopping() == number.name
        os.kill(os.getpid(), signal.SIGTERM)  # sent twice by some schedulers
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert [signal.getsignal(n) for n in BOTH] == handlers
