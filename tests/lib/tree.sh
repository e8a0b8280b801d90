# shellcheck shell=bash
# A tree of packages as the root of namespaces of its own: nothing that is started or mounted in it stays. A chroot(2) would
# not do: no user namespace can be made in one.

TREE_LIB=$(readlink -f -- "${BASH_SOURCE[0]}")

# tree_enter TREE [UNSHARE-OPTION...] -- COMMAND...: what namespaces it has besides mount and pid is the caller's to say.
tree_enter() {
	local tree=$1 options=()
	shift
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root unshare --mount --pid --fork --kill-child "${options[@]}" \
		bash -euc '. "$0"; tree_pivot "$1"; shift; "$@"' "$TREE_LIB" "$tree" "$@"
}

# tree_pivot TREE: what their first process does; /run and /tmp are fresh, as after a boot.
tree_pivot() {
	mount --bind "$1" "$1"
	mount -t proc proc "$1/proc"
	mount --rbind /sys "$1/sys"
	mount --rbind /dev "$1/dev"
	mount -t tmpfs -o mode=0755 run "$1/run"
	mount -t tmpfs -o mode=1777 tmp "$1/tmp"
	cd "$1" || return
	mkdir run/old run/sshd
	pivot_root . run/old
	umount -l /run/old
	rmdir /run/old
}
