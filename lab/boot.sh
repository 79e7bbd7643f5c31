#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs as the first process of new namespaces: builds a server's mounts and becomes its systemd.
# Arguments: the root directory, the host name, a file that holds this boot's id.
set -eu
root=$1 name=$2 boot_id=$3

hostname "$name"
ip link set lo up
mount --bind "$root" "$root"
cd "$root"
mount -t proc proc proc
mount --bind "$boot_id" proc/sys/kernel/random/boot_id
# What is not namespaced under /proc/sys belongs to the machine, only the network's part is the host's own.
mount --rbind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount --bind proc/sys/net proc/sys/net
mount -o remount,bind,rw proc/sys/net
if [ -e proc/sysrq-trigger ]; then
  mount --bind proc/sysrq-trigger proc/sysrq-trigger
  mount -o remount,bind,ro proc/sysrq-trigger
fi
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs sys
mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755,nosuid tmpfs dev
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs dev/shm
for device in null zero full random urandom tty fuse; do
  [ -e "/dev/$device" ] && cp -a "/dev/$device" "dev/$device"
done
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/0 dev/stdin
ln -s /proc/self/fd/1 dev/stdout
ln -s /proc/self/fd/2 dev/stderr
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs run
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs tmp
mkdir run/.outside
pivot_root . run/.outside
# pivot_root of util-linux leaves the old root below run; nothing of the machine stays reachable.
exec chroot . /bin/sh -c '
  umount -l /run/.outside && rmdir /run/.outside
  exec env -i container=rehome-lab PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    setpriv --bounding-set=-sys_module,-sys_time,-sys_rawio --inh-caps=-sys_module,-sys_time,-sys_rawio /sbin/init'
