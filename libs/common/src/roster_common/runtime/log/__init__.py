"""The event log: an append inside the writer's transaction, read directly or through Kafka."""
