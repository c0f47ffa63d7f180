# archive.sh - for get-*.sh, which source it: a server's class-data archive, since loading classes costs each start several seconds.

# write_archive ARCHIVE SECONDS WORDS COMMAND... - starts a server by COMMAND and stops it once it has printed WORDS, for which it has so long:
# that writes the archive, if its Java was told to. What it prints goes to $run/log.
write_archive() {
  local archive=$1 seconds=$2 words=$3 server
  "${@:4}" >"$run/log" 2>&1 9>&- &
  server=$!
  for _ in $(seq $((seconds * 10))); do
    grep -q "$words" "$run/log" && break
    kill -0 $server 2>/dev/null || { tail -20 "$run/log" >&2; exit 1; }
    sleep 0.1
  done
  kill $server && wait $server || true
  [ -f "$archive" ] || { tail -20 "$run/log" >&2; exit 1; }
}
