"""Rules of this service: pure, synchronous, no clock and no I/O."""
