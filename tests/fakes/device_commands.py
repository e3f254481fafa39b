"""The programs of a fake phone: the host's where they do, scripts where a phone differs."""

import shutil
from collections.abc import Mapping
from typing import Literal

Taskset = Literal["honest", "ignored", "unreadable", "refused"]

TASKSET: Mapping[Taskset, str] = {
    "honest": 'shown=""; bit=0; number=$((0x$mask))\n'
    "while [ $number -gt 0 ]; do\n"
    '  [ $((number & 1)) -eq 1 ] && shown="$shown,$bit"\n'
    "  bit=$((bit + 1)); number=$((number >> 1))\n"
    'done\nprintf "Cpus_allowed_list:\\t%s\\n" "${shown#,}" > "$ROOT/proc/self/status"',
    "ignored": 'printf "Cpus_allowed_list:\\t0-7\\n" > "$ROOT/proc/self/status"',
    "unreadable": 'rm -f "$ROOT/proc/self/status"',
    "refused": 'echo "taskset: failed to set pid affinity: Invalid argument" >&2; exit 1',
}
"""What taskset does with the cores in $mask before it starts the program."""

TOOLS = (
    "basename", "cat", "cp", "cut", "date", "dirname", "echo", "env", "grep", "head", "kill", "ls",
    "mkdir", "mv", "od", "printf", "readlink", "rm", "sed", "seq", "sh", "sha256sum", "sleep",
    "sort", "tac", "tail", "timeout", "touch", "tr", "true", "uname", "wc",
)  # fmt: skip
"""What a phone's toybox has, too, and the host's programs stand in for."""

QEMU = shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")

# The kernel of a phone starts its programs itself; here an emulator has to be named, so the file
# that becomes executable turns into a script that names it.
CHMOD = f"""{shutil.which("chmod")} "$@" || exit
for file; do :; done
head -c 20 "$file" | od -An -tx1 | tr -d ' \\n' | grep -q '^7f454c46.*b700$' || exit 0
[ -n "{QEMU or ""}" ] || exit 0
mv "$file" "$file.elf"
printf '#!/bin/sh\\nexec {QEMU} "%s" "$@"\\n' "$file.elf" > "$file"
{shutil.which("chmod")} 755 "$file"
"""

STUBS: Mapping[str, str] = {
    "getprop": 'sed -n "s/^$1=//p" "$ROOT/system/props"',
    "dumpsys": 'cat "$ROOT/dumpsys/$1" 2>/dev/null || echo "Can\'t find service: $1" >&2',
    "settings": """file="$ROOT/settings/$3"
case "$1 $2" in
  "get global") if [ -e "$file" ]; then cat "$file"; else echo null; fi;;
  "put global") echo "$4" > "$file";;
  "delete global") rm -f "$file"; echo "Deleted 1 rows";;
  *) exit 1;;
esac""",
    # 7: on AC, USB and wireless power
    "svc": '[ "$1 $2 $3" = "power stayon true" ] && echo 7 '
    '> "$ROOT/settings/stay_on_while_plugged_in"',
    "cmd": '[ "$1 $2" = "power set-fixed-performance-mode-enabled" ] || exit 255\n'
    'echo "$3" > "$ROOT/settings/fixed_performance"',
}
