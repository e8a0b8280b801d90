# bash completion for cloister(8)
_cloister()
{
	local cur prev words cword
	_init_completion || return
	if [ "$cword" -eq 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W 'run plan check --help --version' -- "$cur")
		return
	fi
	case $prev in
	--user | -u)
		mapfile -t COMPREPLY < <(compgen -u -- "$cur")
		return
		;;
	--config | -c)
		_filedir
		return
		;;
	--rootfs | -r)
		_filedir -d
		return
		;;
	--set | -s)
		mapfile -t COMPREPLY < <(compgen -S = -W 'isolate rootfs writable state home bind tmpfs mask network users
			hostname shell scope linger capabilities no_new_privs seccomp memory_max pids_max cpu_max io_max entry
			timeout id_range' -- "$cur")
		compopt -o nospace
		return
		;;
	esac
	case ${words[1]} in
	run)
		mapfile -t COMPREPLY < <(compgen -W '--user --rootfs --set --config --help --' -- "$cur")
		;;
	plan)
		mapfile -t COMPREPLY < <(compgen -W '--json --rootfs --set --config --help' -u -- "$cur")
		;;
	check)
		mapfile -t COMPREPLY < <(compgen -W '--config --help' -u -- "$cur")
		;;
	esac
}
complete -F _cloister cloister
