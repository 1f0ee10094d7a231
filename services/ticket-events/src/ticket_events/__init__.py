"""ticket-events: turns roster and desk events into ticket and device events."""
