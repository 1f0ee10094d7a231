"""One verb per module: takes ports, opens or joins the transaction, returns a value."""
