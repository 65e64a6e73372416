"""The garbage collector, told what a server is: what start-up made stays, and batches of records are no reason to look at all of it."""

import gc


def fewer_collections() -> None:
    """Call once, after the imports."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 20)
