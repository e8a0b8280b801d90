#!/bin/bash
# What the program knows is in its manual pages and in --help, and they name nothing that it does not know: keys, options,
# arguments of the module, variables, exit statuses, files. Taken from the program itself where it says it, else from the
# tables of its source. Needs no test host.
set -u
cd -- "$(dirname -- "$0")/../.." || exit 1
. tests/lib/plain_tests.sh

BUILD=${B:-build}
CLOISTER=$BUILD/cloister

# result NAME PROBLEMS
result() {
	local problems
	problems=$(sed '/^$/d' <<<"$2")
	if [ -z "$problems" ]; then
		echo "ok manuals.$1"
		return 0
	fi
	echo "not ok manuals.$1"
	printf '%s\n' "$problems" | sed 's/^/# /'
	return 1
}

# same WHAT LIST LIST: the words of two lists that are in one of them alone; an empty list is a mistake of this file.
same() {
	local left right
	left=$(tr -s ' \t\n' '\n' <<<"$2" | sed '/^$/d' | sort -u)
	right=$(tr -s ' \t\n' '\n' <<<"$3" | sed '/^$/d' | sort -u)
	[ -n "$left" ] || echo "$1: nothing was found"
	comm -23 <(echo "$left") <(echo "$right") | sed "/^$/d; s/\$/ is not in $1/"
	comm -13 <(echo "$left") <(echo "$right") | sed "/^$/d; s/\$/ is in $1 alone/"
}

# The text of a page, each paragraph one line, without marks.
text_of() {
	mandoc -T utf8 -O width=900 "$BUILD/man/$1" | col -bx
}

