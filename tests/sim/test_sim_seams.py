"""What is exchanged while histories run is exchanged for the thread that runs them."""

import secrets
import threading
import time

from sim_seams import simulated


def test_another_thread_keeps_its_clock_and_its_dice():
    told = []

    def ask():
        told.append((time.monotonic(), secrets.token_hex(4)))

    before = time.monotonic()
    with simulated():
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
    ((moment, token),) = told
    assert before <= moment <= time.monotonic()
    assert len(token) == 8
