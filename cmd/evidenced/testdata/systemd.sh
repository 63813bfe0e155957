# The first process of a machine of its own: $1 is an empty folder for its root, $2 its
# cgroup. It becomes systemd, which knows no unit but those that stand in its
# /etc/systemd/system. Programs are those of the machine below, of which it sees
# nothing else.
set -eu
root=$1
mount --make-rprivate /
mount -t tmpfs -o mode=755 machine "$root"
cd "$root"
mkdir etc usr proc sys dev run tmp var var/lib root src cgroup
chmod 1777 tmp
for name in bin sbin lib lib32 lib64 libx32; do
	if [ -h "/$name" ]; then cp -P "/$name" .; fi
done
mount --rbind -o ro /usr usr
mount -t tmpfs -o mode=755 local usr/local
mkdir usr/local/bin
for dir in sysusers.d tmpfiles.d; do # other packages' users and folders
	mount -t tmpfs -o mode=755 none "usr/lib/$dir"
done
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount --rbind /dev dev
mount -t tmpfs -o mode=755 run run

# What runuser, the loader and openssl ask for.
cp -r /etc/pam.d /etc/security /etc/login.defs /etc/ld.so.cache etc/
mkdir etc/ssl
cp /etc/ssl/openssl.cnf etc/ssl/
printf 'root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n' > etc/passwd
printf 'root:x:0:\nnogroup:x:65534:\n' > etc/group
printf 'passwd: files\ngroup: files\nhosts: files\n' > etc/nsswitch.conf
printf '127.0.0.1 localhost www.tenant-1.example\n' > etc/hosts
: > etc/machine-id

mkdir -p etc/systemd/system
for unit in basic exit final local-fs multi-user network-online paths shutdown slices sockets swap sysinit time-sync timers umount; do
	cp "/usr/lib/systemd/system/$unit.target" etc/systemd/system/
done

# A cgroup of its own, which it takes for the only one.
mount -t cgroup2 cgroup2 cgroup
mkdir -p "cgroup/$2"
echo 0 > "cgroup/$2/cgroup.procs"
umount cgroup
exec unshare --cgroup sh -euc '
	mount -t cgroup2 cgroup2 sys/fs/cgroup
	mkdir below
	pivot_root . below
	umount -l below
	rmdir below
	exec env -i container=test PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin SYSTEMD_UNIT_PATH=/etc/systemd/system \
		/usr/lib/systemd/systemd --system --log-target=null --show-status=no --unit=multi-user.target
'
