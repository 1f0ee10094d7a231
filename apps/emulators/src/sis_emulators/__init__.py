"""Emulators of student information systems: programs of their own, never live systems.

They import nothing of the product, and the product imports nothing of them; the two meet over
HTTP only. What they answer is written from documented facts; README.md says which.
"""

VERSION = "0.1.0"
NOTICE = "an emulator, not a live system"
