"""One verb per module: takes ports, opens the transaction, returns what happened."""
