#!/bin/sh
# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Boots systemd on a copy of this machine's file system that forgets all changes: sh boot.sh FOLDER.
# Runs as process 1 of its own PID, mount, network, IPC, UTS and cgroup namespaces (node_host.py). FOLDER is
# the only one that is shared.
set -e
folder=$1 memory=$1/memory
root=$memory/root
mount --make-rprivate /
mkdir "$memory"
mount -t tmpfs -o mode=755 tmpfs "$memory"
mkdir "$memory/upper" "$memory/work" "$root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$memory/upper,workdir=$memory/work" "$root"
mount -t proc proc "$root/proc"
# Read-only, as containers have it: no udevd, no other service that would change this machine.
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t bpf -o mode=0700 bpf "$root/sys/fs/bpf"
ln -s /dev/null "$root/etc/systemd/system/systemd-sysctl.service"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for name in full null random tty urandom zero; do
  touch "$root/dev/$name"
  mount --bind "/dev/$name" "$root/dev/$name"
done
mkdir "$root/dev/net" "$root/dev/pts" "$root/dev/shm"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mknod -m 666 "$root/dev/net/tun" c 10 200 # as udev makes it
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
checkout=$(realpath "$(dirname "$0")/../../..")
case $checkout in
/tmp/*) # is hidden by that
  mkdir -p "$root$checkout"
  mount --bind "$checkout" "$root$checkout"
  mount -o remount,bind,ro "$root$checkout"
  ;;
esac
mkdir -p "$root$folder"
mount --bind "$folder" "$root$folder"
ip link set lo up
cd "$root"
mkdir -p old
pivot_root . old
# shellcheck disable=SC2094  # the shell is another process than systemd
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot . /bin/sh -c \
  'umount -l /old && exec /lib/systemd/systemd --unit=basic.target --log-target=console --show-status=no' \
  >"$folder/console.log" 2>&1 </dev/null
