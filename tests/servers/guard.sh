#!/usr/bin/env bash
# guard.sh - ends what a test process started, however that process ended. It reads lines on standard input until they end:
#   + PID  a process that was started      - PID  one that was waited for      / DIR  a folder to remove at the end
trap '' INT TERM HUP
declare -A pids dirs
while read -r sign what; do
  case $sign in
    +) pids[$what]=1 ;;
    -) unset "pids[$what]" ;;
    /) dirs[$what]=1 ;;
  esac
done
[ ${#pids[@]} = 0 ] || kill -KILL "${!pids[@]}" 2>/dev/null
[ ${#dirs[@]} = 0 ] || rm -rf "${!dirs[@]}" || { sleep 1; rm -rf "${!dirs[@]}"; }