# named PAGE WORD...: words that are not in the page's text.
named() {
	local page=$1 text word
	shift
	[ $# -gt 0 ] || echo "$page: nothing was found"
	text=$(text_of "$page")
	for word in "$@"; do
		grep -qE -- "(^|[^A-Za-z0-9_/-])$word([^A-Za-z0-9_-]|$)" <<<"$text" ||
			echo "$word is not in $page"
	done
}

# section PAGE NAME: its source.
section() {
	awk -v name="# $2" '/^# / {there = $0 == name; next} there' "doc/$1.scd"
}

# What the literals of C source are on standard input.
literals() {
	grep -oE '"([^"\\]|\\.)*"' | sed 's/^"//; s/"$//'
}

verbs() {
	"$CLOISTER" --help | sed -n 's/^  \([a-z]*\)  *[a-z].*/\1/p'
}

# options_of TEXT: without --help, which all have.
options_of() {
	grep -oE -- '--[a-z][a-z-]*' <<<"$1" | grep -vx -- --help | sort -u
}

keys() {
	"$CLOISTER" run --help | sed -n '/^KEY/,$p' | sed 's/^KEY.*://'
}

test_keys() {
	local documented word
	documented=$(awk '/^\*[a-z_]+\*(, \*[a-z_]+\*)* = / {print substr($0, 1, index($0, " =") - 1)}' doc/cloister.conf.5.scd | tr -d '*,')
	result keys "$(same 'cloister.conf(5)' "$(keys)" "$documented")
$(same 'the completion' "$(keys)" "$(sed -n "/local keys='/,/'\$/p" conf/completion.bash | sed "s/.*keys=//; s/'//g")")
$(for word in diff plan reset; do
		same "cloister $word --help" "$(keys)" "$("$CLOISTER" "$word" --help | sed -n '/^KEY/,$p' | sed 's/^KEY.*://')"
	done)"
}

# The words that a key takes, such as "overlay | tmpfs".
test_values() {
	local key values word problems=''
	while IFS='|' read -r key values; do
		for word in $(tr '|' '\n' <<<"$values" | grep -xE ' *[a-z]+(:NAME)? *'); do
			case $word in text | names | max) continue ;; esac
			grep -E "^\*$key\*" doc/cloister.conf.5.scd | grep -qE "\*${word%NAME}\*" || problems+="$key: $word"$'\n'
		done
	done < <(sed -n '/^const struct cloister_key cloister_keys/,/^}/s/^\t{"\([a-z_]*\)", "\([^"]*\)".*/\1|\2/p' lib/policy_keys.c)
	result values "$problems"
}

# The verbs of `cloister image` have one --help. Four arguments more are too many for each, so that nothing is done.
options_of_image_verbs() {
	local word option own answer
	for word in import ls rm; do
		own=$(options_of "$(section cloister.8 SYNOPSIS | grep -F "*cloister image $word*")")
		same "the synopsis of image $word" "$(options_of "$("$CLOISTER" image --help | grep -F "cloister image $word ")") ." "$own ."
		for option in $1; do
			answer=$("$CLOISTER" image "$word" "$option" 1 2 3 4 2>&1 </dev/null)
			if grep -qx -- "$option" <<<"$own"; then
				grep -q '^cloister: image: not understood' <<<"$answer" || echo "image $word does not take $option: $answer"
			else
				grep -q "^image: unrecognized option '$option'" <<<"$answer" || echo "image $word takes $option, and --help does not say so"
			fi
		done
	done
}

# Each verb's --help, the synopsis of its manual, and the program.
test_options() {
	local verb option help all problems=''
	all=$(for verb in $(verbs); do options_of "$("$CLOISTER" "$verb" --help)"; done | sort -u)
	for verb in $(verbs); do
		help=$("$CLOISTER" "$verb" --help)
		problems+=$(same "the synopsis of $verb" "$(options_of "$help") ." \
			"$(options_of "$(section cloister.8 SYNOPSIS | grep -F "*cloister $verb")") .")$'\n'
		if [ "$verb" = image ]; then
			problems+=$(options_of_image_verbs "$all")$'\n'
			continue
		fi
		for option in $all; do
			options_of "$help" | grep -qx -- "$option" && continue
			"$CLOISTER" "$verb" "$option" 2>&1 </dev/null | grep -qE "^usage: cloister $verb" ||
				problems+="$verb takes $option, and --help does not say so"$'\n'
		done
	done
	problems+=$(same 'OPTIONS of cloister(8)' "$all" "$(options_of "$(section cloister.8 OPTIONS | grep -E '^\*--')")")$'\n'
	# Those that the tables of getopt_long(3) have.
	problems+=$(same 'the --help of any verb' "$(cat cli/*.c image/*.c | grep -oE '\{"[a-z-]+", (no|required)_argument' | literals | sed 's/^/--/' | grep -vx -- --help)" "$all")$'\n'
	problems+=$(same 'the synopsis of cloister' "$(options_of "$("$CLOISTER" --help)")" \
		"$(options_of "$(section cloister.8 SYNOPSIS | grep '^\*cloister\* ')")")
	result options "$problems"
}

test_verbs() {
	result verbs "$(same 'VERBS of cloister(8)' "$(verbs)" "$(section cloister.8 VERBS | sed -n 's/^\*\([a-z]*\).*\*$/\1/p')")
$(same 'the synopsis' "$(verbs)" "$(section cloister.8 SYNOPSIS | sed -n 's/^\*cloister \([a-z]*\).*/\1/p')")
$(same 'the completion' "$(verbs)" "$(sed -n '/^_cloister_verbs/,/^}/p' conf/completion.bash | grep -F 'run |' | tr -d '|)')")
$(same 'the README' "$(verbs)" "$(sed -n 's/^| cloister | \(.*\) | |$/\1/p' README.md | tr -d '`,')")"
}

test_options_of_cloister_sh() {
	local code help
	code=$(grep -oE 'strcmp\(argv\[1\], "--[a-z]+"\)' shell/main.c | literals)
	help=$("$BUILD/cloister-sh" --help)
	result options_of_cloister_sh "$(same 'cloister-sh --help' "$code" "$(grep -oE -- '--[a-z]+' <<<"$help")")
$(same 'cloister-sh(1)' "$code" "$(section cloister-sh.1 SYNOPSIS | grep -oE -- '--[a-z]+')")"
}

test_arguments_of_the_module() {
	local code
	code=$(sed -n '/^static int parse_arguments/,/^}/p' pam_module/pam_cloister.c | grep -E 'strn?cmp\(argv' | literals | sed 's,/$,,')
	result arguments_of_the_module "$(same 'OPTIONS of pam_cloister(8)' "$code" "$(section pam_cloister.8 OPTIONS | sed -n 's/^\*\([a-z=]*\)\*.*/\1/p')")
$(same 'the synopsis' "$code" "$(section pam_cloister.8 SYNOPSIS | grep -oE '\[\*[a-z=]+' | tr -d '[*')")
$(same 'cloister check' "$code" "$(sed -n '/unknown_argument/,/^}/p' cli/check_pam.c | grep -oE 'str(n)?cmp\(word, "[a-z=/]+"' | literals | sed 's,/$,,')")"
}

# variables FILE...: names that the source reads, sets or passes on: literals of capitals in files that have to do with the
# environment.
variables() {
	local files
	files=$(grep -lE '\b(getenv|secure_getenv|setenv|unsetenv|putenv|clearenv|pam_getenv|pam_putenv|environ|environment)\b' "$@")
	# shellcheck disable=SC2086
	cat $files | literals | grep -E '^[A-Z][A-Z0-9_]{2,}(=.*)?$' | sed 's/=.*//' | sort -u
}

test_variables() {
	local words problems
	mapfile -t words < <(variables pam_module/*.c)
	problems=$(named pam_cloister.8 "${words[@]}")$'\n'
	mapfile -t words < <(variables shell/*.c lib/*.c)
	problems+=$(named cloister-sh.1 "${words[@]}")$'\n'
	mapfile -t words < <(variables cli/*.c)
	problems+=$(named cloister.8 "${words[@]}")$'\n'
	# The other way round, for what is in capitals under ENVIRONMENT as a term.
	problems+=$(comm -23 <({ section cloister.8 ENVIRONMENT; section cloister-sh.1 ENVIRONMENT; } | sed -n 's/^\*\([A-Z_]*\)\*$/\1/p' | sort -u) \
		<(variables lib/*.c shell/*.c cli/*.c) | sed 's/$/ is documented, and not in the source/')
	result variables "$problems"
}

# statuses FILE...: numbers that it exits with, or that a macro has for it.
statuses() {
	grep -hoE 'return +12[0-9]|FAILED +[0-9]+|\? (0 : [1-9]|[1-9] : 0);' "$@" | grep -oE '[1-9][0-9]*' | sort -u
}

test_exit_statuses() {
	local status verb problems=''
	for status in $(statuses cli/cli.h cli/check.c cli/doctor.c image/main.c lib/run.c); do
		section cloister.8 'EXIT STATUS' | grep -qw "$status" || problems+="$status is not in cloister(8)"$'\n'
	done
	for status in $(statuses shell/main.c); do
		section cloister-sh.1 'EXIT STATUS' | grep -qw "$status" || problems+="$status is not in cloister-sh(1)"$'\n'
		"$BUILD/cloister-sh" --help | grep -qw "$status" || problems+="$status is not in cloister-sh --help"$'\n'
	done
	for verb in $(verbs); do
		section cloister.8 'EXIT STATUS' | grep -qE "^\*(.*\*, \*)?$verb\*" || problems+="$verb has none in cloister(8)"$'\n'
		"$CLOISTER" "$verb" --help | grep -q '^Exit status: .*125' || problems+="$verb has none in --help"$'\n'
	done
	for status in $(sed -n '/^PAM_EXTERN\|^int pam_sm\|^static int/,/^}/p' pam_module/*.c | grep -oE 'return [^;]*' | grep -oE '\bPAM_[A-Z_]+' | sort -u); do
		section pam_cloister.8 'RETURN VALUES' | grep -qx "$status" || problems+="$status is not in pam_cloister(8)"$'\n'
	done
	result exit_statuses "$problems"
}

# Paths of ours that are compiled in. %s and %U stand for something else.
test_files() {
	local text path problems=''
	text=$(for path in "$BUILD"/man/*; do text_of "$(basename "$path")"; done)
	for path in $(strings -a "$BUILD"/pam_cloister.so "$BUILD"/cloister "$BUILD"/cloister-sh "$BUILD"/cloister-init "$BUILD"/cloister-image "$BUILD"/cloister-not-isolated |
		grep -E '^/[a-z]+/[A-Za-z0-9._/%-]*cloister[A-Za-z0-9._/%-]*$' | sed 's,/%.*,,' | sort -u); do
		grep -qE "(^|[^A-Za-z0-9_/-])$path([^A-Za-z0-9_-]|$)" <<<"$text" || problems+="$path is in no page"$'\n'
	done
	for path in pam_cloister.so cloister cloister-sh cloister-init cloister-image cloister-not-isolated; do
		grep -qw -- "$path" <<<"$text" || problems+="$path is in no page"$'\n'
	done
	result files "$problems"
}

# The words of "what" that cloister check --json has.
test_what_a_finding_is_about() {
	local code
	code=$(tr -d '\n' <<<"$(cat cli/check*.c)" | grep -oE 'cli_find(_error)?\([^;"]*"[a-z]+"' | literals | sort -u)
	# check_bind gives the name of a row's kind.
	result what_a_finding_is_about "$(same 'MONITORING' "$code bind home" "$(section cloister.8 MONITORING | grep '^The words of' | sed 's/^[^:]*: //; s/([^)]*)//g' | grep -oE '\*[a-z]+\*' | tr -d '*')")"
}

test_metrics() {
	local code
	mapfile -t code < <(sed -n '/^} metrics/,/^};/p' cli/ls_prometheus.c | sed -n 's/^\t{"\([a-z_]*\)".*/\1/p')
	# When the oldest session of all began is not printed.
	result metrics "$(same 'METRICS' "$(printf 'cloister_%s\n' "${code[@]}" | grep -v oldest) $(printf 'cloister_user_%s\n' "${code[@]}") cloister_users cloister_build_info" \
		"$(section cloister.8 METRICS | grep '^\*cloister_' | tr -d '*,')")"
}

run_plain_tests "$@"
