"""Drops: a folder of this machine, a folder on an SFTP server."""
