# bash completion for cloister(8)                                        -*- shell-script -*-
# shellcheck shell=bash

# The verbs of the program that is installed, which knows best which it has.
_cloister_verbs()
{
	"$1" --help 2>/dev/null | while read -r verb text; do
		case $verb in
		run | plan | check | doctor | ls | enter | kill | diff | reset | image)
			[ -n "$text" ] && printf '%s\n' "$verb"
			;;
		esac
	done
}

# Names of live sessions: one file each.
_cloister_sessions()
{
	local file
	for file in /run/cloister/sessions/*; do
		[ -f "$file" ] && printf '%s\n' "${file##*/}"
	done
}

# Their users: an id is the user's name and a number.
_cloister_session_users()
{
	_cloister_sessions | sed 's/-[0-9a-f]*$//' | sort -u
}

_cloister_values()
{
	case $1 in
	isolate | no_new_privs) echo 'yes no' ;;
	writable) echo 'overlay tmpfs no direct' ;;
	home) echo 'bind private tmpfs none' ;;
	network) echo 'none host pasta netns:' ;;
	users) echo 'same root host' ;;
	scope) echo 'session user' ;;
	linger) echo 'no yes' ;;
	capabilities) echo 'none' ;;
	seccomp) echo 'default none' ;;
	refuse_except) echo 'none sftp' ;;
	entry) echo 'auto child process' ;;
	id_range) echo 'auto' ;;
	esac
}

# One --set KEY=VALUE. "=" breaks words in readline, so that what is offered after it has no key.
_cloister_setting()
{
	local keys='isolate rootfs writable writable_max writable_files_max state home bind tmpfs mask network publish users hostname shell scope linger
		capabilities no_new_privs seccomp memory_max swap_max pids_max cpu_max io_max ptys_max rlimit_as rlimit_cpu rlimit_data rlimit_fsize
		rlimit_memlock rlimit_msgqueue rlimit_nice rlimit_nofile rlimit_nproc rlimit_rtprio rlimit_sigpending rlimit_stack entry timeout refuse refuse_except
		id_range'

	case $1 in
	rootfs=* | state=* | bind=* | tmpfs=* | mask=* | shell=*)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "${1#*=}")
		;;
	*=*)
		mapfile -t COMPREPLY < <(compgen -W "$(_cloister_values "${1%%=*}")" -- "${1#*=}")
		;;
	*)
		compopt -o nospace 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -S = -W "$keys" -- "$1")
		;;
	esac
}

# Options and other arguments of one verb: $1 options, $2 what else is offered (users, sessions, words).
_cloister_offer()
{
	case $cur in
	-*)
		mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur")
		;;
	*)
		case $2 in
		users) mapfile -t COMPREPLY < <(compgen -u -- "$cur") ;;
		sessions) mapfile -t COMPREPLY < <(compgen -W "$(_cloister_sessions) $(_cloister_session_users)" -- "$cur") ;;
		*) mapfile -t COMPREPLY < <(compgen -W "$2" -- "$cur") ;;
		esac
		;;
	esac
}

_cloister()
{
	local cur prev words cword split
	_init_completion -n = || return
	: "$split"

	if [ "$cword" -eq 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_cloister_verbs "${words[0]}") --help --version" -- "$cur")
		return
	fi
	# What follows "--" is a command of the session's, which this machine does not know.
	local i
	for ((i = 2; i < cword; i++)); do
		if [ "${words[i]}" = -- ]; then
			return
		fi
	done
	case $prev in
	--user)
		mapfile -t COMPREPLY < <(compgen -u -- "$cur")
		return
		;;
	--config)
		_filedir
		return
		;;
	--rootfs)
		_filedir -d
		return
		;;
	--set)
		_cloister_setting "$cur"
		return
		;;
	esac
	case ${words[1]} in
	run) _cloister_offer '--user --rootfs --set --config --help --' '--' ;;
	plan) _cloister_offer '--json --rootfs --set --config --help' users ;;
	check) _cloister_offer '--json --config --help' users ;;
	doctor) _cloister_offer '--json --config --help' users ;;
	ls) _cloister_offer '--json --prometheus --help' '' ;;
	enter) _cloister_offer '--help --' sessions ;;
	kill) _cloister_offer '--help' sessions ;;
	diff) _cloister_offer '--json --rootfs --set --config --help' users ;;
	reset) _cloister_offer '--force --quiet --json --rootfs --set --config --help' users ;;
	image)
		case $cword:${words[2]} in
		2:*) _cloister_offer '--help' 'import ls rm' ;;
		*:import)
			case $cur in
			-*) _cloister_offer '--replace --ref --max-size --max-files --quiet' '' ;;
			*) _filedir ;;
			esac
			;;
		*:ls) _cloister_offer '--json' '' ;;
		*:rm) _cloister_offer '' "$(cd /var/lib/cloister/images 2>/dev/null && echo *)" ;;
		esac
		;;
	esac
}
complete -F _cloister cloister
