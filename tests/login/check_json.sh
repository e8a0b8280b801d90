#!/bin/bash
# cloister check --json: the findings of the text, for a monitoring system.
set -u
. "$(dirname -- "$0")/../lib/cases.sh"

CLOISTER=$HOST_BUILD/cloister

# check ARGUMENT...: CODE; the document is in $CASE_STATE/json.
check() {
	CODE=0
	"$CLOISTER" check --json --config "$HOST_CONF" "$@" >"$CASE_STATE/json" 2>"$CASE_STATE/errors" || CODE=$?
	want "beside the document" "" "$(cat "$CASE_STATE/errors")"
}

# document EXPRESSION: D is the document, F its findings that are no "ok" and not about services by which nobody logs in.
document() {
	python3 -c '
import json, sys
D = json.load(open(sys.argv[1], encoding="utf-8"))
F = [f for f in D["findings"] if f["severity"] != "ok" and f["what"] != "services"]
print(eval(sys.argv[2]))' "$CASE_STATE/json" "$1"
}

# same_as_text ARGUMENT...: what the text says, and its exit status, is what the document says.
same_as_text() {
	local text code=0
	text=$("$CLOISTER" check --config "$HOST_CONF" "$@") || code=$?
	check "$@"
	want "exit status" "$code" "$CODE"
	want "findings" "$(grep -E '^(ok|note|warning|error): ' <<<"$text")" \
		"$(document "'\\n'.join(f['severity'] + ': ' + f['text'] for f in D['findings'])")"
	want "what belongs to them" "$(grep '^ ' <<<"$text" | sed 's/^ *//')" \
		"$(document "'\\n'.join(l.strip() for f in D['findings'] for l in f['details'] + (f['advice'] or '').splitlines())")"
	want "sums" "$(tail -n 1 <<<"$text" | cut -d' ' -f1) $(grep -c '^warning: ' <<<"$text")" \
		"$(document "'%d %d' % (D['errors'], D['warnings'])")"
}

test_nothing_is_wrong() {
	same_as_text iris
	want "exit status" 0 "$CODE"
	want "users" "['iris']" "$(document "D['users']")"
	want "findings" "[]" "$(document F)"
	want "that it was looked at" "[('iris', 'user', 'iris is isolated')]" \
		"$(document "[(f['user'], f['what'], f['text']) for f in D['findings'] if f['what'] == 'user']")"
	same_as_text nora
	same_as_text
	want "nobody" "[]" "$(document "D['users']")"
}

test_each_finding_says_whom_what_and_where() {
	sed -i '/pam_cloister/d' /etc/pam.d/sshd
	isolate iris 'rootfs = /srv/nowhere'
	same_as_text iris ivan
	want "exit status" 1 "$CODE"
	want "users" "['iris', 'ivan']" "$(document "D['users']")"
	want "the error" "[('iris', 'rootfs', '/srv/nowhere')]" \
		"$(document "[(f['user'], f['what'], f['where']) for f in F if f['severity'] == 'error']")"
	want "the warning" "[(None, 'pam', '/etc/pam.d/sshd')]" \
		"$(document "[(f['user'], f['what'], f['where']) for f in F if f['severity'] == 'warning']")"
	want_match "what to do" 'session +required +pam_cloister.so' "$(document "F[-1]['advice']")"
	# A line of the configuration.
	isolate iris 'colour = red'
	same_as_text iris
	want "the error" "[('configuration', '$HOST_CONF:3')]" \
		"$(document "[(f['what'], f['where']) for f in F if f['user'] is None and f['severity'] == 'error']")"
	rm "$HOST_CONF"
	same_as_text nobody_of_that_name
	want "exit status" 1 "$CODE"
}

test_advice_of_several_lines() {
	local service
	for service in sshd login su su-l; do
		sed -i '/pam_cloister/d' "/etc/pam.d/$service"
	done
	sed -i "s,^\(iris:.*:\)[^:]*$,\1$HOST_BUILD/cloister-sh," /etc/passwd
	same_as_text iris
	want "lines for sshd_config" "Subsystem sftp /usr/lib/openssh/sftp-server|Match User iris|    DisableForwarding yes" \
		"$(document "[f['advice'] for f in F if f['what'] == 'sshd'][0]" | paste -sd'|')"
}

test_details() {
	local tree=/opt/rootfs/busybox
	rootfs_make "$tree"
	mkdir -m 0777 "$tree/srv"
	(umask 0 && echo old >"$tree/srv/file")
	isolate iris "rootfs = $tree"
	on_to_its_end iris 'echo mine >>/srv/file'
	echo newer >"$tree/srv/file.new"
	mv "$tree/srv/file.new" "$tree/srv/file"
	same_as_text iris
	want "the file" "['C /srv/file']" "$(document "[f['details'] for f in F if f['what'] == 'overlay'][0]")"
	want_match "what to do" 'cloister reset iris' "$(document "[f['advice'] for f in F if f['what'] == 'overlay'][0]")"
}

# A path may be any bytes; the document is UTF-8 nevertheless.
test_bytes_that_are_no_text() {
	isolate iris $'rootfs = /srv/caf\xe9'
	check iris
	want "exit status" 1 "$CODE"
	want "where" "/srv/caf?" "$(PYTHONIOENCODING=utf-8 document "[f['where'] for f in F if f['user'] == 'iris'][0]")"
}

test_what_is_not_understood_is_no_document() {
	local status=0
	"$CLOISTER" check --json --frobnicate iris >"$CASE_STATE/json" 2>/dev/null || status=$?
	want "exit status" 125 "$status"
	want "output" 0 "$(stat -c %s "$CASE_STATE/json")"
	want "a full disk" 125 "$(status sh -c "exec >/dev/full; exec $CLOISTER check --json iris")"
}

run_cases "$@"
