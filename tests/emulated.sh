#!/bin/sh
# emulated.sh COMMAND...: runs it where programs for arm64 start as any other, children of children
# too: qemu is registered for them, in a user namespace of its own (Linux 6.7), so that nothing of it
# is left on the machine. As root of that namespace, with the network and the folders of the machine.
set -eu
if [ "${1:-}" != --inside ]; then
    exec unshare --user --map-root-user --mount sh "$0" --inside "$@"
fi
shift
mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
# ELF, 64 bits, little endian; executable or shared object; machine 0xb7. F: opened now, for a chroot.
magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
echo ":millwright-arm64:M::$magic:$mask:$(command -v qemu-aarch64-static):F" \
    >/proc/sys/fs/binfmt_misc/register
exec "$@"
