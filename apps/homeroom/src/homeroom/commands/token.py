"""`homeroom token`: operator tokens and the key pair that signs them."""

from pathlib import Path
from typing import Annotated

import typer

from homeroom import keys
from homeroom.commands.options import FolderOption, layout_of
from homeroom.installation import DISTRICT
from homeroom.keys import LONGEST_HOURS
from roster_common.runtime.tokens import Role

app = typer.Typer(
    help="Mint an operator token on standard output, or make the keys.",
    invoke_without_command=True,
    no_args_is_help=False,
)


@app.callback()
def token(
    context: typer.Context,
    role: Annotated[
        Role, typer.Option("--role", help="What it may do; each may what those before it may.")
    ] = "viewer",
    district: Annotated[
        list[str] | None,
        typer.Option(
            "--district",
            help="District it may see; may be repeated; * is every one.",
            show_default=DISTRICT,
        ),
    ] = None,
    hours: Annotated[
        float, typer.Option("--hours", min=0.01, max=LONGEST_HOURS, help="Hours it lives.")
    ] = 1.0,
    subject: Annotated[
        str, typer.Option("--subject", help="Whom it names, as approvals show.")
    ] = "operator",
    key: Annotated[
        Path | None, typer.Option("--key", help="Private key; the installation's own unless given.")
    ] = None,
    folder: FolderOption = None,
) -> None:
    """Print a token signed with the installation's key, and nothing else: it is a secret."""
    if context.invoked_subcommand is not None:
        return
    typer.echo(
        keys.mint_token(
            key or layout_of(folder).private_key,
            subject=subject,
            role=role,
            districts=district or [DISTRICT],
            hours=hours,
        )
    )


@app.command()
def keypair(
    out: Annotated[Path, typer.Argument(help="File for the private key; must not exist.")],
) -> None:
    """Write a new private key for its owner's eyes, and print its public key for the services."""
    typer.echo(keys.new_key_file(out))


@app.command()
def bodykey() -> None:
    """Print a new key for HOMEROOM_BODY_KEYS or HOMEROOM_CREDENTIAL_KEYS; it is a secret."""
    typer.echo(keys.new_body_key())
