"""Runs in a child before the real program: sheds root and ties the child's life to its parent's.

Started by `processes.py` as a bare file under `python -I -S`, so it imports the standard library
only. It exists because `preexec_fn` may deadlock in a process that has threads.
Arguments: parent pid, signal on the parent's death, uid, gid (-1 keeps both), then the program.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def main(arguments: list[str]) -> None:
    """Replaces this process by the program named from the fifth argument on."""
    parent, death_signal, uid, gid = (int(argument) for argument in arguments[:4])
    program = arguments[4:]
    if uid >= 0:
        os.setgroups([gid])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        # After setuid, which clears it. Linux ties it to the thread that started us.
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal)
        if os.getppid() != parent:
            sys.exit("the parent was gone before the program started")
    os.umask(0o077)
    os.execv(program[0], program)  # noqa: S606 - the very purpose of this file


if __name__ == "__main__":
    main(sys.argv[1:])
