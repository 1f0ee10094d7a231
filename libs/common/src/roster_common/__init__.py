"""What every Homeroom service stands on: contracts, ports, runtime."""
