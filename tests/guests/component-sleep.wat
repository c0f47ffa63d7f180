;; The inside of a component that waits in the host: each call sleeps for a minute, or prints and ends itself where the
;; batch has two records.
;; fault, timeout: "took longer than 100ms"; fault, trap: "the guest ended itself with exit code 1: no luck"
(module
  (import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $subscribe (param i64) (result i32)))
  (import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))
  (import "wasi:cli/exit@0.2.0" "exit" (func $exit (param i32)))
  (import "wasi:cli/stderr@0.2.0" "get-stderr" (func $stderr (result i32)))
  (import "wasi:io/streams@0.2.0" "[method]output-stream.write" (func $write (param i32 i32 i32 i32)))
  (memory (export "memory") 17)
  (data (i32.const 16) "\nno luck\n")
  (global $next (mut i32) (i32.const 0x10000))
  (func (export "cabi_realloc") (param i32 i32) (param $align i32) (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
    (global.set $next (i32.add (local.get $at) (local.get $size)))
    (local.get $at))
  (func (export "edgemill:transform/transformer@1.0.0#configure") (param i32 i32) (result i32) (i32.const 4096))
  (func (export "edgemill:transform/transformer@1.0.0#transform") (param $batch i32) (result i32)
    (if (i32.eq (i32.load offset=16 (local.get $batch)) (i32.const 2))
      (then
        (call $write (call $stderr) (i32.const 16) (i32.const 9) (i32.const 8192))
        (call $exit (i32.const 1))))
    (call $block (call $subscribe (i64.const 60000000000)))
    (i32.const 4096)))
