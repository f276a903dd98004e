#!/usr/bin/env bash
# Each fenced block of a page (docs/HANDLERS.md, docs/PRODUCERS.md) does what the page says. What is to be done with a block
# stands in the comment right above it:
#   run: REGEX          a command; it ends well and prints a line that matches
#   syntax: REGEX       a command of Redis with words in capitals, for which there are some here
#   worker: TYPE...     it starts a worker that does jobs of these types
#   rota.yaml: TYPE...  the same as a configuration file
#   in a handler: TEXT  commands of a handler, which say TEXT on the control channel
#   frames: PART        what a handler that lives on says (hello), is sent (job) and answers (done)
#   file: PATH          the file as it is in the source folder, where another test runs it
# In docs/HANDLERS.md each control line of the table is said by a handler, too.
# examples.sh PAGE SOURCE_FOLDER BIN_FOLDER
set -euo pipefail

page=$(realpath "$1")
source_dir=$(realpath "$2")
# shellcheck source=tests/support/shell.sh
. "$(dirname "$0")/../support/shell.sh" examples "$3"

# shellcheck disable=SC2016 # another shell expands them
# What stands in /app on the page stands here in $dir/app.
make_programs() {
  mkdir "$dir/app"
  printf '#!/bin/sh\necho "thumbnail $*"\n' >"$dir/app/thumbnail"
  printf '#!/bin/sh\necho "other $ROTA_TYPE"\n' >"$dir/app/other"
  printf '#!/bin/sh\necho "mail: $(cat)"\n' >"$dir/app/send-mail"
  ln -s "$source_dir/examples/pool/words.sh" "$dir/app/words"
  chmod +x "$dir"/app/*
  printf 'one two' >"$dir/words"
}

# What becomes of the payload "one two".
result_of() {
  case $1 in
  wc) echo 2 ;;
  thumbnail) echo 'thumbnail --size 200' ;;
  words) echo '{"words":2}' ;;
  mail) echo 'mail: one two' ;;
  *) echo "other $1" ;;
  esac
}

# with_worker TYPE... -- COMMAND...: the command is a worker; it does a job of each type.
with_worker() {
  local types=() type result
  while [ "$1" != -- ]; do
    types+=("$1")
    shift
  done
  start worker "${@:2}"
  for type in "${types[@]}"; do
    result=$(rota push acme "$type" 'one two' --wait --wait-timeout 20s 2>"$dir/push.log") || true
    [ "$result" = "$(result_of "$type")" ] || fail "a job of $type ends with: $result; $(tail -n 3 "$dir/push.log" "$dir/worker.log")"
  done
  stop "$started" TERM || fail "the worker did not end well: $(tail -n 5 "$dir/worker.log")"
}

try_worker() { # TYPES TEXT
  local types
  read -ra types <<<"$1"
  with_worker "${types[@]}" -- bash -c "exec ${2//\/app\//$dir/app/}"
}

try_file() { # TYPES TEXT
  local types
  read -ra types <<<"$1"
  printf '%s\n' "${2//\/app\//$dir/app/}" >rota.yaml
  rota config check >/dev/null || fail "this is no configuration: $2"
  with_worker "${types[@]}" -- rota-worker
  rm rota.yaml
}

# said_by_handler COMMAND: what it says on the control channel, in one run
said_by_handler() {
  local said
  said=$(rota handler test t --on "t=$1" </dev/null 2>&1) || fail "$1: $said"
  sed -n '/^control/,/^[a-z]* *(/p' <<<"$said"
}

try_in_handler() { # TEXT COMMANDS
  local said
  said=$(said_by_handler "$2")
  if [ "$(grep -cF -- "$1" <<<"$said")" != "$(wc -l <<<"$2")" ] || [[ $said == *refused* ]]; then fail "$2 says: $said"; fi
}

# ---- frames ----

declare -A frames=()

# A handler that says what stands on the page, word by word, to a job like that of the page.
try_frames() {
  local pair wanted
  readarray -t done_frames <<<"${frames[done]}"
  cat >"$dir/app/talks" <<SH
#!/bin/sh
printf '%s\n' '${frames[hello]}' >&3
read -r job <&3 && printf '%s\n' "\$job" >'$dir/first'
printf '%s\n' '${done_frames[0]}' >&3
read -r job <&3
printf '%s\n' '${done_frames[1]}' >&3
cat <&3 >/dev/null
SH
  chmod +x "$dir/app/talks"
  printf 'handlers: {words: {mode: pool, command: [%s]}}\n' "$dir/app/talks" >rota.yaml
  wanted=$(grep -oE '"id":"[^"]*"' <<<"${frames[job]}" | cut -d '"' -f 4)
  start worker rota-worker
  run_block "rota push ${wanted%/*} words 'one two' --id ${wanted#*/} --wait --wait-timeout 20s" '^\{"words":2\}$'
  for pair in $(grep -oE '"[a-z_]+":("[^" ]*"|[0-9]+)' <<<"${frames[job]}") '"payload":"one two"'; do
    grep -qF -- "$pair" "$dir/first" || fail "the frame of a job has no $pair: $(cat "$dir/first")"
  done
  rota job delete -q "$wanted" --yes >/dev/null
  rota push -q "${wanted%/*}" words 'one two' --id "${wanted#*/}" >/dev/null
  wait_for '"state": *"scheduled"' rota job show "$wanted" --json
  rota job show "$wanted" --json | grep -q '"error": *"[^"]*busy' || fail "no error: $(rota job show "$wanted" --json)"
  stop "$started" TERM || fail "the worker did not end well: $(tail -n 5 "$dir/worker.log")"
  rm rota.yaml
}

