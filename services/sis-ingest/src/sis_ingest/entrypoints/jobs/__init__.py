"""Background doors: loops that call one use case."""
