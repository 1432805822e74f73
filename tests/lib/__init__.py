"""What the tests outside the C code share: a node to test, raw frames, TAP output."""