# ---- the table of control lines ----

# shellcheck disable=SC2016 # backticks of Markdown
try_control_lines() {
  local line said lines=0
  while IFS= read -r line; do
    said=$(said_by_handler "printf '%s\\n' '$line' >&3")
    [[ $said == *'{"op":'* && $said != *refused* ]] || fail "the line $line is not understood: $said"
    lines=$((lines + 1))
  done < <(sed -nE 's/^\| `(\{"op":.*\})` \| .*/\1/p' "$page")
  [ $lines -ge 8 ] || fail "only $lines control lines were found"
}

# ---- syntax ----

# shellcheck disable=SC2086 # it is words
try_syntax() { # REGEX TEXT
  local line=$2
  line=${line/\[FIELD VALUE\].../key order-1}
  line=${line/ORG ID RECORD \[*/ORG order-2 \'\"\\x94\\xa2wc\\xce\\x01\\x02\\x03\\x04\\xc0\\xa4four\"\'}
  line=${line//\{K\}/\{0\}}
  line=${line/ORG/acme}
  line=${line/TYPE/wc}
  line=${line/BYTES/four}
  run_block "set -f; redis-cli --quoted-input $line" "$1"
}

# ---- all ----

make_programs
start_redis
start_scheduler
cd "$dir"
redis-cli XADD rota:inbox '*' org acme payload hello >/dev/null # has no type
wait_for '^entry$' redis-cli XRANGE rota:rejected - +
read_page "$page"
for i in "${!block_text[@]}"; do
  mark=${block_mark[i]} text=${block_text[i]}
  case $mark in
  'run: '*) run_block "$text" "${mark#*: }" ;;
  'syntax: '*) try_syntax "${mark#*: }" "$text" ;;
  'worker: '*) try_worker "${mark#*: }" "$text" ;;
  'rota.yaml: '*) try_file "${mark#*: }" "$text" ;;
  'in a handler: '*) try_in_handler "${mark#*: }" "$text" ;;
  'frames: '*) frames[${mark#*: }]=$text ;;
  'file: '*) [ "$text" = "$(cat "$source_dir/${mark#*: }")" ] || fail "line ${block_line[i]}: that is not ${mark#*: }" ;;
  *) fail "no mark stands above the block in line ${block_line[i]}" ;;
  esac
done
[ ${#frames[@]} -eq 0 ] || try_frames
[ "$(basename "$page")" != HANDLERS.md ] || try_control_lines
[ ${#block_text[@]} -ge 10 ] || fail "only ${#block_text[@]} blocks were found"
verdict "${#block_text[@]} blocks: as $(basename "$page") says"
