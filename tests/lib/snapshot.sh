# shellcheck shell=bash
# What must be the same before and after an attack, beside what cases.sh looks at: what is in /etc and /root, sysctls,
# cgroups, loop devices, and cloister's own programs.

# Names, owners, modes, times and content; what is below /etc/cloister, /etc/pam.d and of sshd the tests set themselves.
snapshot_files() {
	find /etc /root "$HOST_BUILD" -printf 'inode %p %i %m %U:%G %s %T@ %C@ %l\n' 2>/dev/null || true
	find /etc /root "$HOST_BUILD" -type f -exec sha256sum {} + 2>/dev/null | sed 's/^/content /' || true
}

# Those that count what happens, on the whole machine, are left out.
snapshot_sysctls() {
	local noisy='fs\.(dentry-state|file-nr|inode-nr|inode-state|aio-nr|quota\.)|kernel\.(ns_last_pid|random\.|pty\.nr|tainted)|net\.netfilter\.'
	sysctl -a 2>/dev/null | grep -vE "^($noisy)" | sed 's/^/sysctl /'
}

# Cgroups named after a session or a user that are empty, or where a process of this test host is: a process of another
# pid namespace shows as 0, and is somebody else's.
snapshot_cgroups() {
	local directory
	find /sys/fs/cgroup -type d \( -name '*cloister*' -o -name 'iris*' -o -name 'ivan*' -o -name 'nora*' \) 2>/dev/null |
		while read -r directory; do
			grep -qsx 0 "$directory/cgroup.procs" || echo "cgroup $directory"
		done
}

# Loop devices of files on the test host's own file systems.
snapshot_loops() {
	losetup -l -n -O NAME,BACK-MAJ:MIN,BACK-INO 2>/dev/null | while read -r name device inode; do
		awk -v device="$device" '$3 == device && $9 ~ /^(tmpfs|overlay)$/ {exit 1}' /proc/1/mountinfo ||
			echo "loop $name $device $inode"
	done
}

snapshot_more() {
	snapshot_files
	snapshot_sysctls
	snapshot_cgroups
	snapshot_loops
}
